//! What waits to be sent, what was dropped: the SDK's own queues are bounded, but do not say what they drop.

use super::WAITING_MAX;
use crate::{Kind, Metric};
use metrics::Counter;
use opentelemetry::logs::Severity;
use opentelemetry::{Context, InstrumentationScope};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::logs::{LogBatch, LogExporter, LogProcessor, SdkLogRecord};
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter, SpanProcessor};
use std::fmt::{self, Debug, Display, Formatter};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

/// Counts what a collector did not get.
pub static DROPPED: Metric = Metric {
    name: "counterfoil_telemetry_dropped_items_total",
    kind: Kind::Counter,
    unit: "items",
    labels: &["signal", "reason"],
    help: "Spans (`traces`), log records (`logs`) and values of metrics (`metrics`) that the OTLP collector did not get: \
           `full`, as too many waited for it already, or `not_sent`, as it was away, slow or refused them.",
};

/// Spans or log records that wait to be sent, and whether they are.
pub(super) struct Waiting {
    signal: &'static str,
    count: AtomicUsize,
    is_failing: AtomicBool,
    full: Counter,
    not_sent: Counter,
}

impl Waiting {
    /// Nothing waits, nothing was dropped.
    pub(super) fn new(signal: &'static str) -> Arc<Self> {
        let dropped = |reason| DROPPED.counter(&[("signal", signal), ("reason", reason)]);
        Arc::new(Self {
            signal,
            count: AtomicUsize::new(0),
            is_failing: AtomicBool::new(false),
            full: dropped("full"),
            not_sent: dropped("not_sent"),
        })
    }

    /// Takes a place for one more, or counts it as dropped.
    fn take_place(&self) -> bool {
        let has_room = self.count.fetch_add(1, Ordering::Relaxed) < WAITING_MAX;
        if !has_room {
            self.count.fetch_sub(1, Ordering::Relaxed);
            self.full.increment(1);
        }
        has_room
    }

    /// Gives so many places back.
    fn leave(&self, items: usize) {
        self.count.fetch_sub(items, Ordering::Relaxed);
    }

    /// Notes what became of so many. The log tells the first failure and the first success after it.
    pub(super) fn sent<E: Display>(&self, items: usize, result: &Result<(), E>) {
        let signal = self.signal;
        match result {
            Ok(()) if self.is_failing.swap(false, Ordering::Relaxed) => {
                tracing::info!(signal, "the OTLP collector takes them again");
            }
            Ok(()) => {}
            Err(error) => {
                self.not_sent.increment(items as u64);
                if !self.is_failing.swap(true, Ordering::Relaxed) {
                    tracing::warn!(signal, %error, "the OTLP collector does not take them; they are dropped");
                }
            }
        }
    }
}

impl Debug for Waiting {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Waiting").field("signal", &self.signal).finish_non_exhaustive()
    }
}

/// A processor that is given no more than it has room for.
#[derive(Debug)]
pub(super) struct Bounded<P> {
    inner: P,
    waiting: Arc<Waiting>,
}

impl<P> Bounded<P> {
    pub(super) fn new(inner: P, waiting: Arc<Waiting>) -> Self {
        Self { inner, waiting }
    }
}

impl<P: SpanProcessor> SpanProcessor for Bounded<P> {
    fn on_start(&self, span: &mut Span, context: &Context) {
        self.inner.on_start(span, context);
    }

    fn on_end(&self, span: SpanData) {
        if self.waiting.take_place() {
            self.inner.on_end(span);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

impl<P: LogProcessor> LogProcessor for Bounded<P> {
    fn emit(&self, record: &mut SdkLogRecord, scope: &InstrumentationScope) {
        if self.waiting.take_place() {
            self.inner.emit(record, scope);
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn event_enabled(&self, level: Severity, target: &str, name: Option<&str>) -> bool {
        self.inner.event_enabled(level, target, name)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

/// An exporter whose failures are counted.
#[derive(Debug)]
pub(super) struct Sent<E> {
    inner: E,
    waiting: Arc<Waiting>,
}

impl<E> Sent<E> {
    pub(super) fn new(inner: E, waiting: &Arc<Waiting>) -> Self {
        Self { inner, waiting: Arc::clone(waiting) }
    }
}

impl<E: SpanExporter> SpanExporter for Sent<E> {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let items = batch.len();
        self.waiting.leave(items);
        let result = self.inner.export(batch).await;
        self.waiting.sent(items, &result);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.inner.force_flush()
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}

impl<E: LogExporter> LogExporter for Sent<E> {
    async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
        let items = batch.iter().count();
        self.waiting.leave(items);
        let result = self.inner.export(batch).await;
        self.waiting.sent(items, &result);
        result
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.inner.shutdown_with_timeout(timeout)
    }

    fn event_enabled(&self, level: Severity, target: &str, name: Option<&str>) -> bool {
        self.inner.event_enabled(level, target, name)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.inner.set_resource(resource);
    }
}
