//! One lock's worth of keys.

use super::entry::Entry;
use super::{Arrival, Census, Effects, Ended, Observed, Rules};
use crate::contract::MapId;
use bytes::Bytes;
use counterfoil_digest::bucket;
use counterfoil_judge::{Outcome, Reason, Time};
use counterfoil_proto::BucketSet;
use hashbrown::HashTable;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

type Slot = u32;

/// Keys, found by their hash or by when they are due.
pub(super) struct Shard {
    index: HashTable<Slot>,
    entries: Vec<Option<Entry>>,
    free: Vec<Slot>,
    /// Per map, when keys are due. A key may stand here several times; only the instant it has itself counts.
    due: Vec<BinaryHeap<Reverse<(Time, Slot)>>>,
    /// Keys that had settled, each once, the one that settled first in front. Some have open events again.
    settled: VecDeque<Slot>,
    /// Writes of forgotten keys had ended by then.
    forgotten_until: Time,
}

impl Shard {
    pub(super) fn new(maps: usize) -> Self {
        Self {
            index: HashTable::new(),
            entries: Vec::new(),
            free: Vec::new(),
            due: (0..maps).map(|_| BinaryHeap::new()).collect(),
            settled: VecDeque::new(),
            forgotten_until: Time::MIN,
        }
    }

    pub(super) fn write(&mut self, arrival: Arrival<'_>, now: Time, rules: &Rules, effects: &mut Effects) {
        let (map, id, trace) = (arrival.map, arrival.write.id, arrival.trace);
        let Some(slot) = self.find(&arrival).or_else(|| self.add(&arrival, rules)) else {
            let mut buckets = BucketSet::none();
            buckets.insert(bucket(arrival.hash));
            rules.taints.add(&buckets, arrival.write.ended(), Reason::Shed);
            effects.ended.push(Ended { map, id, outcome: Outcome::Shed, trace });
            return;
        };
        if let Some(entry) = self.entry(slot) {
            let before = entry.due;
            entry.write(arrival.write, trace, now, rules, effects);
            let due = entry.due;
            if due < before {
                self.await_due(map, due, slot);
            }
        }
    }

    /// The store was read for this probe.
    pub(super) fn looked(&mut self, observed: &Observed) {
        if let Some(entry) = self.probed(observed) {
            entry.looked(observed.at);
        }
    }

    pub(super) fn observe(&mut self, observed: &Observed, now: Time, rules: &Rules, effects: &mut Effects) {
        let slot = observed.probe.slot;
        let Some(entry) = self.probed(observed) else { return };
        let map = entry.map;
        let Some(contract) = rules.contracts.get(map) else { return };
        entry.observe(observed, now, &contract.terms, rules, effects);
        let (due, settled) = (entry.due, entry.is_settled());
        if due < Time::MAX {
            self.await_due(map, due, slot);
        }
        if settled && self.entry(slot).is_some_and(Entry::enqueue) {
            self.settled.push_back(slot);
        }
    }

    /// Takes up to `limit` keys of `map` that are due.
    pub(super) fn due(&mut self, map: MapId, now: Time, limit: usize, mut take: impl FnMut(Slot, Bytes)) {
        let mut taken = 0;
        while taken < limit {
            let Some(heap) = self.due.get_mut(map.index()) else { return };
            let Some(&Reverse((due, slot))) = heap.peek().filter(|Reverse((due, _))| *due <= now) else {
                return;
            };
            heap.pop();
            if let Some(entry) = self.entry(slot).filter(|entry| entry.due == due && entry.map == map) {
                entry.probe(now);
                take(slot, entry.key.clone());
                taken += 1;
            }
        }
    }

    pub(super) fn count(&self, census: &mut [Census]) {
        for entry in self.entries.iter().flatten() {
            if let Some(census) = census.get_mut(entry.map.index()) {
                census.keys += 1;
                census.open += entry.open_events() as u64;
                census.divergences += u64::from(entry.has_divergence());
            }
        }
    }

    fn find(&self, arrival: &Arrival<'_>) -> Option<Slot> {
        let same = |slot: &Slot| {
            let entry = usize::try_from(*slot).ok().and_then(|slot| self.entries.get(slot)?.as_ref());
            entry.is_some_and(|entry| {
                entry.hash == arrival.hash && entry.key == arrival.key && entry.map == arrival.map
            })
        };
        self.index.find(arrival.hash, same).copied()
    }

    /// Makes room for a new key, if there is any to be had.
    fn add(&mut self, arrival: &Arrival<'_>, rules: &Rules) -> Option<Slot> {
        if self.index.len() >= rules.keys_per_shard_max && !self.forget_one() {
            return None;
        }
        let entry = Entry::new(arrival.map, arrival.hash, arrival.key, self.forgotten_until);
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                self.entries.push(None);
                Slot::try_from(self.entries.len() - 1).ok()?
            }
        };
        *self.entries.get_mut(usize::try_from(slot).ok()?)? = Some(entry);
        let entries = &self.entries;
        let hash_of = |slot: &Slot| {
            let entry = usize::try_from(*slot).ok().and_then(|slot| entries.get(slot)?.as_ref());
            entry.map_or(0, |entry| entry.hash)
        };
        self.index.insert_unique(arrival.hash, slot, hash_of);
        Some(slot)
    }

    /// Forgets the key that settled first.
    fn forget_one(&mut self) -> bool {
        while let Some(slot) = self.settled.pop_front() {
            let Some(entry) = self.entry(slot).and_then(Entry::dequeue) else { continue };
            let (hash, ended) = (entry.hash, entry.ended());
            self.forgotten_until = self.forgotten_until.max(ended);
            if let Ok(found) = self.index.find_entry(hash, |other| *other == slot) {
                found.remove();
            }
            if let Some(entry) = usize::try_from(slot).ok().and_then(|slot| self.entries.get_mut(slot)) {
                *entry = None;
            }
            self.free.push(slot);
            return true;
        }
        false
    }

    /// The key that a probe was taken for.
    fn probed(&mut self, observed: &Observed) -> Option<&mut Entry> {
        self.entry(observed.probe.slot).filter(|entry| entry.key == observed.probe.key)
    }

    fn entry(&mut self, slot: Slot) -> Option<&mut Entry> {
        self.entries.get_mut(usize::try_from(slot).ok()?)?.as_mut()
    }

    fn await_due(&mut self, map: MapId, due: Time, slot: Slot) {
        if let Some(heap) = self.due.get_mut(map.index()) {
            heap.push(Reverse((due, slot)));
        }
    }
}
