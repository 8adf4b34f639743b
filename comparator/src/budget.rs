//! A store's read budget: how hard it may be read, and by which checks first. Pure: the time is handed in.
//!
//! # Design
//!
//! Three things bound the reads of a store, besides how many may be under way at a time and how many keys one has:
//!
//! - a rate of keys, with a burst of a tenth of a second ([`bucket`]);
//! - that rate falls when the store is strained: when reads take three times as long as is usual for their size
//!   ([`latency`]), or longer than the configured target, it halves, and it grows back within seconds when they do not
//!   ([`pace`]);
//! - a store that does not answer is left alone for 0.1 s, then twice as long each time up to 5 s, then asked for a single
//!   key; when it answers the rate begins at its lower bound ([`pause`]).
//!
//! Within it checks of fresh writes go first; open divergences and all else keep a small share ([`shares`]).
//!
//! # Invariants
//!
//! - Over any time `t` in seconds no more than `keys_per_s * (t + 0.1)` keys are read, and one more.
//! - While a store does not answer at most one read of one key is under way, those from before apart.
//! - The rate falls once per round trip at most, and never below its lower bound.

mod bucket;
mod latency;
mod pace;
mod pause;
mod shares;
#[cfg(test)]
mod tests;

pub use shares::Shares;

use crate::contract::MapId;
use crate::table::{Class, PerClass};
pub(crate) use bucket::Bucket;
use counterfoil_judge::{Interval, Reason, Time};
use latency::Latency;
use pace::Pace;
use pause::Pause;
use shares::Credit;

/// Nanoseconds in a millisecond.
const MS: i64 = 1_000_000;

/// Who is looked after less often than this, in nanoseconds, was kept waiting by the comparator itself, not by a budget.
const STANDSTILL: i64 = 1_000 * MS;

/// How hard a store may be read.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Bounds {
    /// Most reads at a time.
    pub concurrency: usize,
    /// Most keys in a read.
    pub keys_per_read_max: usize,
    /// Most keys a second; infinite for as many as the store bears.
    pub keys_per_s: f64,
    /// Keys a second that are read of a slow store all the same.
    pub keys_per_s_min: f64,
    /// A read that takes longer strains the store, in nanoseconds; `None` for three times what is usual.
    pub latency_target: Option<i64>,
    /// What is left to the less urgent checks.
    pub shares: Shares,
}

/// How a store is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It is read as fast as its bounds allow.
    Healthy,
    /// It is read less, or was until a few seconds ago, because it was strained.
    Slow,
    /// It answers, but refuses the query of some map: what the query names is not there, or may not be read.
    Refusing,
    /// It does not answer; why, as a metric label.
    Down(&'static str),
}

impl State {
    /// The labels of all states.
    pub const LABELS: [&str; 4] = ["healthy", "slow", "refusing", "down"];

    /// The state as a metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Slow => "slow",
            Self::Refusing => "refusing",
            Self::Down(_) => "down",
        }
    }

    /// Why it tells nothing, as a metric label; `None` where it does.
    #[must_use]
    pub const fn reason(self) -> Option<&'static str> {
        match self {
            Self::Healthy | Self::Slow => None,
            Self::Refusing => Some("query"),
            Self::Down(reason) => Some(reason),
        }
    }
}

/// How a read ended, as far as it says something about the store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// It was answered.
    Answered,
    /// The store answered that it does not understand the query: what is wrong is elsewhere.
    Refused,
    /// The store did not answer; why, as a metric label.
    Unanswered(&'static str),
}

/// What a budget is at an instant.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Status {
    /// How the store is.
    pub state: State,
    /// Keys a second that may be read now; `None` for as many as the store bears.
    pub keys_per_s: Option<f64>,
    /// How long after it was due the last probe was sent off, in nanoseconds.
    pub probe_delay: i64,
}

/// What may be read of a store at an instant.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Room {
    /// Reads.
    pub reads: usize,
    /// Keys, in all of them.
    pub keys: usize,
}

/// The budget of one store, and what is known of the store.
pub struct Budget {
    bounds: Bounds,
    bucket: Bucket,
    latency: Latency,
    pace: Pace,
    pause: Pause,
    credit: Credit,
    /// The map whose query was refused last, until a read of it is answered.
    refused: Option<MapId>,
    /// Reads under way.
    reads: usize,
    /// Since when more was wanted than there was, without a break.
    short_since: Option<Time>,
    looked_at: Option<Time>,
    probe_delay: i64,
}

impl Budget {
    /// Nothing was read yet.
    #[must_use]
    pub fn new(bounds: Bounds) -> Self {
        Self {
            bucket: Bucket::new(),
            latency: Latency::new(bounds.latency_target),
            pace: Pace::new(bounds.keys_per_s_min.min(bounds.keys_per_s), bounds.keys_per_s),
            pause: Pause::default(),
            credit: Credit::new(bounds.shares, bounds.keys_per_read_max),
            refused: None,
            reads: 0,
            short_since: None,
            looked_at: None,
            probe_delay: 0,
            bounds,
        }
    }

