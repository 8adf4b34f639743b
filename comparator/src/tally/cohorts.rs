//! How events ended, by the cohorts that a contract names.

use super::{Count, OTHER, OUTCOMES};
use crate::contract::Cohort;
use crate::metrics;

/// Counts of each cohort, and of all others together; empty where the contract names none.
#[derive(Default)]
pub(super) struct Cohorts(Vec<(String, Vec<Count>)>);

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
        Self(all.map(|name| (name.to_owned(), counts(name))).collect())
    }

    /// Counts an event whose outcome has this place in [`OUTCOMES`].
    pub(super) fn ended(&self, cohort: Option<Cohort>, outcome: usize) {
        let counts = match cohort {
            Some(cohort) => self.0.get(cohort.index()),
            None => self.0.last(),
        };
        super::add(counts.map_or(&[], |(_, counts)| counts), Some(outcome), 1);
    }

    pub(super) fn outcomes(&self) -> impl Iterator<Item = (&str, Vec<(&'static str, u64)>)> {
        let outcomes = |counts: &[Count]| OUTCOMES.into_iter().zip(counts.iter().map(Count::get)).collect();
        self.0.iter().map(move |(name, counts)| (name.as_str(), outcomes(counts)))
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
        for (cohort, outcome) in [(canary, 0), (canary, 2), (canary, 2), (None, 2)] {
            cohorts.ended(cohort, outcome);
        }
        let of = |outcome: usize| cohorts.outcomes().map(|(_, counts)| counts[outcome].1).collect::<Vec<_>>();
        let told: Vec<_> = cohorts.outcomes().map(|(name, _)| name).collect();
        assert_eq!(told, ["zone=a", "deployment=canary", OTHER]);
        assert_eq!((of(0), of(2)), (vec![0, 1, 0], vec![0, 2, 1]));
        let none = Cohorts::default();
        none.ended(None, 0);
        assert_eq!(none.outcomes().count(), 0, "nothing is counted where no cohort is named");
    }
}
