//! When the next sync is due, and how long to wait after a failure.

use crate::bounds::{RETRY_MS_MAX, RETRY_MS_MIN};
use rustix::time::{ClockId, clock_gettime};
use std::time::Duration;

/// Keeps a distance between syncs.
pub(super) struct Pace {
    distance: Duration,
    last: Option<Duration>,
}

impl Pace {
    pub(super) fn new(distance_ms: u64) -> Pace {
        Pace { distance: Duration::from_millis(distance_ms), last: None }
    }

    /// How long until the next sync may be.
    pub(super) fn wait(&self) -> Duration {
        let due = self.last.map_or(Duration::ZERO, |last| last + self.distance);
        due.saturating_sub(now())
    }

    /// Notes that there was a sync.
    pub(super) fn note(&mut self) {
        self.last = Some(now());
    }
}

/// Waits that grow with each failure.
pub(super) struct Backoff {
    next_ms: u64,
}

impl Backoff {
    pub(super) fn new() -> Backoff {
        Backoff { next_ms: RETRY_MS_MIN }
    }

    /// How long to wait after a failure.
    pub(super) fn wait(&mut self) -> Duration {
        let wait = Duration::from_millis(self.next_ms);
        self.next_ms = self.next_ms.saturating_mul(2).min(RETRY_MS_MAX);
        wait
    }
}

/// Time that passes, for waiting only.
fn now() -> Duration {
    let now = clock_gettime(ClockId::Monotonic);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_their_bound() {
        let mut backoff = Backoff::new();
        let waits: Vec<u128> = (0..9).map(|_| backoff.wait().as_millis()).collect();
        assert_eq!(waits, [10, 20, 40, 80, 160, 320, 640, 1000, 1000]);
    }

    #[test]
    fn the_first_sync_is_due_at_once_and_the_next_is_not() {
        let mut pace = Pace::new(3_600_000);
        assert_eq!(pace.wait(), Duration::ZERO);
        pace.note();
        assert!(pace.wait() > Duration::from_secs(3500));
    }
}
