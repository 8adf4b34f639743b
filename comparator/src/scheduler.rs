//! The scheduler: which keys are read when, and when what was read is judged. Pure: the time is handed in, reads are asked
//! for and given back.
//!
//! On each tick it gives up on silent sources and judges the observations that the watermark of every live source of the
//! map's tenant has passed;
//! then it sends off as many reads as the stores' budgets allow, each for many keys of one map. An observation that waits
//! is not read again.
//!
//! # Invariants
//!
//! - Each probe that was taken from the table comes back to it, with what was seen or why nothing was seen.
//! - At most `concurrency` reads per store and [`OBSERVATIONS_MAX`] observations are under way.
//! - Nothing is judged at an instant before the doubt of that instant stands in the table.

use crate::contract::{Contract, MapId};
use crate::engine::Engine;
use crate::table::{Change, Effects, Observed, Probe};
use counterfoil_judge::{Interval, Time};
use std::sync::Arc;

/// Most observations that may be under way, being made or waiting for watermarks; with more, no more reads are sent off.
pub const OBSERVATIONS_MAX: usize = 200_000;

/// What one store is spared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Budget {
    /// Most reads at a time.
    pub concurrency: usize,
    /// Most keys in a read.
    pub keys_per_read_max: usize,
}

/// A read to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// Index of the store.
    pub store: usize,
    /// The map whose keys are read.
    pub map: MapId,
    /// The keys.
    pub probes: Vec<Probe>,
}

/// A read that came back: with an observation for each probe of its request.
#[derive(Clone, Debug)]
pub struct Read {
    /// Index of the store.
    pub store: usize,
    /// The map whose keys were read.
    pub map: MapId,
    /// From when to when the read was made, in the comparator's timeline.
    pub at: Interval,
    /// What was seen.
    pub observed: Vec<Observed>,
}

/// A read that waits for watermarks.
struct Waiting {
    /// Whatever landed before this read's end has begun before this, as seen from the map.
    passed_by: Time,
    /// Place of the tenant whose sources are waited for.
    tenant: usize,
    observed: Vec<Observed>,
}

/// What is under way at one store.
struct Store {
    budget: Budget,
    reads: usize,
}

/// Decides what is read and judged.
pub struct Scheduler {
    engine: Arc<Engine>,
    stores: Vec<Store>,
    /// Observations being made, or waiting for watermarks.
    under_way: usize,
    waiting: Vec<Waiting>,
    /// Where to begin looking for keys that are due, so that none starves.
    turn: usize,
}

impl Scheduler {
    /// Nothing is under way. `budgets` are those of the contracts' stores, in their order.
    #[must_use]
    pub fn new(engine: Arc<Engine>, budgets: Vec<Budget>) -> Self {
        let stores = budgets.into_iter().map(|budget| Store { budget, reads: 0 }).collect();
        Self { engine, stores, under_way: 0, waiting: Vec::new(), turn: 0 }
    }

    /// Gives up on sources that are silent at `at`, then judges the observations that every live source's watermark has
    /// passed by more than the lead of their map's contract. Gives what has to be done after it.
    #[must_use]
    pub fn tick(&mut self, at: Time) -> Effects {
        self.engine.mind_silence(at);
        let (contracts, sources) = (self.engine.contracts(), self.engine.sources());
        let horizons = sources.horizons(contracts.tenants(), self.engine.clocks(), at);
        let is_passed = |read: &mut Waiting| horizons.get(read.tenant).is_some_and(|it| read.passed_by < *it);
        let mut effects = Effects::default();
        for read in self.waiting.extract_if(.., is_passed) {
            self.under_way = self.under_way.saturating_sub(read.observed.len());
            let judged = self.engine.table().apply(Change::Observed(read.observed), at);
            append(&mut effects, judged);
        }
        effects
    }

    /// Takes the keys that are due at `at` from the table, as many as the budgets allow; gives the reads to be made.
    #[must_use]
    pub fn send_off(&mut self, at: Time) -> Vec<Request> {
        self.turn = self.turn.wrapping_add(1);
        let engine = self.engine.clone();
        let maps: Vec<_> = (0..).map(MapId).zip(engine.contracts().iter()).collect();
        let (first, last) = maps.split_at(self.turn.checked_rem(maps.len()).unwrap_or(0));
        let mut requests = Vec::new();
        for (map, contract) in last.iter().chain(first) {
            while let Some(request) = self.request(*map, contract, at) {
                requests.push(request);
            }
        }
        requests
    }

    /// Takes back a read at `at`. What it saw is judged by a later tick.
    pub fn take_back(&mut self, read: Read, at: Time) {
        if let Some(store) = self.stores.get_mut(read.store) {
            store.reads = store.reads.saturating_sub(1);
        }
        // Writes that began after this read need not be kept for its judgement.
        let effects = self.engine.table().apply(Change::Looked(&read.observed), at);
        debug_assert!(effects.ended.is_empty() && effects.turned.is_empty(), "looking ends nothing");
        let contracts = self.engine.contracts();
        let Some(contract) = contracts.get(read.map) else { return };
        let Some(tenant) = contracts.tenant_place(&contract.tenant) else { return };
        let passed_by = read.at.end.plus(contract.terms.lead);
        self.waiting.push(Waiting { passed_by, tenant, observed: read.observed });
    }

    /// How many observations wait for watermarks.
    #[must_use]
    pub fn waiting(&self) -> usize {
        self.waiting.iter().map(|read| read.observed.len()).sum()
    }

    /// One read of what is due of a map, if there is anything and its store may be read.
    fn request(&mut self, map: MapId, contract: &Contract, at: Time) -> Option<Request> {
        let store = self.stores.get_mut(contract.store)?;
        if store.reads >= store.budget.concurrency {
            return None;
        }
        let limit = store.budget.keys_per_read_max.min(OBSERVATIONS_MAX.saturating_sub(self.under_way));
        let probes = self.engine.table().due(map, at, limit, self.turn);
        if probes.is_empty() {
            return None;
        }
        store.reads += 1;
        self.under_way += probes.len();
        Some(Request { store: contract.store, map, probes })
    }
}

fn append(effects: &mut Effects, more: Effects) {
    effects.accepted.extend(more.accepted);
    effects.ended.extend(more.ended);
    effects.verdicts.extend(more.verdicts);
    effects.turned.extend(more.turned);
    effects.merged += more.merged;
    effects.calibrated.extend(more.calibrated);
}

#[cfg(test)]
mod tests;
