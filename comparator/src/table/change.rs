//! What changes a table, and what has to be done after it.

use super::{Calibration, Captured};
use crate::contract::{Cohort, MapId};
use bytes::Bytes;
use counterfoil_digest::{Differing, Hint, Print};
use counterfoil_judge::{
    Digest, Divergence, Interval, Observation, Outcome, Reason, Time, Verdict, Write, WriteId,
};
use counterfoil_keys::KeyNumber;
use counterfoil_proto::TraceRef;
use std::sync::Arc;

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
    /// What is told along with its outcome.
    pub marks: Marks,
    /// The prints of its value's fields; empty where the map's side does not tell them.
    pub prints: &'a [Print],
    /// The spellings of its value, which few writes tell; empty for the others.
    pub spellings: &'a [Print],
}

/// What an event has that no verdict depends on, and that is told along with its outcome.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Marks {
    /// The span it happened in.
    pub trace: Option<TraceRef>,
    /// Its cohort, if its contract names that.
    pub cohort: Option<Cohort>,
}

/// Prints of a write's value: they say where another value differs from it, without either.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Printed {
    /// The write.
    pub id: WriteId,
    /// The digest of its value. A value that has it differs nowhere.
    pub digest: Digest,
    /// The prints: of its fields, or its spellings.
    pub prints: Box<[Print]>,
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
    /// Since when it was due when it was taken.
    pub due: Time,
    /// The key to look up.
    pub key: Bytes,
    /// Whether it is to be looked up once more at once, to learn whether the store says the same twice.
    pub is_read_twice: bool,
    /// What the value that is found is held against.
    pub against: Against,
}

/// What is known of the values that a key may have, to be held against the one that is found.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Against {
    /// The deployment key that what is found is to be digested under.
    pub digested_under: KeyNumber,
    /// The fields of the key's newest write, if they are known and the read may confirm that the store differs from it.
    pub fields: Option<Arc<Printed>>,
    /// The spellings of a write to the key, until it is known whether the values of its check have the same form.
    pub spellings: Option<Arc<Printed>>,
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
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    /// Digest of the value.
    pub digest: Digest,
    /// The version beside it, if the lookup gives one.
    pub version: Option<u64>,
    /// Where the value differs from those whose prints the probe had along; `None` if it had none, or from none.
    pub apart: Option<Box<Apart>>,
}

/// Where the value in the store differs from those whose prints a probe had along.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Apart {
    /// From the one of [`Against::fields`].
    pub fields: Option<Differing>,
    /// From the one of [`Against::spellings`], and the rules under which it would not.
    pub hints: Option<Vec<Hint>>,
}

impl Seen {
    /// A value of which no more is known than its digest.
    #[must_use]
    pub const fn new(digest: Digest, version: Option<u64>) -> Self {
        Self { digest, version, apart: None }
    }
}

impl Observed {
    /// The read as the judge sees it, or why it tells nothing.
    pub(super) fn read(&self) -> Result<Observation, Reason> {
        let seen = self.seen.as_ref().map_err(|reason| *reason)?;
        Ok(Observation { at: self.at, digest: seen.digest, version: seen.version })
    }

    /// Where the value differs from that of the write `id`, if its prints were along.
    pub(super) fn fields_of(&self, id: WriteId) -> Option<&Differing> {
        self.probe.against.fields.as_ref().filter(|printed| printed.id == id)?;
        self.apart()?.fields.as_ref()
    }

    /// The rules under which the value would not differ from that of the write `id`, if its spellings were along.
    pub(super) fn hints_of(&self, id: WriteId) -> Option<&[Hint]> {
        self.probe.against.spellings.as_ref().filter(|printed| printed.id == id)?;
        self.apart()?.hints.as_deref()
    }

    fn apart(&self) -> Option<&Apart> {
        self.seen.as_ref().ok()?.apart.as_deref()
    }

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
    /// What it came with.
    pub marks: Marks,
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
    /// In which fields the two sides differ, where this look told.
    pub fields: Option<Box<Differing>>,
    /// What it was judged from, where it was confirmed and the table captures that.
    pub captured: Option<Box<Captured>>,
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
