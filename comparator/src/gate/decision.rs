//! From facts to an answer: pass only where every condition holds, fail only for what is certain, and why.

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

/// Why there is no pass.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Reason {
    /// Its name, from a closed list.
    pub reason: &'static str,
    /// What follows from it alone.
    pub result: Ruling,
    /// What it is, and what would change it.
    pub message: String,
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
    fn samples(&self) -> u64 {
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
        Some(beyond) => [worse(beyond, terms), None, None],
        None => [bad_ratio(&bad, facts, terms), open(facts, terms), open_before(facts, terms)],
    };
    let known = [
        window(facts),
        calibration(facts),
        store(facts),
        lost_source(facts),
        gap(facts),
        samples(facts, terms),
        too_little_known(coverage, facts, terms),
        lag(facts, terms),
    ];
    let reasons: Vec<_> = differing.into_iter().chain(known).flatten().collect();
    let ruling = reasons.iter().map(|reason| reason.result).max().unwrap_or(Ruling::Pass);
    Decision { ruling, bad, beyond, coverage, reasons }
}

fn fails(reason: &'static str, message: String) -> Reason {
    Reason { reason, result: Ruling::Fail, message }
}

fn holds_up(reason: &'static str, message: String) -> Reason {
    Reason { reason, result: Ruling::Insufficient, message }
}

fn bad_ratio(bad: &Bounds, facts: &Facts, terms: &Terms) -> Option<Reason> {
    let (max, certain) = (terms.bad_ratio_max, percent(terms.confidence.level()));
    let Ended { divergent, .. } = facts.ended;
    let samples = facts.ended.samples();
    if bad.lower > max {
        let lower = percent(bad.lower);
        let message = format!(
            "{divergent} of {samples} events diverged: with {certain} certainty {lower} or more do, and gate.bad_ratio_max is \
             {}; see /v1/divergences",
            percent(max)
        );
        return Some(fails("bad_ratio", message));
    }
    let needed = terms.confidence.samples_for(max);
    (bad.upper > max).then(|| {
        let message = format!(
            "{divergent} of {samples} events diverged: with {certain} certainty no more than {} do, and gate.bad_ratio_max is \
             {}; it takes {needed:.0} events if none diverges, more if some do: wait, or ask for a longer window",
            percent(bad.upper),
            percent(max)
        );
        holds_up("bad_ratio_uncertain", message)
    })
}

fn worse(beyond: &Bounds, terms: &Terms) -> Option<Reason> {
    let (max, certain) = (terms.bad_ratio_max, percent(terms.confidence.level()));
    if beyond.lower > 0.0 {
        let least = percent(beyond.lower);
        let message = format!(
            "with {certain} certainty the cohort diverges more often than the other one, by {least} of its events or more"
        );
        return Some(fails("worse", message));
    }
    (beyond.upper > max).then(|| {
        let message = format!(
            "the cohort may diverge more often than the other one by {} of its events, and gate.bad_ratio_max is {}: wait for \
             more events, or ask for a longer window",
            percent(beyond.upper),
            percent(max)
        );
        holds_up("worse_uncertain", message)
    })
}

fn open(facts: &Facts, terms: &Terms) -> Option<Reason> {
    let (open, max) = (facts.open, terms.open_divergences_max);
    (open > max).then(|| {
        let message = format!(
            "{open} confirmed divergences of this window are open, and gate.open_divergences_max is {max}: see \
             /v1/divergences?state=confirmed and mend the rows"
        );
        fails("open_divergences", message)
    })
}

fn open_before(facts: &Facts, terms: &Terms) -> Option<Reason> {
    let (before, max) = (facts.open_before, terms.open_divergences_max);
    (facts.open <= max && facts.open + before > max).then(|| {
        let message = format!(
            "{before} confirmed divergences from before this window are open, and gate.open_divergences_max is {max}: mend the \
             rows; they resolve by themselves then"
        );
        holds_up("older_divergences", message)
    })
}

