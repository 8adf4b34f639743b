//! What the rounds of one scenario add up to.

use crate::promise::Level;
use crate::round::Outcome;
use std::collections::BTreeSet;

/// A scenario and its rounds.
#[derive(Clone, Debug, Default)]
pub(crate) struct Figures {
    pub(crate) name: String,
    pub(crate) what: &'static str,
    pub(crate) expected: &'static str,
    /// Why there are no rounds.
    pub(crate) not_run: Option<String>,
    pub(crate) levels: BTreeSet<Level>,
    pub(crate) rounds: u32,
    /// Rounds that broke a promise, or did not come to their end.
    pub(crate) broken: u32,
    pub(crate) issued: u64,
    pub(crate) acknowledged_lost: u64,
    pub(crate) forgone: u64,
    pub(crate) duplicates_applied: u64,
    pub(crate) false_alarms: usize,
    pub(crate) alerts_found: usize,
    pub(crate) alerts_lost: usize,
    pub(crate) alerts_repeated: usize,
    pub(crate) in_doubt: usize,
    pub(crate) unconserved: u32,
    pub(crate) detections_ms: Vec<f64>,
    pub(crate) recoveries_ms: Vec<f64>,
}

/// The median and the value that 99 of 100 do not exceed.
pub(crate) type Spread = Option<(f64, f64)>;

impl Figures {
    /// Whether nothing broke.
    pub(crate) fn is_clean(&self) -> bool {
        self.broken == 0
    }

    /// Adds a round; `None` for one that did not come to its end.
    pub(crate) fn add(&mut self, level: Level, outcome: Option<&Outcome>) {
        self.rounds += 1;
        self.levels.insert(level);
        let Some(Outcome { findings, recoveries_ms, issued, breaches }) = outcome else {
            self.broken += 1;
            return;
        };
        self.broken += u32::from(!breaches.is_empty());
        self.issued += issued;
        self.acknowledged_lost += findings.acknowledged_lost;
        self.forgone += findings.forgone;
        self.duplicates_applied += findings.duplicates_applied;
        self.false_alarms += findings.false_alarms.len();
        self.alerts_found += findings.found;
        self.alerts_lost += findings.alerts_lost.len();
        self.alerts_repeated += findings.alerts_repeated.len();
        self.in_doubt += findings.in_doubt;
        self.unconserved += u32::from(!findings.unconserved.is_empty());
        self.detections_ms.extend(&findings.detection_ms);
        self.recoveries_ms.extend(recoveries_ms);
    }

    /// From a bug to its confirmation, in milliseconds.
    pub(crate) fn detection_ms(&self) -> Spread {
        spread(&self.detections_ms)
    }

    /// From the beginning of the repair until everything issued before was taken in, in milliseconds.
    pub(crate) fn recovery_ms(&self) -> Spread {
        spread(&self.recoveries_ms)
    }
}

fn spread(values: &[f64]) -> Spread {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = |percent: usize| sorted.get((sorted.len() * percent).div_ceil(100).saturating_sub(1)).copied();
    Some((at(50)?, at(99)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_is_median_and_ninety_ninth_of_a_hundred_and_nothing_of_nothing() {
        let values: Vec<_> = (1..=200).rev().map(f64::from).collect();
        assert_eq!(spread(&values), Some((100.0, 198.0)));
        assert_eq!(spread(&[7.0]), Some((7.0, 7.0)));
        assert_eq!(spread(&[]), None);
    }

    #[test]
    fn a_round_that_did_not_come_to_its_end_is_broken() {
        let mut figures = Figures::default();
        figures.add(Level::Received, None);
        assert_eq!((figures.rounds, figures.broken, figures.is_clean()), (1, 1, false));
    }
}
