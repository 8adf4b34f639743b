//! The thread that writes.

use super::pace::{Backoff, Pace};
use super::queue::{Queue, Work};
use super::{Progress, State};
use crate::entry::Entry;
use crate::files::Files;
use crate::log::{AppendError, Log, SyncError};
use bytes::Bytes;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;

/// Owns the log. When it is dropped, also by a panic, it lets go of the log, then of the queue, and then ends
/// [`super::Spool::progress`]: fields are dropped in the order in which they stand here.
pub(super) struct Writer<F: Files> {
    log: Log<F>,
    queue: Ending,
    pace: Pace,
    backoff: Option<Backoff>,
    /// How the last write went.
    append_state: State,
    /// How the last sync went, while one is wanted.
    sync_state: State,
    /// The cursor that was written last.
    cursor: Option<Bytes>,
    now: Progress,
    progress: watch::Sender<Progress>,
}

/// Ends the queue when it is dropped, so that nobody waits for a thread that is gone.
struct Ending(Arc<Queue>);

impl Drop for Ending {
    fn drop(&mut self) {
        self.0.end();
    }
}

impl<F: Files> Writer<F> {
    pub(super) fn new(
        log: Log<F>,
        queue: Arc<Queue>,
        progress: watch::Sender<Progress>,
        sync_ms: u64,
    ) -> Writer<F> {
        let now = *progress.borrow();
        Writer {
            log,
            queue: Ending(queue),
            pace: Pace::new(sync_ms),
            backoff: None,
            append_state: State::Healthy,
            sync_state: State::Healthy,
            cursor: None,
            now,
            progress,
        }
    }

    /// Works until the queue is closed and, if that is possible, empty.
    pub(super) fn run(mut self) {
        let mut wanted_durable = 0;
        loop {
            let patience = self.patience(wanted_durable);
            let work = self.queue.0.take(patience, self.backoff.is_some());
            wanted_durable = work.wanted_durable;
            let is_done = work.entries.is_empty() || self.backoff.is_some();
            let is_closed = work.is_closed;
            self.work(work);
            if is_closed && is_done {
                break;
            }
        }
        self.end();
    }

    /// How long to wait when nothing comes; for ever if nothing is due.
    fn patience(&mut self, wanted_durable: u64) -> Option<Duration> {
        match &mut self.backoff {
            Some(backoff) => Some(backoff.wait()),
            None => (wanted_durable > self.now.durable).then(|| self.pace.wait()),
        }
    }

    fn work(&mut self, work: Work) {
        if let Some(below) = work.trim_below {
            self.log.trim(below);
            self.queue.0.trimmed();
        }
        if work.is_capped && self.log.free_trimmed() {
            self.queue.0.trimmed();
        }
        self.append(&work.entries);
        self.sync(work.wanted_durable);
        if let Some(cursor) = work.cursor.filter(|cursor| self.cursor.as_ref() != Some(cursor)) {
            // It is a hint: the old one, or none, will do.
            self.cursor = self.log.set_cursor(&cursor, false).is_ok().then_some(cursor);
        }
        let is_capped = work.is_capped && work.trim_below.is_none();
        self.judge(is_capped);
        self.tell();
    }

    /// Sums up how it goes. Failures in a row make the waits between them longer.
    fn judge(&mut self, is_capped: bool) {
        let state = if self.append_state == State::Healthy { self.sync_state } else { self.append_state };
        if state == State::Healthy {
            self.backoff = None;
        } else {
            self.backoff.get_or_insert_with(Backoff::new);
        }
        self.now.state = if is_capped && state == State::Healthy { State::Full } else { state };
    }

    /// Writes a group. The queue saw to the reserve, so what it took may use it here.
    fn append(&mut self, entries: &[Entry]) {
        if entries.is_empty() {
            self.append_state = State::Healthy;
            return;
        }
        let (written, state) = match self.log.append_admitted(entries) {
            Ok(_) => (entries.len(), State::Healthy),
            Err(AppendError::Full { written }) => (written, State::Full),
            Err(AppendError::Io { written, source }) => (written, state_of(&source)),
            // The queue takes no such entry; if it did, it would stand in the way for ever.
            Err(AppendError::TooLarge(_)) => (0, State::Failing),
        };
        self.append_state = state;
        self.now.written = self.log.next() - 1;
        self.queue.0.written(written);
    }

    /// Syncs when something unsynced is wanted on disk and the last sync is long enough ago.
    fn sync(&mut self, wanted_durable: u64) {
        if wanted_durable <= self.now.durable || self.now.written <= self.now.durable {
            self.sync_state = State::Healthy;
        } else if self.pace.wait().is_zero() {
            self.sync_now();
        }
    }

    fn sync_now(&mut self) {
        self.sync_state = match self.log.sync() {
            Ok(durable) => {
                self.now.durable = durable;
                State::Healthy
            }
            // Nobody can want it then.
            Err(SyncError::NotDurable) => State::Healthy,
            Err(SyncError::Io { source }) => state_of(&source),
        };
        self.pace.note();
    }

    fn tell(&self) {
        self.progress.send_if_modified(|told| std::mem::replace(told, self.now) != self.now);
    }

    /// Syncs what is written, and tells so before the end.
    fn end(mut self) {
        if self.log.is_unsynced() {
            self.sync_now();
        }
        self.judge(false);
        self.tell();
    }
}

fn state_of(error: &io::Error) -> State {
    if error.kind() == io::ErrorKind::StorageFull { State::Full } else { State::Failing }
}
