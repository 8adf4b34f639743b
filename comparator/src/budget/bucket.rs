//! How many keys may be read by now, at a given rate: a token bucket.

use counterfoil_judge::Time;

/// Nanoseconds in a second.
const SECOND: f64 = 1e9;

/// What was not used of this part of a second may be used later, so that reads need not be evenly spaced.
const BURST_IN: f64 = 10.0;

/// Fills with the keys that may be read.
pub(crate) struct Bucket {
    keys: f64,
    filled_at: Option<Time>,
    /// It was emptied while more was wanted. It then fills by half before it gives anything: a few reads of many keys cost a
    /// store less than many of a few.
    is_drained: bool,
}

impl Bucket {
    /// It is full.
    pub(crate) fn new() -> Self {
        Self { keys: f64::INFINITY, filled_at: None, is_drained: false }
    }

    /// How many keys may be read at `now`, at a rate of `per_s`, which may be infinite.
    pub(crate) fn keys(&mut self, per_s: f64, now: Time) -> usize {
        let elapsed = self.filled_at.map_or(0, |at| now.since(at).max(0));
        self.filled_at = self.filled_at.max(Some(now));
        if per_s.is_infinite() {
            *self = Self { keys: f64::INFINITY, is_drained: false, ..*self };
            return usize::MAX;
        }
        let burst = (per_s / BURST_IN).max(1.0);
        self.keys = (self.keys + per_s * (elapsed as f64 / SECOND)).min(burst);
        self.is_drained &= self.keys < (burst / 2.0).max(1.0);
        if self.is_drained { 0 } else { whole(self.keys) }
    }

    /// So many keys are read.
    pub(crate) fn take(&mut self, keys: usize) {
        self.keys -= keys as f64;
    }

    /// More was wanted than there was.
    pub(super) fn was_short(&mut self) {
        self.is_drained |= self.keys < 1.0;
    }
}

/// The whole keys in a number of them.
#[allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a float to integer cast saturates"
)]
pub(super) fn whole(keys: f64) -> usize {
    keys as usize
}
