//! What the sweep has done, in the summary.

use super::ms;
use crate::Parts;
use crate::contract::{Contracts, MapId};
use crate::sweep::{self, keys, rows};
use crate::table::{Rows, Unknown};
use serde::Serialize;
use std::collections::BTreeMap;

/// What the sweep has done in one store.
#[derive(Serialize)]
pub(crate) struct SweepSummary {
    /// Over the keys of the table that nobody wrote to; `null` if they are not swept.
    pub(crate) keys: Option<KeysSummary>,
    /// Over the rows of the store, by the map's name; empty if they are not gone through.
    pub(crate) rows: BTreeMap<String, RowsSummary>,
}

/// Of the keys of the table.
#[derive(Serialize)]
pub(crate) struct KeysSummary {
    /// Read again, or about to be.
    pub(crate) keys: u64,
    /// Which part of this round is done, from 0 to 1.
    pub(crate) done: f64,
    pub(crate) rounds: u64,
    /// How long the last round took; `null` before there was one.
    pub(crate) last_round_ms: Option<f64>,
}

/// Of the rows of the store.
#[derive(Serialize)]
pub(crate) struct RowsSummary {
    #[serde(flatten)]
    pub(crate) this_round: RowCounts,
    pub(crate) rounds: u64,
    /// What the last round found; `null` before there was one.
    pub(crate) last_round: Option<RowCounts>,
    /// How long it took; `null` before there was one.
    pub(crate) last_round_ms: Option<f64>,
}

/// What rows were.
#[derive(Serialize)]
pub(crate) struct RowCounts {
    pub(crate) rows: u64,
    /// A source told of the key.
    pub(crate) known: u64,
    /// Of these, the row agrees with a key at rest.
    pub(crate) agreeing: u64,
    /// No map knows the key: it is looked at again, or is told as an orphan.
    pub(crate) suspected: u64,
    /// Of which nothing can be said.
    pub(crate) unknown_rows: u64,
    /// Why.
    pub(crate) unknown: BTreeMap<&'static str, u64>,
}

/// By the store's name.
pub(crate) fn summaries(parts: &Parts) -> BTreeMap<String, SweepSummary> {
    let contracts = parts.engine.contracts();
    let readers = contracts.readers().iter();
    let swept = parts.swept.get().into_iter().map(|progress| summary(contracts, progress));
    readers.map(|reader| reader.name().to_owned()).zip(swept).collect()
}

fn summary(contracts: &Contracts, progress: sweep::Progress) -> SweepSummary {
    let of_map = |(map, progress): (MapId, rows::Progress)| {
        Some((contracts.get(map)?.name.to_string(), RowsSummary::from(progress)))
    };
    let rows = progress.rows.into_iter().filter_map(of_map).collect();
    SweepSummary { keys: progress.keys.map(KeysSummary::from), rows }
}

impl From<keys::Progress> for KeysSummary {
    fn from(progress: keys::Progress) -> Self {
        let keys::Progress { keys, rounds, last_round, done } = progress;
        Self { keys, done, rounds, last_round_ms: last_round.map(ms) }
    }
}

impl From<rows::Progress> for RowsSummary {
    fn from(progress: rows::Progress) -> Self {
        let rows::Progress { rows, last, rounds, .. } = progress;
        Self {
            this_round: rows.into(),
            rounds,
            last_round: last.map(|last| last.rows.into()),
            last_round_ms: last.map(|last| ms(last.took)),
        }
    }
}

impl From<Rows> for RowCounts {
    fn from(rows: Rows) -> Self {
        Self {
            rows: rows.count(),
            known: rows.known,
            agreeing: rows.agreeing,
            suspected: rows.suspected,
            unknown_rows: rows.unknown.iter().sum(),
            unknown: Unknown::ALL.map(Unknown::label).into_iter().zip(rows.unknown).collect(),
        }
    }
}
