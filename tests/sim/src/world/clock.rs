//! The clocks of machines: each runs at its own rate from its own beginning, and stands still while its machine sleeps.
//!
//! True time is the comparator's: virtual nanoseconds.

use crate::plan::{DomainPlan, Sleep};
use counterfoil_clock::Domain;
use counterfoil_judge::{Interval, Time};

/// Parts per million in one.
const MILLION: i64 = 1_000_000;

/// The clock of one machine.
pub struct Clock {
    domain: Domain,
    offset: i64,
    drift_ppm: i64,
    begin: i64,
    /// Sleeps that have begun.
    slept: Vec<Sleep>,
}

impl Clock {
    /// The clock that `plan` describes, which began to drift at `begin`.
    #[must_use]
    pub fn new(number: usize, plan: &DomainPlan, begin: i64) -> Self {
        let domain = Domain { boot_id: format!("boot-{number}"), offset_ns: 0 };
        Self { domain, offset: plan.offset, drift_ppm: plan.drift_ppm, begin, slept: Vec::new() }
    }

    /// Its name.
    #[must_use]
    pub fn domain(&self) -> &Domain {
        &self.domain
    }

    /// What it shows at the true instant `at`.
    #[must_use]
    pub fn shows(&self, at: i64) -> Time {
        let stood_still =
            |sleep: &Sleep| (at - sleep.at).clamp(0, sleep.lasts).min(sleep.lasts - sleep.shown);
        let awake = at - self.begin - self.slept.iter().map(stood_still).sum::<i64>();
        Time(self.begin + self.offset + awake + awake * self.drift_ppm / MILLION)
    }

    /// What it shows at the ends of a true interval.
    #[must_use]
    pub fn interval(&self, (begin, end): (i64, i64)) -> Interval {
        Interval::new(self.shows(begin), self.shows(end))
    }

    /// True time minus what it shows, at `at`.
    #[must_use]
    pub fn true_offset(&self, at: i64) -> i64 {
        at - self.shows(at).0
    }

    /// The machine falls asleep.
    pub fn sleep(&mut self, sleep: Sleep) {
        self.slept.push(sleep);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_drifts_and_misses_what_it_slept() {
        let plan = DomainPlan { offset: 5_000, drift_ppm: 100, sleeps: Vec::new() };
        let mut clock = Clock::new(1, &plan, 1_000_000);
        assert_eq!(clock.shows(1_000_000), Time(1_005_000));
        assert_eq!(clock.shows(2_000_000), Time(2_005_100));
        clock.sleep(Sleep { at: 2_000_000, lasts: 500_000, shown: 100_000 });
        assert_eq!(clock.shows(2_000_000), Time(2_005_100));
        assert!(clock.shows(2_300_000) <= clock.shows(2_500_000), "it does not run backwards");
        assert_eq!(clock.shows(2_500_000), Time(2_105_110));
        assert_eq!(clock.true_offset(2_500_000), 2_500_000 - 2_105_110);
    }
}
