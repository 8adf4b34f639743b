//! How faults are planted, and when they come into effect and go out of it.

use super::timetable::Timetable;
use super::write::Write;
use super::{Event, KeyRef, SourceRef, World, WriteRef};
use crate::faults::{Fault, FaultKind};
use crate::plan::{FaultPlan, MS, WARM_UP};
use counterfoil_judge::StoreOutcome;
use rand::Rng;
use rand::seq::IteratorRandom;

/// From one map change to the next of a pair whose order a checker must be able to tell across clocks.
const APART: i64 = 60 * MS;

impl World {
    /// The key of a planned fault is written honestly.
    pub(super) fn prepare(&mut self, fault: usize) {
        let Some(plan) = self.plan.faults.get(fault).cloned() else { return };
        if plan.kind == FaultKind::Frozen {
            return;
        }
        if let Some(source) = self.some_source() {
            let value = self.new_value();
            self.want(Write { plain: true, ..Write::new(source, plan.key, value, self.now) });
        }
    }

    /// What was done to the key is undone: by an honest write, or, of a row that no map knows, by whoever removes it.
    pub(super) fn heal(&mut self, fault: usize) {
        let Some((kind, key)) = self.plan.faults.get(fault).map(|plan| (plan.kind, plan.key)) else { return };
        if kind.is_unknown_row() && self.rng.random_bool(0.5) {
            self.set(key, 0, 0);
            self.agree(key, 1);
        } else {
            self.prepare(fault);
        }
    }

    pub(super) fn plant(&mut self, fault: usize) {
        let Some(plan) = self.plan.faults.get(fault).cloned() else { return };
        if plan.kind.is_at_rest() {
            return self.change_store(plan.kind, plan.key);
        }
        let Some(source) = self.some_source() else { return };
        match plan.kind {
            FaultKind::Frozen => self.keys.get_mut(plan.key).frozen_until = self.now + plan.lasts,
            FaultKind::Inverted => self.invert(source, plan.key),
            FaultKind::Reverted => self.revert(source, plan.key),
            FaultKind::Partial => self.leave_out(source, &plan, StoreOutcome::Failed),
            FaultKind::Unlanded => self.leave_out(source, &plan, StoreOutcome::Unknown),
            FaultKind::MapBehind => {
                self.keys.get_mut(plan.key).unfollowed = 1;
                let value = self.new_value();
                self.want(Write { plain: true, ..Write::new(source, plan.key, value, self.now) });
            }
            kind => {
                let value = if kind == FaultKind::LostRemove { 0 } else { self.new_value() };
                let fault = Some(kind);
                self.want(Write { plain: true, fault, ..Write::new(source, plan.key, value, self.now) });
            }
        }
    }

    /// The store holds something else from now on, though nobody writes.
    fn change_store(&mut self, kind: FaultKind, key: KeyRef) {
        let is_lost_put = kind == FaultKind::Baseline && self.rng.random_bool(0.4);
        let value = if is_lost_put { 0 } else { self.new_value() };
        let it = self.keys.get(key);
        let (harmed, version) = (it.last_mapped, it.store.version);
        let is_somebodys = it.map_value > 0 || it.store.value > 0;
        if kind.is_unknown_row() == is_somebodys {
            return;
        }
        self.set(key, value, version);
        match harmed {
            Some(harmed) => self.differ(kind, harmed),
            None => {
                let deadline = self.now + self.map_of(key).deadline;
                self.add_fault(Fault {
                    kind,
                    key,
                    harmed,
                    version: 0,
                    since: self.now,
                    deadline,
                    until: None,
                });
            }
        }
    }

    /// A process that writes now.
    fn some_source(&mut self) -> Option<SourceRef> {
        let warm = |at: usize| self.plan.sources.get(at).is_some_and(|plan| plan.begin + WARM_UP <= self.now);
        let sources = self.sources.iter().filter(|(at, source)| source.alive && warm(at.0));
        let fitting: Vec<_> = sources.map(|(at, _)| at).filter(|at| !self.drains(*at)).collect();
        fitting.into_iter().choose(&mut self.rng)
    }

    /// One write reaches the map and not the store, and nobody makes up for it.
    fn leave_out(&mut self, source: SourceRef, plan: &FaultPlan, outcome: StoreOutcome) {
        let (now, value) = (self.now, self.new_value());
        let map = (now, now + 200_000);
        let store = Some((map.1, map.1 + 2 * MS));
        let table = Timetable { map, map_at: now + 100_000, store, store_at: None, outcome };
        let write = self.add(source, plan.key, value, plan.kind, &table);
        self.differ_from(plan.kind, write, table.map_at);
    }

