//! So many turns per second.

use counterfoil_clock::now;
use counterfoil_judge::Time;
use std::thread::sleep;
use std::time::Duration;

const SECOND: f64 = 1e9;

/// Turns that run ahead by less than this are not held back: a sleep costs more than it is worth.
const SLACK: Duration = Duration::from_millis(2);

/// Holds a thread back to a rate.
pub(crate) struct Pace {
    start: Time,
    gap_ns: Option<f64>,
    turns: f64,
}

impl Pace {
    /// `rate` turns per second from now on; 0 for as many as can be.
    pub(crate) fn new(rate: f64) -> Self {
        Self { start: now(), gap_ns: (rate > 0.0).then(|| SECOND / rate), turns: 0.0 }
    }

    /// Waits for the next turn.
    pub(crate) fn wait(&mut self) {
        let Some(gap_ns) = self.gap_ns else { return };
        let due = Duration::from_secs_f64(self.turns * gap_ns / SECOND);
        self.turns += 1.0;
        let ahead = due.saturating_sub(since(self.start));
        if ahead > SLACK {
            sleep(ahead);
        }
    }
}

/// The time since `earlier`.
pub(crate) fn since(earlier: Time) -> Duration {
    Duration::from_nanos(u64::try_from(now().since(earlier)).unwrap_or(0))
}

/// `duration` after `start`.
pub(crate) fn after(start: Time, duration: Duration) -> Time {
    start.plus(i64::try_from(duration.as_nanos()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn turns_come_no_faster_than_the_rate_and_a_rate_of_zero_holds_nobody_back() {
        let mut pace = Pace::new(1_000.0);
        (0..51).for_each(|_| pace.wait());
        assert!(since(pace.start) >= Duration::from_millis(50) - SLACK);
        let mut free = Pace::new(0.0);
        (0..1_000_000).for_each(|_| free.wait());
        assert!(since(free.start) < Duration::from_secs(5));
    }
}
