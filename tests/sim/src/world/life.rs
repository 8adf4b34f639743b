//! How processes start, end and die, and how machines sleep.

use super::telling::Telling;
use super::{Event, KeyRef, News, SourceRef, World, WriteRef};
use crate::faults::FaultKind;
use crate::plan::{DRAIN, Ending, MS, Sleep, WARM_UP, span};
use rand::Rng;
use std::collections::{BTreeMap, BTreeSet};

/// One process of the application.
#[derive(Clone, Debug)]
pub struct Process {
    /// It has started and not ended.
    pub alive: bool,
    /// Its writes that are not over.
    pub(super) open: BTreeSet<WriteRef>,
    /// How often it changed the map, or read what it holds.
    pub(super) map_changes: u64,
    /// How far it has come in telling what each map holds.
    pub(super) tellings: BTreeMap<usize, Telling>,
}

impl Process {
    pub(super) fn new() -> Self {
        Self { alive: false, open: BTreeSet::new(), map_changes: 0, tellings: BTreeMap::new() }
    }
}

impl World {
    pub(super) fn start(&mut self, source: SourceRef) {
        self.sources.get_mut(source).alive = true;
        self.news.push(News::Started(source));
        let pause = self.plan.workload.pause;
        let first = self.now + WARM_UP + span(&mut self.rng, 0, pause);
        self.queue.plan(first, Event::WriteDue(source));
        if self.plan.telling.is_some() {
            self.queue.plan(self.now, Event::Tell(source));
        }
    }

    pub(super) fn end(&mut self, source: SourceRef) {
        match self.plan.sources.get(source.0).map(|plan| plan.ending) {
            Some(Ending::Bye) if !self.sources.get(source).open.is_empty() => {
                self.queue.plan(self.now + 5 * MS, Event::End(source));
            }
            Some(Ending::Bye) => {
                self.sources.get_mut(source).alive = false;
                self.drop_copies(source);
                self.news.push(News::SaidBye(source));
            }
            Some(Ending::Crash) => self.die(source),
            Some(Ending::Never) | None => {}
        }
    }

    fn die(&mut self, source: SourceRef) {
        let process = self.sources.get_mut(source);
        process.alive = false;
        for write in std::mem::take(&mut process.open) {
            self.orphan(write);
        }
        self.forget_unknown(source);
        self.drop_copies(source);
        self.news.push(News::Died(source));
    }

    /// A process's own copies of the map are gone with it.
    fn drop_copies(&mut self, source: SourceRef) {
        for at in 0..self.keys.len() {
            self.keys.get_mut(KeyRef(at)).copies.remove(&source);
        }
    }

    /// A write's process died in its middle. The map changes no more; the store call may have reached the store.
    fn orphan(&mut self, write: WriteRef) {
        let key = self.writes.get(write).key;
        self.keys.get_mut(key).waiting.retain(|waiting| *waiting != write);
        let lands = self.rng.random_bool(0.5);
        let it = self.writes.get_mut(write);
        it.orphaned = true;
        // A version is taken from the map; without it there is no store call.
        it.dropped = it.version == 0 || (it.applied.is_none() && !lands);
        it.repaired = false;
        if it.version > 0 {
            self.differ(FaultKind::Orphan, write);
        }
    }

    /// What a dead process sent lands within the deadline or never; what it would have written again it does not.
    fn forget_unknown(&mut self, source: SourceRef) {
        let of_it: Vec<_> =
            self.writes.iter().filter(|(_, it)| it.source == source).map(|(write, _)| write).collect();
        for write in of_it {
            let it = self.writes.get_mut(write);
            let is_open = it.applied.is_none() && it.outcome == counterfoil_judge::StoreOutcome::Unknown;
            it.dropped |= is_open;
            let unrepaired = std::mem::take(&mut it.repaired) || is_open;
            if unrepaired && self.keys.get(self.writes.get(write).key).last_mapped == Some(write) {
                self.differ(FaultKind::Orphan, write);
            }
        }
    }

    /// The process's machine will fall asleep soon.
    pub(super) fn drains(&self, source: SourceRef) -> bool {
        let sidecar =
            self.plan.sources.get(source.0).and_then(|source| self.plan.sidecars.get(source.sidecar));
        let domain = sidecar.and_then(|sidecar| self.plan.domains.get(sidecar.domain));
        let mut sleeps = domain.into_iter().flat_map(|domain| &domain.sleeps);
        sleeps.any(|sleep| sleep.at - DRAIN <= self.now && self.now < sleep.at + sleep.lasts)
    }

    /// A machine falls asleep if its processes have nothing open: what they stamped before is delivered by then.
    pub(super) fn fall_asleep(&mut self, domain: usize, sleep: Sleep) {
        let on_it = |at: SourceRef| {
            let plan = self.plan.sources.get(at.0).and_then(|source| self.plan.sidecars.get(source.sidecar));
            plan.is_some_and(|sidecar| sidecar.domain == domain)
        };
        let mut sources = self.sources.iter().filter(|(at, _)| on_it(*at));
        let busy = sources.any(|(_, source)| !source.open.is_empty());
        let last =
            self.writes.iter().rev().filter(|(_, it)| on_it(it.source)).filter_map(|(_, it)| it.over).max();
        if busy || last.is_some_and(|last| last > self.now - DRAIN / 2) {
            return;
        }
        if let Some(clock) = self.clocks.get_mut(domain) {
            clock.sleep(sleep);
            self.news.push(News::Slept(domain));
            self.queue.plan(self.now + sleep.lasts, Event::WakeUp(domain));
        }
    }
}
