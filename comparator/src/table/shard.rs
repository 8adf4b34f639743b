//! One lock's worth of keys.

mod rest;
mod rows;
mod waiting;

use super::class::Class;
use super::entry::{CopyOf, Entry};
use super::queue::Queue;
use super::shedding::Shedding;
use super::{Arrival, Census, Effects, Ended, Observed, Rules, Unresolved};
use crate::contract::MapId;
use counterfoil_digest::bucket;
use counterfoil_judge::{History, Outcome, Reason, Scope, Shed, Time, WriteId};
use counterfoil_keys::KeyNumber;
use counterfoil_proto::BucketSet;
use hashbrown::HashTable;
use rest::Shown;
use std::collections::VecDeque;

/// Where a key stands in its shard.
pub(super) type Slot = u32;

/// The slots grow by this part of their number: a vector that doubles would waste half of the memory at worst.
const GROWTH_IN: usize = 16;

/// A shard opens closed buckets when this part of its keys could be forgotten.
const ROOM_IN: usize = 8;

/// Keys, found by their hash or by when they are due.
pub(super) struct Shard {
    index: HashTable<Slot>,
    entries: Vec<Option<Entry>>,
    free: Vec<Slot>,
    /// Per map, when keys are due.
    due: Vec<Queue>,
    /// Keys that had settled, each once, the one that settled first in front. Some have open events again.
    settled: VecDeque<Slot>,
    /// Writes of forgotten keys had ended by then.
    forgotten_until: Time,
    /// Keys that no source ever told of: rows that may be orphans.
    untold: usize,
    /// By store.
    shown: Vec<Shown>,
    shedding: Shedding,
}

/// What names an entry, and the deployment key that its digests are under if it has to be made.
struct Named<'a> {
    map: MapId,
    key: &'a [u8],
    hash: u64,
    copy: Option<CopyOf>,
    digested_under: KeyNumber,
}

impl Shard {
    pub(super) fn new(maps: usize) -> Self {
        Self {
            index: HashTable::new(),
            entries: Vec::new(),
            free: Vec::new(),
            due: (0..maps).map(|_| Queue::new()).collect(),
            settled: VecDeque::new(),
            forgotten_until: Time::MIN,
            untold: 0,
            shown: Vec::new(),
            shedding: Shedding::new(),
        }
    }

    pub(super) fn write(&mut self, arrival: Arrival<'_>, now: Time, rules: &Rules, effects: &mut Effects) {
        let (copy, sibling) = match rules.scope(arrival.map) {
            Scope::Shared => (None, None),
            Scope::Process => {
                let copy = CopyOf::new(arrival.write.id.source);
                (copy, self.tell_other_copies(&arrival, copy, now, effects))
            }
        };
        let named = Named {
            map: arrival.map,
            key: arrival.key,
            hash: arrival.hash,
            copy,
            digested_under: arrival.digested_under,
        };
        let Some(slot) = self.find(&named).or_else(|| self.add(&named, sibling, now, rules)) else {
            self.shed(&arrival, rules, effects);
            return;
        };
        let forgotten_until = self.forgotten_until;
        if self.entry(slot).is_some_and(|entry| entry.is_untold()) {
            self.untold -= 1;
        }
        if let Some(entry) = self.entry(slot) {
            let before = entry.due;
            let is_to_move_up = before <= now && entry.class() != Class::Fresh;
            entry.take_key(arrival.digested_under, forgotten_until, effects);
            let map = arrival.map;
            rules.calibrations.sampled(&arrival);
            entry.write(arrival, now, rules, effects);
            let due = entry.due;
            if due < before || is_to_move_up {
                self.await_due(map, due, slot);
            }
        }
    }

