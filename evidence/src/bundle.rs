//! Making a bundle.

use crate::dsse::Envelope;
use crate::predicate::Predicate;
use crate::statement::{PAYLOAD_TYPE, Statement};
use counterfoil_keys::SigningKey;
use thiserror::Error;

/// What is said cannot be written as JSON.
#[derive(Debug, Error)]
#[error("evidence cannot be written: {0}")]
pub struct SealError(#[from] serde_json::Error);

/// The bundle of what `predicate` says, signed under `key`: the same bytes from the same facts.
///
/// # Errors
///
/// [`SealError`], which no predicate that can be made brings about.
pub fn seal(predicate: &Predicate, key: &SigningKey) -> Result<Vec<u8>, SealError> {
    let payload = serde_json_canonicalizer::to_vec(&Statement::of(predicate))?;
    Ok(serde_json::to_vec(&Envelope::seal(PAYLOAD_TYPE, &payload, key))?)
}
