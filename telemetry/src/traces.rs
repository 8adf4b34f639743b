//! Spans over OTLP/gRPC, sent by a runtime of their own.

use crate::TelemetryError;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{RetryPolicy, SpanExporter, WithExportConfig, WithTonicConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider,
};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Two: one may be busy with the connection while the other one runs timers.
const WORKERS: usize = 2;

/// Spans that wait to be sent; more are dropped.
const SPANS_WAITING_MAX: usize = 8_192;

/// Spans wait this long for others to travel with.
const SPANS_WAIT: Duration = Duration::from_secs(1);

/// One export may take this long, its retries included.
const EXPORT_TIMEOUT: Duration = Duration::from_secs(5);

/// The last export may take this long.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(3);

/// The exporter and its runtime.
pub(crate) struct Traces {
    provider: SdkTracerProvider,
    runtime: Option<Runtime>,
}

impl Traces {
    pub(crate) fn start(process: &'static str, endpoint: &str) -> Result<Self, TelemetryError> {
        if !endpoint.starts_with("http://") {
            return Err(TelemetryError::Scheme(endpoint.to_owned()));
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(WORKERS)
            .thread_name("traces")
            .enable_all()
            .build()?;
        let exporter = {
            // The channel belongs to the runtime in which it is made.
            let _inside = runtime.enter();
            SpanExporter::builder()
                .with_tonic()
                .with_endpoint(endpoint)
                .with_timeout(EXPORT_TIMEOUT)
                .with_retry_policy(RetryPolicy::recommended())
                .build()?
        };
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(SPANS_WAITING_MAX)
            .with_scheduled_delay(SPANS_WAIT)
            .build();
        let provider = SdkTracerProvider::builder()
            .with_sampler(Sampler::AlwaysOn)
            .with_resource(Resource::builder().with_service_name(process).build())
            .with_span_processor(BatchSpanProcessor::builder(exporter).with_batch_config(batches).build())
            .build();
        Ok(Self { provider, runtime: Some(runtime) })
    }

    pub(crate) fn tracer(&self) -> SdkTracer {
        self.provider.tracer("counterfoil")
    }

    pub(crate) async fn shutdown(self: Arc<Self>) {
        let flush =
            tokio::task::spawn_blocking(move || self.provider.shutdown_with_timeout(SHUTDOWN_TIMEOUT));
        match tokio::time::timeout(SHUTDOWN_TIMEOUT, flush).await {
            Ok(Ok(Ok(()))) => {}
            Ok(Ok(Err(error))) => tracing::warn!(%error, "the last traces were not sent"),
            Ok(Err(_)) | Err(_) => tracing::warn!("the last traces were not sent in time"),
        }
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        // Waiting for a runtime is forbidden inside another one, where this may well be dropped.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
