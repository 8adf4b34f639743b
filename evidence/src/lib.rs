//! Evidence: a confirmed divergence with everything that anyone needs to judge it again, signed.
//!
//! ```text
//! envelope (DSSE v1, Ed25519) ─▶ statement (in-toto v1, canonical JSON) ─▶ predicate: contract, history, read, verdict
//! ```
//!
//! A comparator [`seal`]s a [`Predicate`]; whoever has the bundle and the comparator's public key [`verify`]s it: the signature,
//! that the parts fit each other, the signatures of the batches that are named, and that the judge, given the history and the
//! read that stand in it, gives the verdict that stands in it.
//!
//! # Format
//!
//! A bundle is a JSON object, the envelope: `payloadType` `application/vnd.in-toto+json`, `payload` the statement in base 64, and
//! one signature with the id of its key ([`key_id`]). The statement is JSON in the form of RFC 8785, so the same facts are the
//! same bytes. Its subject is the divergence: its id as the name, and the BLAKE3 hash of the key as the digest. Its predicate is a
//! [`Predicate`]. Numbers that may exceed 2^53, instants and durations among them, are written as text, bytes as hexadecimal
//! digits, keys and documents in base 64; a value has one spelling.
//!
//! # Invariants
//!
//! - What is refused has one reason, and nothing of a bundle is believed before its signature holds under a key that is trusted.
//! - A field that is not known is refused: it may be one that the verdict depends on.
//! - Whatever bytes are given, nothing panics, and memory is bounded by [`BUNDLE_BYTES_MAX`].
//! - No value stands in a bundle, only digests of values. The key does.

mod bundle;
mod dsse;
mod history;
mod id;
mod predicate;
mod statement;
mod text;
mod verdict;
mod verify;

pub use bundle::{SealError, seal};
pub use history::{DueMark, Group, History, Interval, LastRead, Mark, Past, Still, StoreLeg, Trace, Write};
pub use id::{divergence_id, key_id};
pub use predicate::{
    Batch, Clock, Contract, Predicate, Read, Source, Unavailable, Unsigned, Written, WrittenScope,
};
pub use statement::{PREDICATE_TYPE, STATEMENT_TYPE};
pub use text::{Base64, Digest, Hex, Instant, Nanoseconds, Number, Print};
pub use verdict::{ReplayError, Verdict, WriteName};
pub use verify::{Refusal, Trust, Verified, verify};

/// The largest bundle that is read, in bytes. The largest history, in its JSON and base 64, takes an eighth of it.
pub const BUNDLE_BYTES_MAX: usize = 8 << 20;

/// What bundles are over HTTP.
pub const MEDIA_TYPE: &str = "application/vnd.dsse.envelope.v1+json";
