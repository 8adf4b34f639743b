//! Building a batch.

use super::prints::packed;
use super::{Header, MAP_HELD, MAP_SKIPPED, NONE, Row, TraceRef};
use crate::time::nanoseconds;
use crate::wire;
use bytes::Bytes;
use counterfoil_digest::Print;
use counterfoil_judge::{Digest, Interval, StoreOutcome};

/// Bytes of an encoded sample besides its prints, at most.
const SAMPLE_OVERHEAD_BYTES: usize = 16;

/// Collects events into columns.
#[derive(Default)]
pub struct BatchBuilder {
    columns: wire::Batch,
    keys: Vec<u8>,
    digests: Vec<u8>,
    flags: Vec<u8>,
    trace_ids: Vec<u8>,
    span_ids: Vec<u8>,
    field_prints: Vec<u8>,
    /// Of all samples together.
    sample_bytes: usize,
    /// Events and key bytes of the batch before: the next one is taken to be as large.
    before: (usize, usize),
}

impl BatchBuilder {
    /// How many events it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.flags.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.flags.is_empty()
    }

    /// About how many bytes the batch would have.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let fields = self.columns.field_counts.len() + self.field_prints.len();
        self.keys.len()
            + self.trace_ids.len()
            + self.span_ids.len()
            + fields
            + self.sample_bytes
            + self.len() * 60
    }

    /// The index of a map's name in the dictionary, which it enters if it is new.
    pub fn map(&mut self, name: &str) -> usize {
        enter(&mut self.columns.maps, name)
    }

    /// The index of a cohort in the dictionary, which it enters if it is new.
    pub fn cohort(&mut self, cohort: &str) -> usize {
        enter(&mut self.columns.cohorts, cohort)
    }

    /// Adds an event.
    pub fn push(&mut self, row: &Row<'_>) {
        let before = self.len();
        if before == 0 {
            self.reserve();
        }
        let (store, outcome) = match row.legs.store {
            None => (None, 0),
            Some((leg, StoreOutcome::Ok)) => (Some(leg), 1),
            Some((leg, StoreOutcome::Failed)) => (Some(leg), 2),
            Some((leg, StoreOutcome::Unknown)) => (Some(leg), 3),
        };
        let skipped = if row.legs.map.is_none() { MAP_SKIPPED } else { 0 };
        self.flags.push(outcome | skipped | if row.held { MAP_HELD } else { 0 });
        self.keys.extend_from_slice(row.key);
        self.digests.extend_from_slice(&row.digest.0);
        let columns = &mut self.columns;
        columns.key_lengths.push(narrow(row.key.len()));
        let (begin, end) = ends(row.legs.map);
        columns.map_begin_ns.push(begin);
        columns.map_end_ns.push(end);
        let store = store.map(|leg| ends(Some(leg)));
        sparse(&mut columns.store_begin_ns, before, store.map(|leg| leg.0), 0);
        sparse(&mut columns.store_end_ns, before, store.map(|leg| leg.1), 0);
        sparse(&mut columns.map_order, before, row.map_order, NONE);
        sparse(&mut columns.versions, before, row.version, NONE);
        sparse(&mut columns.map_index, before, (row.map > 0).then(|| narrow(row.map)), 0);
        sparse(&mut columns.cohort_index, before, row.cohort.map(|index| narrow(index + 1)), 0);
        let field_count = (!row.prints.is_empty()).then(|| narrow(row.prints.len()));
        sparse(&mut columns.field_counts, before, field_count, 0);
        self.field_prints.extend(packed(row.prints));
        if row.trace.is_some() && self.trace_ids.is_empty() {
            self.trace_ids.resize(before * 16, 0);
            self.span_ids.resize(before * 8, 0);
        }
        if row.trace.is_some() || !self.trace_ids.is_empty() {
            let trace = row.trace.unwrap_or(TraceRef { trace_id: [0; 16], span_id: [0; 8] });
            self.trace_ids.extend_from_slice(&trace.trace_id);
            self.span_ids.extend_from_slice(&trace.span_id);
        }
    }

    /// Adds the spellings of the value of the event that was added last, which there must be.
    pub fn sample(&mut self, spellings: &[Print]) {
        let row = narrow(self.len().saturating_sub(1));
        let prints: Bytes = packed(spellings).collect();
        self.sample_bytes += prints.len() + SAMPLE_OVERHEAD_BYTES;
        self.columns.samples.push(wire::Sample { row, prints });
    }

    /// Makes room for a batch as large as the one before, in the columns that every batch has.
    fn reserve(&mut self) {
        let (events, key_bytes) = self.before;
        self.keys.reserve(key_bytes);
        self.digests.reserve(events * size_of::<Digest>());
        self.flags.reserve(events);
        let columns = &mut self.columns;
        columns.key_lengths.reserve(events);
        columns.map_begin_ns.reserve(events);
        columns.map_end_ns.reserve(events);
    }

    /// The batch, with `header`; the builder is empty afterwards.
    pub fn finish(&mut self, header: Header) -> wire::Batch {
        if !self.is_empty() {
            self.before = (self.len(), self.keys.len());
        }
        let mut batch = std::mem::take(&mut self.columns);
        batch.count = narrow(self.len());
        batch.keys = Bytes::from(std::mem::take(&mut self.keys));
        batch.digests = Bytes::from(std::mem::take(&mut self.digests));
        batch.flags = Bytes::from(std::mem::take(&mut self.flags));
        batch.trace_ids = Bytes::from(std::mem::take(&mut self.trace_ids));
        batch.span_ids = Bytes::from(std::mem::take(&mut self.span_ids));
        batch.field_prints = Bytes::from(std::mem::take(&mut self.field_prints));
        self.sample_bytes = 0;
        batch.service = header.service;
        batch.instance = header.instance;
        batch.epoch = header.epoch;
        batch.clock = Some((&header.clock).into());
        batch.first_seq = header.first_seq;
        batch.watermark_ns = nanoseconds(header.watermark);
        batch.losses = header.losses.into_iter().map(Into::into).collect();
        batch.snapshots = header.snapshots.into_iter().map(Into::into).collect();
        batch.bye = header.bye;
        batch.previous_mac = header.previous_mac;
        batch.issued_seq = header.issued;
        batch
    }
}

fn enter(names: &mut Vec<String>, name: &str) -> usize {
    names.iter().position(|known| known == name).unwrap_or_else(|| {
        names.push(name.to_owned());
        names.len() - 1
    })
}

/// Puts an entry into a column that stays empty until an event has something to put there.
fn sparse<T: Copy>(column: &mut Vec<T>, before: usize, entry: Option<T>, none: T) {
    if entry.is_some() && column.is_empty() {
        column.resize(before, none);
    }
    if entry.is_some() || !column.is_empty() {
        column.push(entry.unwrap_or(none));
    }
}

fn ends(leg: Option<Interval>) -> (u64, u64) {
    leg.map_or((0, 0), |leg| (nanoseconds(leg.begin), nanoseconds(leg.end)))
}

/// Lengths and indexes in a batch are bounded by the frame limit, far below 4 GiB.
fn narrow(length: usize) -> u32 {
    u32::try_from(length).unwrap_or(u32::MAX)
}
