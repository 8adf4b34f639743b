//! Batches by columns: built by the sidecar, opened by the comparator.
//!
//! A column either has an entry for each event or, where no event has the thing, none at all. [`BatchBuilder`] and
//! [`Columns`] are each other's inverse; [`Columns`] checks every length before a row is looked at.

use crate::loss::{Loss, LossError, nanoseconds, time};
use crate::wire;
use bytes::Bytes;
use counterfoil_clock::Domain;
use counterfoil_judge::{Digest, Interval, Reported, StoreOutcome, Time};
use thiserror::Error;

/// Stands for "none" in the columns of map order and version.
const NONE: u64 = u64::MAX;

const STORE_MASK: u8 = 0b011;
const MAP_SKIPPED: u8 = 0b100;

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
    /// Position in the map's own order.
    pub map_order: Option<u64>,
    /// Version of the write.
    pub version: Option<u64>,
    /// The span the write happened in.
    pub trace: Option<TraceRef>,
    /// Index of the cohort in the batch's dictionary.
    pub cohort: Option<usize>,
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
    /// No more batches of this source follow.
    pub bye: bool,
    /// The code of the source's previous batch from the same sidecar process.
    pub previous_mac: Bytes,
}

/// Collects events into columns.
#[derive(Default)]
pub struct BatchBuilder {
    columns: wire::Batch,
    keys: Vec<u8>,
    digests: Vec<u8>,
    flags: Vec<u8>,
    trace_ids: Vec<u8>,
    span_ids: Vec<u8>,
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
        self.keys.len() + self.trace_ids.len() + self.span_ids.len() + self.len() * 60
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
        self.flags.push(outcome | if row.legs.map.is_none() { MAP_SKIPPED } else { 0 });
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
        batch.service = header.service;
        batch.instance = header.instance;
        batch.epoch = header.epoch;
        batch.clock = Some((&header.clock).into());
        batch.first_seq = header.first_seq;
        batch.watermark_ns = nanoseconds(header.watermark);
        batch.losses = header.losses.into_iter().map(Into::into).collect();
        batch.bye = header.bye;
        batch.previous_mac = header.previous_mac;
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

/// A batch whose columns do not fit together.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum BatchError {
    /// A column has a wrong number of entries.
    #[error("column {column} has {entries} entries for {count} events")]
    Column {
        /// Its name.
        column: &'static str,
        /// How many it has.
        entries: usize,
        /// How many events the batch has.
        count: usize,
    },
    /// The key lengths do not add up to the bytes of the keys.
    #[error("key_lengths add up to {sum} bytes, keys has {bytes}")]
    Keys {
        /// Sum of the lengths.
        sum: u64,
        /// Bytes there are.
        bytes: usize,
    },
    /// An index points outside its dictionary.
    #[error("column {column} points to entry {index} of a dictionary of {entries}")]
    Index {
        /// The column.
        column: &'static str,
        /// What it points to.
        index: usize,
        /// Entries there are.
        entries: usize,
    },
    /// The sequence numbers pass 2^64.
    #[error("first_seq {0} leaves no room for the batch's events")]
    Sequence(u64),
    /// The clock is missing.
    #[error("clock is not set")]
    Clock,
    /// The source is not named.
    #[error("{0} is empty")]
    Source(&'static str),
    /// A loss record is malformed.
    #[error(transparent)]
    Loss(#[from] LossError),
}

/// A batch whose columns were checked to fit together.
pub struct Columns {
    header: Header,
    maps: Vec<String>,
    cohorts: Vec<String>,
    batch: wire::Batch,
}

impl Columns {
    /// What the batch says besides its events.
    #[must_use]
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The dictionary of map names.
    #[must_use]
    pub fn maps(&self) -> &[String] {
        &self.maps
    }

    /// The dictionary of cohorts.
    #[must_use]
    pub fn cohorts(&self) -> &[String] {
        &self.cohorts
    }

    /// How many events it holds.
    #[must_use]
    pub fn len(&self) -> usize {
        self.batch.flags.len()
    }

    /// Whether it holds none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.batch.flags.is_empty()
    }

    /// The events in order, each with its sequence number.
    pub fn rows(&self) -> impl Iterator<Item = (u64, Row<'_>)> {
        let mut keys = &self.batch.keys[..];
        self.batch.flags.iter().enumerate().zip(self.header.first_seq..).map(move |((at, &flags), seq)| {
            let batch = &self.batch;
            let length = batch.key_lengths.get(at).map_or(0, |&length| length as usize);
            let (key, rest) = keys.split_at_checked(length).unwrap_or((keys, &[]));
            keys = rest;
            let row = Row {
                map: batch.map_index.get(at).map_or(0, |&index| index as usize),
                key,
                digest: Digest(cell(&batch.digests, at).unwrap_or_default()),
                legs: Reported {
                    map: (flags & MAP_SKIPPED == 0).then(|| leg(&batch.map_begin_ns, &batch.map_end_ns, at)),
                    store: match flags & STORE_MASK {
                        1 => Some(StoreOutcome::Ok),
                        2 => Some(StoreOutcome::Failed),
                        3 => Some(StoreOutcome::Unknown),
                        _ => None,
                    }
                    .map(|outcome| (leg(&batch.store_begin_ns, &batch.store_end_ns, at), outcome)),
                },
                map_order: batch.map_order.get(at).copied().filter(|&order| order != NONE),
                version: batch.versions.get(at).copied().filter(|&version| version != NONE),
                trace: cell(&batch.trace_ids, at)
                    .zip(cell(&batch.span_ids, at))
                    .filter(|(trace_id, _)| *trace_id != [0; 16])
                    .map(|(trace_id, span_id)| TraceRef { trace_id, span_id }),
                cohort: batch.cohort_index.get(at).and_then(|&index| (index as usize).checked_sub(1)),
            };
            (seq, row)
        })
    }
}

fn cell<const N: usize>(column: &[u8], at: usize) -> Option<[u8; N]> {
    column.get(at * N..(at + 1) * N).and_then(|cell| cell.try_into().ok())
}

fn leg(begins: &[u64], ends: &[u64], at: usize) -> Interval {
    let end_of = |column: &[u64]| time(column.get(at).copied().unwrap_or_default());
    Interval::new(end_of(begins), end_of(ends))
}

impl TryFrom<wire::Batch> for Columns {
    type Error = BatchError;

