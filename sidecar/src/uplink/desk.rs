//! Where connections hand in their batches and the uplink takes them: the backlog, the spool beside it, and what both tell
//! about how far batches are safe.
//!
//! With a spool, a batch is handed on once the spool has it; the connection waits while the spool's queue is full. While the
//! spool cannot be written, as without one, batches stay in memory alone, and the connection waits while that is full.

use super::backlog::{Backlog, Numbered, Wanted};
use crate::batcher::Sealed;
use crate::marks::{Place, Reach};
use crate::metrics::Meters;
use crate::shedding;
use crate::spooling;
use counterfoil_clock::{Domain, now};
use counterfoil_digest::BUCKETS;
use counterfoil_judge::Time;
use counterfoil_proto::wire::emit::AckLevel;
use counterfoil_spool::{Entry, Progress, Spool, State};
use std::ops::Range;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::watch;

/// The spool's cap is the reason why it is full if at least this share of it is taken; else the disk is.
const CAPPED_FROM: f64 = 0.75;

/// The share of the memory beyond which everything is shed while the spool cannot be written. The rest is for the batches that
/// connections have open by then.
const MEMORY_SHARE: f64 = 0.75;

/// How often the spool is told how far the comparator has come, in nanoseconds. What it does not know is sent again after a
/// restart.
const TRIM_NS: i64 = 200_000_000;

/// How far the comparator has come.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Accepted {
    /// Uploads up to this number were acknowledged.
    pub(crate) through: u64,
    /// What that means there.
    pub(crate) level: AckLevel,
}

/// What connections and uplink share.
pub(super) struct Desk {
    backlog: Mutex<Backlog>,
    pub(super) spool: Option<Spool>,
    progress: Option<watch::Receiver<Progress>>,
    accepted: watch::Sender<Accepted>,
    /// How many key buckets are shed.
    closed: AtomicUsize,
    /// How often the chain of some source had to begin anew.
    chains_broken: AtomicU64,
    trimmed: Mutex<Time>,
    /// Bytes in memory, as the gauge has them.
    shown_bytes: AtomicUsize,
    clock: Domain,
    meters: Arc<Meters>,
}

impl Desk {
    /// With room in memory for `bytes_max`, and the numbers `unsent` in `spool`.
    pub(super) fn new(bytes_max: u32, spool: Option<Spool>, unsent: Range<u64>, meters: Arc<Meters>) -> Self {
        let bytes_max = usize::try_from(bytes_max).unwrap_or(usize::MAX);
        let through = unsent.start.saturating_sub(1);
        Self {
            backlog: Mutex::new(Backlog::new(bytes_max, unsent.start, unsent.end)),
            progress: spool.as_ref().map(Spool::progress),
            spool,
            accepted: watch::Sender::new(Accepted { through, level: AckLevel::Accepted }),
            closed: AtomicUsize::new(0),
            chains_broken: AtomicU64::new(0),
            trimmed: Mutex::new(Time::MIN),
            shown_bytes: AtomicUsize::new(0),
            clock: Domain::of_this_process(),
            meters,
        }
    }

    fn backlog(&self) -> MutexGuard<'_, Backlog> {
        self.backlog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn written(&self) -> u64 {
        self.progress.as_ref().map_or(0, |progress| progress.borrow().written)
    }

    /// The spool, if it can be written.
    fn working_spool(&self) -> Option<&Spool> {
        let (spool, progress) = (self.spool.as_ref()?, self.progress.as_ref()?);
        let state = progress.borrow().state;
        let is_working = match state {
            State::Healthy => true,
            State::Full => spool.occupancy() >= CAPPED_FROM,
            State::Failing => false,
        };
        is_working.then_some(spool)
    }

    /// Hands a batch in, if there is room for it. `entry` is what the spool keeps of it.
    pub(super) fn place(&self, sealed: &Sealed, entry: Option<&Entry>, is_durable: bool) -> Option<Place> {
        let mut backlog = self.backlog();
        backlog.note_written(self.written());
        let place = match (self.working_spool(), entry) {
            (Some(spool), Some(entry)) => {
                let number = try_append(spool, entry, is_durable)?;
                // The bytes are shared with what waits in the spool's queue, so that they are not twice in memory.
                let shared = spooling::sealed(entry).unwrap_or_else(|| sealed.clone());
                Place { upload: backlog.push(shared, Some(number)), entry: Some(number) }
            }
            _ if backlog.has_room_for(sealed) => {
                Place { upload: backlog.push(sealed.clone(), None), entry: None }
            }
            _ => return None,
        };
        self.show(&backlog);
        Some(place)
    }

    /// Whether the next upload is there, and whether it must be read first.
    pub(super) fn outlook(&self) -> (bool, Option<Wanted>) {
        let mut backlog = self.backlog();
        backlog.note_written(self.written());
        (backlog.has_unsent(), backlog.wanted())
    }

    /// The next upload for the present stream, if it is in memory.
    pub(super) fn next_unsent(&self) -> Option<Numbered> {
        self.backlog().next_unsent()
    }

    /// Whether something was sent that is not acknowledged.
    pub(super) fn is_under_way(&self) -> bool {
        self.backlog().is_under_way()
    }

    /// Whether everything was acknowledged.
    pub(super) fn is_empty(&self) -> bool {
        self.backlog().is_empty()
    }

    /// The first batch that is not acknowledged, if it is in memory.
    pub(super) fn front(&self) -> Option<(u64, Sealed)> {
        self.backlog().front().map(|(number, sealed)| (number, sealed.clone()))
    }

    /// A new stream: everything is sent again.
    pub(super) fn rewind(&self) {
        self.backlog().rewind();
        self.tell(None);
    }