    /// Takes up a divergence that was open before, if there is room for its key.
    pub(super) fn reopen(&mut self, unresolved: &Unresolved, hash: u64, now: Time, rules: &Rules) {
        let Unresolved { map, key, divergence } = unresolved;
        let copy = match rules.scope(*map) {
            Scope::Shared => None,
            Scope::Process => CopyOf::new(divergence.named.source),
        };
        // Nobody wrote down the deployment key of what it was; most of all it is the current one.
        let digested_under = KeyNumber::default();
        let named = Named { map: *map, key, hash, copy, digested_under };
        let Some(slot) = self.find(&named).or_else(|| self.add(&named, None, now, rules)) else { return };
        if let Some(entry) = self.entry(slot) {
            entry.reopen(*divergence, now);
            let due = entry.due;
            self.await_due(*map, due, slot);
        }
    }

    /// Lets the copies of other sources know what was written to the store; gives one of them as it was before.
    fn tell_other_copies(
        &mut self,
        arrival: &Arrival<'_>,
        copy: Option<CopyOf>,
        now: Time,
        effects: &mut Effects,
    ) -> Option<History> {
        let forgotten_until = self.forgotten_until;
        let others: Vec<Slot> = self.index.iter_hash(arrival.hash).copied().collect();
        let mut history = None;
        for slot in others {
            let Some(entry) = self.entry(slot) else { continue };
            if !is_of(entry, arrival.map, arrival.key) || entry.copy() == copy {
                continue;
            }
            let is_comparable = entry.digested_under() == arrival.digested_under;
            history.get_or_insert_with(|| match is_comparable {
                true => entry.history_for_another_copy(),
                false => History::watched_since(entry.ended().max(forgotten_until)),
            });
            let before = entry.due;
            match arrival.write.store {
                Some(_) if is_comparable => entry.follow(&arrival.write, now, effects),
                Some(_) => entry.doubt_until(arrival.write.ended_wholly()),
                None => {}
            }
            let due = entry.due;
            if due < before {
                self.await_due(arrival.map, due, slot);
            }
        }
        history
    }

