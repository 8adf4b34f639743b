//! The scheduler: which keys are read when, and when what was read is judged. Pure: the time is handed in, reads are asked
//! for and given back.
//!
//! On each tick it gives up on silent sources and judges the observations that the watermark of every live source of the
//! map's tenant has passed;
//! then it sends off as many reads as the stores' budgets allow, each for many keys of one map. An observation that waits
//! is not read again. What a budget keeps waiting until its events' patience runs out is given up: nothing was seen of it.
//!
//! # Invariants
//!
//! - Each probe that was taken from the table comes back to it, with what was seen or why nothing was seen.
//! - Reads keep to the [`budget`](crate::budget) of their store; at most [`OBSERVATIONS_MAX`] observations are under way.
//! - Nothing is judged at an instant before the doubt of that instant stands in the table.

mod plan;

use crate::budget::{Bounds, Ending, Status};
use crate::contract::MapId;
use crate::engine::Engine;
use crate::sweep::{self, rows::Wanted};
use crate::table::{Change, Effects, Observed, Probe, Scanned};
use counterfoil_judge::{Interval, Time};
use plan::Store;
use std::sync::Arc;

/// Most observations that may be under way, being made or waiting for watermarks; with more, no more reads are sent off.
pub const OBSERVATIONS_MAX: usize = 200_000;

/// Most keys that are given up at a time, so that this takes a bounded time; what is left over is given up the next time.
const GIVEN_UP_MAX: usize = 10_000;

/// Once a tick has judged so many observations it leaves the others to the next, so that reads which come back meanwhile do not
/// wait for it, and the store for them.
const JUDGED_MAX: usize = 2_000;

/// A read to be made.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Request {
    /// Index of the store.
    pub store: usize,
    /// The map whose keys are read.
    pub map: MapId,
    /// The keys.
    pub probes: Vec<Probe>,
    /// How long ago the one that was due first was so, in nanoseconds.
    pub delay: i64,
}

/// A page of rows to be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PageRequest {
    /// Index of the store.
    pub store: usize,
    /// Which page.
    pub wanted: Wanted,
}

/// A page that came back, but for its rows.
#[derive(Clone, Debug)]
pub struct PageBack {
    /// Index of the store.
    pub store: usize,
    /// The check whose rows are gone through.
    pub map: MapId,
    /// From when to when it was read.
    pub at: Interval,
    /// How it ended.
    pub ending: Ending,
    /// How many rows it has; none unless it was answered.
    pub rows: usize,
    /// Where the next page begins; `None` after the last one.
    pub next: Option<Vec<u8>>,
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
    /// How it ended.
    pub ending: Ending,
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

/// Decides what is read and judged.
pub struct Scheduler {
    engine: Arc<Engine>,
    stores: Vec<Store>,
    /// Observations being made, or waiting for watermarks.
    under_way: usize,
    waiting: Vec<Waiting>,
    /// Whether the last tick left observations to the next that could have been judged.
    is_behind: bool,
    goes_through_rows: bool,
}

impl Scheduler {
    /// Nothing is under way. `bounds` are those of the contracts' stores, in their order.
    #[must_use]
    pub fn new(engine: Arc<Engine>, bounds: Vec<Bounds>) -> Self {
        let maps_of = |store: usize| {
            let maps = (0..).map(MapId).zip(engine.contracts().iter());
            let maps = maps.filter(move |(_, contract)| contract.store == store);
            maps.map(|(map, contract)| (map, contract.terms.patience))
        };
        let stores = bounds.into_iter().enumerate();
        let stores = stores.map(|(place, bounds)| Store::new(place, bounds, maps_of(place))).collect();
        Self { engine, stores, under_way: 0, waiting: Vec::new(), is_behind: false, goes_through_rows: false }
    }

    /// The same, with a sweep over what is at rest.
    #[must_use]
    pub fn sweeping(mut self, settings: &sweep::Settings) -> Self {
        let contracts = self.engine.contracts().clone();
        self.stores.iter_mut().for_each(|store| store.set_sweep(settings, &contracts));
        self.goes_through_rows = settings.rows_per_s.is_some();
        self
    }

    /// The same, going on with the rows of `map` behind `after`, where a comparator before this one had come to.
    pub fn resume_rows(&mut self, map: MapId, after: &[u8]) {
        let store = self.engine.contracts().get(map).map(|contract| contract.store);
        let rows = store.and_then(|store| self.stores.get_mut(store)?.rows());
        rows.into_iter().for_each(|rows| rows.resume(map, after.to_vec()));
    }

