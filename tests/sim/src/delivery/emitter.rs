//! What an application's process reports: the emitter's registry of open writes, its bounded ring, and its losses.

use crate::world::{SourceRef, World, WriteRef};
use counterfoil_digest::{bucket, key_hash};
use counterfoil_judge::{Interval, StoreOutcome, Time};
use counterfoil_proto::{BucketSet, Loss, LossReason};
use std::collections::{BTreeMap, VecDeque};

/// One process's emitter.
pub struct Emitter {
    source: SourceRef,
    /// Begins of the writes that are open, in the process's clock.
    open: BTreeMap<WriteRef, Time>,
    ring: VecDeque<WriteRef>,
    ring_max: usize,
    lost: Vec<WriteRef>,
    /// The next sequence number.
    pub next_seq: u64,
    /// It said all it had to say.
    pub said_bye: bool,
    /// Its process ended, and it has to say so.
    pub says_bye: bool,
}

/// What an emitter hands to the sidecar at one time.
pub struct Flushed {
    /// Events in the order of their numbers, which follow each other from `first_seq` on.
    pub events: Vec<WriteRef>,
    /// Number of the first event.
    pub first_seq: u64,
    /// What was lost, with numbers right after the events.
    pub losses: Vec<(Loss, Vec<WriteRef>)>,
    /// Everything begun before was reported.
    pub watermark: Time,
}

impl Emitter {
    /// The emitter of a process that just started.
    #[must_use]
    pub fn new(source: SourceRef, world: &World) -> Self {
        let ring_max = world.plan.sources.get(source.0).map_or(1, |plan| plan.ring_max);
        let (open, ring, lost) = (BTreeMap::new(), VecDeque::new(), Vec::new());
        Self { source, open, ring, ring_max, lost, next_seq: 0, said_bye: false, says_bye: false }
    }

    /// A write begins.
    pub fn begin(&mut self, write: WriteRef, world: &World) {
        self.open.insert(write, world.clock(self.source).shows(world.now()));
    }

    /// A write is over: its event goes into the ring, or is lost if that is full.
    pub fn over(&mut self, write: WriteRef) {
        if self.ring.len() < self.ring_max {
            self.ring.push_back(write);
        } else {
            self.lost.push(write);
        }
        self.open.remove(&write);
    }

    /// Empties ring and losses, and says how far everything is reported by that.
    pub fn flush(&mut self, world: &World) -> Flushed {
        let now = world.clock(self.source).shows(world.now());
        let watermark = self.open.values().copied().fold(now, Time::min);
        let events: Vec<_> = self.ring.drain(..).collect();
        let first_seq = self.next_seq;
        self.next_seq += events.len() as u64;
        let lost = std::mem::take(&mut self.lost);
        let unended = |write: &WriteRef| world.writes.get(*write).outcome == StoreOutcome::Unknown;
        let (unended, ended): (Vec<_>, Vec<_>) = lost.into_iter().partition(unended);
        let losses = [ended, unended].into_iter().filter(|lost| !lost.is_empty());
        let losses = losses.map(|lost| (self.declare(&lost, world), lost)).collect();
        Flushed { events, first_seq, losses, watermark }
    }

    /// One record for all writes lost since the last one. Nobody knows until when one of unknown outcome may land.
    fn declare(&mut self, lost: &[WriteRef], world: &World) -> Loss {
        let mut buckets = BucketSet::none();
        let (mut begin, mut end) = (Time::MAX, Time::MIN);
        for write in lost {
            let it = world.writes.get(*write);
            let (map, name) = super::names(world, it.key);
            buckets.insert(bucket(key_hash(map, name.as_bytes())));
            let legs = it.reported(world.clock(self.source));
            let unended = it.outcome == StoreOutcome::Unknown;
            for leg in legs.map.into_iter().chain(legs.store.map(|(leg, _)| leg)) {
                (begin, end) = (begin.min(leg.begin), end.max(if unended { Time::MAX } else { leg.end }));
            }
        }
        let (first_seq, count) = (self.next_seq, lost.len() as u64);
        self.next_seq += count;
        let during = Interval::new(begin, end);
        Loss { first_seq, count, reason: LossReason::RingFull, during, buckets }
    }
}
