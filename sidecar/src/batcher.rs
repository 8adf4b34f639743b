//! Collects the events of one source into batches and seals them.
//!
//! A batch is sealed when it has enough events or bytes, when its oldest entry reaches the age limit, and before a loss
//! that lies behind its events: a batch's losses lie before its events, and its events have no holes. A heartbeat with
//! nothing new beside its watermark is a batch too, at most one per age. Pure but for the clock readings it is given.
//!
//! Events that are shed lie scattered among those that are kept. They do not end the batch: its kept events move up, so that
//! the numbers lost come first and are one loss. The batch tells of the same numbers either way, and their order in the map
//! stands in a column of its own.
//!
//! Sealing encodes the batch, authenticates the bytes and signs their code; each batch names the code of the one before it,
//! so that none can be taken out of the middle unseen. From then on a batch is only bytes: it is sent again as it is, under
//! the key that it was sealed with.

mod seal;

pub use seal::{About, Seal, Sealed};

use bytes::Bytes;
use counterfoil_clock::Domain;
use counterfoil_digest::Print;
use counterfoil_judge::{Interval, Time};
use counterfoil_keys::Key as _;
use counterfoil_proto::{BatchBuilder, BucketSet, Header, Loss, LossReason, Row, Snapshot};
use prost::Message;
use std::sync::Arc;

/// Loss records of one batch; each may have a bucket set of 128 bytes.
const LOSSES_MAX: usize = 256;

/// Cohorts of one batch's dictionary, which is searched for each event that has one.
const COHORTS_MAX: usize = 256;

/// The source that a batcher works for.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct SourceId {
    /// The service it belongs to.
    pub service: String,
    /// The process among those of the service.
    pub instance: String,
    /// Grows each time the process starts over.
    pub epoch: u64,
}

/// When a batch is full.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fill {
    /// It holds this many events.
    pub events_max: usize,
    /// It holds about this many bytes.
    pub bytes_max: usize,
    /// Its oldest entry is this old, in nanoseconds; the caller asks [`Batcher::due`] and flushes then.
    pub age_ns_max: i64,
}

/// An event, but for the places of its names in the dictionaries.
pub struct Entry<'a> {
    /// Its map.
    pub map: MapName<'a>,
    /// Its cohort, as `key=value`.
    pub cohort: Option<&'a str>,
    /// Everything else; the batcher sets the places of map and cohort.
    pub row: Row<'a>,
    /// The spellings of its value; none where it is no sample.
    pub sample: &'a [Print],
}

/// A known map: its place in the configuration and its name.
#[derive(Clone, Copy)]
pub struct MapName<'a> {
    /// Its place, below the number of maps that the batcher was made for.
    pub place: usize,
    /// Its name.
    pub name: &'a str,
}

/// One source's open batch.
pub struct Batcher {
    source: Arc<SourceId>,
    is_anonymous: bool,
    clock: Domain,
    seal: Seal,
    builder: BatchBuilder,
    /// Number of the first event in the builder or shed beside it, or of the next one.
    first_seq: u64,
    losses: Vec<Loss>,
    /// What was shed among the events in the builder; its own first number is not set.
    shed: Option<Loss>,
    /// Those that no batch has told of yet.
    snapshots: Vec<Snapshot>,
    watermark: Option<Time>,
    issued: u64,
    bye: bool,
    /// When the oldest entry that is not sealed came.
    opened: Option<Time>,
    previous_mac: Bytes,
    /// For each map of the configuration its place in the builder's dictionary.
    map_places: Vec<Option<usize>>,
    sealed: Vec<Sealed>,
}

impl Batcher {
    /// An empty batcher for the events of `source`, whose times are of `clock` and whose digests are under the key of
    /// `seal`. `maps` maps are configured.
    #[must_use]
    pub fn new(source: SourceId, clock: Domain, seal: Seal, maps: usize) -> Self {
        Self {
            source: Arc::new(source),
            is_anonymous: false,
            clock,
            seal,
            builder: BatchBuilder::default(),
            first_seq: 0,
            losses: Vec::new(),
            shed: None,
            snapshots: Vec::new(),
            watermark: None,
            issued: 0,
            bye: false,
            opened: None,
            previous_mac: Bytes::new(),
            map_places: vec![None; maps],
            sealed: Vec::new(),
        }
    }

