//! Spans, log records and metrics over OTLP/gRPC, sent by a runtime of their own.
//!
//! # Invariants
//!
//! - Whoever makes a span or a record never waits: what there is no room for is dropped and counted.
//! - A collector that is away, slow or refuses costs what it was to get, and nothing else.

mod bounded;
mod points;
mod push;

pub use bounded::DROPPED;

use crate::{TelemetryError, Written};
use bounded::{Bounded, Sent, Waiting};
use metrics_exporter_prometheus::PrometheusHandle;
use opentelemetry::KeyValue;
use opentelemetry::logs::LoggerProvider;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{ExporterBuildError, LogExporter, SpanExporter, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{BatchLogProcessor, SdkLogger, SdkLoggerProvider};
use opentelemetry_sdk::trace::{BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider};
use opentelemetry_sdk::{logs, trace};
use push::Push;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Two: one may be busy with the connection while the other one runs timers.
const WORKERS: usize = 2;

/// Spans that wait to be sent, and log records; more are dropped.
const WAITING_MAX: usize = 8_192;

/// Spans and log records wait this long for others to travel with.
const WAIT: Duration = Duration::from_secs(1);

/// One export may take this long, its retries included.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// The last export may take this long.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);

/// Names those who made spans and log records.
const SCOPE: &str = "counterfoil";

/// What sends, and its runtime.
pub(crate) struct Otlp {
    spans: SdkTracerProvider,
    logs: Option<SdkLoggerProvider>,
    push: Option<Push>,
    runtime: Option<Runtime>,
}

impl Otlp {
    /// Sends to `written.otlp_endpoint` what is `written` to be sent; `None` without an endpoint.
    pub(crate) fn start(
        process: &'static str,
        written: &Written,
        recorder: &PrometheusHandle,
    ) -> Result<Option<Self>, TelemetryError> {
        let Some(endpoint) = endpoint(written)? else { return Ok(None) };
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .thread_name("otlp")
            .enable_all()
            .build()?;
        // Channels belong to the runtime in which they are made.
        let inside = runtime.enter();
        let resource = resource(process);
        let push = written
            .otlp_metrics_every_s
            .map(|every_s| Push::start(endpoint, every_s, recorder.clone(), &resource))
            .transpose()?;
        let logs = written.otlp_logs.then(|| logs(endpoint, resource.clone())).transpose()?;
        let spans = spans(endpoint, resource)?;
        drop(inside);
        Ok(Some(Self { spans, logs, push, runtime: Some(runtime) }))
    }

    pub(crate) fn tracer(&self) -> SdkTracer {
        self.spans.tracer(SCOPE)
    }

    pub(crate) fn logger(&self) -> Option<SdkLogger> {
        Some(self.logs.as_ref()?.logger(SCOPE))
    }

    /// Sends what still waits, each signal by itself, and gives up on it in time.
    pub(crate) async fn shutdown(&self) {
        let (spans, logs) = (self.spans.clone(), self.logs.clone());
        tokio::join!(
            flush("traces", move || spans.shutdown_with_timeout(SHUTDOWN_TIMEOUT)),
            flush("logs", move || logs.map_or(Ok(()), |logs| logs.shutdown_with_timeout(SHUTDOWN_TIMEOUT))),
            async {
                if let Some(push) = &self.push
                    && tokio::time::timeout(SHUTDOWN_TIMEOUT, push.end()).await.is_err()
                {
                    tracing::warn!("the last metrics were not sent in time");
                }
            },
        );
    }
}

impl Drop for Otlp {
    fn drop(&mut self) {
        // Waiting for a runtime is forbidden inside another one, where this may well be dropped.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The endpoint, if one is written; nothing else that needs one may be written without it.
fn endpoint(written: &Written) -> Result<Option<&str>, TelemetryError> {
    match &written.otlp_endpoint {
        Some(endpoint) if endpoint.starts_with("http://") => Ok(Some(endpoint)),
        Some(endpoint) => Err(TelemetryError::Scheme(endpoint.clone())),
        None if written.otlp_logs => Err(TelemetryError::NoEndpoint("otlp_logs")),
        None if written.otlp_metrics_every_s.is_some() => {
            Err(TelemetryError::NoEndpoint("otlp_metrics_every_s"))
        }
        None => Ok(None),
    }
}

/// Who sends. OTEL_RESOURCE_ATTRIBUTES in the environment adds to it.
fn resource(process: &'static str) -> Resource {
    let host = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    let instance = format!("{}/{}", host.trim(), std::process::id());
    Resource::builder_empty()
        .with_attributes([
            KeyValue::new("service.namespace", "counterfoil"),
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", instance),
        ])
        .with_detectors(&[
            Box::new(opentelemetry_sdk::resource::TelemetryResourceDetector),
            Box::new(opentelemetry_sdk::resource::EnvResourceDetector::new()),
        ])
        .with_service_name(process)
        .build()
}

fn spans(endpoint: &str, resource: Resource) -> Result<SdkTracerProvider, ExporterBuildError> {
    let exporter = SpanExporter::builder().with_tonic().with_endpoint(endpoint);
    let exporter = exporter.with_timeout(EXPORT_TIMEOUT).build()?;
    let waiting = Waiting::new("traces");
    let batches = trace::BatchConfigBuilder::default()
        .with_max_queue_size(WAITING_MAX)
        .with_scheduled_delay(WAIT)
        .build();
    let sent = BatchSpanProcessor::builder(Sent::new(exporter, &waiting)).with_batch_config(batches).build();
    Ok(SdkTracerProvider::builder()
        .with_sampler(Sampler::AlwaysOn)
        .with_resource(resource)
        .with_span_processor(Bounded::new(sent, waiting))
        .build())
}

fn logs(endpoint: &str, resource: Resource) -> Result<SdkLoggerProvider, ExporterBuildError> {
    let exporter = LogExporter::builder().with_tonic().with_endpoint(endpoint);
    let exporter = exporter.with_timeout(EXPORT_TIMEOUT).build()?;
    let waiting = Waiting::new("logs");
    let batches = logs::BatchConfigBuilder::default()
        .with_max_queue_size(WAITING_MAX)
        .with_scheduled_delay(WAIT)
        .build();
    let sent = BatchLogProcessor::builder(Sent::new(exporter, &waiting)).with_batch_config(batches).build();
    Ok(SdkLoggerProvider::builder()
        .with_resource(resource)
        .with_log_processor(Bounded::new(sent, waiting))
        .build())
}

async fn flush(what: &'static str, send: impl FnOnce() -> OTelSdkResult + Send + 'static) {
    let sending = tokio::task::spawn_blocking(send);
    match tokio::time::timeout(SHUTDOWN_TIMEOUT, sending).await {
        Ok(Ok(Ok(()))) => {}
        Ok(Ok(Err(error))) => tracing::warn!(%error, what, "the last of them were not sent"),
        Ok(Err(_)) | Err(_) => tracing::warn!(what, "the last of them were not sent in time"),
    }
}