fn window(facts: &Facts) -> Option<Reason> {
    let missing = facts.window - facts.has_run;
    (missing > 0).then(|| {
        let message = format!(
            "the comparator has counted for {} of {}: ask again in {}",
            seconds(facts.has_run),
            seconds(facts.window),
            seconds(missing)
        );
        holds_up("window", message)
    })
}

fn calibration(facts: &Facts) -> Option<Reason> {
    let message = match facts.calibration {
        Calibration::Calibrated => return None,
        Calibration::Calibrating => "too few values were seen to agree to know that both sides write them in the same form: wait",
        Calibration::Uncalibrated => {
            "nearly every value of the store is in a form that the map's side never reports: `suggested_rules` in /v1/summary \
             says what to write"
        }
    };
    Some(holds_up("calibration", message.to_owned()))
}

fn store(facts: &Facts) -> Option<Reason> {
    let message = match facts.store {
        Some(State::Healthy | State::Slow) => return None,
        Some(State::Refusing) => "the store refuses the query of a map: `counterfoil contract check` says why".to_owned(),
        Some(State::Down(reason)) => format!("the store does not answer ({reason})"),
        None => "the store was not looked at yet: wait".to_owned(),
    };
    Some(holds_up("store", message))
}

fn lost_source(facts: &Facts) -> Option<Reason> {
    let message = "a source fell silent and may go on writing unseen: see /v1/sources; it ends when the source is heard of again, \
        was started over, or expires (sources.expiry_ms)";
    facts.has_lost_source.then(|| holds_up("source_lost", message.to_owned()))
}

fn gap(facts: &Facts) -> Option<Reason> {
    let undeclared = facts.lost.undeclared;
    (undeclared > 0).then(|| {
        let message = format!(
            "{undeclared} events are missing that no source declared lost: nobody knows what they were; ask again once they are \
             older than the window"
        );
        holds_up("gap", message)
    })
}

fn samples(facts: &Facts, terms: &Terms) -> Option<Reason> {
    let (samples, min) = (facts.samples(), terms.samples_min);
    (samples < min).then(|| {
        let of_both = if facts.against.is_some() { " of one of the cohorts" } else { "" };
        let message = format!(
            "it is known of {samples} events{of_both} how they ended, and gate.samples_min is {min}: wait, or ask for a longer \
             window"
        );
        holds_up("samples", message)
    })
}

fn too_little_known(coverage: Option<f64>, facts: &Facts, terms: &Terms) -> Option<Reason> {
    let (known, min, lost) = (coverage.unwrap_or(0.0), terms.coverage_min, facts.lost.all());
    (known < min).then(|| {
        let message = format!(
            "it is known of {} of the events how they ended, and gate.coverage_min is {}; {lost} were lost on their way: \
             `undetermined`, `shed` and `sources` in /v1/summary say why the others are not known",
            percent(known),
            percent(min)
        );
        holds_up("coverage", message)
    })
}

fn lag(facts: &Facts, terms: &Terms) -> Option<Reason> {
    let max = terms.lag_max;
    let Some(behind) = facts.behind else {
        let message = "a live source has promised nothing yet, or its clock is not known: see `watermark_lag_ms` in /v1/sources";
        return Some(holds_up("lag", message.to_owned()));
    };
    (behind > max).then(|| {
        let message = format!(
            "events begun {} ago wait for their outcomes, and gate.lag_max_ms is {}: see `watermark_lag_ms` in /v1/sources, and \
             `stores` in /v1/summary",
            seconds(behind),
            max / 1_000_000
        );
        holds_up("lag", message)
    })
}

/// As people read it, to four digits.
fn percent(share: f64) -> String {
    let text = format!("{:.4}", share * 100.0);
    format!("{}%", text.trim_end_matches('0').trim_end_matches('.'))
}

/// Rounded up, so that nobody asks again too early.
fn seconds(nanoseconds: i64) -> String {
    format!("{:.0} s", (nanoseconds as f64 / 1e9).ceil())
}

#[cfg(test)]
mod tests;
