//! How the application writes: it wants a key, gets it, changes the map and calls the store in some order, and reports.

use super::timetable::{Terms, Timetable};
use super::write::Write;
use super::{Event, KeyRef, News, SourceRef, World, WriteRef};
use crate::plan::{Discipline, MapPlan, Role, span};
use counterfoil_judge::{Scope, StoreOutcome};
use rand::Rng;
use rand::seq::IteratorRandom;

/// Writes that may wait for a key; a process that finds more writes something else.
const WAITING_MAX: usize = 3;

impl World {
    /// A process writes to some key, and plans its next write.
    pub(super) fn write_due(&mut self, source: SourceRef) {
        if self.now >= self.plan.times.stop || !self.sources.get(source).alive {
            return;
        }
        if !self.drains(source)
            && let Some(key) = self.some_key()
        {
            let value = self.some_value(key);
            let write = Write::new(source, key, value, self.now);
            self.want(write);
        }
        let pause = self.plan.workload.pause;
        let next = self.now + span(&mut self.rng, pause / 10, pause * 2);
        self.queue.plan(next, Event::WriteDue(source));
    }

    fn some_key(&mut self) -> Option<KeyRef> {
        let hot = self.rng.random_bool(self.plan.workload.hot);
        let role = if hot { Role::Hot } else { Role::Cold };
        let keys = self.plan.keys.iter().enumerate();
        let fitting = keys.filter(|(_, key)| key.role == role).map(|(at, _)| KeyRef(at));
        let key = fitting.choose(&mut self.rng)?;
        (self.keys.get(key).waiting.len() < WAITING_MAX).then_some(key)
    }

    fn some_value(&mut self, key: KeyRef) -> u64 {
        if self.rng.random_bool(self.plan.workload.removes) {
            return 0;
        }
        let few = self.plan.keys.get(key.0).and_then(|plan| plan.values);
        match few {
            // Values of a small set are told apart by key only.
            Some(count) => 1 + u64::try_from(key.0).unwrap_or(0) * 8 + self.rng.random_range(0..count),
            None => self.new_value(),
        }
    }

    /// A value that nobody wrote before.
    pub(super) fn new_value(&mut self) -> u64 {
        self.values += 1;
        1_000_000 + self.values
    }

    /// A write wants its key, and gets it at once if nobody has it.
    pub(super) fn want(&mut self, write: Write) -> WriteRef {
        let (source, key) = (write.source, write.key);
        let write = self.writes.add(write);
        self.sources.get_mut(source).open.insert(write);
        let is_free =
            self.map_of(key).discipline == Discipline::Versioned || self.keys.get(key).holder.is_none();
        if is_free {
            self.get_key(write);
            return write;
        }
        if self.rng.random_bool(0.5) {
            // Its map leg is begun while it waits: intervals of different writes then overlap, in any order.
            self.news.push(News::Began(write));
        } else {
            self.writes.get_mut(write).wanted = 0;
        }
        self.keys.get_mut(key).waiting.push_back(write);
        write
    }

    /// A write has its key: the rest is a matter of time.
    fn get_key(&mut self, write: WriteRef) {
        let key = self.writes.get(write).key;
        let plain = self.writes.get(write).plain;
        let map = self.plan.maps.get(self.keys.get(key).map).cloned().expect("keys name maps of the plan");
        let workload = self.plan.workload;
        let (rng, now) = (&mut self.rng, self.now);
        let timetable = Terms { rng, map: &map, workload: &workload, plain, now }.draw();
        self.keep(write, &timetable, &map);
    }

    /// Plans the steps of a write.
    pub(super) fn keep(&mut self, write: WriteRef, timetable: &Timetable, map: &MapPlan) {
        let key = self.writes.get(write).key;
        if map.discipline == Discipline::Locked {
            let version = self.keys.get_mut(key).next_version();
            self.keys.get_mut(key).holder = Some(write);
            self.writes.get_mut(write).version = version;
            self.queue.plan(timetable.settled(), Event::Release(write));
        }
        let it = self.writes.get_mut(write);
        let waited = it.wanted > 0 && it.wanted < self.now;
        it.map = if waited { (it.wanted, timetable.map.1) } else { timetable.map };
        (it.store, it.outcome) = (timetable.store, timetable.outcome);
        it.repaired = it.fault.is_none() && timetable.store_at.is_none() && !it.follows;
        if !waited {
            let begin = timetable.store.map_or(timetable.map.0, |leg| leg.0.min(timetable.map.0));
            self.queue.plan(begin, Event::Register(write));
        }
        self.queue.plan(timetable.map_at, Event::ChangeMap(write));
        timetable.store_at.iter().for_each(|at| self.queue.plan(*at, Event::Apply(write)));
        self.queue.plan(timetable.over(), Event::Finish(write));
    }

