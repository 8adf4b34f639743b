//! Keys that are due, until they are taken for a probe.

use super::{Entry, Shard, Slot};
use crate::contract::MapId;
use crate::table::class::{Class, PerClass};
use counterfoil_judge::Time;

/// Most keys of a map that begin to wait for a probe at a time, so that a look at what is due takes a bounded time.
const RIPEN_MAX: usize = 4_096;

impl Shard {
    /// Lets the keys of `map` that are due at `now` wait for a probe, each in its class; gives how many wait, at most.
    pub(in crate::table) fn ripen(&mut self, map: MapId, now: Time) -> PerClass<usize> {
        for _ in 0..RIPEN_MAX {
            let Some((due, slot)) = self.queue(map).and_then(|queue| queue.ripe(now)) else { break };
            if self.entry(slot).is_some_and(|entry| entry.due == due) {
                self.wait_in_class(map, now, slot);
            }
        }
        self.queue(map).map_or_else(PerClass::default, |queue| queue.ready())
    }

    /// Takes up to `limit` keys of `map` and `class` that are due, those with the earliest deadline first.
    pub(in crate::table) fn due(
        &mut self,
        map: MapId,
        class: Class,
        now: Time,
        limit: usize,
        mut take: impl FnMut(Slot, &Entry, Time),
    ) {
        self.ripen(map, now);
        let mut taken = 0;
        while taken < limit {
            let Some(slot) = self.queue(map).and_then(|queue| queue.first(class)) else { return };
            let Some(entry) = self.waiting(map, now, slot) else { continue };
            if entry.class() == class {
                let due = entry.due;
                entry.probe(now);
                take(slot, entry, due);
                taken += 1;
            } else {
                self.wait_in_class(map, now, slot);
            }
        }
    }

    /// Takes up to `limit` keys of `map` and `class` that are due and whose deadline and `patience` nanoseconds have passed.
    pub(in crate::table) fn overdue(
        &mut self,
        map: MapId,
        class: Class,
        (now, patience): (Time, i64),
        limit: usize,
        mut take: impl FnMut(Slot, &Entry, Time),
    ) {
        let before = now.minus(patience);
        for _ in 0..limit {
            let first = self.queue(map).and_then(|queue| queue.first_before(class, before));
            let Some(slot) = first else { return };
            let Some(entry) = self.waiting(map, now, slot) else { continue };
            if entry.class() == class && entry.rank() < before {
                let due = entry.due;
                entry.probe(now);
                take(slot, entry, due);
            } else {
                self.wait_in_class(map, now, slot);
            }
        }
    }

    /// Puts a key into the queue of its class, if it is a key of the map and due.
    fn wait_in_class(&mut self, map: MapId, now: Time, slot: Slot) {
        let Some(entry) = self.waiting(map, now, slot) else { return };
        let (class, rank) = (entry.class(), entry.rank());
        if let Some(queue) = self.queue(map) {
            queue.wait_in(class, rank, slot);
        }
    }

    /// The key at `slot`, if it is one of the map and due.
    fn waiting(&mut self, map: MapId, now: Time, slot: Slot) -> Option<&mut Entry> {
        self.entry(slot).filter(|entry| entry.map() == map && entry.due <= now)
    }
}
