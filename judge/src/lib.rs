//! What is true: the rule by which one observation of a store is judged against the writes to a key.
//!
//! Pure: no clock, no I/O, no `async`, no dependency. The caller brings the writes ([`Write`], made from what was
//! [`Reported`] under the [`Terms`] of a contract), keeps them in a [`History`] per key, and hands in each
//! [`Observation`] once every live source's watermark has passed it. [`judge`] says what it proves, [`settle`] which
//! events end with it.
//!
//! # Invariants
//!
//! - No false alarm: as long as the intervals contain the instants they bound, and whatever was lost is declared
//!   through [`History::blind_until`], nothing possible is called divergent.
//! - Widening an interval can lose a detection, never invent one.
//! - Each event ends exactly once.

mod group;
mod history;
mod kept;
mod kind;
mod past;
mod rule;
mod set;
mod settle;
mod survey;
mod time;
mod verdict;
mod write;

pub use group::Group;
pub use history::{
    DROPPED_WRITES_MAX, DROPPED_WRITES_MIN, GROUPS_MAX, History, HistoryImage, ImageError, LIVE_WRITES_MAX,
    LastRead, MERGED_DIGESTS_MAX, Still,
};
pub use past::{Fingerprint, Mark, Past};
pub use rule::judge;
pub use settle::{give_up, settle};
pub use time::{Interval, Time};
pub use verdict::{Divergence, Judgement, Kind, Legality, Observation, Outcome, Reason, Shed, Verdict};
/// The version of the rule: another one may judge otherwise.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

pub use write::{Digest, Reported, Scope, StoreLeg, StoreOutcome, Terms, Write, WriteId};
