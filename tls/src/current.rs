//! What a process tells about its certificate: metrics for its catalogue, and lines in its log.

use crate::{Reload, Watched};
use counterfoil_clock::wall_unix_ns;
use counterfoil_telemetry::{Kind, Metric};
use metrics::{Counter, Gauge};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// 1 where the stream between sidecar and comparator is plain text, else 0.
pub static INSECURE: Metric = Metric {
    name: "counterfoil_insecure",
    kind: Kind::Gauge,
    unit: "state",
    labels: &[],
    help: "1 where sidecar and comparator talk in plain text and nobody proves who they are (`insecure: true`), else 0.",
};

/// Looks at the files of the certificate that found them changed, by what came of it.
pub static RELOADS: Metric = Metric {
    name: "counterfoil_tls_reloads_total",
    kind: Kind::Counter,
    unit: "reloads",
    labels: &["result"],
    help: "Changed files of the certificate: `reloaded`, or `refused` at each look until they can be used.",
};

/// How long the certificate in use holds.
pub static REMAINING: Metric = Metric {
    name: "counterfoil_tls_certificate_remaining_seconds",
    kind: Kind::Gauge,
    unit: "seconds",
    labels: &[],
    help: "Until the own certificate ends, less than 0 once it has ended; NaN in plain text.",
};

/// Seconds since 1970, as certificates count. Certificates hold by the wall clock: there is no other for them.
#[must_use]
pub fn unix_seconds() -> i64 {
    wall_unix_ns().div_euclid(1_000_000_000)
}

/// Says that this process talks in plain text, in a warning that names `key`, the key that allowed it, and in the metrics.
pub fn tell_insecure(key: &str) {
    INSECURE.gauge(&[]).set(1.0);
    let _meters = Meters::new();
    tracing::warn!("{key}: sidecar and comparator talk in plain text, and nobody proves who they are");
}

/// Keeps the certificate in use that its files have: looks at them `every` so often until `stop`, and tells what came of it
/// in log and metrics. `renewed` is called after a change.
pub async fn keep_current(
    watched: Arc<Watched>,
    every: Duration,
    stop: CancellationToken,
    renewed: impl Fn() + Send + Sync,
) {
    INSECURE.gauge(&[]).set(0.0);
    let meters = Meters::new();
    let looked = watched.clone();
    let report = move |outcome: Reload| {
        meters.count(&outcome);
        meters.remaining.set(seconds_left(looked.not_after()));
        if matches!(outcome, Reload::Reloaded { .. }) {
            renewed();
        }
    };
    watched.run(every, stop, report).await;
}

fn seconds_left(not_after: i64) -> f64 {
    let left = not_after.saturating_sub(unix_seconds());
    // The nearest number will do for a metric.
    left as f64
}

struct Meters {
    reloaded: Counter,
    refused: Counter,
    remaining: Gauge,
}

impl Meters {
    fn new() -> Self {
        let remaining = REMAINING.gauge(&[]);
        remaining.set(f64::NAN);
        let of = |result| RELOADS.counter(&[("result", result)]);
        Self { reloaded: of("reloaded"), refused: of("refused"), remaining }
    }

    fn count(&self, outcome: &Reload) {
        match outcome {
            Reload::Reloaded { not_after } => {
                tracing::info!(not_after, "another certificate is in use");
                self.reloaded.increment(1);
            }
            Reload::Unchanged => {}
            Reload::Refused(error) => {
                tracing::warn!("{error}; the old certificate stays in use");
                self.refused.increment(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_of_a_certificate_is_told_in_seconds_and_less_than_nothing_after_its_end() {
        assert!((3599.0..=3600.0).contains(&seconds_left(unix_seconds() + 3600)));
        assert!(seconds_left(unix_seconds() - 10) <= -10.0);
    }
}
