//! What a comparator tells that the overview shows.

use serde::Deserialize;
use std::collections::BTreeMap;

/// The answer of `/v1/summary`, as far as it is shown.
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
    /// Each of its stores by name.
    Several { stores: BTreeMap<String, Check> },
    /// The name of the store is not told.
    One(Box<Check>),
}

/// One map against one store.
#[derive(Deserialize)]
pub(super) struct Check {
    pub(super) events: u64,
    pub(super) outcomes: BTreeMap<String, u64>,
    pub(super) coverage: Option<f64>,
    pub(super) open_divergences: u64,
    pub(super) lag_ms: Option<Lag>,
    pub(super) within: Vec<Share>,
}

/// Quantiles in milliseconds.
#[derive(Deserialize)]
pub(super) struct Lag {
    pub(super) p50: f64,
}

/// How many agreed within an age.
#[derive(Deserialize)]
pub(super) struct Share {
    pub(super) share: Option<f64>,
}

/// One process that reports.
#[derive(Deserialize)]
pub(super) struct Source {
    pub(super) source: String,
    pub(super) phase: String,
    pub(super) lost: BTreeMap<String, u64>,
    pub(super) undeclared: u64,
    pub(super) watermark_lag_ms: Option<f64>,
    pub(super) clock_error_ms: Option<f64>,
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

/// The newest confirmed divergences.
#[derive(Deserialize)]
pub(super) struct Page {
    pub(super) divergences: Vec<Divergence>,
}

/// One of them.
#[derive(Deserialize)]
pub(super) struct Divergence {
    pub(super) id: String,
    pub(super) map: String,
    pub(super) store: Option<String>,
    pub(super) kind: String,
    pub(super) age_ms: i64,
    pub(super) key: String,
}

/// All that one frame shows.
pub(super) struct Told {
    pub(super) summary: Summary,
    pub(super) page: Page,
}
