//! The statement: what a bundle is about, as in-toto v1 has it.

use crate::predicate::Predicate;
use crate::text::Hex;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// The type of statements.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";

/// The type of predicates: this format, and what its fields mean.
pub const PREDICATE_TYPE: &str = "https://counterfoil.dev/evidence/v1";

/// What the envelope holds.
pub(crate) const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// A statement.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Statement<'a> {
    #[serde(rename = "_type")]
    pub(crate) statement_type: Cow<'a, str>,
    /// One.
    pub(crate) subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    pub(crate) predicate_type: Cow<'a, str>,
    pub(crate) predicate: Cow<'a, Predicate>,
}

/// The divergence: its id, and the key that it is about.
#[derive(PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Subject {
    name: String,
    digest: KeyHash,
}

#[derive(PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyHash {
    blake3: Hex<32>,
}

impl Subject {
    /// What a predicate is about.
    pub(crate) fn of(predicate: &Predicate) -> Self {
        let blake3 = Hex(*blake3::hash(&predicate.key.0).as_bytes());
        Self { name: predicate.divergence.to_string(), digest: KeyHash { blake3 } }
    }
}

impl<'a> Statement<'a> {
    /// The statement of a predicate.
    pub(crate) fn of(predicate: &'a Predicate) -> Self {
        Self {
            statement_type: Cow::Borrowed(STATEMENT_TYPE),
            subject: vec![Subject::of(predicate)],
            predicate_type: Cow::Borrowed(PREDICATE_TYPE),
            predicate: Cow::Borrowed(predicate),
        }
    }
}
