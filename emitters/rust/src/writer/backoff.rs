//! How long to wait before the next attempt to connect.

use crate::limits::RETRY_MIN;
use counterfoil_clock::now;
use std::time::Duration;

/// Steps of the jitter.
const STEPS: u32 = 1_024;

/// Pauses that double up to a bound, each shortened by up to a half at random, so that the emitters of a pod do not
/// come back all at once.
pub(crate) struct Backoff {
    next: Duration,
    max: Duration,
}

impl Backoff {
    pub(crate) fn new(max: Duration) -> Self {
        let max = max.max(RETRY_MIN);
        Self { next: RETRY_MIN, max }
    }

    /// The next pause.
    pub(crate) fn pause(&mut self) -> Duration {
        let whole = self.next;
        self.next = whole.saturating_mul(2).min(self.max);
        let half = whole / 2;
        // The clock's nanoseconds are random enough to part processes that were started apart.
        let step = u32::try_from(now().0.unsigned_abs() % u64::from(STEPS)).unwrap_or_default();
        half + half * step / STEPS
    }

    /// It worked: begin again with the short pause.
    pub(crate) fn reset(&mut self) {
        self.next = RETRY_MIN;
    }

    /// The sidecar said no: go on with the longest pause.
    pub(crate) fn lengthen(&mut self) {
        self.next = self.max;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_from_the_shortest_to_the_longest_and_begin_again() {
        let mut backoff = Backoff::new(Duration::from_millis(150));
        for whole in [50, 100, 150, 150] {
            let pause = backoff.pause();
            assert!((whole / 2..=whole).contains(&pause.as_millis()), "{pause:?} of {whole}");
        }
        backoff.reset();
        assert!(backoff.pause() <= Duration::from_millis(50));
        backoff.lengthen();
        assert!(backoff.pause() >= Duration::from_millis(75));
    }
}
