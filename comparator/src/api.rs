//! The HTTP API for people and scripts.
//!
//! - `GET /v1/summary`: per map the events, outcomes, verdicts, coverage, lag and nines, or these for each of its stores if it
//!   has several; the sources; the stores; the divergences.
//! - `GET /v1/divergences?map=&store=&state=&kind=&severity=&source=&key=&acted=&opened_since=&opened_before=&limit=&after=`:
//!   divergences, newest first, in pages.
//! - `GET /v1/divergences/export?format=`, filtered in the same way: all of them, as JSON lines or CSV.
//! - `GET /v1/divergences/ID`: one of them, and what happened to it.
//! - `GET /v1/divergences/ID/evidence`: the bundle from which it can be judged again.
//! - `POST /v1/divergences/ID/acknowledge`, `/ignore`, `/reopen`: what somebody does about it.
//! - `GET /v1/divergences/ID/values`: the values of both sides, for operators, where a person turned that on.
//! - `GET /v1/sources`: what each source reported and lost.
//! - `GET /v1/clocks?limit=&after=`: how well the clocks of other machines are known, in pages.
//! - `GET /v1/gate?map=&store=&cohort=&against=&window=`: whether traffic may be moved over, and why not;
//!   `POST /v1/gate/flagger` is the same for Flagger.
//! - `GET /v1/notify`: who is told of divergences, and whether that works.
//!
//! - `POST /v1/repairs/plan`, `/apply`, `/ID/undo`, `/breaker/close`, `GET /v1/repairs`, `/ID`, `/breakers`, `/audit`: repairs.
//!
//! Whatever is wrong with a request is told as `{"error": "…"}`. Where callers have tokens, each request has to show one.

pub(crate) mod acts;
mod calibration;
mod clocks;
pub(crate) mod divergences;
pub(crate) mod door;
pub(crate) mod error;
pub(crate) mod evidence;
mod export;
pub(crate) mod gate;
mod notify;
pub(crate) mod parameters;
mod repairs;
pub(crate) mod sweep;
mod values;

use crate::Parts;
use crate::budget::Status;
use crate::callers::Callers;
use crate::contract::MapId;
use crate::dashboard::Sessions;
use crate::gate::IgnoredOne;
use crate::ledger::{
    ActedOn, Count, Filter, Ignored, Ledger, LedgerError, Mark, State as DivergenceState, shown,
};
use crate::metrics;
use crate::notify::Board;
use crate::repair::Repairs;
use crate::restart;
use crate::sources::{Phase, Report, Source};
use crate::store::Reader;
use crate::table::Census;
use crate::tally::{Lag, Share, Tally};
use axum::extract::{DefaultBodyLimit, State};
use axum::middleware::from_fn_with_state;
use axum::routing::{get, post};
use axum::{Json, Router};
use counterfoil_clock::now;
use counterfoil_judge::Time;
use counterfoil_proto::LossReason;
use error::ApiError;
use serde::Serialize;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Open divergences that are known to be ignored, in each state; of more, those that are not known count.
const IGNORED_MAX: usize = 10_000;

/// What the API answers from.
#[derive(Clone)]
pub(crate) struct Api {
    pub(crate) parts: Arc<Parts>,
    pub(crate) ledger: Ledger,
    pub(crate) callers: Arc<Callers>,
    /// Values may be shown to operators: they do not leave this machine in plain text, or somebody said that they may.
    may_show_values: bool,
    /// How many more keys may be read at a time for operators who look at values.
    value_reads: Arc<Semaphore>,
    notify: Arc<Board>,
    /// `None` where no map may be repaired.
    pub(crate) repairs: Option<Arc<Repairs>>,
    /// Who has signed in to the pages.
    pub(crate) sessions: Arc<Sessions>,
}

impl Api {
    /// Answers `callers` from `parts`, `ledger`, `notify` and `repairs`.
    pub(crate) fn new(
        parts: Arc<Parts>,
        ledger: Ledger,
        callers: Callers,
        may_show_values: bool,
        notify: Arc<Board>,
        repairs: Option<Arc<Repairs>>,
    ) -> Self {
        let (callers, value_reads) = (Arc::new(callers), Arc::new(Semaphore::new(values::READS_MAX)));
        let sessions = Arc::default();
        Self { parts, ledger, callers, may_show_values, value_reads, notify, repairs, sessions }
    }

