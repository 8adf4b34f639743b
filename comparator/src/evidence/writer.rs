//! The one thread that signs and writes.

use super::folder::{Folder, Found};
use super::shelf::Shelf;
use super::{Command, Order, Settings, lock, skipped};
use crate::ledger::DivergenceId;
use crate::metrics;
use ::metrics::Histogram;
use counterfoil_clock::{now, wall_unix_ns};
use counterfoil_evidence::{Predicate, SealError, seal};
use counterfoil_judge::Time;
use std::io;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use thiserror::Error;
use tokio::sync::mpsc;

/// How long the writer goes on after the comparator has ended, in nanoseconds.
const CLOSING_NS_MAX: i64 = 3_000_000_000;

/// The writer's state; it lives on its own thread.
pub(super) struct Writer {
    settings: Settings,
    folder: Folder,
    shelf: Arc<Mutex<Shelf>>,
    /// How long each bundle took.
    seconds: Histogram,
    /// How long it goes on when nobody is left who could ask for more, in nanoseconds.
    pub(super) closing_ns_max: i64,
}

/// Why a bundle was not written.
#[derive(Debug, Error)]
enum Unwritten {
    #[error(transparent)]
    Seal(#[from] SealError),
    #[error("evidence.path: {0}")]
    Disk(#[from] io::Error),
}

impl Writer {
    pub(super) fn new(
        settings: Settings,
        folder: Folder,
        shelf: Arc<Mutex<Shelf>>,
        seconds: Histogram,
    ) -> Self {
        Self { settings, folder, shelf, seconds, closing_ns_max: CLOSING_NS_MAX }
    }

    /// Writes until nobody is left who could ask for it, and not for long after that.
    pub(super) fn run(self, mut queue: mpsc::Receiver<Command>) {
        self.tend();
        let mut closing_since: Option<Time> = None;
        while let Some(command) = queue.blocking_recv() {
            closing_since = closing_since.or_else(|| queue.is_closed().then(now));
            let is_late = closing_since.is_some_and(|since| now().since(since) > self.closing_ns_max);
            match command {
                Command::Write(_) if is_late => skipped("stop", "the comparator stops"),
                Command::Write(order) => self.write(&order),
                Command::Tend => {}
            }
            self.tend();
        }
    }

    fn write(&self, order: &Order) {
        let id = DivergenceId(order.predicate.divergence.0);
        let begun = now();
        let written = self.try_write(id, &order.predicate);
        let found = match written {
            Ok(bytes) => {
                let took_ns = order.gathering_ns.saturating_add(now().since(begun)).max(0).unsigned_abs();
                self.seconds.record(Duration::from_nanos(took_ns).as_secs_f64());
                metrics::EVIDENCE_WRITTEN.counter(&[]).increment(1);
                Some(Found { id, written_unix_ns: wall_unix_ns(), bytes })
            }
            Err(why) => {
                skipped("disk", &why.to_string());
                None
            }
        };
        lock(&self.shelf).came(id, found);
    }

    /// Gives how many bytes it has.
    fn try_write(&self, id: DivergenceId, predicate: &Predicate) -> Result<u64, Unwritten> {
        let bundle = seal(predicate, &self.settings.signing_key)?;
        self.folder.put(id, &bundle)?;
        Ok(bundle.len() as u64)
    }

    /// Deletes what is too old, and the oldest of what is too much.
    fn tend(&self) {
        let before_unix_ns = wall_unix_ns().saturating_sub(self.settings.retention_ns);
        let next = || lock(&self.shelf).take_off(before_unix_ns, self.settings.bytes_max);
        while let Some((id, expired)) = next() {
            metrics::EVIDENCE_EXPIRED.counter(&[("reason", expired.label())]).increment(1);
            if let Err(error) = self.folder.remove(id) {
                tracing::error!(%error, "evidence.path: evidence that is too old cannot be deleted");
            }
        }
        metrics::EVIDENCE_BYTES.gauge(&[]).set(lock(&self.shelf).bytes() as f64);
    }
}
