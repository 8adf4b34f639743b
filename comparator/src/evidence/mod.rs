//! Evidence: of each divergence that is confirmed, a signed bundle from which anyone can judge it again.
//!
//! # Design
//!
//! The table captures what a divergence is confirmed from; [`facts`] puts beside it what engine and contracts know: sources, clocks,
//! and from [`Proofs`] who signed the batches. One thread signs and writes, in the order in which divergences were confirmed.
//! [`Shelf`] knows which bundles there are, so that nobody has to look into the folder.
//!
//! # Invariants
//!
//! - Nothing waits for evidence. What there is no room for in the queue, or on the disk, is left out, counted and logged.
//! - A bundle is whole or not there: it is written beside its name, synced, and renamed.
//! - A divergence has one bundle, that of its first confirmation: a comparator that was started over does not write another.
//! - The folder does not grow without end: bundles that are too old go, and beyond `evidence.bytes_max` the oldest ones.

mod facts;
mod folder;
mod proofs;
mod shelf;
mod writer;

pub(crate) use facts::{Confirmed, facts};
pub(crate) use proofs::Proofs;

use crate::ledger::DivergenceId;
use crate::metrics;
use counterfoil_clock::{Throttle, now, wall_unix_ns};
use counterfoil_evidence::{Hex, Instant, Nanoseconds, Predicate, Written};
use counterfoil_keys::{Signer, SigningKey};
use folder::Folder;
use shelf::Shelf;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc};
use writer::Writer;

/// Bundles that may wait to be written.
const QUEUE_MAX: usize = 1_024;

/// Writes, kept, merged or remembered, that the histories of those may have together: about 20 MB.
const QUEUE_WRITES_MAX: usize = 100_000;

/// Why bundles were left out, as a metric label: no room in the queue, the disk did not take it, or no time at the end.
const SKIPPED: [&str; 3] = ["queue", "disk", "stop"];

/// Why bundles were deleted, as a metric label.
const EXPIRED: [&str; 2] = ["age", "bytes"];

/// Says that bundles are left out.
static SKIPPING: Throttle = Throttle::new();

/// How evidence is kept.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The folder.
    pub path: PathBuf,
    /// Signs the bundles.
    pub signing_key: SigningKey,
    /// How long a bundle is kept, in nanoseconds.
    pub retention_ns: i64,
    /// How many bytes all bundles may take.
    pub bytes_max: u64,
}

/// The folder of evidence cannot be used.
#[derive(Debug, Error)]
#[error("evidence.path {path}: {source}", path = path.display())]
pub struct EvidenceError {
    path: PathBuf,
    source: io::Error,
}

/// What is known of a divergence's bundle.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Presence {
    /// It is there.
    Kept,
    /// It is still being written.
    Waiting,
    /// There is none, or none any more.
    None,
}

/// What the writer is asked to do.
enum Command {
    /// Write this bundle.
    Write(Box<Order>),
    /// Delete what is too old.
    Tend,
}

/// A bundle that is to be written.
struct Order {
    predicate: Predicate,
    /// How long it took to gather what it says, in nanoseconds.
    gathering_ns: i64,
    /// Its room in the queue, given back after it.
    _room: OwnedSemaphorePermit,
}

/// A handle of the evidence. Clones share one writer, which ends after the last of them is dropped: that drop waits until
/// everything that was taken is written, or the writer has had some seconds for it.
#[derive(Clone)]
pub(crate) struct Evidence(Arc<Shared>);

struct Shared {
    folder: Folder,
    shelf: Arc<Mutex<Shelf>>,
    room: Arc<Semaphore>,
    author: Author,
    /// How long a bundle is kept, in nanoseconds.
    retention_ns: i64,
    queue: Option<mpsc::Sender<Command>>,
    thread: Option<JoinHandle<()>>,
}

/// Who writes bundles.
struct Author {
    host: String,
    public_key: [u8; 32],
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the evidence's thread panicked");
        }
    }
}

