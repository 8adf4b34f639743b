//! What an application's process reports: the emitter's registry of open writes, its bounded ring, and its losses; and what its
//! maps hold, which waits for the ring to be half empty.

use crate::world::{SourceRef, World, WriteRef};
use counterfoil_digest::{bucket, key_hash};
use counterfoil_judge::{Interval, StoreOutcome, Time};
use counterfoil_proto::{BucketSet, Loss, LossReason, Snapshot};
use std::collections::{BTreeMap, VecDeque};

/// What is told of a map besides writes.
enum Telling {
    /// It held this.
    Held(WriteRef),
    /// All of the map at this place was told by what came before.
    Whole(usize, Begun),
}

/// Where a snapshot began.
#[derive(Clone, Copy)]
struct Begun {
    at: Time,
    first_seq: u64,
}

/// One process's emitter.
pub struct Emitter {
    source: SourceRef,
    /// Begins of the writes that are open, in the process's clock.
    open: BTreeMap<WriteRef, Time>,
    ring: VecDeque<WriteRef>,
    ring_max: usize,
    lost: Vec<WriteRef>,
    /// What has found no room in the ring yet.
    outside: VecDeque<Telling>,
    /// Snapshots in the making, by the place of their map.
    begun: BTreeMap<usize, Begun>,
    /// Snapshots all of which is in the ring.
    posted: Vec<(usize, Begun)>,
    /// The last complete snapshot of each map, which is told again and again.
    snapshots: BTreeMap<usize, Snapshot>,
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
    /// Complete with these numbers.
    pub snapshots: Vec<Snapshot>,
}

impl Emitter {
    /// The emitter of a process that just started.
    #[must_use]
    pub fn new(source: SourceRef, world: &World) -> Self {
        let ring_max = world.plan.sources.get(source.0).map_or(1, |plan| plan.ring_max);
        Self {
            source,
            open: BTreeMap::new(),
            ring: VecDeque::new(),
            ring_max,
            lost: Vec::new(),
            outside: VecDeque::new(),
            begun: BTreeMap::new(),
            posted: Vec::new(),
            snapshots: BTreeMap::new(),
            next_seq: 0,
            said_bye: false,
            says_bye: false,
        }
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

    /// A snapshot of the map at place `map` begins; gives whether it breaks off another one.
    pub fn begin_telling(&mut self, map: usize, world: &World) -> bool {
        let at = world.clock(self.source).shows(world.now());
        self.begun.insert(map, Begun { at, first_seq: self.next_seq }).is_some()
    }

    /// Whether it is in the middle of a snapshot.
    #[must_use]
    pub fn is_telling(&self) -> bool {
        !self.begun.is_empty() || !self.outside.is_empty()
    }

    /// The map was seen to hold a value. One that is too large is lost.
    pub fn hold(&mut self, read: WriteRef, world: &World) {
        if world.writes.get(read).is_oversized {
            self.lost.push(read);
        } else {
            self.outside.push_back(Telling::Held(read));
            self.take_in();
        }
    }

    /// All that the map at place `map` holds was read.
    pub fn end_telling(&mut self, map: usize) {
        if let Some(begun) = self.begun.remove(&map) {
            self.outside.push_back(Telling::Whole(map, begun));
            self.take_in();
        }
    }

    /// Lets in what waits outside, until the ring is half full.
    fn take_in(&mut self) {
        while self.ring.len() < self.ring_max.div_ceil(2) {
            match self.outside.pop_front() {
                Some(Telling::Held(read)) => self.ring.push_back(read),
                Some(Telling::Whole(map, begun)) => self.posted.push((map, begun)),
                None => return,
            }
        }
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
        let snapshots = self.complete(world);
        self.take_in();
        Flushed { events, first_seq, losses, watermark, snapshots }
    }

    /// What was in the ring is told: with it the snapshots are complete that were posted before.
    fn complete(&mut self, world: &World) -> Vec<Snapshot> {
        let end_seq = self.next_seq;
        for (map, Begun { at, first_seq }) in std::mem::take(&mut self.posted) {
            let name = world.plan.maps.get(map).map_or(String::new(), |map| map.name.clone());
            self.snapshots.insert(map, Snapshot { map: name, begin: at, first_seq, end_seq });
        }
        self.snapshots.values().cloned().collect()
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
