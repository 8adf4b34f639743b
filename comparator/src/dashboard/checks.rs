//! The figures of the overview: one row of each check, and one of each of its cohorts.
//!
//! The page and whoever watches it live are given the same figures, each under a name of its own.

use super::show;
use crate::Parts;
use crate::api::gate::{Present, Slots, WINDOW};
use crate::contract::{Contract, MapId, Severity};
use crate::gate::{Decision, Facts, Reason, Ruling, decide};
use crate::table::{Calibration, Census};
use crate::tally::{OTHER, Tally};

/// Rows that are shown; those that come after are counted.
const ROWS_MAX: usize = 200;

/// What a figure says, beside its text: never the only thing that does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tone {
    Good,
    Bad,
    Doubt,
    Plain,
}

impl Tone {
    pub(super) fn label(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Bad => "bad",
            Self::Doubt => "doubt",
            Self::Plain => "plain",
        }
    }
}

/// One figure.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Figure {
    /// Its column.
    pub(super) name: &'static str,
    /// Its place on the page.
    pub(super) id: String,
    pub(super) text: String,
    /// What is said below it, in small letters.
    pub(super) more: String,
    pub(super) tone: Tone,
}

/// A check, or a cohort of one.
pub(super) struct Row {
    pub(super) map: String,
    pub(super) store: String,
    pub(super) cohort: Option<String>,
    pub(super) severity: &'static str,
    pub(super) figures: Vec<Figure>,
    /// Why the gate does not pass.
    pub(super) reasons: Vec<Reason>,
}

/// All of them.
pub(super) struct Checks {
    pub(super) rows: Vec<Row>,
    /// Rows that are not shown.
    pub(super) left_out: usize,
    /// What stands above them.
    pub(super) headline: Headline,
}

/// Open divergences by how much they matter, and how the gate stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Headline {
    pub(super) open: [Figure; 3],
    /// In one sentence; it changes only when there is something to be told.
    pub(super) sentence: String,
}

impl Checks {
    /// As they are now.
    pub(super) fn of(parts: &Parts) -> Self {
        let present = Present::of(parts, WINDOW);
        let checks: Vec<_> = (0..).map(MapId).zip(parts.engine.contracts().iter()).collect();
        let mut rows: Vec<_> = checks.iter().flat_map(|check| rows(parts, &present, *check)).collect();
        let headline = Headline::of(&checks, &present.census, &rows);
        let left_out = rows.len().saturating_sub(ROWS_MAX);
        rows.truncate(ROWS_MAX);
        Self { rows, left_out, headline }
    }

    /// Everything that changes while somebody watches.
    pub(super) fn figures(&self) -> impl Iterator<Item = &Figure> {
        self.headline.open.iter().chain(self.rows.iter().flat_map(|row| &row.figures))
    }
}

impl Headline {
    fn of(checks: &[(MapId, &Contract)], census: &[Census], rows: &[Row]) -> Self {
        let of_severity = |severity: Severity| -> u64 {
            let its = checks.iter().filter(|(_, contract)| contract.severity == severity);
            its.filter_map(|(id, _)| census.get(id.index())).map(|census| census.divergences).sum()
        };
        let open = [Severity::Critical, Severity::Warning, Severity::Info].map(|severity| {
            let count = of_severity(severity);
            let tone = if count > 0 && severity != Severity::Info { Tone::Bad } else { Tone::Plain };
            let figure = Figure::new(severity.label(), "open", show::count(count), tone);
            Figure { id: format!("open-{}", severity.label()), ..figure }
        });
        let gate = |ruling: Ruling| {
            let checks = rows.iter().filter(|row| row.cohort.is_none());
            let its =
                checks.filter(|row| row.figures.first().is_some_and(|gate| gate.text == ruling.label()));
            its.count()
        };
        let total: u64 =
            checks.iter().filter_map(|(id, _)| census.get(id.index())).map(|it| it.divergences).sum();
        let sentence = format!(
            "{}; the gate of {} passes, {} fail, of {} too little is known.",
            counted(total, "open divergence"),
            counted(gate(Ruling::Pass) as u64, "check"),
            gate(Ruling::Fail),
            gate(Ruling::Insufficient)
        );
        Self { open, sentence }
    }
}

fn counted(count: u64, what: &str) -> String {
    format!("{} {what}{}", show::count(count), if count == 1 { "" } else { "s" })
}

