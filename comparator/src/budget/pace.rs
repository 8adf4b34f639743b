//! How fast a store is read: additive increase, multiplicative decrease (Jacobson 1988), by what its reads show.

use super::MS;
use counterfoil_judge::Time;

/// The rate changes once in this time at most, in nanoseconds, and by reads alone that began since it last did: what was
/// under way then says nothing about the new rate.
const ROUND: i64 = 100 * MS;

/// A round with fewer reads goes on for a while: one slow read alone says little. The fastest of them counts.
const READS_MIN: u32 = 3;

/// The longest round that had a read.
const ROUND_MAX: i64 = 1_000 * MS;

/// How long the rate takes from nothing to all of what is allowed, in nanoseconds.
const RECOVERY: f64 = 3e9;

/// A store is called healthy when nothing was wrong for so long; else a store at its limit would be called slow, then healthy,
/// then slow.
const CALM: i64 = 10_000 * MS;

/// Where nobody said how fast a store may be read, the rate grows towards what it was, or this if that was little, in keys a
/// second, and then is without bounds again.
const CEILING_MIN: f64 = 1_000.0;

/// How strongly a healthy round moves what is usual.
const USUAL_IN: f64 = 8.0;

/// Decides on the rate of a store's reads.
pub(super) struct Pace {
    /// Bounds of the rate, in keys a second; the upper one is infinite where nobody gave one.
    least: f64,
    most: f64,
    allowed: f64,
    /// Keys a second while the store is well.
    usual: f64,
    round: Round,
    /// When something was last wrong.
    wrong_at: Option<Time>,
}

/// What was seen since the rate last changed.
struct Round {
    begin: Time,
    reads: u32,
    keys: usize,
    /// How hard the read strained the store that did so least.
    strain: f64,
}

impl Round {
    fn new(begin: Time) -> Self {
        Self { begin, reads: 0, keys: 0, strain: f64::INFINITY }
    }
}

impl Pace {
    pub(super) fn new(least: f64, most: f64) -> Self {
        Self { least, most, allowed: most, usual: 0.0, round: Round::new(Time::MIN), wrong_at: None }
    }

    /// Keys a second that may be read; infinite while nothing holds them back.
    pub(super) fn allowed(&self) -> f64 {
        self.allowed
    }

    /// Whether the store was slow or away of late.
    pub(super) fn is_slow(&self, now: Time) -> bool {
        self.allowed < self.most || self.wrong_at.is_some_and(|at| now.since(at) < CALM)
    }

    /// A read of `keys` keys that began at `begin` was answered.
    pub(super) fn answered(&mut self, begin: Time, keys: usize, strain: f64) {
        self.round.keys += keys;
        if begin >= self.round.begin {
            self.round.reads += 1;
            self.round.strain = self.round.strain.min(strain);
        }
    }

    /// The store did not answer: it is read as little as may be, to begin with.
    pub(super) fn failed(&mut self, now: Time) {
        self.allowed = self.least;
        self.wrong_at = Some(now);
        self.round = Round::new(now);
    }

    /// The store answers again at `now`.
    pub(super) fn resumed(&mut self, now: Time) {
        self.round = Round::new(now);
    }

    /// Looks at what the reads showed by `now`. Without any, and none under way, the store is at rest.
    pub(super) fn look(&mut self, is_at_rest: bool, now: Time) {
        if self.round.begin == Time::MIN {
            self.round = Round { begin: now, ..Round::new(now) };
        }
        let elapsed = now.since(self.round.begin);
        let shows = match self.round.reads {
            0 => is_at_rest,
            reads => reads >= READS_MIN || elapsed >= ROUND_MAX,
        };
        if elapsed < ROUND || !shows {
            return;
        }
        let seen = self.round.keys as f64 * 1e9 / elapsed as f64;
        if self.round.reads > 0 && self.round.strain > 1.0 {
            self.allowed = (self.allowed.min(seen) / 2.0).max(self.least);
            self.wrong_at = Some(now);
        } else {
            self.grow(elapsed, seen);
        }
        self.round = Round::new(now);
    }

    fn grow(&mut self, elapsed: i64, seen: f64) {
        if self.allowed >= self.most {
            if self.round.reads > 0 {
                self.usual += (seen - self.usual) / USUAL_IN;
            }
            return;
        }
        let ceiling = if self.most.is_finite() { self.most } else { self.usual.max(CEILING_MIN) };
        self.allowed += ceiling * elapsed.min(ROUND_MAX) as f64 / RECOVERY;
        if self.allowed >= ceiling {
            self.allowed = self.most;
        }
    }
}