    /// Brings up to date what is known to be ignored, and its gauges.
    pub(crate) async fn look_at_ignored(&self) -> Result<(), LedgerError> {
        self.list_ignored().await?;
        let ignored = self.ledger.ignored().await?;
        let tallies = &self.parts.tallies;
        for tally in tallies.iter() {
            let is_its = |one: &&Ignored| {
                tallies.named(&one.map, one.store.as_deref()).is_some_and(|its| std::ptr::eq(its, tally))
            };
            let count: u64 = ignored.iter().filter(is_its).map(|one| one.count).sum();
            let (map, store) = (("map", tally.map.as_str()), ("store", tally.store.as_str()));
            metrics::IGNORED.gauge(&[map, store, ("severity", tally.severity.label())]).set(count as f64);
        }
        Ok(())
    }

    /// Tells the gate which open divergences are ignored; of very many the newest ones.
    async fn list_ignored(&self) -> Result<(), LedgerError> {
        let mut rows = Vec::new();
        for state in [DivergenceState::Confirmed, DivergenceState::Opened] {
            let (state, acted) = (Some(state), Some(ActedOn::By(Mark::Ignored)));
            rows.extend(self.ledger.newest(Filter { state, acted, ..Filter::default() }, IGNORED_MAX).await?);
        }
        let engine = &self.parts.engine;
        let sources = restart::ids(engine.sources());
        let ones = rows.into_iter().filter_map(|row| {
            let (map, named) = restart::named(&row, engine.contracts(), &sources)?;
            let until_unix_ns = row.acted?.until_unix_ns;
            Some(IgnoredOne { map, named, key: row.key_bytes, until_unix_ns })
        });
        self.parts.ignored.set(ones);
        Ok(())
    }

    pub(crate) fn router(self) -> Router {
        gate::make_series(self.parts.engine.contracts());
        values::make_series(self.parts.engine.contracts());
        let hook = post(gate::flagger).layer(DefaultBodyLimit::max(gate::HOOK_BYTES_MAX));
        let door = from_fn_with_state(self.clone(), door::door);
        Router::new()
            .route("/v1/gate", get(gate::gate))
            .route("/v1/gate/flagger", hook)
            .route("/v1/summary", get(summary))
            .route("/v1/divergences", get(divergences::list))
            .route("/v1/divergences/export", get(export::export))
            .route("/v1/divergences/{id}", get(divergences::one))
            .route("/v1/divergences/{id}/evidence", get(evidence::evidence))
            .route("/v1/divergences/{id}/values", get(values::values))
            .route("/v1/divergences/{id}/acknowledge", post(acts::acknowledge))
            .route("/v1/divergences/{id}/ignore", post(acts::ignore))
            .route("/v1/divergences/{id}/reopen", post(acts::reopen))
            .merge(repairs::routes())
            .route("/v1/sources", get(sources))
            .route("/v1/clocks", get(clocks::clocks))
            .route("/v1/notify", get(notify::notify))
            .route_layer(door)
            .method_not_allowed_fallback(|| async { ApiError::NoMethod })
            .fallback(|| async { ApiError::NoPath })
            .with_state(self)
    }
}

#[derive(Serialize)]
struct Summary {
    maps: BTreeMap<String, MapSummary>,
    sources: Vec<SourceSummary>,
    stores: Vec<StoreSummary>,
    /// By the store's name.
    sweep: BTreeMap<String, sweep::SweepSummary>,
    /// Opened, confirmed and resolved since the comparator started.
    divergences: BTreeMap<&'static str, u64>,
    /// All that the ledger has, by map, store, kind and state.
    ledger: Vec<Count>,
    /// Tries in a row to write the ledger that did not succeed; 0 while it can be written.
    ledger_retries: u64,
    /// Events accepted, over all maps.
    accepted: u64,
    /// Events lost on the way, declared or not.
    lost: u64,
}

#[derive(Serialize)]
#[serde(untagged)]
enum MapSummary {
    /// The map has one store.
    One(Box<CheckSummary>),
    Several {
        /// Events accepted, each once.
        events: u64,
        /// By the store's name.
        stores: BTreeMap<String, CheckSummary>,
    },
}

impl MapSummary {
    fn events(&self) -> u64 {
        match self {
            Self::One(check) => check.events,
            Self::Several { events, .. } => *events,
        }
    }
}

