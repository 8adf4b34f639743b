//! What a contract demands before traffic is moved over, as a person writes it into the configuration.

use super::MS;
use crate::gate::{Confidence, Terms};
use counterfoil_settings::Problems;
use schemars::JsonSchema;
use serde::Deserialize;

/// After its deadline and its patience an event may take so much longer to get its outcome until that counts as lag, in
/// nanoseconds: sources promise once a second, more or less.
const LAG_SLACK: i64 = 10_000 * MS;

/// What `GET /v1/gate` demands of a window of time before it answers `pass`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WrittenGate {
    /// Most of the events that may diverge, as a share of those of which it is known how they ended, above 0 and below 1. It
    /// passes only if that is certain, which takes the more events the smaller this is: with 0.001 and a confidence of 0.95 some
    /// 2,700 of which none diverged.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub bad_ratio_max: f64,
    /// How certain a pass and a fail are: 0.9, 0.95, 0.99 or 0.999.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub confidence: f64,
    /// Fewest events of which it must be known how they ended.
    #[schemars(range(min = 1))]
    pub samples_min: u32,
    /// The smallest share of the window's events of which it must be known how they ended. Those that a later write took the
    /// place of do not count, nor those outside the sample; those lost on their way do.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub coverage_min: f64,
    /// How old the instant may be until which every event has an outcome, in milliseconds. As long as the deadline, the patience
    /// and 10 seconds if not given.
    #[schemars(range(min = 1, max = 86_400_000))]
    pub lag_max_ms: Option<u32>,
    /// Most confirmed divergences that may be open: more of them fail where their writes had to show within the window, and hold
    /// a pass up where they had to show before.
    pub open_divergences_max: u32,
}

impl Default for WrittenGate {
    fn default() -> Self {
        Self {
            bad_ratio_max: 0.001,
            confidence: 0.95,
            samples_min: 1_000,
            coverage_min: 0.95,
            lag_max_ms: None,
            open_divergences_max: 0,
        }
    }
}

impl WrittenGate {
    /// Notes what the schema cannot say.
    pub(super) fn check(&self, path: &str, problems: &mut Problems) {
        let Self { bad_ratio_max, confidence, .. } = self;
        if *bad_ratio_max <= 0.0 || *bad_ratio_max >= 1.0 {
            let message = format!(
                "is {bad_ratio_max}; write the largest share of events that may diverge, above 0 and below 1: that none ever \
                 does can never be certain"
            );
            problems.add(format!("{path}.bad_ratio_max"), message);
        }
        if Confidence::of(*confidence).is_none() {
            let levels = Confidence::ALL.map(|known| known.level().to_string()).join(", ");
            problems.add(format!("{path}.confidence"), format!("is {confidence}; write one of {levels}"));
        }
    }

    /// As it is used by a check with these terms. What is no level of confidence, a problem that was told, is taken for the
    /// default one.
    #[must_use]
    pub fn terms(&self, check: &counterfoil_judge::Terms) -> Terms {
        let lag_max = check.deadline.saturating_add(check.patience).saturating_add(LAG_SLACK);
        Terms {
            bad_ratio_max: self.bad_ratio_max,
            confidence: Confidence::of(self.confidence).unwrap_or_default(),
            samples_min: self.samples_min.into(),
            coverage_min: self.coverage_min,
            lag_max: self.lag_max_ms.map_or(lag_max, |ms| i64::from(ms) * MS),
            open_divergences_max: self.open_divergences_max.into(),
        }
    }
}
