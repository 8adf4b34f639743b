//! How many messages may be sent in a minute.

use counterfoil_judge::Time;
use std::collections::VecDeque;
use std::time::Duration;

/// A minute in nanoseconds.
const MINUTE: i64 = 60_000_000_000;

/// The messages of the last minute, at most as many as may be sent in one.
pub(super) struct Pace {
    sent: VecDeque<Time>,
    per_minute_max: usize,
}

impl Pace {
    /// Nothing was sent yet.
    pub(super) fn new(per_minute_max: usize) -> Self {
        Self { sent: VecDeque::new(), per_minute_max }
    }

    /// How long to wait at `now` until the next message may be sent.
    pub(super) fn wait(&self, now: Time) -> Duration {
        let first = self.sent.front().filter(|_| self.sent.len() >= self.per_minute_max);
        let wait = first.map_or(0, |first| MINUTE - now.since(*first));
        Duration::from_nanos(u64::try_from(wait).unwrap_or(0))
    }

    /// One is sent at `now`.
    pub(super) fn sent(&mut self, now: Time) {
        if self.sent.len() >= self.per_minute_max {
            self.sent.pop_front();
        }
        self.sent.push_back(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn in_no_minute_more_are_sent_than_may_be() {
        let mut pace = Pace::new(2);
        let second = |at: i64| Time(at * 1_000_000_000);
        assert_eq!(pace.wait(second(0)), Duration::ZERO);
        pace.sent(second(0));
        pace.sent(second(40));
        assert_eq!(pace.wait(second(45)), Duration::from_secs(15));
        assert_eq!(pace.wait(second(60)), Duration::ZERO);
        pace.sent(second(60));
        assert_eq!(pace.wait(second(61)), Duration::from_secs(39));
    }
}
