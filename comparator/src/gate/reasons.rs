//! Why there is no pass: each condition that does not hold, by its name, with what would change it. The names and what they mean
//! stand in `docs/gate.md`.

use super::{Bounds, Ended, Facts, Ruling, Terms};
use crate::budget::State;
use crate::table::Calibration;
use serde::Serialize;

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

/// Too much diverged, or it may be too much.
pub(super) fn bad_ratio(bad: &Bounds, facts: &Facts, terms: &Terms) -> Option<Reason> {
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

/// A cohort is worse than the other one, or it may be.
pub(super) fn worse(beyond: &Bounds, terms: &Terms) -> Option<Reason> {
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

/// Divergences of this window are open.
pub(super) fn open(facts: &Facts, terms: &Terms) -> Option<Reason> {
    let (open, max) = (facts.open, terms.open_divergences_max);
    (open > max).then(|| {
        let message = format!(
            "{open} confirmed divergences of this window are open{}, and gate.open_divergences_max is {max}: see \
             /v1/divergences?state=confirmed and mend the rows",
            besides_ignored(facts)
        );
        fails("open_divergences", message)
    })
}

/// Older ones are, and those of this window are not too many by themselves.
pub(super) fn open_before(facts: &Facts, terms: &Terms) -> Option<Reason> {
    let (before, max) = (facts.open_before, terms.open_divergences_max);
    (facts.open <= max && facts.open + before > max).then(|| {
        let message = format!(
            "{before} confirmed divergences from before this window are open{}, and gate.open_divergences_max is {max}: mend the \
             rows; they resolve by themselves then",
            besides_ignored(facts)
        );
        holds_up("older_divergences", message)
    })
}

/// How many others there are that somebody ignores.
fn besides_ignored(facts: &Facts) -> String {
    match facts.ignored {
        0 => String::new(),
        1 => " (1 more is ignored)".to_owned(),
        ignored => format!(" ({ignored} more are ignored)"),
    }
}

/// The comparator did not see all of the window.
pub(super) fn window(facts: &Facts) -> Option<Reason> {
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

/// It is not known whether both sides write values in the same form.
pub(super) fn calibration(facts: &Facts) -> Option<Reason> {
    let message = match facts.calibration {
        Calibration::Calibrated => return None,
        Calibration::Calibrating => {
            "too few values were seen to agree to know that both sides write them in the same form: wait"
        }
        Calibration::Uncalibrated => {
            "nearly every value of the store is in a form that the map's side never reports: `suggested_rules` in /v1/summary \
             says what to write"
        }
    };
    Some(holds_up("calibration", message.to_owned()))
}

/// The store cannot be read.
pub(super) fn store(facts: &Facts) -> Option<Reason> {
    let message = match facts.store {
        Some(State::Healthy | State::Slow) => return None,
        Some(State::Refusing) => {
            "the store refuses the query of a map: `counterfoil contract check` says why".to_owned()
        }
        Some(State::Down(reason)) => format!("the store does not answer ({reason})"),
        None => "the store was not looked at yet: wait".to_owned(),
    };
    Some(holds_up("store", message))
}

/// Somebody may write unseen.
pub(super) fn lost_source(facts: &Facts) -> Option<Reason> {
    let message = "a source fell silent and may go on writing unseen: see /v1/sources; it ends when the source is heard of again, \
        was started over, or expires (sources.expiry_ms)";
    facts.has_lost_source.then(|| holds_up("source_lost", message.to_owned()))
}

/// Numbers are missing, and nobody knows what they were.
pub(super) fn gap(facts: &Facts) -> Option<Reason> {
    let undeclared = facts.lost.undeclared;
    (undeclared > 0).then(|| {
        let message = format!(
            "{undeclared} events are missing that no source declared lost: nobody knows what they were; ask again once they are \
             older than the window"
        );
        holds_up("gap", message)
    })
}

/// Too few events.
pub(super) fn samples(facts: &Facts, terms: &Terms) -> Option<Reason> {
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

/// Of too many events nobody knows how they ended.
pub(super) fn too_little_known(coverage: Option<f64>, facts: &Facts, terms: &Terms) -> Option<Reason> {
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

/// What was begun last is not known.
pub(super) fn lag(facts: &Facts, terms: &Terms) -> Option<Reason> {
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

fn fails(reason: &'static str, message: String) -> Reason {
    Reason { reason, result: Ruling::Fail, message }
}

fn holds_up(reason: &'static str, message: String) -> Reason {
    Reason { reason, result: Ruling::Insufficient, message }
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
