//! What the emitter did so far.

use crate::identity::cut;
use crate::limits::REFUSAL_BYTES_MAX;
use crate::losses::{PerReason, Reason};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

/// A snapshot of the emitter's counters. `issued` is the sum of what waits, what was sent and what was lost.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Writes reported, lost ones included.
    pub issued: u64,
    /// Sequence numbers written to the socket at least once: events and declared losses.
    pub sent: u64,
    /// Sequence numbers that the sidecar has acknowledged.
    pub acknowledged: u64,
    /// Writes lost, by reason.
    pub lost: LostCounts,
    /// Writes begun and not over.
    pub open: u64,
    /// Whether the sidecar has welcomed the present connection.
    pub connected: bool,
    /// Connections welcomed after the first.
    pub reconnects: u64,
    /// Connections that the sidecar ended with a refusal.
    pub refusals: u64,
    /// What the last refusal said.
    pub last_refusal: Option<String>,
}

/// Lost writes by reason. All but `after_close` are declared to the sidecar.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LostCounts {
    /// The ring was full.
    pub ring_full: u64,
    /// The key was empty, or key, value or frame too large.
    pub limit: u64,
    /// The sidecar does not know the map.
    pub unknown_map: u64,
    /// Open when the emitter was closed, or in a frame that the sidecar refused again and again.
    pub abandoned: u64,
    /// Reported after the emitter was closed: nobody is told.
    pub after_close: u64,
}

impl LostCounts {
    /// All of them.
    #[must_use]
    pub fn total(&self) -> u64 {
        let Self { ring_full, limit, unknown_map, abandoned, after_close } = self;
        [ring_full, limit, unknown_map, abandoned, after_close].into_iter().sum()
    }
}

#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) issued: AtomicU64,
    pub(crate) sent: AtomicU64,
    pub(crate) acknowledged: AtomicU64,
    pub(crate) lost: PerReason<AtomicU64>,
    pub(crate) after_close: AtomicU64,
    pub(crate) connected: AtomicBool,
    pub(crate) welcomes: AtomicU64,
    refusals: AtomicU64,
    last_refusal: Mutex<Option<String>>,
}

impl Counters {
    /// Counts `count` more, for display only.
    pub(crate) fn lose(&self, reason: Reason, count: u64) {
        self.lost.of(reason).fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn refuse(&self, message: &str) {
        self.refusals.fetch_add(1, Ordering::Relaxed);
        let mut last = self.last_refusal.lock().unwrap_or_else(PoisonError::into_inner);
        *last = Some(cut(message, REFUSAL_BYTES_MAX).to_owned());
    }

    pub(crate) fn snapshot(&self, open: u64) -> Stats {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let lost = |reason| read(self.lost.of(reason));
        // What comes later in an event's life is read first, so that no number passes the one it is a part of.
        let acknowledged = read(&self.acknowledged);
        let sent = read(&self.sent).max(acknowledged);
        let lost = LostCounts {
            ring_full: lost(Reason::RingFull),
            limit: lost(Reason::Limit),
            unknown_map: lost(Reason::UnknownMap),
            abandoned: lost(Reason::Abandoned),
            after_close: read(&self.after_close),
        };
        Stats {
            issued: read(&self.issued),
            sent,
            acknowledged,
            lost,
            open,
            connected: self.connected.load(Ordering::Relaxed),
            reconnects: read(&self.welcomes).saturating_sub(1),
            refusals: read(&self.refusals),
            last_refusal: self.last_refusal.lock().unwrap_or_else(PoisonError::into_inner).clone(),
        }
    }
}
