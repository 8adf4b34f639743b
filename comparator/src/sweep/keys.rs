//! Rounds over the keys of one store that are at rest.

use crate::budget::Bucket;
use crate::table::{Place, Table, Walk};
use counterfoil_judge::Time;

/// Of the time that passed since the last step so much counts, in nanoseconds: after an outage a sweep goes on, it does not
/// hurry.
const STEP_MAX: i64 = 1_000_000_000;

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
            progress: Progress::default(),
        }
    }

    /// Lets the keys wait for a read whose turn has come at `now`, no more than `keys_per_s` of them. Leave it out while
    /// the store is not to be read by a sweep.
    pub fn step(&mut self, table: &Table, keys_per_s: f64, now: Time) {
        let begun_at = *self.begun_at.get_or_insert(now);
        let stepped_at = self.stepped_at.replace(now).unwrap_or(now);
        self.passed = (self.passed + now.since(stepped_at).clamp(0, STEP_MAX)).min(self.every);
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
        }
    }

    /// How far it has come.
    #[must_use]
    pub fn progress(&self) -> Progress {
        Progress { done: self.passed as f64 / self.every as f64, ..self.progress }
    }
}