    /// Takes what was read from the spool.
    pub(super) fn take_read(&self, read: impl IntoIterator<Item = (u64, Sealed)>, gaps: &[Range<u64>]) {
        self.backlog().take_read(read, gaps);
        self.tell(None);
    }

    /// Drops the uploads that the comparator has acknowledged; gives how many.
    pub(super) fn acknowledge(&self, through: u64, level: AckLevel) -> u64 {
        let acknowledged = self.backlog().acknowledge(through);
        self.tell(Some(level));
        self.trim(now());
        acknowledged
    }

    /// Tells connections how far the comparator has come.
    fn tell(&self, level: Option<AckLevel>) {
        let backlog = self.backlog();
        self.show(&backlog);
        let through = backlog.accepted();
        drop(backlog);
        self.accepted.send_if_modified(|told| {
            let now = Accepted { through, level: level.unwrap_or(told.level) };
            std::mem::replace(told, now) != now
        });
    }

    /// Tells the spool how far the comparator has come, if that is due at `now`.
    fn trim(&self, now: Time) {
        let mut trimmed = self.trimmed.lock().unwrap_or_else(PoisonError::into_inner);
        if self.spool.is_some() && now >= trimmed.plus(TRIM_NS) {
            *trimmed = now;
            self.trim_now();
        }
    }

    fn trim_now(&self) {
        let Some(spool) = &self.spool else { return };
        let accepted = self.backlog().accepted_entry();
        spool.set_cursor(spooling::cursor(accepted, &self.clock));
        spool.trim(accepted.saturating_add(1));
    }

    /// Writes everything to the spool that can be written; gives how many events are in memory alone.
    pub(super) async fn close(&self) -> u64 {
        let Some(spool) = &self.spool else { return self.backlog().events_beyond(0) };
        self.trim_now();
        let written = spool.close().await.progress.written;
        self.backlog().events_beyond(written)
    }

    /// How far batches are safe.
    pub(super) fn reach(&self) -> Reach {
        let progress = self.progress.as_ref().map(|progress| *progress.borrow());
        let (written, durable) = progress.map_or((0, 0), |progress| (progress.written, progress.durable));
        let Accepted { through, level } = *self.accepted.borrow();
        Reach { written, durable, accepted: through, accepted_level: level }
    }

    /// How many key buckets are to be shed now.
    pub(super) fn closed(&self) -> usize {
        let Some(spool) = &self.spool else { return 0 };
        let taken = match self.working_spool() {
            Some(_) => spool.occupancy(),
            None => self.backlog().occupancy() / MEMORY_SHARE,
        };
        let before = self.closed.load(Ordering::Relaxed);
        let closed = shedding::closed(before, taken);
        if closed != before {
            self.closed.store(closed, Ordering::Relaxed);
            self.meters.closed_buckets.set(u32::try_from(closed).unwrap_or(u32::MAX));
            if closed == 0 {
                tracing::info!(taken, "there is room for batches again: no events are shed");
            } else {
                tracing::warn!(
                    closed,
                    of = BUCKETS,
                    taken,
                    "little room for batches: events are shed by key"
                );
            }
        }
        closed
    }

    /// How many key buckets are shed, as far as it was last looked at.
    pub(super) fn last_closed(&self) -> usize {
        self.closed.load(Ordering::Relaxed)
    }

    /// Tells how far the spool is written, if there is one.
    pub(super) fn progress(&self) -> Option<watch::Receiver<Progress>> {
        self.progress.clone()
    }

    /// Tells how far the comparator has come.
    pub(super) fn accepted(&self) -> watch::Receiver<Accepted> {
        self.accepted.subscribe()
    }

    /// How often the chain of some source had to begin anew.
    pub(super) fn chains_broken(&self) -> u64 {
        self.chains_broken.load(Ordering::Relaxed)
    }

    /// Notes that the chain of a source had to begin anew, so that every batcher begins a new one.
    pub(super) fn break_chains(&self) {
        self.chains_broken.fetch_add(1, Ordering::Relaxed);
    }

    /// Moves the gauge, which is the sum of all sidecars in the process.
    fn show_bytes(&self, bytes: usize) {
        let before = self.shown_bytes.swap(bytes, Ordering::Relaxed);
        self.meters.unacknowledged_bytes.increment(f64_of(bytes) - f64_of(before));
    }

    /// Shows how full it is.
    fn show(&self, backlog: &Backlog) {
        let meters = &self.meters;
        self.show_bytes(backlog.bytes());
        let (Some(spool), Some(progress)) = (&self.spool, &self.progress) else { return };
        meters.spool_bytes.set(u32_of(spool.used_bytes() >> 10) * 1_024.0);
        meters.spool_occupancy.set(spool.occupancy());
        meters.spool_unsent.set(u32_of(backlog.unsent()));
        meters.show_state(progress.borrow().state);
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        self.show_bytes(0);
    }
}

fn u32_of(count: u64) -> f64 {
    f64::from(u32::try_from(count).unwrap_or(u32::MAX))
}

fn f64_of(bytes: usize) -> f64 {
    f64::from(u32::try_from(bytes).unwrap_or(u32::MAX))
}

/// Appends an entry if there is room for it now; gives its number.
fn try_append(spool: &Spool, entry: &Entry, is_durable: bool) -> Option<u64> {
    let entry = entry.clone();
    if is_durable { spool.try_append_durable(entry) } else { spool.try_append(entry) }.ok()
}

/// Waits until the spool has written more. A spool that has ended never will.
pub(super) async fn written(progress: &mut Option<watch::Receiver<Progress>>) {
    if let Some(receiver) = progress
        && receiver.changed().await.is_ok()
    {
        return;
    }
    *progress = None;
    std::future::pending().await
}
