//! Rounds over the keys of one store that are at rest.

use crate::budget::Bucket;
use crate::table::{Place, Table, Walk};
use counterfoil_judge::Time;

/// Of the time that passed since the last step so much counts, in nanoseconds: after an outage a sweep goes on, it does not
/// hurry.
const STEP_MAX: i64 = 1_000_000_000;

/// Where rows of the store are gone through, a round over its keys waits for one over them, but no longer than so many times its
/// own time.
const HELD_TIMES: i64 = 2;

/// How far the rounds have come.
#[derive(Clone, Copy, Default, PartialEq, Debug)]
pub struct Progress {
    /// Keys that were put among those that wait for a read.
    pub keys: u64,
    /// Rounds completed.
    pub rounds: u64,
    /// How long the last one took, in nanoseconds.
    pub last_round: Option<i64>,
    /// Which part of this round is done, from 0 to 1.
    pub done: f64,
}

/// The rounds over the keys of one store.
pub struct Keys {
    store: usize,
    every: i64,
    allowed: Bucket,
    /// How much of the round's time has passed, less what did not count.
    passed: i64,
    place: Place,
    begun_at: Option<Time>,
    stepped_at: Option<Time>,
    /// It waits until more rounds over the rows have been completed than so many.
    waits_for: Option<u64>,
    progress: Progress,
}

impl Keys {
    /// Nothing was swept yet. A round over the keys of `store` takes `every` nanoseconds at least.
    #[must_use]
    pub fn new(store: usize, every: i64) -> Self {
        Self {
            store,
            every: every.max(1),
            allowed: Bucket::new(),
            passed: 0,
            place: Place::default(),
            begun_at: None,
            stepped_at: None,
            waits_for: Some(0),
            progress: Progress::default(),
        }
    }

    /// Lets the keys wait for a read whose turn has come at `now`, no more than `keys_per_s` of them. Leave it out while
    /// the store is not to be read by a sweep. If its rows are gone through, so many rounds over them were `scanned`: after each of
    /// them only those keys are left that it did not show.
    pub fn step(&mut self, table: &Table, keys_per_s: f64, scanned: Option<u64>, now: Time) {
        let begun_at = *self.begun_at.get_or_insert(now);
        let stepped_at = self.stepped_at.replace(now).unwrap_or(now);
        self.passed = (self.passed + now.since(stepped_at).clamp(0, STEP_MAX)).min(self.every);
        if scanned.is_some_and(|rounds| self.is_held(rounds, begun_at, now)) {
            return;
        }
        let limit = self.allowed.keys(keys_per_s, now);
        let to = table.place(self.passed, self.every);
        let walk = Walk { store: self.store, to, limit, untouched_since: now.minus(self.every) };
        let (place, keys) = table.rouse(self.place, &walk, now);
        self.allowed.take(keys);
        self.place = place;
        self.progress.keys += keys as u64;
        if self.passed >= self.every && self.place >= to {
            self.progress.rounds += 1;
            self.progress.last_round = Some(now.since(begun_at));
            (self.passed, self.place, self.begun_at) = (0, Place::default(), Some(now));
            self.waits_for = scanned;
        }
    }

    /// Whether the round still waits for one over the rows. One that waited in vain takes its own time from then on.
    fn is_held(&mut self, scanned: u64, begun_at: Time, now: Time) -> bool {
        let Some(before) = self.waits_for else { return false };
        let is_in_vain = now.since(begun_at) >= self.every.saturating_mul(HELD_TIMES);
        let is_held = scanned <= before && !is_in_vain;
        if !is_held {
            self.waits_for = None;
            self.passed = if scanned > before { self.passed } else { 0 };
        }
        is_held
    }

    /// How far it has come.
    #[must_use]
    pub fn progress(&self) -> Progress {
        Progress { done: self.passed as f64 / self.every as f64, ..self.progress }
    }
}