    fn try_from(mut batch: wire::Batch) -> Result<Self, BatchError> {
        check_lengths(&batch)?;
        check_index("map_index", batch.map_index.iter().map(|&index| index as usize), batch.maps.len())?;
        if !batch.flags.is_empty() && batch.maps.is_empty() {
            return Err(BatchError::Index { column: "map_index", index: 0, entries: 0 });
        }
        let cohorts = batch.cohort_index.iter().filter_map(|&index| (index as usize).checked_sub(1));
        check_index("cohort_index", cohorts, batch.cohorts.len())?;
        for (name, part) in [("service", &batch.service), ("instance", &batch.instance)] {
            if part.is_empty() {
                return Err(BatchError::Source(name));
            }
        }
        if batch.first_seq.checked_add(u64::from(batch.count)).is_none() {
            return Err(BatchError::Sequence(batch.first_seq));
        }
        let losses = std::mem::take(&mut batch.losses).into_iter().map(Loss::try_from);
        let header = Header {
            service: std::mem::take(&mut batch.service),
            instance: std::mem::take(&mut batch.instance),
            epoch: batch.epoch,
            clock: batch.clock.take().ok_or(BatchError::Clock)?.into(),
            first_seq: batch.first_seq,
            watermark: time(batch.watermark_ns),
            losses: losses.collect::<Result<_, _>>()?,
            bye: batch.bye,
            previous_mac: std::mem::take(&mut batch.previous_mac),
        };
        let (maps, cohorts) = (std::mem::take(&mut batch.maps), std::mem::take(&mut batch.cohorts));
        Ok(Self { header, maps, cohorts, batch })
    }
}

fn check_lengths(batch: &wire::Batch) -> Result<(), BatchError> {
    let count = batch.count as usize;
    let columns = [
        ("key_lengths", batch.key_lengths.len(), 1, true),
        ("digests", batch.digests.len(), 16, true),
        ("flags", batch.flags.len(), 1, true),
        ("map_begin_ns", batch.map_begin_ns.len(), 1, true),
        ("map_end_ns", batch.map_end_ns.len(), 1, true),
        ("store_begin_ns", batch.store_begin_ns.len(), 1, false),
        ("store_end_ns", batch.store_end_ns.len(), 1, false),
        ("map_order", batch.map_order.len(), 1, false),
        ("versions", batch.versions.len(), 1, false),
        ("map_index", batch.map_index.len(), 1, false),
        ("cohort_index", batch.cohort_index.len(), 1, false),
        ("trace_ids", batch.trace_ids.len(), 16, false),
        ("span_ids", batch.span_ids.len(), 8, false),
    ];
    for (column, length, width, needed) in columns {
        let fits = length == count * width || (length == 0 && !needed);
        if !fits {
            return Err(BatchError::Column { column, entries: length / width, count });
        }
    }
    let sum: u64 = batch.key_lengths.iter().map(|&length| u64::from(length)).sum();
    if sum != batch.keys.len() as u64 {
        return Err(BatchError::Keys { sum, bytes: batch.keys.len() });
    }
    Ok(())
}

fn check_index(
    column: &'static str,
    mut indexes: impl Iterator<Item = usize>,
    entries: usize,
) -> Result<(), BatchError> {
    match indexes.find(|&index| index >= entries) {
        Some(index) => Err(BatchError::Index { column, index, entries }),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
