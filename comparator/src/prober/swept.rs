//! How far the sweep has come, in metrics.

use crate::contract::{Contracts, MapId};
use crate::metrics;
use crate::store::Reader;
use crate::sweep::{self, keys, rows};
use crate::table::{Rows, Unknown};
use ::metrics::{Counter, Gauge};

/// Series of the sweep over one store.
pub(super) struct SweepSeries {
    keys: Counter,
    rounds: Counter,
    round_seconds: Gauge,
    checks: Vec<CheckSeries>,
}

/// Series of the rows of one check.
struct CheckSeries {
    map: MapId,
    /// What rows were, in the order of [`counts`].
    rows: Vec<Counter>,
    agreeing: Counter,
    rounds: Counter,
}

impl SweepSeries {
    pub(super) fn new(reader: &Reader, contracts: &Contracts) -> Self {
        let store = [("store", reader.name())];
        let maps = (0..).map(MapId).zip(contracts.iter());
        let scanned = maps.filter(|(map, contract)| {
            contract.has_scan() && contracts.store_name(*map) == Some(reader.name())
        });
        let series = Self {
            keys: metrics::SWEEP_KEYS.counter(&store),
            rounds: metrics::SWEEP_ROUNDS.counter(&store),
            round_seconds: metrics::SWEEP_ROUND_SECONDS.gauge(&store),
            checks: scanned
                .map(|(map, contract)| CheckSeries::new(map, &contract.name, reader.name()))
                .collect(),
        };
        series.round_seconds.set(f64::NAN);
        series
    }

    /// Tells how far it has come.
    pub(super) fn set(&self, progress: &sweep::Progress) {
        if let Some(keys) = &progress.keys {
            self.set_keys(keys);
        }
        for (map, rows) in &progress.rows {
            self.checks.iter().filter(|check| check.map == *map).for_each(|check| check.set(rows));
        }
    }

    fn set_keys(&self, progress: &keys::Progress) {
        self.keys.absolute(progress.keys);
        self.rounds.absolute(progress.rounds);
        if let Some(last) = progress.last_round {
            self.round_seconds.set(last as f64 / 1e9);
        }
    }
}

impl CheckSeries {
    fn new(map: MapId, name: &str, store: &str) -> Self {
        let labels = ["known", "suspected"].into_iter().chain(Unknown::ALL.map(Unknown::label));
        let check = [("map", name), ("store", store)];
        let series = |label| metrics::SWEEP_ROWS.counter(&[("map", name), ("store", store), ("row", label)]);
        Self {
            map,
            rows: labels.map(series).collect(),
            agreeing: metrics::SWEEP_AGREEING.counter(&check),
            rounds: metrics::SWEEP_SCANS.counter(&check),
        }
    }

    fn set(&self, progress: &rows::Progress) {
        self.rows.iter().zip(counts(&progress.all)).for_each(|(series, count)| series.absolute(count));
        self.agreeing.absolute(progress.all.agreeing);
        self.rounds.absolute(progress.rounds);
    }
}

fn counts(rows: &Rows) -> impl Iterator<Item = u64> {
    [rows.known, rows.suspected].into_iter().chain(rows.unknown)
}