    fn shed(&mut self, arrival: &Arrival<'_>, rules: &Rules, effects: &mut Effects) {
        let mut buckets = BucketSet::none();
        buckets.insert(bucket(arrival.hash));
        if let Some(taints) = rules.taints(arrival.map) {
            taints.add(&buckets, arrival.write.ended_wholly(), Reason::Shed);
        }
        if arrival.write.pending {
            let (map, id, marks) = (arrival.map, arrival.write.id, arrival.marks);
            let (held, outcome) = (arrival.write.held, Outcome::Shed(Shed::Room));
            effects.ended.push(Ended { map, id, outcome, held, marks });
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
        let map = entry.map();
        let Some(contract) = rules.contracts.get(map) else { return };
        entry.observe(observed, now, contract, rules, effects);
        let (due, settled) = (entry.due, entry.is_settled());
        if due < Time::MAX {
            self.await_due(map, due, slot);
        }
        if settled && self.entry(slot).is_some_and(Entry::enqueue) {
            self.settled.push_back(slot);
        }
    }

    /// Whether the key has a divergence and no open event.
    pub(super) fn is_only_divergent(&mut self, map: MapId, key: &[u8], hash: u64) -> bool {
        let slot = self.find(&Named { map, key, hash, copy: None, digested_under: KeyNumber::default() });
        let entry = slot.and_then(|slot| self.entry(slot));
        entry.is_some_and(|entry| entry.has_divergence() && entry.open_events() == 0)
    }

    /// Lets a key be read at `now` that is not at rest and not being read.
    pub(super) fn rouse_one(&mut self, map: MapId, key: &[u8], hash: u64, now: Time) {
        let slot = self.find(&Named { map, key, hash, copy: None, digested_under: KeyNumber::default() });
        let Some((slot, entry)) = slot.and_then(|slot| Some((slot, self.entry(slot)?))) else { return };
        if entry.due > now && entry.due < Time::MAX {
            entry.rouse(now);
            self.await_due(map, now, slot);
        }
    }

    /// Counts the keys of each map. Of confirmed divergences it tells apart whether somebody ignores them, and whether the write
    /// had ended by then, by map.
    pub(super) fn count(
        &self,
        ended_since: &[Time],
        is_ignored: impl Fn(MapId, WriteId, &[u8]) -> bool,
        census: &mut [Census],
    ) {
        for entry in self.entries.iter().flatten() {
            let at = entry.map().index();
            if let (Some(census), Some(since)) = (census.get_mut(at), ended_since.get(at)) {
                census.keys += 1;
                census.open += entry.open_events() as u64;
                census.divergences += u64::from(entry.has_divergence());
                match entry.confirmed() {
                    Some((named, _)) if is_ignored(entry.map(), named, entry.key()) => census.ignored += 1,
                    Some((_, ended)) if ended >= *since => census.confirmed_since += 1,
                    Some(_) => census.confirmed_before += 1,
                    None => {}
                }
                let oldest = census.oldest_open.into_iter().chain(entry.oldest_open()).min();
                census.oldest_open = oldest;
            }
        }
    }

    pub(super) fn shedding(&self) -> &Shedding {
        &self.shedding
    }

    fn find(&self, named: &Named<'_>) -> Option<Slot> {
        let same = |slot: &Slot| {
            let entry = usize::try_from(*slot).ok().and_then(|slot| self.entries.get(slot)?.as_ref());
            entry.is_some_and(|entry| is_of(entry, named.map, named.key) && entry.copy() == named.copy)
        };
        self.index.find(named.hash, same).copied()
    }

    /// Makes room for a new key, if there is any to be had. A copy begins with what a sibling knows of the store.
    fn add(&mut self, named: &Named<'_>, sibling: Option<History>, now: Time, rules: &Rules) -> Option<Slot> {
        let (bucket, max) = (bucket(named.hash), rules.keys_per_shard_max);
        let is_room = max.saturating_sub(self.index.len()) + self.settled.len() > max / ROOM_IN;
        if self.shedding.turns_away(bucket, is_room, now) {
            return None;
        }
        if self.index.len() >= max && !self.forget_one(rules) {
            self.shedding.close(bucket, now);
            return None;
        }
        let history = sibling.unwrap_or(History::watched_since(self.forgotten_until));
        let entry = Entry::new(named.map, named.key, named.copy, named.digested_under, history)?;
        let slot = match self.free.pop() {
            Some(slot) => slot,
            None => {
                if self.entries.len() == self.entries.capacity() {
                    self.entries.reserve_exact(self.entries.len() / GROWTH_IN + 1);
                }
                self.entries.push(None);
                Slot::try_from(self.entries.len() - 1).ok()?
            }
        };
        *self.entries.get_mut(usize::try_from(slot).ok()?)? = Some(entry);
        // It may have been that of another key.
        self.shown.iter_mut().for_each(|shown| _ = shown.take(slot));
        let entries = &self.entries;
        let hash_of = |slot: &Slot| {
            let entry = usize::try_from(*slot).ok().and_then(|slot| entries.get(slot)?.as_ref());
            entry.map_or(0, |entry| entry.hash(rules))
        };
        self.index.insert_unique(named.hash, slot, hash_of);
        Some(slot)
    }

    /// Forgets the key that settled first.
    fn forget_one(&mut self, rules: &Rules) -> bool {
        while let Some(slot) = self.settled.pop_front() {
            let Some(entry) = self.entry(slot).and_then(Entry::dequeue) else { continue };
            let (hash, ended) = (entry.hash(rules), entry.ended());
            match entry.is_untold() {
                true => self.untold -= 1,
                false => self.forgotten_until = self.forgotten_until.max(ended),
            }
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
        self.entry(observed.probe.slot).filter(|entry| entry.key() == observed.probe.key)
    }

    fn entry(&mut self, slot: Slot) -> Option<&mut Entry> {
        self.entries.get_mut(usize::try_from(slot).ok()?)?.as_mut()
    }

    fn await_due(&mut self, map: MapId, due: Time, slot: Slot) {
        if let Some(queue) = self.queue(map) {
            queue.wait_until(due, slot);
        }
    }

    fn queue(&mut self, map: MapId) -> Option<&mut Queue> {
        self.due.get_mut(map.index())
    }
}

fn is_of(entry: &Entry, map: MapId, key: &[u8]) -> bool {
    entry.map() == map && entry.key() == key
}