impl Evidence {
    /// Opens the folder, or makes it, looks what is in it, and starts the writer.
    ///
    /// # Errors
    ///
    /// [`EvidenceError`] if the folder cannot be used.
    pub(crate) fn open(settings: Settings) -> Result<Self, EvidenceError> {
        let failed = |source| EvidenceError { path: settings.path.clone(), source };
        let (folder, found) = Folder::open(&settings.path).map_err(failed)?;
        SKIPPED
            .iter()
            .for_each(|reason| metrics::EVIDENCE_SKIPPED.counter(&[("reason", reason)]).increment(0));
        EXPIRED
            .iter()
            .for_each(|reason| metrics::EVIDENCE_EXPIRED.counter(&[("reason", reason)]).increment(0));
        metrics::EVIDENCE_WRITTEN.counter(&[]).increment(0);
        let seconds = metrics::EVIDENCE_SECONDS.histogram(&[]);
        let author = Author { host: host(), public_key: settings.signing_key.public() };
        tracing::info!(key_id = %counterfoil_evidence::key_id(&author.public_key), "evidence is written and signed");
        let shelf = Arc::new(Mutex::new(Shelf::of(found)));
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        let writer = Writer::new(settings.clone(), folder.clone(), shelf.clone(), seconds);
        let thread = std::thread::Builder::new()
            .name("evidence".into())
            .spawn(move || writer.run(waiting))
            .map_err(failed)?;
        let room = Arc::new(Semaphore::new(QUEUE_WRITES_MAX));
        let (queue, thread, retention_ns) = (Some(queue), Some(thread), settings.retention_ns);
        Ok(Self(Arc::new(Shared { folder, shelf, room, author, retention_ns, queue, thread })))
    }

    /// Takes what `facts` says of the divergence `id`, if it has no bundle yet and there is room in the queue; `writes` is how many
    /// its history has. Never waits.
    pub(crate) fn take(
        &self,
        id: DivergenceId,
        writes: usize,
        facts: impl FnOnce(Written) -> Option<Predicate>,
    ) {
        if self.presence(id) != Presence::None {
            return;
        }
        let Some(queue) = &self.0.queue else { return };
        let weight = u32::try_from(writes.clamp(1, QUEUE_WRITES_MAX)).unwrap_or(u32::MAX);
        let room = self.0.room.clone().try_acquire_many_owned(weight);
        let (Ok(place), Ok(room)) = (queue.try_reserve(), room) else {
            return skipped("queue", "more divergences are confirmed than evidence can be written of");
        };
        let begun = now();
        if let Some(predicate) = facts(self.0.author.signs_now()) {
            self.0.shelf().wait_for(id);
            let order = Order { predicate, gathering_ns: now().since(begun), _room: room };
            place.send(Command::Write(Box::new(order)));
        }
    }

    /// Has what is too old deleted, once the writer has time.
    pub(crate) fn tend(&self) {
        // If the queue is full, it is asked again soon.
        _ = self.0.queue.as_ref().map(|queue| queue.try_send(Command::Tend));
    }

    /// What is known of the bundle of the divergence `id`.
    pub(crate) fn presence(&self, id: DivergenceId) -> Presence {
        self.0.shelf().presence(id)
    }

    /// Whether the bundle of what was confirmed at this time has to be gone at `now_unix_ns`, both of the wall clock.
    pub(crate) fn is_over(&self, confirmed_at_unix_ns: i64, now_unix_ns: i64) -> bool {
        confirmed_at_unix_ns < now_unix_ns.saturating_sub(self.0.retention_ns)
    }

    /// The bundle of the divergence `id`; `None` if there is none any more. Reads a file.
    ///
    /// # Errors
    ///
    /// What the system said.
    pub(crate) fn read(&self, id: DivergenceId) -> io::Result<Option<Vec<u8>>> {
        self.0.folder.get(id)
    }
}

impl Shared {
    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        lock(&self.shelf)
    }
}

impl Author {
    fn signs_now(&self) -> Written {
        Written {
            by: concat!("counterfoil-comparator ", env!("CARGO_PKG_VERSION")).to_owned(),
            host: self.host.clone(),
            at_unix_ns: Nanoseconds(wall_unix_ns()),
            at_ns: Instant(now()),
            public_key: Hex(self.public_key),
        }
    }
}

fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname");
    name.map_or_else(|_| "unknown".to_owned(), |name| name.trim().to_owned())
}

/// Counts a bundle that is left out, and says so now and then.
fn skipped(reason: &'static str, why: &str) {
    metrics::EVIDENCE_SKIPPED.counter(&[("reason", reason)]).increment(1);
    if let Some(unsaid) = SKIPPING.allows(now()) {
        tracing::warn!(reason, unsaid, "evidence is left out: {why}");
    }
}

/// A panic while the shelf was locked leaves it as it was; at worst a bundle is written that is there.
fn lock(shelf: &Mutex<Shelf>) -> MutexGuard<'_, Shelf> {
    shelf.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
