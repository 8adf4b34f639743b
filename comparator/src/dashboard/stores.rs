//! `/stores`: how each store is, how hard it is read, and how far it was gone through.

use super::shell::Shell;
use super::{Pages, show};
use crate::Parts;
use crate::api::sweep::{RowsSummary, SweepSummary, summaries};
use crate::api::{StoreSummary, store_summaries};
use crate::budget::Bounds;
use crate::contract::MapId;
use crate::store::Reader;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use counterfoil_judge::Reason;

/// Why an event ended undetermined where its store was the reason.
const STORE_REASONS: [Reason; 2] = [Reason::Store, Reason::Budget];

#[derive(Template)]
#[template(path = "stores.html")]
struct Stores<'a> {
    shell: &'a Shell,
    stores: Vec<Store>,
}

struct Store {
    name: String,
    state: &'static str,
    tone: &'static str,
    reason: Option<&'static str>,
    facts: Vec<(&'static str, String)>,
    sweeps: Vec<Sweep>,
}

/// How far the keys of the table, or the rows of a map, were gone through.
struct Sweep {
    what: String,
    /// From 0 to 100; `None` if nobody knows how many there are.
    percent: Option<f64>,
    text: String,
}

/// Shows the stores.
pub(super) async fn page(State(pages): State<Pages>, shell: Shell) -> Response {
    let parts = &pages.api.parts;
    let (told, mut sweeps) = (store_summaries(parts), summaries(parts));
    let readers = parts.engine.contracts().readers();
    let store = |(place, reader): (usize, &std::sync::Arc<Reader>)| {
        let told = told.get(place);
        Store::of(parts, place, reader, told, sweeps.remove(reader.name()))
    };
    let stores = readers.iter().enumerate().map(store).collect();
    shell.answer(Ok(Stores { shell: &shell, stores }))
}

impl Store {
    fn of(
        parts: &Parts,
        place: usize,
        reader: &Reader,
        told: Option<&StoreSummary>,
        sweep: Option<SweepSummary>,
    ) -> Self {
        let state = told.map_or("not looked at yet", |told| told.state);
        let tone = match state {
            "healthy" => "good",
            "refusing" | "down" => "bad",
            _ => "doubt",
        };
        let facts = [budget(reader.bounds(), told), reading(parts, place)].concat();
        let sweeps = sweep.into_iter().flat_map(swept).collect();
        let reason = told.and_then(|told| told.reason);
        Self { name: reader.name().to_owned(), state, tone, reason, facts, sweeps }
    }
}

fn budget(bounds: Bounds, told: Option<&StoreSummary>) -> Vec<(&'static str, String)> {
    let rate = |keys_per_s: f64| match keys_per_s.is_finite() {
        true => format!("{keys_per_s:.0} keys/s"),
        false => "as many as it bears".to_owned(),
    };
    let now = told.map(|told| rate(told.keys_per_s.unwrap_or(f64::INFINITY)));
    let delay = told.map(|told| show::span_ms(told.probe_delay_ms));
    [
        ("May be read now", now),
        ("Budget", Some(rate(bounds.keys_per_s))),
        ("At least, while it is slow", Some(rate(bounds.keys_per_s_min))),
        ("Reads at a time", Some(bounds.concurrency.to_string())),
        ("Keys in a read", Some(bounds.keys_per_read_max.to_string())),
        ("A read that takes longer strains it", bounds.latency_target.map(show::span)),
        ("Probes are late by", delay),
    ]
    .into_iter()
    .filter_map(|(name, text)| Some((name, text?)))
    .collect()
}

/// What was read for the checks of the store at this place, and what was not to be known of it.
fn reading(parts: &Parts, place: usize) -> Vec<(&'static str, String)> {
    let contracts = parts.engine.contracts();
    let its: Vec<_> = (0..).map(MapId).zip(contracts.iter()).filter(|(_, it)| it.store == place).collect();
    let rates = parts.recent.keys_per_s();
    let known: Vec<f64> = its.iter().filter_map(|(id, _)| *rates.get(id.index())?).collect();
    let read =
        if known.is_empty() { "–".to_owned() } else { format!("{:.1} keys/s", known.iter().sum::<f64>()) };
    let tallies = its.iter().filter_map(|(id, _)| parts.tallies.of(*id));
    let undetermined: u64 = tallies
        .flat_map(|tally| tally.undetermined())
        .filter(|(label, _)| STORE_REASONS.iter().any(|reason| reason.label() == *label))
        .map(|(_, count)| count)
        .sum();
    let maps: Vec<_> = its.iter().map(|(_, contract)| &*contract.name).collect();
    vec![
        ("Maps", maps.join(", ")),
        ("Read in the last minute", read),
        ("Events undetermined for its sake", show::count(undetermined)),
    ]
}

fn swept(summary: SweepSummary) -> Vec<Sweep> {
    let of_keys = summary.keys.map(|keys| Sweep {
        what: "Keys at rest".to_owned(),
        percent: Some(keys.done * 100.0),
        text: format!(
            "{} of this round, {} keys read again{}",
            show::share(keys.done),
            show::count(keys.keys),
            rounds(keys.rounds, keys.last_round_ms)
        ),
    });
    let of_rows = summary.rows.into_iter().map(|(map, rows)| rows_of(&map, &rows));
    of_keys.into_iter().chain(of_rows).collect()
}

fn rows_of(map: &str, summary: &RowsSummary) -> Sweep {
    let now = &summary.this_round;
    let before = summary.last_round.as_ref().filter(|last| last.rows > 0);
    Sweep {
        what: format!("Rows of {map}"),
        percent: before.map(|last| (now.rows as f64 * 100.0 / last.rows as f64).min(100.0)),
        text: format!(
            "{} rows of this round: {} known, {} suspected, of {} nothing can be said{}",
            show::count(now.rows),
            show::count(now.known),
            show::count(now.suspected),
            show::count(now.unknown_rows),
            rounds(summary.rounds, summary.last_round_ms)
        ),
    }
}

fn rounds(rounds: u64, last_ms: Option<f64>) -> String {
    let took = last_ms.map(|ms| format!(", the last in {}", show::span_ms(ms)));
    format!("; {} rounds{}", show::count(rounds), took.unwrap_or_default())
}
