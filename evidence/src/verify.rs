//! Verifying a bundle: in the order in which it may be believed.

use crate::BUNDLE_BYTES_MAX;
use crate::dsse::{Envelope, Opened};
use crate::history::Write;
use crate::id::{divergence_id, key_id};
use crate::predicate::{Batch, Predicate};
use crate::statement::{PAYLOAD_TYPE, PREDICATE_TYPE, STATEMENT_TYPE, Statement, Subject};
use crate::text::Hex;
use crate::verdict::{ReplayError, WriteName};
use counterfoil_judge::LIVE_WRITES_MAX;
use counterfoil_keys::Purpose;
use serde::Deserialize;
use thiserror::Error;

/// Most writes that are named one by one: those that a history keeps, and the one that should have shown.
const WRITES_NAMED_MAX: usize = LIVE_WRITES_MAX + 1;

/// Whose signatures count.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Trust {
    /// Public keys.
    pub keys: Vec<[u8; 32]>,
    /// Ids of public keys: the key itself is taken from the bundle.
    pub key_ids: Vec<Hex<16>>,
    /// Whatever key a bundle names itself: it then proves that it was not changed since somebody signed it, not who did.
    pub embedded: bool,
}

/// A bundle that holds.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verified {
    /// What it says.
    pub predicate: Predicate,
    /// The id of the key that it is signed under.
    pub key_id: Hex<16>,
}

