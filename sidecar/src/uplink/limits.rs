//! What the comparator takes of a batch.

use crate::batcher::Fill;
use counterfoil_proto::wire::IntakeWelcome;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What the comparator takes, once it has said so.
pub(crate) struct IntakeLimits {
    events_max: AtomicUsize,
    bytes_max: AtomicUsize,
}

impl IntakeLimits {
    pub(super) fn new() -> Self {
        Self { events_max: AtomicUsize::new(usize::MAX), bytes_max: AtomicUsize::new(usize::MAX) }
    }

    pub(super) fn set(&self, welcome: &IntakeWelcome) {
        for (limit, said) in
            [(&self.events_max, welcome.batch_events_max), (&self.bytes_max, welcome.batch_bytes_max)]
        {
            let said = usize::try_from(said).unwrap_or(usize::MAX);
            limit.store(if said == 0 { usize::MAX } else { said }, Ordering::Relaxed);
        }
    }

    /// Lowers `fill` to what the comparator takes. Bytes are estimated before a batch is encoded and do not count its
    /// losses, hence the half.
    pub(crate) fn lower(&self, fill: Fill) -> Fill {
        Fill {
            events_max: fill.events_max.min(self.events_max.load(Ordering::Relaxed)),
            bytes_max: fill.bytes_max.min(self.bytes_max.load(Ordering::Relaxed) / 2),
            ..fill
        }
    }
}
