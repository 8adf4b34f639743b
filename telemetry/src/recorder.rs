//! The metrics recorder of the process.

use crate::TelemetryError;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// Buckets of durations, in seconds: from the best lag of a store beside the application to the longest usual deadline.
const SECONDS_BUCKETS: [f64; 17] =
    [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0];

/// Buckets of counts and sizes.
const SIZE_BUCKETS: [f64; 10] = [1.0, 4.0, 16.0, 64.0, 256.0, 1024.0, 4096.0, 16_384.0, 65_536.0, 262_144.0];

/// Observations of histograms are kept one by one until they are sorted into buckets: this often, so that they do not
/// pile up in a process that nobody scrapes.
const UPKEEP_PERIOD: Duration = Duration::from_secs(5);

static INSTALLED: Mutex<Option<PrometheusHandle>> = Mutex::new(None);

/// Installs the recorder, or gives the one that was installed before.
pub(crate) fn install() -> Result<PrometheusHandle, TelemetryError> {
    let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(handle) = &*installed {
        return Ok(handle.clone());
    }
    let builder = PrometheusBuilder::new()
        .set_buckets(&SIZE_BUCKETS)
        .and_then(|builder| {
            builder.set_buckets_for_metric(Matcher::Suffix("_seconds".to_owned()), &SECONDS_BUCKETS)
        })
        .expect("the lists of buckets are not empty");
    let recorder = builder.build_recorder();
    let handle = recorder.handle();
    metrics::set_global_recorder(recorder).map_err(|_| TelemetryError::Recorder)?;
    start_upkeep(handle.clone())?;
    *installed = Some(handle.clone());
    Ok(handle)
}

/// The recorder lives as long as the process, and so does this thread: there is nothing to wait for at the end.
fn start_upkeep(handle: PrometheusHandle) -> Result<(), TelemetryError> {
    std::thread::Builder::new().name("metrics-upkeep".to_owned()).spawn(move || {
        loop {
            std::thread::sleep(UPKEEP_PERIOD);
            handle.run_upkeep();
        }
    })?;
    Ok(())
}