    /// Two writes reach the store in the other order than the map.
    fn invert(&mut self, source: SourceRef, key: KeyRef) {
        let now = self.now;
        let tables = Self::pair(now);
        let [older, newer] = tables;
        let older = Timetable { store_at: Some(newer.store_at.unwrap_or(now) + 2 * MS), ..older };
        let first = self.new_value();
        self.add(source, key, first, FaultKind::Inverted, &older);
        let second = self.new_value();
        let second = self.add(source, key, second, FaultKind::Inverted, &newer);
        self.differ_from(FaultKind::Inverted, second, older.store_at.unwrap_or(now));
    }

    /// Two writes side by side reach the store in the right order; then, while a third is on its way that never lands,
    /// the store goes back to the first.
    fn revert(&mut self, source: SourceRef, key: KeyRef) {
        let now = self.now;
        let [older, newer] = Self::pair(now);
        let values = [self.new_value(), self.new_value(), self.new_value()];
        let older = self.add(source, key, values[0], FaultKind::Reverted, &older);
        let newer = self.add(source, key, values[1], FaultKind::Reverted, &newer);
        let begin = now + APART + 20 * MS;
        let map = (begin, begin + 200_000);
        let store = Some((map.1, map.1 + MS));
        let (store_at, outcome) = (None, StoreOutcome::Unknown);
        let third = Timetable { map, map_at: begin + 100_000, store, store_at, outcome };
        let write = self.add(source, key, values[2], FaultKind::Unlanded, &third);
        self.differ_from(FaultKind::Unlanded, write, third.map_at);
        let terms = self.map_of(key);
        let back = begin + terms.give_up.unwrap_or(terms.deadline).min(terms.deadline) / 2;
        self.queue.plan(back, Event::GoBack(older, newer));
    }

    pub(super) fn go_back(&mut self, older: WriteRef, newer: WriteRef) {
        let (it, newest) = (self.writes.get(older).clone(), self.writes.get(newer).applied);
        if it.applied.is_some() && newest.is_some() {
            self.set(it.key, it.value, it.version);
            self.differ(FaultKind::Reverted, newer);
        }
    }

    /// Two writes whose map legs are apart, and whose store calls run side by side.
    fn pair(now: i64) -> [Timetable; 2] {
        let table = |begin: i64, call: i64| Timetable {
            map: (begin, begin + 200_000),
            map_at: begin + 100_000,
            store: Some((begin + 300_000, begin + call)),
            store_at: Some(begin + call / 2),
            outcome: StoreOutcome::Ok,
        };
        [table(now, APART + 12 * MS), table(now + APART, 6 * MS)]
    }

    fn add(
        &mut self,
        source: SourceRef,
        key: KeyRef,
        value: u64,
        kind: FaultKind,
        table: &Timetable,
    ) -> WriteRef {
        let write = Write { fault: Some(kind), ..Write::new(source, key, value, 0) };
        let write = self.writes.add(write);
        self.sources.get_mut(source).open.insert(write);
        let map = self.map_of(key).clone();
        self.keep(write, table, &map);
        write
    }

    /// From now on the two sides differ because of what was done to this write.
    pub(super) fn differ(&mut self, kind: FaultKind, harmed: WriteRef) {
        self.differ_from(kind, harmed, self.now);
    }

    pub(super) fn differ_from(&mut self, kind: FaultKind, harmed: WriteRef, since: i64) {
        let it = self.writes.get(harmed);
        let (key, version, deadline) = (it.key, it.version, it.deadline(self.map_of(it.key)));
        let harmed = Some(harmed);
        self.add_fault(Fault { kind, key, harmed, version, since, deadline, until: None });
    }

    fn add_fault(&mut self, fault: Fault<KeyRef, WriteRef>) {
        let key = fault.key;
        let fault = self.faults.add(fault);
        self.keys.get_mut(key).faults.push(fault);
    }

    /// An acknowledged write is not applied to a frozen key.
    pub(super) fn freeze(&mut self, write: WriteRef, it: &Write) {
        let faults = self.keys.get(it.key).faults.iter().copied();
        let is_open =
            |fault: &Fault<KeyRef, WriteRef>| fault.until.is_none() && fault.kind == FaultKind::Frozen;
        let open = faults.rev().find(|fault| is_open(self.faults.get(*fault)));
        match open {
            Some(open) => {
                let deadline = it.deadline(self.map_of(it.key));
                let fault = self.faults.get_mut(open);
                fault.version = fault.version.max(it.version);
                fault.deadline = fault.deadline.min(deadline);
            }
            None => self.differ(FaultKind::Frozen, write),
        }
    }

    /// An honest write with this version was applied: whatever was done to older ones shows no more.
    pub(super) fn agree(&mut self, key: KeyRef, version: u64) {
        let now = self.now;
        for fault in self.keys.get(key).faults.clone() {
            let harmed = self.faults.get(fault).harmed;
            // A write that was planned ahead got its version since.
            let harmed = harmed.map_or(0, |harmed| self.writes.get(harmed).version);
            let newest = self.faults.get(fault).version.max(harmed);
            let fault = self.faults.get_mut(fault);
            if newest < version && fault.since <= now {
                fault.until = fault.until.or(Some(now));
            }
        }
    }
}
