//! The panes: what each tells, in rows of cells. Words and figures are those of the dashboard.

use super::model::{Check, Divergence, Ruling, Source, Store, Told};
use crate::duration;
use crate::output::one_line;
use counterfoil_comparator::dashboard::show;
use std::ops::Range;

/// Most characters of a name or a key in a cell.
const CELL_CHARS_MAX: usize = 120;

/// Characters of a divergence's id that tell those of a screen apart.
const ID_CHARS: usize = 8;

/// One of the panes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Pane {
    Checks,
    Sources,
    Stores,
    Divergences,
}

/// What a cell says, beside its text: never the only thing that does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Tone {
    Good,
    Bad,
    Doubt,
    Plain,
}

/// A figure or a name, as one line that no terminal obeys.
pub(super) struct Cell {
    pub(super) text: String,
    pub(super) tone: Tone,
}

impl Pane {
    pub(super) const ALL: [Self; 4] = [Self::Checks, Self::Sources, Self::Stores, Self::Divergences];

    pub(super) fn title(self) -> &'static str {
        match self {
            Self::Checks => "maps and their stores",
            Self::Sources => "sources",
            Self::Stores => "stores",
            Self::Divergences => "newest confirmed divergences",
        }
    }

    /// What stands above its columns, those that matter most first: where there is no room the last ones are left out.
    pub(super) fn head(self) -> &'static [&'static str] {
        match self {
            Self::Checks => &[
                "map",
                "store",
                "gate",
                "diverging",
                "coverage",
                "open",
                "lag p50",
                "p99",
                "in deadline",
                "nines",
                "verified up to",
                "form",
                "confirmed",
                "divergent",
                "unknown",
                "events",
                "why not",
            ],
            Self::Sources => {
                &["source", "phase", "watermark", "lost", "clock error", "in flight", "waiting", "silent for"]
            }
            Self::Stores => &["store", "state", "probe delay", "keys/s allowed", "why"],
            Self::Divergences => &["id", "kind", "severity", "map", "store", "age", "key", "trace"],
        }
    }

    /// What is said where it has no rows.
    pub(super) fn nothing(self) -> &'static str {
        match self {
            Self::Checks => "No map has a contract: write `maps` in the configuration.",
            Self::Sources => "No source has reported anything yet.",
            Self::Stores => "No contract names a store.",
            Self::Divergences => "None.",
        }
    }

    /// How many rows it has.
    pub(super) fn len(self, told: &Told) -> usize {
        match self {
            Self::Checks => told.gate.checks.len(),
            Self::Sources => told.summary.sources.len(),
            Self::Stores => told.summary.stores.len(),
            Self::Divergences => told.divergences.len(),
        }
    }

    /// Some of its rows, a cell for each column.
    pub(super) fn rows(self, told: &Told, range: Range<usize>) -> Vec<Vec<Cell>> {
        fn of<T>(all: &[T], range: Range<usize>, row: impl Fn(&T) -> Vec<Cell>) -> Vec<Vec<Cell>> {
            all.get(range).into_iter().flatten().map(row).collect()
        }
        match self {
            Self::Checks => of(&told.gate.checks, range, |it| check(told, it)),
            Self::Sources => of(&told.summary.sources, range, source),
            Self::Stores => of(&told.summary.stores, range, store),
            Self::Divergences => of(&told.divergences, range, divergence),
        }
    }
}