    /// Takes note of the time, a few times a second or more often.
    pub fn tick(&mut self, now: Time) {
        let has_stood = self.looked_at.is_some_and(|at| now.since(at) > STANDSTILL);
        self.looked_at = Some(now);
        if has_stood && self.short_since.is_some() {
            self.short_since = Some(now);
        }
        if self.pause.reason().is_none() {
            self.pace.look(self.reads == 0, now);
        }
    }

    /// What may be read at `now`.
    #[must_use]
    pub fn room(&mut self, now: Time) -> Room {
        let keys = self.bucket.keys(self.pace.allowed(), now);
        match self.pause.reason() {
            None => Room { reads: self.bounds.concurrency.saturating_sub(self.reads), keys },
            Some(_) if self.pause.is_to_be_asked(now) => Room { reads: 1, keys: keys.min(1) },
            Some(_) => Room { reads: 0, keys: 0 },
        }
    }

    /// Most keys in a read.
    #[must_use]
    pub fn keys_per_read_max(&self) -> usize {
        self.bounds.keys_per_read_max
    }

    /// How many keys of the class may go before all that is more urgent.
    #[must_use]
    pub fn credit(&self, class: Class) -> usize {
        self.credit.of(class)
    }

    /// A read of so many keys of each class is sent off; the one that was due first was so `delay` nanoseconds ago.
    pub fn sent(&mut self, keys: &PerClass<usize>, delay: i64) {
        self.reads += 1;
        self.bucket.take(keys.iter().sum());
        self.credit.taken(keys);
        self.pause.sent();
        self.probe_delay = delay;
    }

    /// So many keys of a read that was sent off are read once more, by the same read.
    pub fn sent_again(&mut self, keys: usize) {
        self.bucket.take(keys);
    }

    /// A read of about so many rows, of the class of idle keys, is sent off.
    pub fn sent_page(&mut self, rows: usize) {
        let mut keys = PerClass::default();
        *keys.get_mut(Class::Idle) = rows;
        self.sent(&keys, self.probe_delay);
    }

    /// Everything was sent off at `now` that there was room for; `was_short` if more was wanted.
    pub fn sent_all(&mut self, was_short: bool, now: Time) {
        if was_short {
            self.bucket.was_short();
        }
        self.short_since = was_short.then(|| self.short_since.unwrap_or(now));
    }

    /// Whether more was wanted than there was.
    #[must_use]
    pub fn is_short(&self) -> bool {
        self.short_since.is_some()
    }

    /// A read of `keys` keys of `map`, made within `at`, is back.
    pub fn back(&mut self, map: MapId, keys: usize, at: Interval, ending: Ending) {
        self.reads = self.reads.saturating_sub(1);
        let was_down = self.pause.reason().is_some();
        match ending {
            Ending::Answered => {
                _ = self.refused.take_if(|refused| *refused == map);
                let strain = self.latency.learn(keys, at.end.since(at.begin), at.end);
                self.pace.answered(at.begin, keys, strain);
                self.pause.answered(at.begin);
            }
            Ending::Refused => {
                self.refused = Some(map);
                self.pause.answered(at.begin);
            }
            Ending::Unanswered(reason) => {
                self.pause.failed(at.begin, reason, at.end);
                self.pace.failed(at.end);
            }
        }
        let is_down = self.pause.reason().is_some();
        if was_down && !is_down {
            self.pace.resumed(at.end);
        }
        if was_down != is_down {
            // What waited while it was away was not kept waiting by its rate, and the other way round.
            self.short_since = None;
        }
    }

    /// Why a key that could have been read `patience` nanoseconds ago was not; `None` if it was not for the store's budget.
    #[must_use]
    pub fn keeps_waiting(&self, patience: i64, now: Time) -> Option<Reason> {
        if self.pause.reason().is_some() {
            return Some(Reason::Store);
        }
        self.short_since.is_some_and(|since| since.plus(patience) <= now).then_some(Reason::Budget)
    }

    /// How many keys a second are left to idle ones; infinite for as many as the store bears, `None` while it does not
    /// answer.
    #[must_use]
    pub fn idle_keys_per_s(&self) -> Option<f64> {
        let allowed = self.pace.allowed();
        let share = if allowed.is_finite() { allowed * self.bounds.shares.idle } else { allowed };
        self.pause.reason().is_none().then_some(share)
    }

    /// What it is at `now`.
    #[must_use]
    pub fn status(&self, now: Time) -> Status {
        let state = match self.pause.reason() {
            Some(reason) => State::Down(reason),
            None if self.refused.is_some() => State::Refusing,
            None if self.pace.is_slow(now) => State::Slow,
            None => State::Healthy,
        };
        let allowed = self.pace.allowed();
        Status { state, keys_per_s: allowed.is_finite().then_some(allowed), probe_delay: self.probe_delay }
    }
}