    /// Goes on where another batcher of the source has left off: behind the batch with the code `previous_mac`, none for a new
    /// chain, and with what that one had promised.
    #[must_use]
    pub fn resumed(mut self, previous_mac: Bytes, next_seq: u64, watermark: Time) -> Self {
        (self.previous_mac, self.first_seq, self.watermark) = (previous_mac, next_seq, Some(watermark));
        self
    }

    /// Begins a new chain with the next batch.
    pub fn begin_chain(&mut self) {
        self.previous_mac.clear();
    }

    /// Notes that nobody can come back to the source once it has ended.
    pub fn set_anonymous(&mut self) {
        self.is_anonymous = true;
    }

    /// Notes the next number that the source will use, as it says.
    pub fn set_issued(&mut self, issued: u64) {
        self.issued = self.issued.max(issued);
    }

    /// Sets the clock of the source's times; times of another clock do not travel in one batch.
    pub fn set_clock(&mut self, clock: &Domain) {
        if self.clock != *clock {
            self.flush();
            self.clock = clock.clone();
        }
    }

    /// Sets what the next batches are sealed with; digests under another key do not travel in one batch.
    pub fn set_seal(&mut self, seal: &Seal) {
        if self.seal.id() != seal.id() {
            self.flush();
            self.seal = seal.clone();
        }
    }

    /// Adds the event with number `seq`, whose digest is under the key of the seal.
    pub fn push(&mut self, seq: u64, mut entry: Entry<'_>, fill: &Fill, now: Time) {
        self.go_on_at(seq);
        let place = self.map_places.get(entry.map.place).copied().flatten();
        entry.row.map = place.unwrap_or_else(|| self.enter(entry.map));
        entry.row.cohort = entry.cohort.map(|cohort| self.builder.cohort(cohort));
        self.builder.push(&entry.row);
        if !entry.sample.is_empty() {
            self.builder.sample(entry.sample);
        }
        self.opened.get_or_insert(now);
        let cohorts_full = entry.row.cohort.is_some_and(|place| place + 1 >= COHORTS_MAX);
        if self.builder.len() >= fill.events_max || self.builder.bytes() >= fill.bytes_max || cohorts_full {
            self.seal();
        }
    }

    fn enter(&mut self, map: MapName<'_>) -> usize {
        let place = self.builder.map(map.name);
        if let Some(known) = self.map_places.get_mut(map.place) {
            *known = Some(place);
        }
        place
    }

    /// The batch's next number is `seq`, if it tells of none yet behind its losses.
    fn go_on_at(&mut self, seq: u64) {
        if self.builder.is_empty() && self.shed.is_none() {
            self.first_seq = seq;
        }
    }

    /// Leaves out the event with number `seq`, of a key in `bucket`, that was written in `during`.
    pub fn shed(&mut self, seq: u64, bucket: usize, during: Interval, now: Time) {
        self.go_on_at(seq);
        self.opened.get_or_insert(now);
        let shed = self.shed.get_or_insert_with(|| Loss {
            first_seq: 0,
            count: 0,
            reason: LossReason::Sidecar,
            during,
            buckets: BucketSet::none(),
        });
        shed.count += 1;
        shed.during = shed.during.hull(during);
        shed.buckets.insert(bucket);
    }

    /// Makes what was shed a loss before the events.
    fn declare_shed(&mut self) {
        if let Some(shed) = self.shed.take() {
            let loss = Loss { first_seq: self.first_seq, ..shed };
            self.declare(loss);
        }
    }

