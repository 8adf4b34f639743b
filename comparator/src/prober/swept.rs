//! How far the sweep has come, in metrics.

use crate::metrics;
use crate::store::Reader;
use crate::sweep::keys::Progress;
use ::metrics::{Counter, Gauge};

/// Series of the sweep over one store.
pub(super) struct SweepSeries {
    keys: Counter,
    rounds: Counter,
    round_seconds: Gauge,
}

impl SweepSeries {
    pub(super) fn new(reader: &Reader) -> Self {
        let store = [("store", reader.name())];
        let series = Self {
            keys: metrics::SWEEP_KEYS.counter(&store),
            rounds: metrics::SWEEP_ROUNDS.counter(&store),
            round_seconds: metrics::SWEEP_ROUND_SECONDS.gauge(&store),
        };
        series.round_seconds.set(f64::NAN);
        series
    }

    /// Tells how far it has come.
    pub(super) fn set(&self, progress: &Progress) {
        self.keys.absolute(progress.keys);
        self.rounds.absolute(progress.rounds);
        if let Some(last) = progress.last_round {
            self.round_seconds.set(last as f64 / 1e9);
        }
    }
}
