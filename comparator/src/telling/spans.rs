//! Spans of checks: one for each write that was traced and whose check found something, and for a share of the others.
//!
//! A span *links* to the span of the write: the check is no part of the application's trace.

use super::Telling;
use crate::contract::MapId;
use crate::ledger::DivergenceId;
use crate::table::{Effects, Ended, Turn, Turned};
use counterfoil_judge::{Kind, Outcome, Shed, WriteId};
use counterfoil_proto::TraceRef;
use opentelemetry::trace::{
    Link, Span, SpanBuilder, SpanContext, SpanId, Status, TraceFlags, TraceId, TraceState, Tracer,
};
use opentelemetry::{Context, KeyValue};
use opentelemetry_sdk::trace::SdkTracer;
use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

/// A ratio is kept in parts of this.
const RATIO_UNIT: u64 = 1 << 32;

/// Where spans go, and of which checks.
pub(super) struct Spans {
    tracer: SdkTracer,
    /// Of checks with a consistent verdict, every so many in [`RATIO_UNIT`] gets a span.
    ratio: u64,
    sum: AtomicU64,
}

impl Spans {
    /// A share of `ratio` (0 to 1) of the checks that found nothing wrong get a span, all others always do.
    pub(super) fn new(tracer: SdkTracer, ratio: f64) -> Self {
        Self { tracer, ratio: parts(ratio), sum: AtomicU64::new(0) }
    }

    /// Spreads the sampled checks evenly.
    fn is_sampled(&self) -> bool {
        let before = self.sum.fetch_add(self.ratio, Ordering::Relaxed);
        before / RATIO_UNIT != before.wrapping_add(self.ratio) / RATIO_UNIT
    }
}

/// The divergences that were confirmed, by the write that should have shown.
type Confirmed<'a> = HashMap<(MapId, WriteId), &'a Turned>;

impl Telling {
    /// Leaves a span for each check of a traced write that has one.
    pub(super) fn trace(&self, effects: &Effects) {
        let Some(spans) = &self.spans else { return };
        let confirmed = effects.turned.iter().filter(|turned| turned.turn == Turn::Confirmed);
        let confirmed = confirmed.map(|turned| ((turned.map, turned.divergence.named), turned)).collect();
        for ended in &effects.ended {
            if let Some(write) = ended.marks.trace
                && let Some(outcome) = told(ended.outcome, spans)
            {
                self.trace_check(spans, ended, (outcome, write), &confirmed);
            }
        }
    }

    fn trace_check(
        &self,
        spans: &Spans,
        ended: &Ended,
        (outcome, write): (&'static str, TraceRef),
        confirmed: &Confirmed<'_>,
    ) {
        let turned = confirmed.get(&(ended.map, ended.id));
        let divergence = turned.map(|turned| (self.named(turned).0, turned.divergence.kind));
        let mut attributes = vec![
            KeyValue::new("counterfoil.map", self.name(ended.map).to_owned()),
            KeyValue::new("counterfoil.outcome", outcome),
            KeyValue::new("counterfoil.source", self.source(ended.id)),
        ];
        let store = self.store(ended.map).map(|store| KeyValue::new("counterfoil.store", store.to_owned()));
        attributes.extend(store);
        attributes.extend(more(ended, divergence));
        let builder = SpanBuilder::from_name("counterfoil check").with_attributes(attributes);
        let builder = builder.with_links(vec![Link::new(span_context(write), Vec::new(), 0)]);
        let mut span = spans.tracer.build_with_context(builder, &Context::new());
        if ended.outcome == Outcome::Divergent {
            span.set_status(Status::error(divergence.map_or(outcome, |(_, kind)| kind.label())));
        }
        span.end();
    }
}

/// The outcome by name, if its check gets a span.
fn told(outcome: Outcome, spans: &Spans) -> Option<&'static str> {
    match outcome {
        Outcome::Confirmed { .. } | Outcome::Superseded if !spans.is_sampled() => None,
        // There was no check.
        Outcome::Shed(Shed::Sampled) => None,
        Outcome::Confirmed { .. } => Some("confirmed"),
        Outcome::Superseded => Some("superseded"),
        Outcome::Divergent => Some("divergent"),
        Outcome::Undetermined(_) => Some("undetermined"),
        Outcome::Shed(Shed::Room) => Some("shed"),
    }
}

/// What there is to say of the outcome, and of the divergence that it is part of.
fn more(ended: &Ended, divergence: Option<(DivergenceId, Kind)>) -> Vec<KeyValue> {
    match ended.outcome {
        Outcome::Confirmed { lag } if !ended.held => vec![KeyValue::new("counterfoil.lag_ns", lag)],
        Outcome::Undetermined(reason) => vec![KeyValue::new("counterfoil.reason", reason.label())],
        Outcome::Divergent => divergence.map_or_else(Vec::new, |(id, kind)| {
            vec![
                KeyValue::new("counterfoil.divergence.id", id.to_string()),
                KeyValue::new("counterfoil.divergence.kind", kind.label()),
                KeyValue::new("error.type", kind.label()),
            ]
        }),
        Outcome::Confirmed { .. } | Outcome::Superseded | Outcome::Shed(_) => Vec::new(),
    }
}

#[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the ratio is clamped to 0..=1")]
fn parts(ratio: f64) -> u64 {
    (ratio.clamp(0.0, 1.0) * RATIO_UNIT as f64) as u64
}

fn span_context(write: TraceRef) -> SpanContext {
    let (trace, span) = (TraceId::from_bytes(write.trace_id), SpanId::from_bytes(write.span_id));
    SpanContext::new(trace, span, TraceFlags::SAMPLED, true, TraceState::default())
}