/// What came of one map against one store.
#[derive(Serialize)]
struct CheckSummary {
    events: u64,
    outcomes: BTreeMap<&'static str, u64>,
    undetermined: BTreeMap<&'static str, u64>,
    /// Why events were left out: `room`, `sampled`.
    shed: BTreeMap<&'static str, u64>,
    /// The outcomes of each cohort that the contract names, and of `other` events.
    cohorts: BTreeMap<String, BTreeMap<&'static str, u64>>,
    verdicts: BTreeMap<&'static str, u64>,
    /// (confirmed + divergent) / events that ended and are in the contract's sample; `null` before one did.
    coverage: Option<f64>,
    /// Keys looked up for each confirmed event; `null` before one was confirmed.
    reads_per_confirmed: Option<f64>,
    keys: usize,
    open_divergences: u64,
    lag_ms: Option<Lag>,
    /// By age: 1s, 10s, 1m, 5m and the contract's deadline.
    within: Vec<Share>,
    /// `calibrating`, `calibrated` or `uncalibrated`; `null` without a contract.
    calibration: Option<&'static str>,
    /// While uncalibrated, a key whose value in the store is in a form that the map's side never reported.
    calibration_sample: Option<String>,
    /// While uncalibrated, where the two sides differ: what always does first.
    calibration_hints: Vec<calibration::HintSummary>,
    /// While uncalibrated, what to write in both configurations so that they would not; `null` if nothing helps.
    suggested_rules: Option<String>,
    /// Whether the store says the same of a row twice, as far as that was tried; `null` without a contract.
    store_noise: Option<calibration::NoiseSummary>,
}

/// What a source reported and lost.
#[derive(Serialize)]
pub(crate) struct SourceSummary {
    pub(crate) source: String,
    pub(crate) phase: &'static str,
    /// Sequence numbers used so far: `accepted` + `lost` + `undeclared`, less those before the comparator knew it.
    pub(crate) next_seq: u64,
    pub(crate) accepted: u64,
    pub(crate) duplicates: u64,
    pub(crate) lost: BTreeMap<&'static str, u64>,
    pub(crate) undeclared: u64,
    /// Sequence numbers used by the source, as far as it told, that have not come yet.
    pub(crate) in_flight: u64,
    /// Outcomes that events accepted wait for: one of each event for every store of its map.
    pub(crate) open: u64,
    /// How far the watermark of a live source is behind the present, in milliseconds; `null` while its clock is not
    /// bounded or it has promised nothing.
    pub(crate) watermark_lag_ms: Option<f64>,
    /// Bound of the clock error, in milliseconds; `null` while there is none.
    pub(crate) clock_error_ms: Option<f64>,
    /// The same in nanoseconds.
    pub(crate) clock_error_ns: Option<i64>,
    /// Maps of which it has told all that they hold.
    pub(crate) whole_maps: Vec<String>,
    /// Since it was last heard of, in milliseconds.
    pub(crate) silent_ms: f64,
}

/// How a store is.
#[derive(Serialize)]
pub(crate) struct StoreSummary {
    pub(crate) name: String,
    /// `healthy`, `slow`, `refusing` or `down`.
    pub(crate) state: &'static str,
    /// Why it is refusing or down; `null` while it is not.
    pub(crate) reason: Option<&'static str>,
    /// Keys a second that may be read now; `null` for as many as it bears.
    pub(crate) keys_per_s: Option<f64>,
    /// How long after its first key was due the last read was sent off, in milliseconds.
    pub(crate) probe_delay_ms: f64,
}

async fn summary(State(api): State<Api>) -> Result<Json<Summary>, ApiError> {
    api.ledger.catch_up().await?;
    let ledger = api.ledger.counts().await?;
    let parts = &api.parts;
    let census = parts.engine.table().census();
    let maps = map_summaries(parts, census);
    let mut divergences = BTreeMap::new();
    for (turn, count) in parts.tallies.iter().flat_map(Tally::turns) {
        *divergences.entry(turn).or_insert(0) += count;
    }
    let sources = source_summaries(parts);
    let lost = sources.iter().map(|source| source.lost.values().sum::<u64>() + source.undeclared).sum();
    let accepted = maps.values().map(MapSummary::events).sum();
    let (stores, sweep) = (store_summaries(parts), sweep::summaries(parts));
    let ledger_retries = api.ledger.stats().retries;
    let told = Summary { maps, sources, stores, sweep, divergences, ledger, ledger_retries, accepted, lost };
    Ok(Json(told))
}

