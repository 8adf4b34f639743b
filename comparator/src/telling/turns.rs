//! Turns of divergences, told to whoever watches: counted, logged, and sent as records where that is wanted.
//!
//! A turn is told when the ledger has it on disk, and once, whatever happens.

use crate::ledger::Turned;
use crate::tally::Tallies;
use opentelemetry::logs::{LogRecord, Logger, Severity};
use opentelemetry::trace::{SpanId, TraceId};
use opentelemetry_sdk::logs::SdkLogger;
use std::sync::Arc;

/// Names the records among those of others.
const EVENT_NAME: &str = "counterfoil.divergence";

/// Tells of divergences that came into another state.
pub(crate) struct Announcer {
    tallies: Arc<Tallies>,
    logger: Option<SdkLogger>,
}

impl Announcer {
    /// Counts with `tallies`, and sends records through `logger` if there is one.
    pub(crate) fn new(tallies: Arc<Tallies>, logger: Option<SdkLogger>) -> Self {
        Self { tallies, logger }
    }

    /// Tells of one that stands in the ledger.
    pub(crate) fn announce(&self, turned: &Turned) {
        let Turned { id, map, store, kind, turn, trace_id } = turned;
        let tally = self.tallies.named(map, store.as_deref());
        if let Some(tally) = tally {
            tally.turned(kind, turn, *trace_id);
        }
        let severity = tally.map(|tally| tally.severity.label());
        tracing::info!(%id, map, store, kind, severity, "divergence {turn}");
        if let Some(logger) = &self.logger {
            logger.emit(record(logger.create_log_record(), turned, severity));
        }
    }
}

/// The same as is logged, and the trace of the write: no key and no value.
fn record<R: LogRecord>(mut record: R, turned: &Turned, severity: Option<&'static str>) -> R {
    let Turned { id, map, store, kind, turn, trace_id } = turned;
    record.set_event_name(EVENT_NAME);
    let level = if *turn == "resolved" { Severity::Info } else { Severity::Warn };
    record.set_severity_number(level);
    record.set_severity_text(level.name());
    record.set_body(format!("divergence {turn}").into());
    record.add_attribute("counterfoil.divergence.id", id.to_string());
    record.add_attribute("counterfoil.divergence.kind", kind.clone());
    record.add_attribute("counterfoil.divergence.turn", *turn);
    record.add_attribute("counterfoil.map", map.clone());
    if let Some(store) = store {
        record.add_attribute("counterfoil.store", store.clone());
    }
    if let Some(severity) = severity {
        record.add_attribute("counterfoil.severity", severity);
    }
    if let Some(trace_id) = trace_id {
        // Of the write's spans the ledger knows the trace only.
        record.set_trace_context(TraceId::from_bytes(*trace_id), SpanId::INVALID, None);
    }
    record
}
