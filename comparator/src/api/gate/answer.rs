//! The gate's answer as JSON: of each check, and the worst of all.

use super::asked::Asked;
use crate::api::ms;
use crate::gate::{Bounds, Decision, Facts, Reason, Ruling};
use jiff::Timestamp;
use serde::Serialize;

/// The answer about all checks that were asked about. Its figures are the worst of any of them.
#[derive(Serialize)]
pub(in crate::api) struct Answer {
    result: Ruling,
    /// `null` for the events of all cohorts.
    cohort: Option<String>,
    against: Option<String>,
    window_ms: f64,
    #[serde(flatten)]
    figures: Option<Figures>,
    /// Those of all checks; empty if it is a pass.
    reasons: Vec<OfCheck>,
    checks: Vec<CheckAnswer>,
}

/// A reason, and which check it is about.
#[derive(Clone, Serialize)]
struct OfCheck {
    map: String,
    store: String,
    #[serde(flatten)]
    reason: Reason,
}

/// The answer about one map against one of its stores.
#[derive(Serialize)]
pub(super) struct CheckAnswer {
    map: String,
    store: String,
    result: Ruling,
    #[serde(flatten)]
    figures: Figures,
    reasons: Vec<Reason>,
}

#[derive(Clone, Default, Serialize)]
struct Figures {
    /// Of `samples`, the share that diverged; `null` without any.
    bad_ratio: Option<f64>,
    /// It is certain, to the confidence of the contract, that no less diverges,
    bad_ratio_lower: f64,
    /// and no more.
    bad_ratio_upper: f64,
    /// How much greater it is than that of the cohort it is held against; `null` if there is none.
    worse_by: Option<f64>,
    worse_by_lower: Option<f64>,
    worse_by_upper: Option<f64>,
    /// Events of which it is known how they ended: confirmed or divergent.
    samples: u64,
    divergent: u64,
    /// Events that a later write took the place of: they count nowhere.
    superseded: u64,
    /// Events that ended undetermined, or shed for want of room.
    unknown: u64,
    /// Events of the map's tenant that were lost on their way.
    lost: u64,
    /// `samples` among these and what is unknown and lost; `null` where there was nothing.
    coverage: Option<f64>,
    /// Confirmed divergences that are open, of this window and from before.
    open_divergences: u64,
    older_divergences: u64,
    /// Confirmed divergences that are open and that somebody ignores: they count in neither of these.
    ignored_divergences: u64,
    /// Every event begun before this has an outcome, in UTC; `null` if nothing is promised.
    verified_through: Option<String>,
    verified_through_age_ms: Option<f64>,
}

impl Answer {
    pub(super) fn of(asked: &Asked, checks: Vec<CheckAnswer>) -> Self {
        let result = checks.iter().map(|check| check.result).max().unwrap_or(Ruling::Insufficient);
        let figures = checks.iter().map(|check| check.figures.clone()).reduce(Figures::worst);
        let of_check = |check: &CheckAnswer| {
            let (map, store) = (check.map.clone(), check.store.clone());
            let told = move |reason| OfCheck { map: map.clone(), store: store.clone(), reason };
            check.reasons.clone().into_iter().map(told)
        };
        Self {
            result,
            cohort: asked.cohort.clone(),
            against: asked.against.clone(),
            window_ms: ms(asked.window),
            figures,
            reasons: checks.iter().flat_map(of_check).collect(),
            checks,
        }
    }

    pub(super) fn result(&self) -> Ruling {
        self.result
    }
}

impl CheckAnswer {
    /// About the map and the store of these names; the wall clock shows when that is.
    pub(super) fn of(
        (map, store): (&str, &str),
        facts: &Facts,
        decision: Decision,
        wall_unix_ns: i64,
    ) -> Self {
        let figures = Figures::of(facts, &decision, wall_unix_ns);
        let Decision { ruling, reasons, .. } = decision;
        Self { map: map.to_owned(), store: store.to_owned(), result: ruling, figures, reasons }
    }

    pub(super) fn map(&self) -> &str {
        &self.map
    }

