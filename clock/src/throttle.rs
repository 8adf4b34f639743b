//! Keeps a repeated log line from filling the log.

use counterfoil_judge::Time;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// A line is logged at most this often, in nanoseconds.
const PERIOD_NS: i64 = 1_000_000_000;

/// Lets one line pass per second.
#[derive(Debug)]
pub struct Throttle {
    next: AtomicI64,
    unsaid: AtomicU64,
}

impl Throttle {
    /// Lets the first line pass.
    #[must_use]
    pub const fn new() -> Self {
        Self { next: AtomicI64::new(i64::MIN), unsaid: AtomicU64::new(0) }
    }

    /// Whether to log now; if so, how many lines were not logged since the last one.
    pub fn allows(&self, now: Time) -> Option<u64> {
        let next = self.next.load(Ordering::Relaxed);
        let later = now.plus(PERIOD_NS).0;
        let won = now.0 >= next
            && self.next.compare_exchange(next, later, Ordering::Relaxed, Ordering::Relaxed).is_ok();
        if won {
            return Some(self.unsaid.swap(0, Ordering::Relaxed));
        }
        self.unsaid.fetch_add(1, Ordering::Relaxed);
        None
    }
}

impl Default for Throttle {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_passes_per_second_and_tells_how_many_did_not() {
        let throttle = Throttle::new();
        assert_eq!(throttle.allows(Time(5)), Some(0));
        assert_eq!(throttle.allows(Time(6)), None);
        assert_eq!(throttle.allows(Time(7)), None);
        assert_eq!(throttle.allows(Time(5 + PERIOD_NS)), Some(2));
    }
}
