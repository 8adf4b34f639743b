//! What waits to be written, and what else the thread is asked to do.

use super::{Refused, SpoolOptions};
use crate::bounds::{GROUP_BYTES_MAX, bytes_in_file};
use crate::entry::Entry;
use crate::record::{HEADER_BYTES, entry_bytes};
use bytes::Bytes;
use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;

/// The queue between handles and thread.
pub(super) struct Queue {
    bytes_max: u64,
    entries_max: usize,
    ordinary_bytes_max: u64,
    disk_bytes_max: u64,
    waiting: Mutex<Waiting>,
    wake: Condvar,
    /// Changes when there may be room.
    room: watch::Sender<()>,
}

struct Waiting {
    entries: VecDeque<Entry>,
    bytes: u64,
    /// The number of the next entry that is pushed.
    next: u64,
    /// The number up to which entries are wanted on disk.
    wanted_durable: u64,
    trim_below: Option<u64>,
    cursor: Option<Bytes>,
    /// An entry was refused as the disk cap is reached.
    is_capped: bool,
    is_capped_new: bool,
    is_closed: bool,
    unwritten: u64,
}

/// What the thread is to do.
pub(super) struct Work {
    /// The first entries that wait. They stay in the queue until [`Queue::written`].
    pub(super) entries: Vec<Entry>,
    pub(super) wanted_durable: u64,
    pub(super) trim_below: Option<u64>,
    pub(super) cursor: Option<Bytes>,
    pub(super) is_capped: bool,
    pub(super) is_closed: bool,
}

impl Queue {
    /// An empty queue; `next` is the first number it gives.
    pub(super) fn new(options: &SpoolOptions, next: u64) -> Queue {
        let waiting = Waiting {
            entries: VecDeque::new(),
            bytes: 0,
            next,
            wanted_durable: 0,
            trim_below: None,
            cursor: None,
            is_capped: false,
            is_capped_new: false,
            is_closed: false,
            unwritten: 0,
        };
        Queue {
            bytes_max: options.queue_bytes_max,
            entries_max: options.queue_entries_max,
            ordinary_bytes_max: options.log.ordinary_bytes_max(),
            disk_bytes_max: options.log.disk_bytes_max,
            waiting: Mutex::new(waiting),
            wake: Condvar::new(),
            room: watch::Sender::new(()),
        }
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes an entry and gives it a number, if there is room beside what is used on disk. That is asked for under the lock:
    /// bytes on their way from here to disk are then counted once or twice, but never not at all.
    pub(super) fn try_push(
        &self,
        entry: Entry,
        is_durable: bool,
        used_bytes: impl FnOnce() -> u64,
    ) -> Result<u64, Refused> {
        let mut waiting = self.waiting();
        if waiting.is_closed {
            return Err(Refused::Closed);
        }
        let bytes = entry_bytes(&entry);
        let limit = if entry.reserved { self.disk_bytes_max } else { self.ordinary_bytes_max };
        if used_bytes() + waiting.bytes + bytes + HEADER_BYTES > limit {
            waiting.is_capped_new |= !waiting.is_capped;
            waiting.is_capped = true;
            self.wake.notify_one();
            return Err(Refused::NoRoom);
        }
        let is_first = waiting.entries.is_empty();
        if !is_first && (waiting.bytes + bytes > self.bytes_max || waiting.entries.len() >= self.entries_max)
        {
            return Err(Refused::NoRoom);
        }
        let number = waiting.next;
        waiting.next += 1;
        waiting.bytes += bytes;
        waiting.is_capped &= entry.reserved;
        waiting.entries.push_back(entry);
        if is_durable {
            waiting.wanted_durable = number;
        }
        self.wake.notify_one();
        Ok(number)
    }

    /// Changes when there may be room again.
    pub(super) fn room(&self) -> watch::Receiver<()> {
        self.room.subscribe()
    }

    pub(super) fn trim(&self, below: u64) {
        let mut waiting = self.waiting();
        waiting.trim_below = waiting.trim_below.max(Some(below));
        self.wake.notify_one();
    }

    pub(super) fn set_cursor(&self, bytes: Bytes) {
        self.waiting().cursor = Some(bytes);
        self.wake.notify_one();
    }

    pub(super) fn close(&self) {
        self.waiting().is_closed = true;
        self.wake.notify_one();
        self.room.send_replace(());
    }

    /// How much of the ordinary room is taken.
    #[expect(clippy::cast_precision_loss, reason = "a share for people and thresholds")]
    pub(super) fn occupancy(&self, used_bytes: u64) -> f64 {
        let taken = (used_bytes + self.waiting().bytes) as f64;
        (taken / self.ordinary_bytes_max.max(1) as f64).min(1.0)
    }

    /// How many entries were left when the thread ended.
    pub(super) fn unwritten(&self) -> u64 {
        self.waiting().unwritten
    }

    /// Waits for work, or for `patience` to pass. With `is_retrying`, entries that wait are not news.
    pub(super) fn take(&self, patience: Option<Duration>, is_retrying: bool) -> Work {
        let mut waiting = self.waiting();
        let is_idle = |waiting: &mut Waiting| !waiting.has_news(is_retrying);
        waiting = match patience {
            Some(patience) => {
                let waited = self.wake.wait_timeout_while(waiting, patience, is_idle);
                waited.unwrap_or_else(PoisonError::into_inner).0
            }
            None => self.wake.wait_while(waiting, is_idle).unwrap_or_else(PoisonError::into_inner),
        };
        waiting.is_capped_new = false;
        Work {
            entries: waiting.group(),
            wanted_durable: waiting.wanted_durable,
            trim_below: waiting.trim_below.take(),
            cursor: waiting.cursor.take(),
            is_capped: waiting.is_capped,
            is_closed: waiting.is_closed,
        }
    }

    /// Notes that the first `count` entries are written, so that others find room.
    pub(super) fn written(&self, count: usize) {
        let mut waiting = self.waiting();
        let count = count.min(waiting.entries.len());
        let bytes: u64 = waiting.entries.drain(..count).map(|entry| entry_bytes(&entry)).sum();
        waiting.bytes -= bytes;
        drop(waiting);
        self.room.send_replace(());
    }

    /// Notes that trimming may have made room on disk.
    pub(super) fn trimmed(&self) {
        self.waiting().is_capped = false;
        self.room.send_replace(());
    }

    /// Notes what is left when the thread ends.
    pub(super) fn end(&self) {
        let mut waiting = self.waiting();
        waiting.unwritten = bytes_in_file(waiting.entries.len());
        waiting.is_closed = true;
        waiting.entries.clear();
        drop(waiting);
        self.room.send_replace(());
    }
}

impl Waiting {
    fn has_news(&self, is_retrying: bool) -> bool {
        let has_entries = !is_retrying && !self.entries.is_empty();
        has_entries
            || self.trim_below.is_some()
            || self.cursor.is_some()
            || self.is_capped_new
            || self.is_closed
    }

    /// The first entries, up to [`GROUP_BYTES_MAX`].
    fn group(&self) -> Vec<Entry> {
        let mut room = GROUP_BYTES_MAX;
        let fits = |entry: &&Entry| {
            let is_fitting = room > 0;
            room = room.saturating_sub(entry_bytes(entry));
            is_fitting
        };
        self.entries.iter().take_while(fits).cloned().collect()
    }
}
