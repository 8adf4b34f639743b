//! The journal: every batch that was taken, from before it is acknowledged until each of its events has an outcome.
//!
//! # Design
//!
//! An entry is an upload as it came, with the instant of its arrival and, as its stamp, what is known of its source after
//! it. Engine and table are handed the time, so taking the same uploads at the same instants brings them back to where they
//! were: that is what a comparator does that was started over ([`replay`]). Nothing else is stored.
//!
//! An upload is acknowledged as `accepted` once its entry is on disk, power loss included; syncs are shared by all that
//! came within `journal.sync_ms`. What is known of the outcomes stands in the cursor, once a second: it is a hint, and what
//! it does not tell is judged once more.
//!
//! # Invariants
//!
//! - The entries of a source stand in the order in which its batches were applied.
//! - An entry with an open event is not trimmed, but for one case: when the journal is nearly full of what waits for one
//!   event, that event is no longer *covered*. It will have its outcome all the same, unless the process ends before.

mod hint;
mod replay;

pub(crate) use replay::{Past, Replayed};

use crate::ledger::Ledger;
use crate::metrics;
use crate::sources::{Source, Sources};
use counterfoil_clock::Domain;
use counterfoil_judge::Time;
use counterfoil_proto::{nanoseconds, wire};
use counterfoil_spool::{Entry, OpenError, Options, Progress, Refused, Spool, SpoolOptions};
use hint::Hint;
use prost::Message;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use thiserror::Error;
use tokio::sync::watch;

/// Of the room that the journal may take, so much may be full of what waits for a few events.
const OCCUPANCY_MAX: f64 = 0.8;

/// Bytes that wait to be written, at most.
const QUEUE_BYTES_MAX: u64 = 16 << 20;

/// Room is looked for this often: trimming makes some without a word.
const ROOM_EVERY: Duration = Duration::from_millis(20);

/// How the journal is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Its directory.
    pub path: PathBuf,
    /// How many bytes it may take.
    pub bytes_max: u64,
    /// How long an entry waits, at most, until it is synced, in milliseconds.
    pub sync_ms: u64,
}

/// Why the journal cannot be used.
#[derive(Debug, Error)]
#[error("journal.path {path}: {source}", path = path.display())]
pub struct JournalError {
    path: PathBuf,
    source: OpenError,
}

/// The journal went away under a batch.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("the journal takes no more entries: {0}")]
pub(crate) struct Ended(Refused);

/// The journal of a running comparator.
pub(crate) struct Journal {
    spool: Spool,
    own_clock: wire::emit::ClockDomain,
    /// Held from an entry's number being given until its source knows it, so that none is taken for over in between.
    placing: Mutex<()>,
}

impl Journal {
    /// Opens the journal, and gives what is in it.
    ///
    /// # Errors
    ///
    /// [`JournalError`] if the directory cannot be used. What is wrong in it is told, and no error.
    pub(crate) fn open(settings: &Settings, sources_max: usize) -> Result<(Self, Past), JournalError> {
        let log = Options {
            disk_bytes_max: settings.bytes_max,
            subjects_max: sources_max,
            is_durable: true,
            ..Options::default()
        };
        let options = SpoolOptions {
            log,
            queue_bytes_max: QUEUE_BYTES_MAX,
            sync_ms: settings.sync_ms,
            ..SpoolOptions::default()
        };
        let opened = Spool::start(&settings.path, options);
        let (spool, recovered) =
            opened.map_err(|source| JournalError { path: settings.path.clone(), source })?;
        let past = Past::new(&spool, recovered);
        let own_clock = (&Domain::of_this_process()).into();
        Ok((Self { spool, own_clock, placing: Mutex::new(()) }, past))
    }

    /// Writes down an upload that was taken at `at`; `source`, whose it is, learns the number of the entry. Waits while there
    /// is no room. To be called in the order in which the source's batches were applied.
    ///
    /// # Errors
    ///
    /// [`Ended`] when the comparator stops.
    pub(crate) async fn keep(&self, upload: wire::Upload, at: Time, source: &Source) -> Result<u64, Ended> {
        let clock = Some(self.own_clock.clone());
        let taken = wire::journal::Taken { at_ns: nanoseconds(at), clock, upload: Some(upload) };
        let entry = Entry {
            subject: wire::journal::SourceId::from(&source.name).encode_to_vec().into(),
            stamp: source.stamp().encode_to_vec().into(),
            body: taken.encode_to_vec().into(),
            reserved: false,
        };
        let mut progress = self.spool.progress();
        loop {
            match self.place(&entry, source) {
                Err(Refused::NoRoom) => {
                    let changed = tokio::time::timeout(ROOM_EVERY, progress.changed());
                    if let Ok(Err(_)) = changed.await {
                        return Err(Ended(Refused::Closed));
                    }
                }
                placed => return placed.map_err(Ended),
            }
        }
    }

    fn place(&self, entry: &Entry, source: &Source) -> Result<u64, Refused> {
        let _placing = self.placing.lock().unwrap_or_else(PoisonError::into_inner);
        let number = self.spool.try_append_durable(entry.clone())?;
        source.placed(number);
        Ok(number)
    }

    /// How far entries are on disk.
    pub(crate) fn progress(&self) -> watch::Receiver<Progress> {
        self.spool.progress()
    }

    /// Lets go of what no event waits for any more, and notes what still has open events. To be called once in a while.
    pub(crate) async fn let_go(&self, sources: &Sources, ledger: &Ledger) {
        let hint = self.hint(sources);
        // What is over is forgotten after its divergences are recorded, not before.
        if ledger.flush().await.is_err() {
            return;
        }
        failpoint!("comparator::journal::before_trim");
        self.spool.set_cursor(hint.encode().into());
        self.spool.trim(hint.first_open());
        let occupancy = self.spool.occupancy();
        if occupancy > OCCUPANCY_MAX {
            self.uncover(&hint, sources);
        }
        metrics::JOURNAL_BYTES.gauge(&[]).set(self.spool.used_bytes() as f64);
    }

    fn hint(&self, sources: &Sources) -> Hint {
        let _placing = self.placing.lock().unwrap_or_else(PoisonError::into_inner);
        let through = self.spool.progress().borrow().written;
        Hint::new(through, sources.open_places().into_iter())
    }

    /// Gives up the first half of what is kept.
    fn uncover(&self, hint: &Hint, sources: &Sources) {
        let written = self.spool.progress().borrow().written;
        let below = hint.first_open().midpoint(written);
        let events = sources.uncover(below);
        if events > 0 {
            metrics::JOURNAL_UNCOVERED.counter(&[]).increment(events);
            tracing::warn!(
                events,
                "journal.bytes_max: the journal is full of what waits for a few old events; should the comparator end now, \
                 they would have no outcome"
            );
        }
        self.spool.trim(below);
    }

    /// Writes what still waits, and what is known of outcomes.
    pub(crate) async fn close(&self, sources: &Sources, ledger: &Ledger) {
        self.let_go(sources, ledger).await;
        let closed = self.spool.close().await;
        if closed.unwritten > 0 {
            tracing::error!(entries = closed.unwritten, "the journal could not be written to its end");
        }
    }
}
