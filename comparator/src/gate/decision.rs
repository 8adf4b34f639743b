//! From facts to an answer: pass only where every condition holds, fail only for what is certain, and why.

use super::reasons::{self, Reason};
use super::{Bounds, Ended, Lost, Share, Terms};
use crate::budget::State;
use crate::table::Calibration;
use serde::Serialize;

/// What is answered, the best first.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ruling {
    /// It is certain enough that little differs.
    Pass,
    /// Neither is certain.
    Insufficient,
    /// It is certain that too much differs.
    Fail,
}

impl Ruling {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Pass, Self::Insufficient, Self::Fail];

    /// As it is answered, and as a metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Insufficient => "insufficient",
            Self::Fail => "fail",
        }
    }
}

/// What is known of a check, or of one cohort of it, at an instant.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Facts {
    /// How long the window is, in nanoseconds.
    pub window: i64,
    /// For how long the comparator has counted, in nanoseconds.
    pub has_run: i64,
    /// How events ended within the window.
    pub ended: Ended,
    /// The same of the cohort that it is compared with.
    pub against: Option<Ended>,
    /// What the tenant's sources lost within the window.
    pub lost: Lost,
    /// A source of the tenant is lost: what it writes is not told.
    pub has_lost_source: bool,
    /// Confirmed divergences that are open, of writes that had to show within the window. Of those that may be of a cohort
    /// other than the one that is asked about, nobody keeps which: there are no more of a cohort than divergent events.
    pub open: u64,
    /// The same of writes that had to show before the window; 0 where a cohort is asked about.
    pub open_before: u64,
    /// Confirmed ones beside these that somebody ignores: they do not count.
    pub ignored: u64,
    /// How old the instant is until which every event has an outcome, in nanoseconds; `None` if there is none.
    pub behind: Option<i64>,
    /// Whether both sides write values in the same form.
    pub calibration: Calibration,
    /// How the store is; `None` before it was looked at.
    pub store: Option<State>,
}

impl Facts {
    /// The share of the events of which it is known how they ended. All that was lost may have been of this check. `None`
    /// where there were none.
    fn coverage(&self) -> Option<f64> {
        let of = |ended: &Ended| {
            let to_be_known = ended.samples() + ended.unknown + self.lost.all();
            (to_be_known > 0).then(|| ended.samples() as f64 / to_be_known as f64)
        };
        let of_other = self.against.as_ref().map(of);
        let own = of(&self.ended)?;
        of_other.map_or(Some(own), |other| other.map(|other| other.min(own)))
    }

    /// Of the cohorts that are compared, that of the one with fewer.
    pub(super) fn samples(&self) -> u64 {
        self.against.map_or(u64::MAX, Ended::samples).min(self.ended.samples())
    }
}

/// An answer.
#[derive(Clone, PartialEq, Debug)]
pub struct Decision {
    /// What it is.
    pub ruling: Ruling,
    /// The share of events that diverged.
    pub bad: Bounds,
    /// How much greater it is than that of the other cohort.
    pub beyond: Option<Bounds>,
    /// The share of the events of which it is known how they ended; `None` where there were none.
    pub coverage: Option<f64>,
    /// Why it is no pass; empty if it is.
    pub reasons: Vec<Reason>,
}

/// What follows from the facts under the terms.
#[must_use]
pub fn decide(facts: &Facts, terms: &Terms) -> Decision {
    let share = Share::of(facts.ended, terms.confidence);
    let bad = share.bounds();
    let beyond = facts.against.map(|against| share.beyond(Share::of(against, terms.confidence)));
    let coverage = facts.coverage();
    let differing = match &beyond {
        Some(beyond) => [reasons::worse(beyond, terms), None, None],
        None => [
            reasons::bad_ratio(&bad, facts, terms),
            reasons::open(facts, terms),
            reasons::open_before(facts, terms),
        ],
    };
    let known = [
        reasons::window(facts),
        reasons::calibration(facts),
        reasons::store(facts),
        reasons::lost_source(facts),
        reasons::gap(facts),
        reasons::samples(facts, terms),
        reasons::too_little_known(coverage, facts, terms),
        reasons::lag(facts, terms),
    ];
    let reasons: Vec<_> = differing.into_iter().chain(known).flatten().collect();
    let ruling = reasons.iter().map(|reason| reason.result).max().unwrap_or(Ruling::Pass);
    Decision { ruling, bad, beyond, coverage, reasons }
}

#[cfg(test)]
mod tests;
