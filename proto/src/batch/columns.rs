//! Opening a batch.

use super::prints::{self, Sample};
use super::{Header, MAP_HELD, MAP_SKIPPED, NONE, Row, STORE_MASK, TraceRef};
use crate::loss::{Loss, LossError};
use crate::snapshot::Snapshot;
use crate::time::time;
use crate::wire;
use counterfoil_digest::Print;
use counterfoil_judge::{Digest, Interval, Reported, StoreOutcome};
use thiserror::Error;

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
    /// The numbers of prints do not add up to the prints.
    #[error("field_counts add up to {sum} prints of 8 bytes, field_prints has {bytes} bytes")]
    Prints {
        /// Sum of the numbers.
        sum: u64,
        /// Bytes there are.
        bytes: usize,
    },
    /// An event has more prints than a value has fields.
    #[error("field_counts has {count} for one event; send at most {max}")]
    Fields {
        /// How many it has.
        count: u32,
        /// The most there may be.
        max: usize,
    },
    /// A sample is of no event, or of one before that of the sample before it.
    #[error(
        "samples[{place}].row is {row}; rows are those of the batch's {count} events, each once, in their order"
    )]
    SampleRow {
        /// Its place in the list.
        place: usize,
        /// The row that it names.
        row: u32,
        /// How many events the batch has.
        count: usize,
    },
    /// A sample's prints are too many, none, or cut off.
    #[error("samples[{place}].prints has {bytes} bytes; send 8 bytes for each of 1 to {max} prints")]
    SamplePrints {
        /// Its place in the list.
        place: usize,
        /// Bytes there are.
        bytes: usize,
        /// The most prints there may be.
        max: usize,
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
    prints: Vec<Print>,
    samples: Vec<Sample>,
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

    /// What more is known of the values of some events, in the order of the events.
    #[must_use]
    pub fn samples(&self) -> &[Sample] {
        &self.samples
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
        let (mut keys, mut prints) = (&self.batch.keys[..], &self.prints[..]);
        self.batch.flags.iter().enumerate().zip(self.header.first_seq..).map(move |((at, &flags), seq)| {
            let batch = &self.batch;
            let length = batch.key_lengths.get(at).map_or(0, |&length| length as usize);
            let (key, rest) = keys.split_at_checked(length).unwrap_or((keys, &[]));
            keys = rest;
            let field_count = batch.field_counts.get(at).map_or(0, |&count| count as usize);
            let (of_fields, rest) = prints.split_at_checked(field_count).unwrap_or((prints, &[]));
            prints = rest;
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
                held: flags & (MAP_HELD | MAP_SKIPPED | STORE_MASK) == MAP_HELD,
                map_order: batch.map_order.get(at).copied().filter(|&order| order != NONE),
                version: batch.versions.get(at).copied().filter(|&version| version != NONE),
                trace: cell(&batch.trace_ids, at)
                    .zip(cell(&batch.span_ids, at))
                    .filter(|(trace_id, _)| *trace_id != [0; 16])
                    .map(|(trace_id, span_id)| TraceRef { trace_id, span_id }),
                cohort: batch.cohort_index.get(at).and_then(|&index| (index as usize).checked_sub(1)),
                prints: of_fields,
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
        let (prints, samples) = (prints::fields(&mut batch)?, prints::samples(&mut batch)?);
        let losses = std::mem::take(&mut batch.losses).into_iter().map(Loss::try_from);
        let header = Header {
            service: std::mem::take(&mut batch.service),
            instance: std::mem::take(&mut batch.instance),
            epoch: batch.epoch,
            clock: batch.clock.take().ok_or(BatchError::Clock)?.into(),
            first_seq: batch.first_seq,
            watermark: time(batch.watermark_ns),
            losses: losses.collect::<Result<_, _>>()?,
            snapshots: std::mem::take(&mut batch.snapshots).into_iter().map(Snapshot::from).collect(),
            bye: batch.bye,
            previous_mac: std::mem::take(&mut batch.previous_mac),
            issued: batch.issued_seq,
        };
        let (maps, cohorts) = (std::mem::take(&mut batch.maps), std::mem::take(&mut batch.cohorts));
        Ok(Self { header, maps, cohorts, prints, samples, batch })
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
        ("field_counts", batch.field_counts.len(), 1, false),
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
