//! What the current OpenTelemetry context says about a write: its span, and its cohort.

use crate::limits::COHORT_BYTES_MAX;
use counterfoil_proto::TraceRef;
use opentelemetry::Context;
use opentelemetry::baggage::BaggageExt;
use opentelemetry::trace::TraceContextExt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, Ordering};

/// The span and the cohort of a write that happens now.
#[derive(Debug, Default)]
pub(crate) struct Origin {
    pub(crate) trace: Option<TraceRef>,
    pub(crate) cohort: Option<Box<str>>,
}

/// The baggage keys that may travel, as the sidecar told them; none before it did.
#[derive(Default)]
pub(crate) struct CohortKeys {
    any: AtomicBool,
    keys: RwLock<Vec<String>>,
}

impl CohortKeys {
    pub(crate) fn tell(&self, keys: Vec<String>) {
        self.any.store(!keys.is_empty(), Ordering::Relaxed);
        *self.keys.write().unwrap_or_else(std::sync::PoisonError::into_inner) = keys;
    }

    /// What the current context says. The context is thread-local and gone while a thread ends: OpenTelemetry panics
    /// then, and the write has no origin.
    pub(crate) fn origin(&self) -> Origin {
        let read =
            || Context::map_current(|context| Origin { trace: trace(context), cohort: self.cohort(context) });
        catch_unwind(AssertUnwindSafe(read)).unwrap_or_default()
    }

    /// The first listed entry that is present. Without one while the list is being replaced: no call waits for that.
    fn cohort(&self, context: &Context) -> Option<Box<str>> {
        if !self.any.load(Ordering::Relaxed) || context.baggage().is_empty() {
            return None;
        }
        let keys = self.keys.try_read().ok()?;
        let entry = |key: &String| Some(format!("{key}={}", context.baggage().get(key)?.as_str()));
        let cohort = keys.iter().find_map(entry)?;
        (cohort.len() <= COHORT_BYTES_MAX).then(|| cohort.into())
    }
}

fn trace(context: &Context) -> Option<TraceRef> {
    if !context.has_active_span() {
        return None;
    }
    let span = context.span();
    let span = span.span_context();
    span.is_valid()
        .then(|| TraceRef { trace_id: span.trace_id().to_bytes(), span_id: span.span_id().to_bytes() })
}