/// Why a bundle does not hold.
#[derive(Debug, Error)]
pub enum Refusal {
    /// It is larger than any bundle.
    #[error("has more than {BUNDLE_BYTES_MAX} bytes, and no bundle has")]
    Size,
    /// It is not an envelope.
    #[error("is no envelope with a signature: {0}")]
    Envelope(#[source] serde_json::Error),
    /// Its signature does not hold under a key that is trusted.
    #[error("its signature holds under no key that is trusted")]
    Signature,
    /// The envelope names another key than that of its signature.
    #[error("names another key than the one it is signed under, {0}")]
    KeyId(Hex<16>),
    /// It holds something else than a statement.
    #[error("holds `{0}`, not {PAYLOAD_TYPE}")]
    PayloadType(String),
    /// Its statement cannot be read.
    #[error("its statement cannot be read: {0}")]
    Statement(#[source] serde_json::Error),
    /// The statement is of another type, or another version.
    #[error("is a statement of type `{0}`; this program knows {STATEMENT_TYPE} with {PREDICATE_TYPE}")]
    Type(String),
    /// Two parts of it contradict each other.
    #[error("contradicts itself: {0}")]
    Contradiction(&'static str),
    /// The signature of a batch does not hold.
    #[error("the signature of the batch of source {source_number} from number {first_seq} on does not hold")]
    Batch {
        /// The source.
        source_number: u32,
        /// The number of the batch's first event.
        first_seq: u64,
    },
    /// It is not judged as it says.
    #[error(transparent)]
    Replay(#[from] ReplayError),
}

/// What `bytes` says, if its signature holds under a key of `trust`, its parts fit each other, the signatures of its batches hold, and
/// its read is judged again as it says.
///
/// # Errors
///
/// [`Refusal`].
pub fn verify(bytes: &[u8], trust: &Trust) -> Result<Verified, Refusal> {
    let Opened { payload, payload_type, public, keyid } = open(bytes, trust)?;
    let id = key_id(&public);
    if keyid.is_none_or(|keyid| keyid != id.to_string()) {
        return Err(Refusal::KeyId(id));
    }
    if payload_type != PAYLOAD_TYPE {
        return Err(Refusal::PayloadType(payload_type));
    }
    let predicate = predicate(&payload)?;
    fits_itself(&predicate, &public).map_err(Refusal::Contradiction)?;
    predicate.batches.iter().try_for_each(check_batch)?;
    predicate.replay()?;
    Ok(Verified { predicate, key_id: id })
}

fn open(bytes: &[u8], trust: &Trust) -> Result<Opened, Refusal> {
    if bytes.len() > BUNDLE_BYTES_MAX {
        return Err(Refusal::Size);
    }
    let envelope: Envelope = serde_json::from_slice(bytes).map_err(Refusal::Envelope)?;
    let named = trust.embedded || !trust.key_ids.is_empty();
    let named = named.then(|| embedded(&envelope)).flatten();
    let named = named.filter(|public| trust.embedded || trust.key_ids.contains(&key_id(public)));
    let keys: Vec<_> = trust.keys.iter().copied().chain(named).collect();
    envelope.open(&keys).ok_or(Refusal::Signature)
}

/// The key that a bundle names itself. Nothing is proved of it yet.
fn embedded(envelope: &Envelope) -> Option<[u8; 32]> {
    #[derive(Deserialize)]
    struct Statement {
        predicate: Predicate,
    }
    #[derive(Deserialize)]
    struct Predicate {
        written: Written,
    }
    #[derive(Deserialize)]
    struct Written {
        public_key: Hex<32>,
    }
    let statement: Statement = serde_json::from_slice(&envelope.unproved()?).ok()?;
    Some(statement.predicate.written.public_key.0)
}

fn predicate(payload: &[u8]) -> Result<Predicate, Refusal> {
    /// What says how the rest is to be read.
    #[derive(Deserialize)]
    struct Types {
        #[serde(rename = "_type")]
        statement: String,
        #[serde(rename = "predicateType")]
        predicate: String,
    }
    let types: Types = serde_json::from_slice(payload).map_err(Refusal::Statement)?;
    for (found, known) in [(types.statement, STATEMENT_TYPE), (types.predicate, PREDICATE_TYPE)] {
        if found != known {
            return Err(Refusal::Type(found));
        }
    }
    let statement: Statement<'_> = serde_json::from_slice(payload).map_err(Refusal::Statement)?;
    let predicate = statement.predicate.into_owned();
    if statement.subject != [Subject::of(&predicate)] {
        return Err(Refusal::Contradiction("its subject is not the divergence and key of its predicate"));
    }
    Ok(predicate)
}

/// Whether the parts fit each other; if not, which do not.
fn fits_itself(predicate: &Predicate, public: &[u8; 32]) -> Result<(), &'static str> {
    let Predicate { contract, verdict, sources, named_source, .. } = predicate;
    let check = |holds: bool, what| if holds { Ok(()) } else { Err(what) };
    let is_bounded = predicate.batches.len().max(predicate.unsigned.len()) <= WRITES_NAMED_MAX;
    check(is_bounded, "there are more batches or unsigned writes than a history has writes")?;
    check(predicate.written.public_key.0 == *public, "written.public_key is not the key it is signed under")?;
    let store = (!contract.store_is_reported).then_some(&*contract.store);
    let id = divergence_id(&contract.map, &predicate.key.0, named_source, store, verdict.named.seq.0);
    check(
        predicate.divergence == Hex(id),
        "the divergence's id is not that of its map, key, store and write",
    )?;
    check(verdict.confirmed, "its verdict is not confirmed")?;
    let named = sources.iter().find(|source| source.number == verdict.named.source);
    let is_named = named.is_none_or(|source| source.name == *named_source);
    check(is_named, "named_source is not the source of the write that is named")?;
    let mut numbers: Vec<_> = sources.iter().map(|source| source.number).collect();
    numbers.sort_unstable();
    check(numbers.is_sorted_by(|one, next| one < next), "two sources have the same number")?;
    let accounted = predicate.writes_named().all(|write| predicate.accounts_for(write));
    check(accounted, "a write has neither a batch nor a reason why there is none")
}

fn check_batch(batch: &Batch) -> Result<(), Refusal> {
    let Batch { mac, signer, signature, .. } = batch;
    match counterfoil_keys::verify(&signer.0, Purpose::Batch, &mac.0, &signature.0) {
        true => Ok(()),
        false => Err(Refusal::Batch { source_number: batch.source, first_seq: batch.first_seq.0 }),
    }
}

impl Predicate {
    /// The writes that are named one by one: those that are kept, and the one that should have shown.
    pub fn writes_named(&self) -> impl Iterator<Item = WriteName> {
        let kept = self.history.writes.iter().map(|write: &Write| write.id);
        kept.chain([self.verdict.named])
    }

    fn accounts_for(&self, write: WriteName) -> bool {
        self.batches.iter().any(|batch| batch.has(write)) || self.unsigned.iter().any(|it| it.write == write)
    }
}
