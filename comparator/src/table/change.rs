//! What changes a table, and what has to be done after it.

use super::Calibration;
use crate::contract::MapId;
use bytes::Bytes;
use counterfoil_judge::{Digest, Divergence, Interval, Outcome, Reason, Time, Verdict, Write, WriteId};
use counterfoil_keys::KeyNumber;
use counterfoil_proto::TraceRef;

/// One event on its way into the table.
pub struct Arrival<'a> {
    /// The map's contract.
    pub map: MapId,
    /// [`counterfoil_digest::key_hash`] of map and key.
    pub hash: u64,
    /// The key.
    pub key: &'a [u8],
    /// The deployment key that the write's digest is under.
    pub digested_under: KeyNumber,
    /// The write, in the comparator's timeline.
    pub write: Write,
    /// The span it happened in.
    pub trace: Option<TraceRef>,
}

/// A divergence that was open when the comparator was started over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unresolved {
    /// The map.
    pub map: MapId,
    /// The key.
    pub key: Vec<u8>,
    /// What it was.
    pub divergence: Divergence,
}

/// Names a key in the table while a probe of it is under way.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Probe {
    pub(super) shard: u32,
    pub(super) slot: u32,
    pub(super) digested_under: KeyNumber,
    /// Since when it was due when it was taken.
    pub due: Time,
    /// The key to look up.
    pub key: Bytes,
}

impl Probe {
    /// The deployment key that what is found is to be digested under, to be compared.
    #[must_use]
    pub fn digested_under(&self) -> KeyNumber {
        self.digested_under
    }
}

/// What a probe saw.
#[derive(Clone, Debug)]
pub struct Observed {
    /// The probe.
    pub probe: Probe,
    /// When it looked, in the comparator's timeline.
    pub at: Interval,
    /// What it saw, or why it saw nothing.
    pub seen: Result<Seen, Reason>,
}

/// What the store held for a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seen {
    /// Digest of the value.
    pub digest: Digest,
    /// The version beside it, if the lookup gives one.
    pub version: Option<u64>,
}

impl Observed {
    pub(super) fn shard(&self) -> usize {
        usize::try_from(self.probe.shard).unwrap_or(0)
    }
}

/// What changes a table.
pub enum Change<'a> {
    /// Events came in. Those that are not pending had their outcome before: they are what is known of the key, no more.
    Writes(Vec<Arrival<'a>>),
    /// Divergences are to be looked at that were open before.
    Reopen(Vec<Unresolved>),
    /// The store was looked at; what it held is judged once every live source's watermark has passed that.
    Looked(&'a [Observed]),
    /// Every live source's watermark has passed these observations: they are judged.
    Observed(Vec<Observed>),
}

/// An event that ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ended {
    /// Its map.
    pub map: MapId,
    /// Its name.
    pub id: WriteId,
    /// How it ended.
    pub outcome: Outcome,
    /// It told of a value that the map held, not of a write: how long that took to show says nothing.
    pub held: bool,
    /// The span it happened in.
    pub trace: Option<TraceRef>,
}

/// What happened to a divergence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Turn {
    /// It was seen.
    Opened,
    /// It outlived the deadline.
    Confirmed,
    /// The two sides agree again, or a later write took its place.
    Resolved(&'static str),
}

/// A divergence that was opened, confirmed or resolved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Turned {
    /// The map.
    pub map: MapId,
    /// The key.
    pub key: Bytes,
    /// What it is.
    pub divergence: Divergence,
    /// What the store held.
    pub found: Digest,
    /// What happened.
    pub turn: Turn,
    /// The span of the write that should have shown.
    pub trace: Option<TraceRef>,
    /// When the store was looked at.
    pub at: Interval,
}

/// What has to be done after a change.
#[derive(Default, Debug)]
pub struct Effects {
    /// How many events were accepted, by map.
    pub accepted: Vec<(MapId, u64)>,
    /// Events that ended.
    pub ended: Vec<Ended>,
    /// Verdicts that were given.
    pub verdicts: Vec<(MapId, Verdict)>,
    /// What happened to divergences, in order.
    pub turned: Vec<Turned>,
    /// How often the writes of a key had to be merged.
    pub merged: u64,
    /// What became known of the form in which the two sides of a check write values.
    pub calibrated: Vec<(MapId, Calibration)>,
}