    pub(super) fn result(&self) -> Ruling {
        self.result
    }
}

impl Figures {
    fn of(facts: &Facts, decision: &Decision, wall_unix_ns: i64) -> Self {
        let Bounds { seen, lower, upper } = decision.bad;
        let through = facts.behind.map(|behind| wall_unix_ns.saturating_sub(behind));
        let through = through.and_then(|at| Timestamp::from_nanosecond(at.into()).ok());
        Self {
            bad_ratio: seen,
            bad_ratio_lower: lower,
            bad_ratio_upper: upper,
            worse_by: decision.beyond.and_then(|beyond| beyond.seen),
            worse_by_lower: decision.beyond.map(|beyond| beyond.lower),
            worse_by_upper: decision.beyond.map(|beyond| beyond.upper),
            samples: facts.ended.samples(),
            divergent: facts.ended.divergent,
            superseded: facts.ended.superseded,
            unknown: facts.ended.unknown,
            lost: facts.lost.all(),
            coverage: decision.coverage,
            open_divergences: facts.open,
            older_divergences: facts.open_before,
            ignored_divergences: facts.ignored,
            verified_through: through.map(|at| at.to_string()),
            verified_through_age_ms: facts.behind.map(ms),
        }
    }

    /// The worse of each; what is not known of one is not known of both. Counts of what went wrong are added up, as each store
    /// of a map has its own.
    fn worst(self, other: Self) -> Self {
        let older =
            |one: &Self, other: &Self| match (one.verified_through_age_ms, other.verified_through_age_ms) {
                (Some(one), Some(other)) => one >= other,
                (one, _) => one.is_none(),
            };
        let is_older = older(&self, &other);
        let (verified_through, verified_through_age_ms) = match is_older {
            true => (self.verified_through, self.verified_through_age_ms),
            false => (other.verified_through, other.verified_through_age_ms),
        };
        Self {
            bad_ratio: of_both(self.bad_ratio, other.bad_ratio, f64::max),
            bad_ratio_lower: self.bad_ratio_lower.max(other.bad_ratio_lower),
            bad_ratio_upper: self.bad_ratio_upper.max(other.bad_ratio_upper),
            worse_by: of_both(self.worse_by, other.worse_by, f64::max),
            worse_by_lower: of_both(self.worse_by_lower, other.worse_by_lower, f64::max),
            worse_by_upper: of_both(self.worse_by_upper, other.worse_by_upper, f64::max),
            samples: self.samples.min(other.samples),
            divergent: self.divergent + other.divergent,
            superseded: self.superseded + other.superseded,
            unknown: self.unknown + other.unknown,
            lost: self.lost.max(other.lost),
            coverage: of_both(self.coverage, other.coverage, f64::min),
            open_divergences: self.open_divergences + other.open_divergences,
            older_divergences: self.older_divergences + other.older_divergences,
            ignored_divergences: self.ignored_divergences + other.ignored_divergences,
            verified_through,
            verified_through_age_ms,
        }
    }
}

fn of_both(one: Option<f64>, other: Option<f64>, worse: fn(f64, f64) -> f64) -> Option<f64> {
    one.zip(other).map(|(one, other)| worse(one, other))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn figures(samples: u64, coverage: Option<f64>, age: Option<f64>) -> Figures {
        let verified_through = age.map(|age| format!("{age} ago"));
        Figures { samples, coverage, verified_through, verified_through_age_ms: age, ..Figures::default() }
    }

    #[test]
    fn the_figures_of_several_checks_are_the_worst_of_any() {
        let worst = figures(9, Some(0.9), Some(5.0)).worst(figures(3, Some(0.99), Some(7.0)));
        assert_eq!((worst.samples, worst.coverage), (3, Some(0.9)));
        assert_eq!(
            (worst.verified_through.as_deref(), worst.verified_through_age_ms),
            (Some("7 ago"), Some(7.0))
        );
        let unknown = worst.worst(figures(9, None, None));
        assert_eq!((unknown.coverage, unknown.verified_through), (None, None));
    }
}