fn check(told: &Told, check: &Check) -> Vec<Cell> {
    let (gate, tone) = match check.result {
        Ruling::Pass => ("pass", Tone::Good),
        Ruling::Insufficient => ("insufficient", Tone::Doubt),
        Ruling::Fail => ("fail", Tone::Bad),
    };
    let counted = told.counted(check);
    let ended =
        |outcome: &str| counted.and_then(|counted| counted.outcomes.get(outcome)).copied().unwrap_or(0);
    let lag = counted.and_then(|counted| counted.lag_ms.as_ref());
    let within = counted.and_then(|counted| counted.within.last());
    let open = counted.map_or(0, |counted| counted.open_divergences);
    let form = counted.and_then(|counted| counted.calibration.as_deref());
    let form_tone = match form {
        Some("calibrated") => Tone::Good,
        Some("uncalibrated") => Tone::Bad,
        _ => Tone::Doubt,
    };
    let why: Vec<_> = check.reasons.iter().map(|reason| reason.reason.as_str()).collect();
    vec![
        name(&check.map),
        name(&check.store),
        plain(gate).toned(tone),
        or_none(check.bad_ratio, show::share).bad_if(check.bad_ratio.is_some_and(|ratio| ratio > 0.0)),
        or_none(check.coverage, show::share),
        plain(show::count(open)).bad_if(open > 0),
        or_none(lag.map(|lag| lag.p50), show::span_ms),
        or_none(lag.map(|lag| lag.p99), show::span_ms),
        or_none(within.and_then(|within| within.share), show::share),
        or_none(within.and_then(|within| within.nines), |nines| format!("{nines:.1}")),
        or_none(check.verified_through_age_ms, |ms| format!("{} ago", show::span_ms(ms))),
        form.map_or_else(|| plain("–"), name).toned(form_tone),
        plain(show::count(ended("confirmed"))),
        plain(show::count(ended("divergent"))).bad_if(ended("divergent") > 0),
        plain(show::count(ended("undetermined").saturating_add(ended("shed")))),
        plain(show::count(counted.map_or(0, |counted| counted.events))),
        name(&why.join(", ")),
    ]
}

fn source(source: &Source) -> Vec<Cell> {
    let phase_tone = match source.phase.0.as_str() {
        "lost" => Tone::Bad,
        "live" => Tone::Good,
        _ => Tone::Plain,
    };
    vec![
        name(&source.source),
        name(&source.phase.0).toned(phase_tone),
        or_none(source.watermark_lag_ms, |ms| format!("{} old", show::span_ms(ms))),
        plain(show::count(source.lost())).bad_if(source.lost() > 0),
        source
            .clock_error_ms
            .map_or_else(|| plain("not bounded"), |ms| plain(format!("± {}", show::span_ms(ms)))),
        plain(show::count(source.in_flight)),
        plain(show::count(source.open)),
        plain(show::span_ms(source.silent_ms)),
    ]
}

fn store(store: &Store) -> Vec<Cell> {
    let tone = match store.state.as_str() {
        "healthy" => Tone::Good,
        "slow" => Tone::Doubt,
        _ => Tone::Bad,
    };
    vec![
        name(&store.name),
        name(&store.state).toned(tone),
        plain(show::span_ms(store.probe_delay_ms)),
        store.keys_per_s.map_or_else(|| plain("as many as it bears"), |rate| plain(format!("{rate:.0}"))),
        store.reason.as_deref().map_or_else(|| plain("–"), name),
    ]
}

fn divergence(one: &Divergence) -> Vec<Cell> {
    let or_dash = |text: Option<&str>| text.map_or_else(|| plain("–"), name);
    vec![
        plain(one.id.chars().take(ID_CHARS).collect::<String>()),
        name(&one.kind),
        or_dash(one.severity.as_deref()).bad_if(one.severity.as_deref() == Some("critical")),
        name(&one.map),
        or_dash(one.store.as_deref()),
        plain(duration::shown(one.age_ms)),
        name(&one.key),
        or_dash(one.trace_id.as_deref()),
    ]
}

impl Cell {
    fn toned(self, tone: Tone) -> Self {
        Self { tone, ..self }
    }

    fn bad_if(self, is_bad: bool) -> Self {
        if is_bad { self.toned(Tone::Bad) } else { self }
    }
}

/// A text that somebody else chose.
fn name(text: &str) -> Cell {
    plain(one_line(text).chars().take(CELL_CHARS_MAX).collect::<String>())
}

fn plain(text: impl Into<String>) -> Cell {
    Cell { text: text.into(), tone: Tone::Plain }
}

fn or_none<T>(figure: Option<T>, shown: impl FnOnce(T) -> String) -> Cell {
    plain(figure.map_or_else(|| "–".to_owned(), shown))
}
