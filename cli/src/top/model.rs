//! What a comparator tells that is shown.

use crate::http::{Client, HttpError};
use serde::Deserialize;
use std::collections::BTreeMap;

/// Divergences that are asked for.
const DIVERGENCES_MAX: u32 = 100;

/// All that a frame shows.
pub(super) struct Told {
    pub(super) gate: Gate,
    pub(super) summary: Summary,
    /// The newest that are confirmed.
    pub(super) divergences: Vec<Divergence>,
}

impl Told {
    /// Asks for it.
    pub(super) fn ask(client: &Client) -> Result<Self, HttpError> {
        let gate = client.get_json("/v1/gate")?;
        let mut summary: Summary = client.get_json("/v1/summary")?;
        let page: Page =
            client.get_json(&format!("/v1/divergences?state=confirmed&limit={DIVERGENCES_MAX}"))?;
        summary.sources.sort_by_key(|source| (source.phase.urgency(), source.lost() == 0));
        Ok(Self { gate, summary, divergences: page.divergences })
    }

    /// What was counted of a check since the comparator was started.
    pub(super) fn counted(&self, check: &Check) -> Option<&Counted> {
        match self.summary.maps.get(&check.map)? {
            Map::One(alone) => Some(alone),
            Map::Several { stores } => stores.get(&check.store),
        }
    }
}

/// The answer of `/v1/gate`.
#[derive(Deserialize)]
pub(super) struct Gate {
    pub(super) window_ms: f64,
    pub(super) checks: Vec<Check>,
}

/// One map against one store, within the gate's window.
#[derive(Deserialize)]
pub(super) struct Check {
    pub(super) map: String,
    pub(super) store: String,
    pub(super) result: Ruling,
    pub(super) bad_ratio: Option<f64>,
    pub(super) coverage: Option<f64>,
    pub(super) verified_through_age_ms: Option<f64>,
    pub(super) reasons: Vec<Reason>,
}

/// What the gate says.
#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Ruling {
    Pass,
    Insufficient,
    Fail,
}

/// Why the gate does not pass.
#[derive(Deserialize)]
pub(super) struct Reason {
    pub(super) reason: String,
}

/// The answer of `/v1/summary`.
#[derive(Deserialize)]
pub(super) struct Summary {
    pub(super) maps: BTreeMap<String, Map>,
    pub(super) sources: Vec<Source>,
    pub(super) stores: Vec<Store>,
}

/// A map with one store, or with several.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Map {
    Several { stores: BTreeMap<String, Counted> },
    One(Box<Counted>),
}

/// What was counted of one map against one store.
#[derive(Deserialize)]
pub(super) struct Counted {
    pub(super) events: u64,
    pub(super) outcomes: BTreeMap<String, u64>,
    pub(super) open_divergences: u64,
    pub(super) lag_ms: Option<Lag>,
    /// By age; the contract's deadline comes last.
    pub(super) within: Vec<Share>,
    pub(super) calibration: Option<String>,
}

/// Quantiles in milliseconds.
#[derive(Deserialize)]
pub(super) struct Lag {
    pub(super) p50: f64,
    pub(super) p99: f64,
}

/// How many writes were seen to agree within an age.
#[derive(Deserialize)]
pub(super) struct Share {
    pub(super) share: Option<f64>,
    pub(super) nines: Option<f64>,
}

/// One process that reports.
#[derive(Deserialize)]
pub(super) struct Source {
    pub(super) source: String,
    pub(super) phase: Phase,
    pub(super) lost: BTreeMap<String, u64>,
    pub(super) undeclared: u64,
    pub(super) in_flight: u64,
    pub(super) open: u64,
    pub(super) watermark_lag_ms: Option<f64>,
    pub(super) clock_error_ms: Option<f64>,
    pub(super) silent_ms: f64,
}

impl Source {
    /// Events that were lost, whether somebody said so or not.
    pub(super) fn lost(&self) -> u64 {
        self.lost.values().fold(self.undeclared, |sum, count| sum.saturating_add(*count))
    }
}

/// Where a source is in its life.
#[derive(Deserialize)]
#[serde(transparent)]
pub(super) struct Phase(pub(super) String);

impl Phase {
    /// What wants looking after comes first.
    fn urgency(&self) -> u8 {
        match self.0.as_str() {
            "lost" => 0,
            "live" => 1,
            "ended" => 2,
            _ => 3,
        }
    }
}

/// How a store is read.
#[derive(Deserialize)]
pub(super) struct Store {
    pub(super) name: String,
    pub(super) state: String,
    pub(super) reason: Option<String>,
    pub(super) keys_per_s: Option<f64>,
    pub(super) probe_delay_ms: f64,
}

/// The answer of `/v1/divergences`.
#[derive(Deserialize)]
struct Page {
    divergences: Vec<Divergence>,
}

/// A confirmed divergence.
#[derive(Deserialize)]
pub(super) struct Divergence {
    pub(super) id: String,
    pub(super) map: String,
    pub(super) store: Option<String>,
    pub(super) kind: String,
    pub(super) severity: Option<String>,
    pub(super) age_ms: i64,
    pub(super) key: String,
    pub(super) trace_id: Option<String>,
}