    /// Gives up on sources that are silent at `at`, then judges the observations that every live source's watermark has
    /// passed by more than the lead of their map's contract, and gives up on keys that the budgets kept waiting for too long.
    /// Gives what has to be done after it.
    #[must_use]
    pub fn tick(&mut self, at: Time) -> Effects {
        self.engine.mind_silence(at);
        if self.goes_through_rows {
            self.engine.mind_wholes(at);
        }
        let (contracts, sources) = (self.engine.contracts(), self.engine.sources());
        let horizons = sources.horizons(contracts.tenants(), self.engine.clocks(), at);
        let is_passed = |read: &Waiting| horizons.get(read.tenant).is_some_and(|it| read.passed_by < *it);
        let (mut judged, mut left) = (0, false);
        let is_to_be_judged = |read: &mut Waiting| {
            let is_passed = is_passed(read);
            left |= is_passed && judged >= JUDGED_MAX;
            let is_taken = is_passed && judged < JUDGED_MAX;
            judged += if is_taken { read.observed.len() } else { 0 };
            is_taken
        };
        let mut effects = Effects::default();
        for read in self.waiting.extract_if(.., is_to_be_judged) {
            self.under_way = self.under_way.saturating_sub(read.observed.len());
            let judged = self.engine.table().apply(Change::Observed(read.observed), at);
            append(&mut effects, judged);
        }
        self.is_behind = left;
        append(&mut effects, self.give_up(at));
        effects
    }

    /// Whether the last tick left something to the next that could have been judged.
    #[must_use]
    pub fn is_behind(&self) -> bool {
        self.is_behind
    }

    /// Takes the keys that are due at `at` from the table, as many as the budgets allow; gives the reads to be made.
    #[must_use]
    pub fn send_off(&mut self, at: Time) -> Vec<Request> {
        (0..self.stores.len()).flat_map(|store| self.send_off_to(store, at)).collect()
    }

    /// The same for the keys of one store.
    #[must_use]
    pub fn send_off_to(&mut self, store: usize, at: Time) -> Vec<Request> {
        let Some(store) = self.stores.get_mut(store) else { return Vec::new() };
        let room = OBSERVATIONS_MAX.saturating_sub(self.under_way);
        let requests = store.plan(self.engine.table(), room, at);
        self.under_way += requests.iter().map(|request| request.probes.len()).sum::<usize>();
        requests
    }

    /// Whether more keys of the store were due than there was room for when it was last sent to.
    #[must_use]
    pub fn is_short(&self, store: usize) -> bool {
        self.stores.get(store).is_some_and(|store| store.budget.is_short())
    }

    /// The pages of rows to be read at `at`, after [`Self::send_off`]: one of each store at most.
    #[must_use]
    pub fn next_pages(&mut self, at: Time) -> Vec<PageRequest> {
        self.stores.iter_mut().filter_map(|store| store.next_page(at)).collect()
    }

    /// Notes at `at` that a page came back; gives the next one of the store if it can be read at once, so that the store need
    /// not wait while the rows of this one are digested and compared.
    pub fn turn_page(&mut self, page: &PageBack, at: Time) -> Option<PageRequest> {
        let store = self.stores.get_mut(page.store)?;
        store.budget.back(page.map, page.rows, page.at, page.ending);
        store.rows()?.back(page.map, page.next.as_deref(), page.ending);
        page.next.as_ref().and_then(|_| store.next_page(at))
    }

    /// Compares the `rows` of a page that was [turned](Self::turn_page) with the table at `at`.
    pub fn compare_page(&mut self, page: &PageBack, rows: &[Scanned], at: Time) {
        if page.ending != Ending::Answered {
            return;
        }
        let rows = self.engine.table().compare_rows(page.map, rows, page.at, at);
        if let Some(scan) = self.stores.get_mut(page.store).and_then(Store::rows) {
            scan.compared(page.map, &rows, page.next.is_none(), at);
        }
    }

    /// Takes back a read at `at`. What it saw is judged by a later tick.
    pub fn take_back(&mut self, read: Read, at: Time) {
        if let Some(store) = self.stores.get_mut(read.store) {
            store.budget.back(read.map, read.observed.len(), read.at, read.ending);
        }
        if read.ending != Ending::Answered {
            self.engine.table().release_twice(read.map, &read.observed);
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

    /// What the budgets of the stores are at `at`, in the order of the stores.
    pub fn statuses(&self, at: Time) -> impl Iterator<Item = Status> {
        self.stores.iter().map(move |store| store.budget.status(at))
    }

    /// How far the sweep has come in each store, in their order.
    pub fn swept(&self) -> impl Iterator<Item = sweep::Progress> {
        self.stores.iter().map(Store::swept)
    }

    fn give_up(&mut self, at: Time) -> Effects {
        let mut given_up = Vec::new();
        for store in &mut self.stores {
            store.budget.tick(at);
            given_up.extend(store.give_up(self.engine.table(), GIVEN_UP_MAX, at));
        }
        if given_up.is_empty() {
            return Effects::default();
        }
        self.engine.table().apply(Change::Observed(given_up), at)
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
