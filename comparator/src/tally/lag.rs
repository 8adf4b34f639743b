//! How long the store takes to agree, in quantiles.

use crate::metrics;
use ::metrics::Histogram;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Longest lag that is told apart, in microseconds: an hour.
const LAG_MAX_US: u64 = 3_600_000_000;

/// Every lag of one check.
pub(super) struct Lags {
    seen: Mutex<hdrhistogram::Histogram<u64>>,
    series: Histogram,
}

/// Quantiles of the lag, in milliseconds.
#[derive(Clone, Copy, PartialEq, Debug, serde::Serialize)]
pub(crate) struct Lag {
    /// Half of the confirmed writes were seen to agree within this.
    pub p50: f64,
    /// 95 of 100.
    pub p95: f64,
    /// 99 of 100.
    pub p99: f64,
    /// All.
    pub(crate) max: f64,
}

impl Lags {
    /// None yet; the series has these labels.
    pub(super) fn new(check: &[(&'static str, &str)]) -> Self {
        Self { seen: Mutex::new(empty_histogram()), series: metrics::LAG.histogram(check) }
    }

    /// Adds lags, in nanoseconds.
    pub(super) fn add(&self, lags: &[i64]) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        for lag in lags {
            let microseconds = u64::try_from(lag / 1_000).unwrap_or(0).clamp(1, LAG_MAX_US);
            self.series.record(Duration::from_micros(microseconds).as_secs_f64());
            seen.saturating_record(microseconds);
        }
    }

    /// The quantiles; `None` before there is a lag.
    pub(super) fn quantiles(&self) -> Option<Lag> {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let ms = |quantile: f64| Duration::from_micros(seen.value_at_quantile(quantile)).as_secs_f64() * 1e3;
        (!seen.is_empty()).then(|| Lag { p50: ms(0.5), p95: ms(0.95), p99: ms(0.99), max: ms(1.0) })
    }
}

/// Two significant digits up to an hour: about 20 KiB a map.
fn empty_histogram() -> hdrhistogram::Histogram<u64> {
    hdrhistogram::Histogram::new_with_bounds(1, LAG_MAX_US, 2).expect("the bounds are constants that fit")
}