    /// Adds lost numbers. Those that follow each other for the same reason become one record.
    pub fn lose(&mut self, loss: Loss, now: Time) {
        if !self.builder.is_empty() || self.losses.len() >= LOSSES_MAX {
            self.seal();
        }
        self.opened.get_or_insert(now);
        self.declare_shed();
        self.declare(loss);
    }

    fn declare(&mut self, loss: Loss) {
        self.first_seq = loss.first_seq.saturating_add(loss.count);
        match self.losses.last_mut() {
            Some(last)
                if last.reason == loss.reason
                    && last.first_seq.saturating_add(last.count) == loss.first_seq =>
            {
                merge(last, loss);
            }
            _ => self.losses.push(loss),
        }
    }

    /// Sets the watermark and the number that comes next, which matters to a batch without events.
    pub fn promise(&mut self, watermark: Time, next_seq: u64, now: Time) {
        self.go_on_at(next_seq);
        if self.watermark < Some(watermark) {
            self.watermark = Some(watermark);
            self.opened.get_or_insert(now);
        }
    }

    /// A snapshot is complete with what was added so far; no number comes before `next_seq`.
    pub fn complete(&mut self, snapshot: Snapshot, next_seq: u64, now: Time) {
        self.go_on_at(next_seq);
        self.snapshots.push(snapshot);
        self.opened.get_or_insert(now);
    }

    /// Notes that the source has ended, and seals what there is.
    pub fn bye(&mut self, next_seq: u64) {
        self.go_on_at(next_seq);
        self.bye = true;
        self.seal();
    }

    /// When the open batch must be sealed; `None` if there is nothing in it.
    #[must_use]
    pub fn due(&self, fill: &Fill) -> Option<Time> {
        self.opened.map(|opened| opened.plus(fill.age_ns_max))
    }

    /// Seals the open batch if there is anything in it.
    pub fn flush(&mut self) {
        if self.opened.is_some() {
            self.seal();
        }
    }

    /// The batches sealed since the last call, in order.
    #[must_use]
    pub fn take_sealed(&mut self) -> Vec<Sealed> {
        std::mem::take(&mut self.sealed)
    }

    fn seal(&mut self) {
        self.declare_shed();
        let events = self.builder.len() as u64;
        let about = self.about(events);
        let header = Header {
            service: self.source.service.clone(),
            instance: self.source.instance.clone(),
            epoch: self.source.epoch,
            clock: self.clock.clone(),
            first_seq: self.first_seq,
            watermark: about.watermark,
            losses: std::mem::take(&mut self.losses),
            snapshots: std::mem::take(&mut self.snapshots),
            bye: self.bye,
            previous_mac: std::mem::take(&mut self.previous_mac),
            issued: about.issued,
        };
        self.first_seq = about.next_seq;
        let batch = Bytes::from(self.builder.finish(header).encode_to_vec());
        let sealed = self.seal.seal(batch, events, about);
        self.previous_mac = sealed.mac.clone();
        self.opened = None;
        self.map_places.fill(None);
        self.sealed.push(sealed);
    }

    /// What the batch that is being sealed says of the source.
    fn about(&self, events: u64) -> About {
        let next_seq = self.first_seq.saturating_add(events);
        About {
            source: self.source.clone(),
            clock: self.clock.clone(),
            from_seq: self.losses.first().map_or(self.first_seq, |loss| loss.first_seq),
            next_seq,
            issued: self.issued.max(next_seq),
            watermark: self.watermark.unwrap_or(Time(0)),
            ended: self.bye,
            anonymous: self.is_anonymous,
            previous_mac: self.previous_mac.clone(),
        }
    }
}

fn merge(into: &mut Loss, loss: Loss) {
    into.count = into.count.saturating_add(loss.count);
    into.during = into.during.hull(loss.during);
    match (&mut into.buckets, loss.buckets) {
        (BucketSet::Some(into), BucketSet::Some(others)) => {
            into.iter_mut().zip(others.iter()).for_each(|(into, other)| *into |= other);
        }
        (into, _) => *into = BucketSet::All,
    }
}

#[cfg(test)]
mod tests;
