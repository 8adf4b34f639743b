//! How events ended, by the cohorts that a contract names.

use super::{Count, OTHER, OUTCOMES};
use crate::contract::Cohort;
use crate::gate::Ended;
use crate::metrics;
use counterfoil_judge::{Outcome, Shed};
use std::sync::atomic::{AtomicU64, Ordering};

/// Counts of each cohort, and of all others together; empty where the contract names none.
#[derive(Default)]
pub(super) struct Cohorts(Vec<OfCohort>);

struct OfCohort {
    name: String,
    outcomes: Vec<Count>,
    /// Of those shed, how many are outside the contract's sample.
    left_out: AtomicU64,
}

impl Cohorts {
    /// All counts at 0, and their series in existence.
    pub(super) fn new(names: &[String], check: [(&'static str, &str); 2]) -> Self {
        let [map, store] = check;
        let counts = |cohort: &str| {
            let series =
                |outcome| metrics::COHORTS.counter(&[map, store, ("cohort", cohort), ("outcome", outcome)]);
            OUTCOMES.into_iter().map(|outcome| Count::new(series(outcome))).collect()
        };
        let others = (!names.is_empty()).then_some(OTHER);
        let all = names.iter().map(String::as_str).chain(others);
        let of_cohort = |name: &str| OfCohort {
            name: name.to_owned(),
            outcomes: counts(name),
            left_out: AtomicU64::new(0),
        };
        Self(all.map(of_cohort).collect())
    }

    /// Counts an event that ended.
    pub(super) fn ended(&self, cohort: Option<Cohort>, outcome: Outcome) {
        let of = match cohort {
            Some(cohort) => self.0.get(cohort.index()),
            None => self.0.last(),
        };
        let Some(of) = of else { return };
        super::add(&of.outcomes, Some(super::place(outcome)), 1);
        if outcome == Outcome::Shed(Shed::Sampled) {
            of.left_out.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub(super) fn outcomes(&self) -> impl Iterator<Item = (&str, Vec<(&'static str, u64)>)> {
        let outcomes = |counts: &[Count]| OUTCOMES.into_iter().zip(counts.iter().map(Count::get)).collect();
        self.0.iter().map(move |of| (of.name.as_str(), outcomes(&of.outcomes)))
    }

    /// As the gate counts, in the same order.
    pub(super) fn ended_each(&self) -> impl ExactSizeIterator<Item = Ended> {
        self.0.iter().map(|of| super::ended(&of.outcomes, of.left_out.load(Ordering::Relaxed)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "a test may panic")]
    use super::*;
    use crate::contract::Contract;
    use crate::engine::trial::{SAMPLED, Trial};

    #[test]
    fn each_named_cohort_has_counts_of_its_own_and_all_others_share_theirs() {
        let trial = Trial::new();
        let Contract { cohorts: names, .. } = trial.engine.contracts().get(SAMPLED).expect("a contract");
        let canary = trial.engine.contracts().get(SAMPLED).and_then(|it| it.cohort("deployment=canary"));
        let cohorts = Cohorts::new(names, [("map", "sampled"), ("store", "main")]);
        let confirmed = Outcome::Confirmed { lag: 1 };
        let left_out = Outcome::Shed(Shed::Sampled);
        for (cohort, outcome) in [
            (canary, confirmed),
            (canary, Outcome::Divergent),
            (canary, Outcome::Divergent),
            (canary, left_out),
            (None, Outcome::Divergent),
            (None, Outcome::Shed(Shed::Room)),
        ] {
            cohorts.ended(cohort, outcome);
        }
        let of = |outcome: usize| cohorts.outcomes().map(|(_, counts)| counts[outcome].1).collect::<Vec<_>>();
        let told: Vec<_> = cohorts.outcomes().map(|(name, _)| name).collect();
        assert_eq!(told, ["zone=a", "deployment=canary", OTHER]);
        assert_eq!((of(0), of(2)), (vec![0, 1, 0], vec![0, 2, 1]));
        let ended: Vec<_> = cohorts.ended_each().map(|it| (it.confirmed, it.divergent, it.unknown)).collect();
        assert_eq!(
            ended,
            [(0, 0, 0), (1, 2, 0), (0, 1, 1)],
            "what is outside the sample was not to be known"
        );
        let none = Cohorts::default();
        none.ended(None, confirmed);
        assert_eq!(none.outcomes().count(), 0, "nothing is counted where no cohort is named");
    }
}
