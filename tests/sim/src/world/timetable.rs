//! When the steps of a write are taken: drawn when it gets the key.

use super::write::Span;
use crate::plan::{Discipline, MS, MapPlan, Workload, span};
use counterfoil_judge::{Scope, StoreOutcome};
use rand::Rng;
use rand::rngs::SmallRng;

/// The steps of one write.
#[derive(Clone, Copy, Debug)]
pub(super) struct Timetable {
    pub(super) map: Span,
    pub(super) map_at: i64,
    /// The store call, if it is watched.
    pub(super) store: Option<Span>,
    /// When it has its effect; `None` for never.
    pub(super) store_at: Option<i64>,
    pub(super) outcome: StoreOutcome,
}

impl Timetable {
    /// When the process is done with the write.
    pub(super) fn over(&self) -> i64 {
        self.store.map_or(self.map.1, |leg| leg.1.max(self.map.1)) + 1_000
    }

    /// When nothing more can come of it.
    pub(super) fn settled(&self) -> i64 {
        let landed = self.store_at.unwrap_or(0).max(self.map_at);
        landed.max(if self.outcome == StoreOutcome::Ok { 0 } else { self.over() }) + 1_000
    }
}

/// What a timetable is drawn from.
pub(super) struct Terms<'a> {
    pub(super) rng: &'a mut SmallRng,
    pub(super) map: &'a MapPlan,
    pub(super) workload: &'a Workload,
    /// Nothing fails or takes long.
    pub(super) plain: bool,
    /// The write has the key from here on.
    pub(super) now: i64,
}

impl Terms<'_> {
    pub(super) fn draw(&mut self) -> Timetable {
        let is_watched = self.rng.random_bool(self.map.watched);
        let may_be_first = self.map.discipline == Discipline::Locked && (is_watched || self.map.lead > 0);
        if may_be_first && self.rng.random_bool(self.workload.store_first) {
            return if is_watched { self.store_first() } else { self.unwatched_store_first() };
        }
        let map_at = self.now + self.moment();
        let map = (self.now, map_at + self.moment());
        match is_watched {
            true => self.watched(map, map_at),
            false => {
                let latest = if self.is_slow() { self.map.deadline * 9 / 10 } else { 3 * MS };
                let store_at = map.1 + span(self.rng, 1_000, latest);
                Timetable { map, map_at, store: None, store_at: Some(store_at), outcome: StoreOutcome::Ok }
            }
        }
    }

    fn watched(&mut self, map: Span, map_at: i64) -> Timetable {
        let begin = if self.rng.random_bool(0.5) { self.now } else { map.1 };
        let store_at = map.1 + self.call();
        let store = Some((begin, store_at + self.moment()));
        let outcome = self.outcome();
        let store_at = match outcome {
            StoreOutcome::Ok => Some(store_at),
            StoreOutcome::Failed => None,
            StoreOutcome::Unknown => self.rng.random_bool(0.6).then(|| {
                // Copies follow only what has landed, and they too have a deadline.
                let latest = match self.map.scope {
                    Scope::Shared => self.map.give_up.unwrap_or(2 * self.map.deadline) * 9 / 10,
                    Scope::Process => self.map.deadline / 4,
                };
                span(self.rng, map.1 + 1_000, map.1 + latest)
            }),
        };
        Timetable { map, map_at, store, store_at, outcome }
    }

    fn store_first(&mut self) -> Timetable {
        let store_at = self.now + self.call();
        let store = (self.now, store_at + self.moment());
        let begin = if self.rng.random_bool(0.5) { self.now } else { store.1 };
        let map_at = store.1 + span(self.rng, 2_000, self.workload.hesitates);
        let map = (begin, map_at + self.moment());
        Timetable { map, map_at, store: Some(store), store_at: Some(store_at), outcome: StoreOutcome::Ok }
    }

    fn unwatched_store_first(&mut self) -> Timetable {
        let store_at = self.now + self.moment();
        let begin = store_at + span(self.rng, 1_000, self.map.lead * 9 / 10);
        let map_at = begin + self.moment();
        let map = (begin, map_at + self.moment());
        Timetable { map, map_at, store: None, store_at: Some(store_at), outcome: StoreOutcome::Ok }
    }

    fn outcome(&mut self) -> StoreOutcome {
        if self.plain {
            return StoreOutcome::Ok;
        }
        let at: f64 = self.rng.random_range(0.0..1.0);
        if at < self.workload.failed {
            StoreOutcome::Failed
        } else if at < self.workload.failed + self.workload.unknown {
            StoreOutcome::Unknown
        } else {
            StoreOutcome::Ok
        }
    }

    fn is_slow(&mut self) -> bool {
        !self.plain && self.rng.random_bool(self.workload.slow)
    }

    /// How long a store call takes; several tries count as one call.
    fn call(&mut self) -> i64 {
        let longest = if self.is_slow() { self.map.deadline / 2 } else { 4 * MS };
        span(self.rng, 50_000, longest)
    }

    /// How long something takes that does not wait for anything.
    fn moment(&mut self) -> i64 {
        span(self.rng, 2_000, 300_000)
    }
}
