//! The store: when writes are applied, and what becomes of them.

use super::write::Write;
use super::{Event, KeyRef, World, WriteRef};
use crate::faults::FaultKind;
use crate::plan::{Discipline, span};
use counterfoil_judge::{Scope, StoreOutcome};
use std::ops::Bound;

impl World {
    /// A store call has its effect, or would have it.
    pub(super) fn apply(&mut self, write: WriteRef) {
        let it = self.writes.get(write).clone();
        if it.dropped {
            return;
        }
        let is_versioned = self.map_of(it.key).discipline == Discipline::Versioned;
        let key = self.keys.get(it.key);
        if key.frozen_until > self.now {
            self.freeze(write, &it);
        } else if matches!(it.fault, Some(FaultKind::Lost | FaultKind::LostRemove)) {
            if key.store.value != it.value {
                self.differ(it.fault.unwrap_or(FaultKind::Lost), write);
            }
        } else if it.fault.is_none() && is_versioned && it.version < key.store.version {
            // The store keeps the newer value and says so: this write was not applied.
            let it = self.writes.get_mut(write);
            if it.store.is_some() {
                it.outcome = StoreOutcome::Failed;
            }
        } else {
            self.put(write, &it);
        }
    }

    fn put(&mut self, write: WriteRef, it: &Write) {
        let now = self.now;
        self.writes.get_mut(write).applied = Some(now);
        self.set(it.key, it.value, it.version);
        match it.fault {
            None => self.agree(it.key, it.version),
            Some(FaultKind::Foreign) => {
                let foreign = self.new_value();
                self.set(it.key, foreign, 0);
                self.differ(FaultKind::Foreign, write);
            }
            Some(FaultKind::Corrupt) => {
                let corrupt = self.new_value();
                self.set(it.key, corrupt, it.version);
                self.differ(FaultKind::Corrupt, write);
            }
            Some(_) => {}
        }
        if let Some(after) = self.map_of(it.key).expires_after.filter(|_| it.value > 0) {
            let stamp = self.keys.get(it.key).store.stamp;
            self.queue.plan(now + after, Event::Expire(it.key, stamp));
        }
        if self.map_of(it.key).scope == Scope::Process {
            self.call_followers(write, it);
        }
    }

    /// The rows that the store has now of the map at place `map`, in the order of their keys, from behind the key `after` on.
    pub fn rows_after<'a>(
        &'a self,
        map: usize,
        after: &'a str,
    ) -> impl Iterator<Item = (&'a str, KeyRef)> + 'a {
        let behind = self.by_name.range::<str, _>((Bound::Excluded(after), Bound::Unbounded));
        let rows = behind.map(|(name, key)| (name.as_str(), *key, self.keys.get(*key)));
        rows.filter(move |(_, _, it)| it.map == map && it.store.value > 0).map(|(name, key, _)| (name, key))
    }

    /// The store holds this from now on.
    pub(super) fn set(&mut self, key: KeyRef, value: u64, version: u64) {
        let cell = &mut self.keys.get_mut(key).store;
        (cell.value, cell.version, cell.stamp) = (value, version, cell.stamp + 1);
    }

    pub(super) fn expire(&mut self, key: KeyRef, stamp: u64) {
        let store = self.keys.get(key).store;
        if store.stamp == stamp {
            self.set(key, 0, store.version);
        }
    }

    /// The copies of other processes take over what was written, before its deadline.
    fn call_followers(&mut self, write: WriteRef, it: &Write) {
        let time_left = it.deadline(self.map_of(it.key)) - self.now;
        let key = self.keys.get_mut(it.key);
        let unfollowed = std::mem::take(&mut key.unfollowed);
        let others: Vec<_> = key.copies.keys().copied().filter(|source| *source != it.source).collect();
        if unfollowed > 0 && !others.is_empty() {
            self.differ(FaultKind::MapBehind, write);
        }
        for source in others.into_iter().skip(unfollowed) {
            let at = self.now + span(&mut self.rng, time_left / 100, time_left * 8 / 10);
            self.queue.plan(at, Event::Follow(source, write));
        }
    }
}
