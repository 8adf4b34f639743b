//! Batches by columns: built by the sidecar, opened by the comparator.
//!
//! A column either has an entry for each event or, where no event has the thing, none at all. [`BatchBuilder`] and
//! [`Columns`] are each other's inverse; [`Columns`] checks every length before a row is looked at.

mod builder;
mod columns;
mod prints;

pub use builder::BatchBuilder;
pub use columns::{BatchError, Columns};
pub use prints::Sample;

use crate::loss::Loss;
use crate::snapshot::Snapshot;
use bytes::Bytes;
use counterfoil_clock::Domain;
use counterfoil_digest::Print;
use counterfoil_judge::{Digest, Reported, Time};

/// Stands for "none" in the columns of map order and version.
const NONE: u64 = u64::MAX;

const STORE_MASK: u8 = 0b011;
const MAP_SKIPPED: u8 = 0b100;
const MAP_HELD: u8 = 0b1000;

/// The OpenTelemetry span a write happened in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct TraceRef {
    /// W3C trace id.
    pub trace_id: [u8; 16],
    /// W3C span id.
    pub span_id: [u8; 8],
}

/// One event of a batch.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row<'a> {
    /// Index of the map's name in the batch's dictionary.
    pub map: usize,
    /// The key.
    pub key: &'a [u8],
    /// Digest of the value.
    pub digest: Digest,
    /// The legs, in the source's clock.
    pub legs: Reported,
    /// Nobody saw the write: the map held its value at some instant of the map leg.
    pub held: bool,
    /// Position in the map's own order.
    pub map_order: Option<u64>,
    /// Version of the write.
    pub version: Option<u64>,
    /// The span the write happened in.
    pub trace: Option<TraceRef>,
    /// Index of the cohort in the batch's dictionary.
    pub cohort: Option<usize>,
    /// The prints of its value's fields, in no order; none where they do not travel.
    pub prints: &'a [Print],
}

impl<'a> Row<'a> {
    /// An event of which no more is told than this.
    #[must_use]
    pub fn new(map: usize, key: &'a [u8], digest: Digest, legs: Reported) -> Self {
        Self {
            map,
            key,
            digest,
            legs,
            held: false,
            map_order: None,
            version: None,
            trace: None,
            cohort: None,
            prints: &[],
        }
    }
}

/// What a batch says besides its events.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    /// The service the source belongs to.
    pub service: String,
    /// The process among those of the service.
    pub instance: String,
    /// Grows each time the process starts over.
    pub epoch: u64,
    /// The clock of all times in the batch.
    pub clock: Domain,
    /// Sequence number of the first event.
    pub first_seq: u64,
    /// Everything begun before this was reported, in this batch or an earlier one.
    pub watermark: Time,
    /// Sequence numbers known to be lost, before `first_seq`.
    pub losses: Vec<Loss>,
    /// Snapshots that are complete with this batch and those before it.
    pub snapshots: Vec<Snapshot>,
    /// No more batches of this source follow.
    pub bye: bool,
    /// The code of the source's previous batch from the same sidecar process.
    pub previous_mac: Bytes,
    /// The next number that the source itself will use, as it said last; 0 if it has not said.
    pub issued: u64,
}

#[cfg(test)]
mod tests;
