//! A store's read budget as a person writes it into the configuration.

use crate::budget::{Bounds, Shares};
use counterfoil_settings::Problems;
use schemars::JsonSchema;
use serde::Deserialize;

/// Bounds of the keys below. The schema holds the same figures, and a test that they stay the same.
const KEYS_PER_S_MAX: u32 = 10_000_000;
const LATENCY_MS_MAX: u32 = 60_000;
const PERCENT_MAX: u32 = 40;

/// How hard a store may be read over time. Whatever is written here, it is read less while it is slow, and left alone while it
/// does not answer.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WrittenBudget {
    /// Most keys a second. As many as the store bears if not given. What there was no time to read ends undetermined
    /// (`budget`).
    #[schemars(range(min = 1, max = 10_000_000))]
    pub keys_per_s: Option<u32>,
    /// Keys a second that are read of a slow store all the same, so that it is noticed when it is fast again.
    #[schemars(range(min = 1, max = 10_000_000))]
    pub keys_per_s_min: u32,
    /// A read that takes longer than this says that the store is strained, in milliseconds. Three times what is usual for its
    /// number of keys if not given, which is learned.
    #[schemars(range(min = 1, max = 60_000))]
    pub latency_ms_target: Option<u32>,
    /// What is left to keys with an open divergence however many fresh writes wait, in percent of the keys read.
    #[schemars(range(min = 1, max = 40))]
    pub open_percent: u32,
    /// The same for keys without: copies that have to follow another process's write, what an outage of the store left, and the sweep.
    #[schemars(range(min = 1, max = 40))]
    pub idle_percent: u32,
}

impl Default for WrittenBudget {
    fn default() -> Self {
        Self {
            keys_per_s: None,
            keys_per_s_min: 10,
            latency_ms_target: None,
            open_percent: 10,
            idle_percent: 10,
        }
    }
}

impl WrittenBudget {
    pub(super) fn problems(&self, problems: &mut Problems) {
        for (path, value, max) in [
            ("keys_per_s", self.keys_per_s, KEYS_PER_S_MAX),
            ("keys_per_s_min", Some(self.keys_per_s_min), KEYS_PER_S_MAX),
            ("latency_ms_target", self.latency_ms_target, LATENCY_MS_MAX),
            ("open_percent", Some(self.open_percent), PERCENT_MAX),
            ("idle_percent", Some(self.idle_percent), PERCENT_MAX),
        ] {
            if let Some(value) = value.filter(|value| !(1..=max).contains(value)) {
                problems.add(format!("budget.{path}"), format!("{value} is out of range; write 1 to {max}"));
            }
        }
        if let Some(most) = self.keys_per_s.filter(|most| self.keys_per_s_min > *most) {
            problems.add(
                "budget.keys_per_s_min",
                format!("{} exceeds budget.keys_per_s; write 1 to {most}", self.keys_per_s_min),
            );
        }
    }

    /// The bounds of a store that may be read by `concurrency` reads of `keys_per_read_max` keys at a time.
    pub(super) fn bounds(&self, concurrency: usize, keys_per_read_max: usize) -> Bounds {
        let share = |percent: u32| f64::from(percent.min(PERCENT_MAX)) / 100.0;
        Bounds {
            concurrency,
            keys_per_read_max,
            keys_per_s: self.keys_per_s.map_or(f64::INFINITY, f64::from),
            keys_per_s_min: self.keys_per_s_min.into(),
            latency_target: self.latency_ms_target.map(|target| i64::from(target) * 1_000_000),
            shares: Shares { open: share(self.open_percent), idle: share(self.idle_percent) },
        }
    }
}
