//! How many events a connection may send: a token bucket that may go into debt. Pure.

use counterfoil_judge::Time;

/// A bucket of one second's worth of events.
pub(crate) struct Rate {
    per_second: i64,
    tokens: i64,
    filled: Time,
}

impl Rate {
    /// Lets `per_second` events pass per second from `now` on.
    pub(crate) fn new(per_second: u32, now: Time) -> Self {
        let per_second = i64::from(per_second.max(1));
        Self { per_second, tokens: per_second, filled: now }
    }

    /// Counts events that have come.
    pub(crate) fn count(&mut self, events: u64) {
        self.tokens = self.tokens.saturating_sub_unsigned(events);
    }

    /// Until when nothing more is to be read; `None`: go on.
    pub(crate) fn wait(&mut self, now: Time) -> Option<Time> {
        let passed_ns = now.since(self.filled).clamp(0, 1_000_000_000);
        // Below 2^32 a second, so this fits.
        let fresh = passed_ns * self.per_second / 1_000_000_000;
        if fresh > 0 || passed_ns == 1_000_000_000 {
            self.tokens = self.tokens.saturating_add(fresh).min(self.per_second);
            self.filled = now;
        }
        let debt = self.tokens.min(0).saturating_neg();
        let wait_ns = debt.saturating_mul(1_000_000_000) / self.per_second;
        (wait_ns > 0).then(|| now.plus(wait_ns.min(1_000_000_000)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_s_worth_passes_at_once_and_the_rest_at_its_rate() {
        let mut rate = Rate::new(100, Time(0));
        rate.count(100);
        assert_eq!(rate.wait(Time(0)), None);
        rate.count(50);
        assert_eq!(rate.wait(Time(0)), Some(Time(500_000_000)));
        assert_eq!(rate.wait(Time(250_000_000)), Some(Time(500_000_000)));
        assert_eq!(rate.wait(Time(500_000_000)), None);
        rate.count(1);
        assert_eq!(rate.wait(Time(500_000_000)), Some(Time(510_000_000)));
        assert_eq!(rate.wait(Time(10_000_000_000)), None);
        rate.count(99);
        assert_eq!(rate.wait(Time(10_000_000_000)), None, "no more than a second's worth is saved up");
        rate.count(1);
        assert!(rate.wait(Time(10_000_000_000)).is_some());
    }
}