fn map_summaries(parts: &Parts, census: Vec<Census>) -> BTreeMap<String, MapSummary> {
    let mut checks: BTreeMap<_, BTreeMap<_, _>> = BTreeMap::new();
    let census = census.into_iter().chain([Census::default()]);
    for ((tally, census), id) in parts.tallies.iter().zip(census).zip(0..) {
        let of_map = checks.entry(tally.map.clone()).or_default();
        of_map.insert(tally.store.clone(), check_summary(parts, MapId(id), tally, census));
    }
    checks.into_iter().map(|(map, checks)| (map, of_map(checks))).collect()
}

fn of_map(mut stores: BTreeMap<String, CheckSummary>) -> MapSummary {
    match stores.pop_first() {
        Some((_, alone)) if stores.is_empty() => MapSummary::One(Box::new(alone)),
        first => {
            stores.extend(first);
            // Each check is given every event of the map.
            let events = stores.values().map(|check| check.events).max().unwrap_or(0);
            MapSummary::Several { events, stores }
        }
    }
}

fn check_summary(parts: &Parts, id: MapId, tally: &Tally, census: Census) -> CheckSummary {
    let (engine, table) = (&parts.engine, parts.engine.table());
    let hints = table.calibration_hints(id);
    let mut outcomes: BTreeMap<_, _> = tally.outcomes().into_iter().collect();
    outcomes.insert("open", census.open);
    CheckSummary {
        events: tally.events(),
        outcomes,
        undetermined: tally.undetermined().into_iter().collect(),
        shed: tally.shed().into_iter().collect(),
        cohorts: tally.cohorts().map(|(name, of)| (name.to_owned(), of.into_iter().collect())).collect(),
        verdicts: tally.verdicts().into_iter().collect(),
        coverage: tally.coverage(),
        reads_per_confirmed: tally.reads_per_confirmed(),
        keys: census.keys,
        open_divergences: census.divergences,
        lag_ms: tally.lag(),
        within: tally.within(),
        calibration: engine.contracts().get(id).map(|_| table.calibration(id).label()),
        calibration_sample: table.calibration_sample(id).map(|key| shown(&key)),
        calibration_hints: hints.as_ref().map_or_else(Vec::new, calibration::of_sides),
        suggested_rules: hints.and_then(|hints| hints.suggested_rules()),
        store_noise: table.store_noise(id).map(Into::into),
    }
}

/// What each source reported and lost, by name.
pub(crate) fn source_summaries(parts: &Parts) -> Vec<SourceSummary> {
    let mut sources: Vec<_> =
        parts.engine.sources().all().iter().map(|source| source_summary(parts, source)).collect();
    sources.sort_by(|left, right| left.source.cmp(&right.source));
    sources
}

fn source_summary(parts: &Parts, source: &Source) -> SourceSummary {
    let at = now();
    let report: Report = source.report();
    let clock = parts.engine.clocks().translation(&report.clock, at);
    SourceSummary {
        source: source.name.to_string(),
        phase: report.phase.label(),
        next_seq: report.next_seq,
        accepted: report.accepted,
        duplicates: report.duplicates,
        lost: LossReason::ALL.iter().map(|reason| reason.label()).zip(report.lost).collect(),
        undeclared: report.undeclared,
        in_flight: report.issued.saturating_sub(report.next_seq),
        open: source.open().outcomes(),
        watermark_lag_ms: clock
            .filter(|_| report.phase == Phase::Live && report.watermark > Time::MIN)
            .map(|clock| ms(at.since(clock.earliest(report.watermark)))),
        clock_error_ms: clock.map(|clock| ms(clock.error)),
        clock_error_ns: clock.map(|clock| clock.error),
        whole_maps: report.whole_maps().map(str::to_owned).collect(),
        silent_ms: ms(at.since(report.heard)),
    }
}

/// How each store is, in the order of the contracts.
pub(crate) fn store_summaries(parts: &Parts) -> Vec<StoreSummary> {
    let readers = parts.engine.contracts().readers().iter();
    let summary = |(reader, status): (&Arc<Reader>, Status)| StoreSummary {
        name: reader.name().to_owned(),
        state: status.state.label(),
        reason: status.state.reason(),
        keys_per_s: status.keys_per_s,
        probe_delay_ms: ms(status.probe_delay),
    };
    readers.zip(parts.statuses.get()).map(summary).collect()
}

fn ms(nanoseconds: i64) -> f64 {
    nanoseconds as f64 / 1e6
}

async fn sources(State(api): State<Api>) -> Json<BTreeMap<&'static str, Vec<SourceSummary>>> {
    Json(BTreeMap::from([("sources", source_summaries(&api.parts))]))
}