    pub(super) fn register(&mut self, write: WriteRef) {
        if !self.writes.get(write).orphaned {
            self.news.push(News::Began(write));
        }
    }

    pub(super) fn change_map(&mut self, write: WriteRef) {
        let (now, it) = (self.now, self.writes.get(write));
        if it.orphaned {
            return;
        }
        let (source, key, follows) = (it.source, it.key, it.follows);
        let has_copies = self.map_of(key).scope == Scope::Process;
        let is_versioned = self.map_of(key).discipline == Discipline::Versioned;
        let process = self.sources.get_mut(source);
        process.map_changes += 1;
        let map_order = self.plan.sources.get(source.0).is_some_and(|plan| plan.exact);
        let map_order = map_order.then_some(process.map_changes);
        let (it, key) = (self.writes.get_mut(write), self.keys.get_mut(key));
        if is_versioned && !follows {
            it.version = key.next_version();
        }
        (it.mapped, it.map_order) = (Some(now), map_order);
        key.map_value = it.value;
        key.last_mapped = Some(write);
        if has_copies {
            key.copies.insert(source, (it.value, it.version));
        }
    }

    pub(super) fn finish(&mut self, write: WriteRef) {
        let (now, it) = (self.now, self.writes.get_mut(write));
        if it.orphaned {
            return;
        }
        it.over = Some(now);
        let (source, key, repaired) = (it.source, it.key, it.repaired);
        self.sources.get_mut(source).open.remove(&write);
        self.news.push(News::Over(write));
        if repaired && self.map_of(key).discipline == Discipline::Versioned {
            self.repair(write);
        }
    }

    /// The next write gets the key; one that did not reach the store is made up for first.
    pub(super) fn release(&mut self, write: WriteRef) {
        let key = self.writes.get(write).key;
        if self.keys.get(key).holder != Some(write) {
            return;
        }
        self.keys.get_mut(key).holder = None;
        if self.writes.get(write).repaired {
            self.repair(write);
            return;
        }
        if let Some(next) = self.keys.get_mut(key).waiting.pop_front() {
            self.get_key(next);
        }
    }

    /// Writes the value again that did not reach the store, unless the map has moved on.
    fn repair(&mut self, write: WriteRef) {
        let it = self.writes.get(write).clone();
        let (source, key) = (it.source, it.key);
        let state = self.keys.get(key);
        let is_last = match state.copies.get(&source) {
            Some((_, version)) => *version == it.version,
            None => state.last_mapped == Some(write),
        };
        if self.sources.get(source).alive && is_last {
            let again = Write { plain: true, ..Write::new(source, key, it.value, self.now) };
            self.want(again);
        } else if let Some(next) = self.keys.get_mut(key).waiting.pop_front() {
            self.get_key(next);
        }
    }

    /// A process's copy takes over what another process wrote to the store.
    pub(super) fn follow(&mut self, source: SourceRef, write: WriteRef) {
        let it = self.writes.get(write).clone();
        let copy = self.keys.get(it.key).copies.get(&source).copied();
        let is_older = copy.is_some_and(|(_, version)| version < it.version);
        if !is_older || !self.sources.get(source).alive || self.drains(source) {
            return;
        }
        let follower =
            Write { follows: true, version: it.version, ..Write::new(source, it.key, it.value, self.now) };
        let follower = self.writes.add(follower);
        self.sources.get_mut(source).open.insert(follower);
        let map = self.map_of(it.key).clone();
        let leg = (self.now, self.now + 20_000);
        let (map_at, store, outcome) = (self.now, Some(leg), StoreOutcome::Failed);
        self.keep(follower, &Timetable { map: leg, map_at, store, store_at: None, outcome }, &map);
    }

    pub(super) fn map_of(&self, key: KeyRef) -> &MapPlan {
        self.plan.maps.get(self.keys.get(key).map).expect("keys name maps of the plan")
    }
}
