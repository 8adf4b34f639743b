//! What the comparator has written down.

use super::row::{DivergenceId, State};
use counterfoil_digest::Differing;
use counterfoil_judge::Digest;

/// A step in the life of a divergence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Transition {
    /// A disagreement was seen.
    Opened(Box<Opened>),
    /// It outlived its deadline.
    Confirmed {
        /// Which.
        id: DivergenceId,
        /// Wall-clock time, nanoseconds since 1970.
        at_unix_ns: i64,
        /// In which fields the two sides differ; `None` leaves what was known when it was opened.
        fields: Option<Box<Differing>>,
    },
    /// The two sides agree again, or a later write took its place.
    Resolved {
        /// Which.
        id: DivergenceId,
        /// Wall-clock time, nanoseconds since 1970.
        at_unix_ns: i64,
        /// By what, such as `agreed` or `superseded`.
        how: &'static str,
    },
}

impl Transition {
    /// Which divergence it is about.
    pub(super) fn id(&self) -> DivergenceId {
        match self {
            Self::Opened(opened) => opened.id,
            Self::Confirmed { id, .. } | Self::Resolved { id, .. } => *id,
        }
    }

    /// The state it leads to, by name.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Opened(_) => State::Opened.as_str(),
            Self::Confirmed { .. } => State::Confirmed.as_str(),
            Self::Resolved { .. } => State::Resolved.as_str(),
        }
    }
}

/// A divergence that came into another state, and stands so in the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Turned {
    /// Its name.
    pub id: DivergenceId,
    /// The map.
    pub map: String,
    /// The store; `None` in what an older version wrote: the map's first one.
    pub store: Option<String>,
    /// The verdict.
    pub kind: String,
    /// The state: `opened`, `confirmed` or `resolved`.
    pub turn: &'static str,
    /// The trace in which the write was made.
    pub trace_id: Option<[u8; 16]>,
}

impl From<Opened> for Transition {
    fn from(opened: Opened) -> Self {
        Self::Opened(Box::new(opened))
    }
}

/// All that is known when a divergence is opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Opened {
    /// Its name.
    pub id: DivergenceId,
    /// The map.
    pub map: String,
    /// The store that differs from it.
    pub store: Option<String>,
    /// The key.
    pub key: Vec<u8>,
    /// The verdict: `missing`, `stale`, `resurrected`, `inverted`, `foreign`, `corrupt`, `partial`.
    pub kind: &'static str,
    /// The source of the write that should have shown: service, instance and epoch, separated by `/`.
    pub source: String,
    /// The sequence number of that write in its source.
    pub seq: u64,
    /// Wall-clock time, nanoseconds since 1970, for display.
    pub opened_at_unix_ns: i64,
    /// What the store was seen to hold.
    pub store_digest: Digest,
    /// What it should hold.
    pub map_digest: Digest,
    /// For `stale`: how many acknowledged writes the store is behind.
    pub stale_versions: Option<u32>,
    /// For `stale`: how long the store has been behind at least, in nanoseconds.
    pub stale_at_least_ns: Option<i64>,
    /// When the write ended, in nanoseconds of the comparator's timeline.
    pub write_ended_ns: Option<i64>,
    /// How long after that the disagreement was seen, in nanoseconds.
    pub seen_after_ns: Option<i64>,
    /// The trace in which the write was made.
    pub trace_id: Option<[u8; 16]>,
    /// In which fields the two sides differ, where it is known.
    pub fields: Option<Box<Differing>>,
}

/// How far a store was gone through for rows that no map knows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScanPlace {
    /// The map.
    pub map: String,
    /// The store.
    pub store: String,
    /// Where the next page begins; `None` at the begin of a round.
    pub after: Option<Vec<u8>>,
}
