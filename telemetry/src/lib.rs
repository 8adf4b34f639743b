//! Logs, traces, the registry of metrics and the admin endpoints of a process.
//!
//! - **Logs** go to stderr, as text or JSON; stdout is for data. Colours only on a terminal, and not where `NO_COLOR` is
//!   set. No key and no value is ever logged.
//! - **Metrics** are declared as [`Metric`] statics, so that the catalogue is closed and its documentation is generated.
//!   They are scraped at `/metrics`, as Prometheus' text or as OpenMetrics, which has exemplars: the trace of the latest of what
//!   a series counted.
//! - **OTLP**: traces go out over gRPC when an endpoint is written, and records of what happened and the same metrics if that is
//!   written too. All through a runtime of their own: an exporter that shares the process's runtime can wait for itself when
//!   all workers are busy.
//!
//! # Invariants
//!
//! - One recorder per process: whoever installs telemetry a second time gets a handle to the same one.
//! - What goes wrong here never stops the process once it runs: what cannot be sent is dropped and counted ([`DROPPED`]).

mod admin;
mod exemplars;
mod exposition;
mod logs;
mod metric;
mod openmetrics;
mod otlp;
mod recorder;

pub use admin::serve_http;
pub use metric::{Kind, Metric, catalogue_markdown};
pub use otlp::DROPPED;

use metrics_exporter_prometheus::PrometheusHandle;
use opentelemetry_sdk::logs::SdkLogger;
use opentelemetry_sdk::trace::SdkTracer;
use otlp::Otlp;
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;
use thiserror::Error;
use tokio::sync::watch;

/// How log lines are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    #[default]
    Text,
    /// For machines: one JSON object per line.
    Json,
}

/// The section `telemetry` of a configuration.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Written {
    /// What is logged, as tracing directives: `info`, `warn,counterfoil_sidecar=debug`.
    pub log: String,
    /// How log lines are written: `text` or `json`.
    pub log_format: LogFormat,
    /// Where traces go, as OTLP over gRPC, with its scheme: `http://collector:4317`. No traces without it.
    pub otlp_endpoint: Option<String>,
    /// The share of checks with a consistent verdict that get a span, from 0 to 1. Checks that find something always do.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub trace_ratio: f64,
    /// Whether a log record of each divergence that is opened, confirmed or resolved goes where traces go: its id, map, store, kind
    /// and the trace of the write, no key and no value. Only the comparator has any.
    pub otlp_logs: bool,
    /// Pushes the metrics where traces go, every so many seconds, beside their being scraped. No push without it.
    #[schemars(range(min = 1, max = 3600))]
    pub otlp_metrics_every_s: Option<u32>,
}

impl Default for Written {
    fn default() -> Self {
        Self {
            log: "info".to_owned(),
            log_format: LogFormat::Text,
            otlp_endpoint: None,
            trace_ratio: 0.01,
            otlp_logs: false,
            otlp_metrics_every_s: None,
        }
    }
}

/// Why telemetry could not be installed.
#[derive(Debug, Error)]
pub enum TelemetryError {
    /// The log directives cannot be understood.
    #[error("telemetry.log: {0}; write directives such as info or warn,counterfoil_sidecar=debug")]
    Log(#[source] tracing_subscriber::filter::ParseError),
    /// Something is to be sent, but not where to.
    #[error("telemetry.{0}: there is nowhere to send to; set telemetry.otlp_endpoint")]
    NoEndpoint(&'static str),
    /// The endpoint is no address.
    #[error("telemetry.otlp_endpoint: {0}; write an address such as http://collector:4317")]
    Endpoint(#[source] tonic::transport::Error),
    /// The endpoint has no scheme, or one that is not spoken.
    #[error(
        "telemetry.otlp_endpoint: {0:?} does not begin with http://; write its scheme (TLS is not built in)"
    )]
    Scheme(String),
    /// The exporter refused its settings.
    #[error("telemetry.otlp_endpoint: {0}")]
    Exporter(#[from] opentelemetry_otlp::ExporterBuildError),
    /// The exporter's threads could not be started.
    #[error("threads of the OTLP exporter: {0}")]
    Threads(#[from] std::io::Error),
    /// The process has a metrics recorder that is not ours.
    #[error("another metrics recorder is installed in this process")]
    Recorder,
}

/// A process's telemetry. Clones share everything.
#[derive(Clone)]
pub struct Telemetry {
    recorder: PrometheusHandle,
    otlp: Option<Arc<Otlp>>,
}

impl Telemetry {
    /// Installs logs, the metrics recorder and, where an endpoint is written, what sends to it. `process` names the process
    /// there. Logs and the recorder are per OS process: a second call keeps those of the first one.
    ///
    /// # Errors
    ///
    /// [`TelemetryError`] if a setting cannot be used.
    pub fn install(process: &'static str, written: &Written) -> Result<Self, TelemetryError> {
        logs::install(written)?;
        let recorder = recorder::install()?;
        let otlp = Otlp::start(process, written, &recorder)?.map(Arc::new);
        Ok(Self { recorder, otlp })
    }

    /// Makes spans; `None` where no endpoint is written.
    #[must_use]
    pub fn tracer(&self) -> Option<SdkTracer> {
        self.otlp.as_ref().map(|otlp| otlp.tracer())
    }

    /// Makes log records; `None` where nobody wrote that they are to be sent.
    #[must_use]
    pub fn logger(&self) -> Option<SdkLogger> {
        self.otlp.as_ref()?.logger()
    }

    /// All metrics in Prometheus' text format.
    #[must_use]
    pub fn render_metrics(&self) -> String {
        self.recorder.run_upkeep();
        self.recorder.render()
    }

    /// All metrics in the OpenMetrics text format, with exemplars.
    #[must_use]
    pub fn render_openmetrics(&self) -> String {
        openmetrics::render(&self.render_metrics(), &exemplars::latest())
    }

    /// `GET /livez` (200 as long as the process answers), `/readyz` (200, or 503 while `ready` is false) and `/metrics`.
    pub fn admin_router(&self, ready: watch::Receiver<bool>) -> axum::Router {
        admin::router(self.clone(), ready)
    }

    /// Sends what still waits to be sent, for at most three seconds. Spans that end afterwards are dropped.
    pub async fn shutdown(&self) {
        if let Some(otlp) = &self.otlp {
            otlp.shutdown().await;
        }
    }
}
