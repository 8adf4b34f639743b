//! The section `recall`, and what a map's contract says of values: whether and how they may be recalled from sidecars.

use super::{Written, WrittenMap};
use crate::contract::Values;
use crate::recall::Settings;
use counterfoil_digest::{Form, Mask, RuleProblem};
use counterfoil_settings::{Problem, Problems};
use schemars::JsonSchema;
use serde::Deserialize;
use std::net::SocketAddr;
use std::time::Duration;

/// How values are recalled from sidecars, of maps whose contract says `values: true`.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WrittenRecall {
    /// How long a sidecar may take to answer, in milliseconds.
    #[schemars(range(min = 10, max = 600_000))]
    pub timeout_ms: u32,
    /// Most values asked for at a time, over all sidecars; of one sidecar 16.
    #[schemars(range(min = 1, max = 1_024))]
    pub in_flight_max: u32,
    /// Longest value in bytes that is asked for; never more than `limits.batch_bytes_max`.
    #[schemars(range(min = 1, max = 67_108_864))]
    pub value_bytes_max: u32,
    /// Let values travel in plain text over networks: from sidecars where `listen.insecure` is true and `listen.grpc` is not an
    /// address of this machine alone, and over HTTP to whoever asks the API where `listen.http` is not one.
    pub insecure: bool,
}

impl Default for WrittenRecall {
    fn default() -> Self {
        Self { timeout_ms: 5_000, in_flight_max: 64, value_bytes_max: 1_048_576, insecure: false }
    }
}

/// The section as it is used; notes where values would travel in plain text though nobody says that they may.
pub(super) fn recall(written: &Written, grpc: Option<SocketAddr>, problems: &mut Problems) -> Settings {
    let section = &written.recall;
    let has_values = written.maps.iter().any(|map| map.values);
    let is_reachable = grpc.is_some_and(|address| !address.ip().is_loopback());
    if has_values && written.listen.insecure && is_reachable && !section.insecure {
        let message = "values would travel in plain text; write listen.tls, or `insecure: true` here too if you mean it";
        problems.add("recall.insecure", message);
    }
    Settings {
        timeout: Duration::from_millis(section.timeout_ms.into()),
        in_flight_max: super::wide(section.in_flight_max),
        value_bytes_max: section.value_bytes_max.min(written.limits.batch_bytes_max),
    }
}

/// What a map's contract says of values; `None` where they are off.
pub(super) fn values(map: &WrittenMap, form: &Form, path: &str, problems: &mut Problems) -> Option<Values> {
    if !map.values {
        if !map.mask.is_empty() {
            problems
                .add(format!("{path}.mask"), "not without `values: true`; write that too, or leave this out");
        }
        return None;
    }
    let mask = Mask::new(form, &map.mask).map_err(|found| {
        let found = found.into_iter().map(|RuleProblem { path, message }| Problem { path, message });
        problems.add_below(path, found);
    });
    mask.ok().map(|mask| Values { mask })
}