impl Figure {
    /// What stands above its column.
    pub(super) fn column(&self) -> &'static str {
        match self.name {
            "gate" => "Gate",
            "diverging" => "Diverging",
            "coverage" => "Coverage",
            "lag" => "Lag",
            "within" => "Within the deadline",
            "verified" => "Verified up to",
            "form" => "Form of values",
            "open" => "Open",
            _ => "Events",
        }
    }

    fn new(name: &'static str, row: &str, text: String, tone: Tone) -> Self {
        Self { name, id: format!("{row}-{name}"), text, more: String::new(), tone }
    }

    fn more(self, more: String) -> Self {
        Self { more, ..self }
    }
}

/// The row of a check, and those of its cohorts.
fn rows(parts: &Parts, present: &Present, (id, contract): (MapId, &Contract)) -> Vec<Row> {
    let store = parts.engine.contracts().store_name(id).unwrap_or_default();
    let cohorts =
        contract.cohorts.iter().map(String::as_str).chain((!contract.cohorts.is_empty()).then_some(OTHER));
    let slots = [None].into_iter().chain(cohorts.enumerate().map(Some));
    let row = |cohort: Option<(usize, &str)>| {
        let slots = Slots { cohort: cohort.map(|(slot, _)| slot), against: None };
        let facts = present.facts(parts, WINDOW, (id, contract, &slots))?;
        let decision = decide(&facts, &contract.gate);
        let place = match cohort {
            None => format!("c{}", id.0),
            Some((slot, _)) => format!("c{}-{slot}", id.0),
        };
        let mut figures = of_window(&place, &facts, &decision);
        if let (None, Some(tally), Some(census)) =
            (cohort, parts.tallies.of(id), present.census.get(id.index()))
        {
            figures.extend(since_the_start(&place, tally, census, &facts));
        }
        Some(Row {
            map: contract.name.to_string(),
            store: store.to_owned(),
            cohort: cohort.map(|(_, name)| name.to_owned()),
            severity: contract.severity.label(),
            figures,
            reasons: decision.reasons,
        })
    };
    slots.filter_map(row).collect()
}

/// What the gate looks at.
fn of_window(row: &str, facts: &Facts, decision: &Decision) -> Vec<Figure> {
    let gate_tone = match decision.ruling {
        Ruling::Pass => Tone::Good,
        Ruling::Fail => Tone::Bad,
        Ruling::Insufficient => Tone::Doubt,
    };
    let why: Vec<_> = decision.reasons.iter().map(|reason| reason.reason).collect();
    let ratio = decision.bad.seen;
    let ratio_tone = if facts.ended.divergent > 0 { Tone::Bad } else { Tone::Plain };
    let of = format!("{} of {}", show::count(facts.ended.divergent), show::count(facts.ended.samples()));
    let known = decision.coverage;
    vec![
        Figure::new("gate", row, decision.ruling.label().to_owned(), gate_tone).more(why.join(", ")),
        Figure::new("diverging", row, ratio.map_or_else(none, show::share), ratio_tone).more(of),
        Figure::new("coverage", row, known.map_or_else(none, show::share), Tone::Plain),
    ]
}

/// What is counted since the comparator was started, and how it is now.
fn since_the_start(row: &str, tally: &Tally, census: &Census, facts: &Facts) -> Vec<Figure> {
    let lag = tally.lag();
    let quantiles = lag.map(|lag| format!("p95 {}, p99 {}", show::span_ms(lag.p95), show::span_ms(lag.p99)));
    let within = tally.within().pop();
    let share = within.and_then(|within| within.share);
    let nines = within.and_then(|within| {
        Some(format!(
            "{:.1} nines in {}",
            within.nines?,
            show::span(within.age_ms?.saturating_mul(1_000_000))
        ))
    });
    let (form, form_tone) = match facts.calibration {
        Calibration::Calibrated => ("calibrated", Tone::Good),
        Calibration::Calibrating => ("calibrating", Tone::Doubt),
        Calibration::Uncalibrated => ("uncalibrated", Tone::Bad),
    };
    let open_tone = if census.divergences > 0 { Tone::Bad } else { Tone::Plain };
    vec![
        Figure::new("lag", row, lag.map_or_else(none, |lag| show::span_ms(lag.p50)), Tone::Plain)
            .more(quantiles.unwrap_or_default()),
        Figure::new("within", row, share.map_or_else(none, show::share), Tone::Plain)
            .more(nines.unwrap_or_default()),
        Figure::new(
            "verified",
            row,
            facts.behind.map_or_else(none, |ns| format!("{} ago", show::span(ns))),
            Tone::Plain,
        ),
        Figure::new("form", row, form.to_owned(), form_tone),
        Figure::new("open", row, show::count(census.divergences), open_tone),
        Figure::new("events", row, show::count(tally.events()), Tone::Plain),
    ]
}

fn none() -> String {
    "–".to_owned()
}
