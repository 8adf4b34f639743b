//! An event on its way to the writer thread, and how it becomes a message.

use crate::losses::{Lost, Reason};
use bytes::Bytes;
use counterfoil_digest::{bucket, key_hash};
use counterfoil_judge::{Interval, Reported, StoreOutcome, Time};
use counterfoil_proto::{TraceRef, nanoseconds, wire::emit};
use std::sync::Arc;

/// What a write did to its key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Change<'a> {
    /// The key got this value.
    Put(&'a [u8]),
    /// The key has no value any more.
    Remove,
}

/// A write whose intervals the caller took by itself; see [`MapEmitter::emit`](crate::MapEmitter::emit).
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The key.
    pub key: &'a [u8],
    /// What the write did to it.
    pub change: Change<'a>,
    /// Both legs, in this process's `CLOCK_BOOTTIME`. A report without a map leg needs a store leg that is not
    /// `Failed`; otherwise nothing happened and nothing is emitted.
    pub legs: Reported,
    /// Position in the map's own order, if it was taken under the map's lock.
    pub map_order: Option<u64>,
    /// A version that grows with each write of the key.
    pub version: Option<u64>,
}

/// The key and the value of a write, copied.
#[derive(Debug)]
pub(crate) struct Content {
    pub(crate) key: Vec<u8>,
    /// `None` for a remove.
    pub(crate) value: Option<Vec<u8>>,
}

impl Content {
    pub(crate) fn value(&self) -> &[u8] {
        self.value.as_deref().unwrap_or_default()
    }
}

/// One write that is over.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) map: Arc<str>,
    pub(crate) content: Content,
    pub(crate) legs: Reported,
    pub(crate) marks: Marks,
}

/// What else is known of a write.
#[derive(Debug, Default)]
pub(crate) struct Marks {
    pub(crate) map_order: Option<u64>,
    pub(crate) version: Option<u64>,
    /// Nothing was written: the map held the value.
    pub(crate) held: bool,
    pub(crate) trace: Option<TraceRef>,
    /// `key=value`.
    pub(crate) cohort: Option<Box<str>>,
}

impl Event {
    /// About how much memory it takes while it waits.
    pub(crate) fn bytes(&self) -> usize {
        let cohort = self.marks.cohort.as_ref().map_or(0, |cohort| cohort.len());
        size_of::<Self>() + self.content.key.len() + self.content.value().len() + cohort
    }

    /// What is declared if it is lost.
    pub(crate) fn lost(&self, reason: Reason) -> Lost {
        Lost { reason, bucket: bucket(key_hash(&self.map, &self.content.key)), during: span(&self.legs) }
    }

    /// The message, with indexes into the dictionaries of its frame.
    pub(crate) fn into_wire(self, map: u32, cohort: u32) -> emit::Event {
        let op = if self.content.value.is_some() { emit::Op::Put } else { emit::Op::Remove };
        let (map_outcome, map_leg) = match self.legs.map {
            Some(leg) if self.marks.held => (emit::MapOutcome::Held, ends(leg)),
            Some(leg) => (emit::MapOutcome::Done, ends(leg)),
            None => (emit::MapOutcome::Skipped, (0, 0)),
        };
        let (store_outcome, store_leg) = match self.legs.store {
            Some((leg, outcome)) => (wire_outcome(outcome), ends(leg)),
            None => (emit::StoreOutcome::Unspecified, (0, 0)),
        };
        let trace = self.marks.trace;
        emit::Event {
            map,
            op: op.into(),
            key: Bytes::from(self.content.key),
            value: Bytes::from(self.content.value.unwrap_or_default()),
            map_outcome: map_outcome.into(),
            map_begin_ns: map_leg.0,
            map_end_ns: map_leg.1,
            store_outcome: store_outcome.into(),
            store_begin_ns: store_leg.0,
            store_end_ns: store_leg.1,
            map_order: self.marks.map_order,
            version: self.marks.version,
            trace_id: trace.map_or_else(Bytes::new, |trace| Bytes::copy_from_slice(&trace.trace_id)),
            span_id: trace.map_or_else(Bytes::new, |trace| Bytes::copy_from_slice(&trace.span_id)),
            cohort,
        }
    }
}

/// Whether a write with these legs did anything that needs to be told.
pub(crate) fn happened(legs: &Reported) -> bool {
    legs.map.is_some() || matches!(legs.store, Some((_, StoreOutcome::Ok | StoreOutcome::Unknown)))
}

/// From the first begin to the last end. A store leg of unknown outcome has not ended: the write may still land.
pub(crate) fn span(legs: &Reported) -> Interval {
    let store = legs.store.map(|(leg, outcome)| match outcome {
        StoreOutcome::Unknown => Interval::new(leg.begin, Time::MAX),
        StoreOutcome::Ok | StoreOutcome::Failed => leg,
    });
    match (legs.map, store) {
        (Some(map), Some(store)) => map.hull(store),
        (Some(leg), None) | (None, Some(leg)) => leg,
        (None, None) => Interval::new(Time(0), Time(0)),
    }
}

/// The ends of a leg that there is: on the wire 0 stands for none.
fn ends(leg: Interval) -> (u64, u64) {
    (nanoseconds(leg.begin).max(1), nanoseconds(leg.end).max(1))
}

fn wire_outcome(outcome: StoreOutcome) -> emit::StoreOutcome {
    match outcome {
        StoreOutcome::Ok => emit::StoreOutcome::Ok,
        StoreOutcome::Failed => emit::StoreOutcome::Failed,
        StoreOutcome::Unknown => emit::StoreOutcome::Unknown,
    }
}
