//! The log: appends, syncs, trims. Synchronous, with one owner; readers go their own way.

mod error;
mod options;
mod recover;
mod write;

pub use error::{AppendError, CursorError, OpenError, SyncError};
pub use options::Options;
pub use recover::Recovered;

use crate::bounds::bytes_in_file;
use crate::catalogue::{Segment, Shared};
use crate::cursor;
use crate::entry::Entry;
use crate::files::Files;
use crate::reader::Reader;
use crate::segment::{self, Active};
use crate::stamps::Stamps;
use recover::Found;
use std::collections::VecDeque;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// A durable, segmented, append-only queue in one directory.
pub struct Log<F: Files> {
    shared: Arc<Shared<F>>,
    options: Options,
    /// The number of the next entry.
    next: u64,
    active: Option<Active<F>>,
    /// As of before `next`.
    stamps: Stamps,
    kept: Kept,
    trim_below: u64,
    /// The records of one write, and where in them each ends.
    buffer: Vec<u8>,
    ends: Vec<usize>,
    _lock: F::Lock,
}

/// What may have to be written again: the entries since the last sync, all of them in the last segment.
struct Kept {
    entries: VecDeque<Entry>,
    /// As of before the first of them.
    stamps: Stamps,
}

impl Kept {
    /// Nothing, as of when `stamps` held.
    fn after(stamps: Stamps) -> Kept {
        Kept { entries: VecDeque::new(), stamps }
    }

    /// The number of the first of them, where `next` is that after the last.
    fn first(&self, next: u64) -> u64 {
        next - bytes_in_file(self.entries.len())
    }
}

impl<F: Files> Log<F> {
    /// Opens the log in a directory and recovers what is there. Data that is wrong is told, not an error.
    ///
    /// # Errors
    ///
    /// The directory cannot be used.
    pub fn open(files: F, options: Options) -> Result<(Log<F>, Recovered), OpenError> {
        let lock = files.lock().map_err(|source| match source.kind() {
            io::ErrorKind::WouldBlock => OpenError::Locked,
            _ => OpenError::Io { doing: "lock the directory", source },
        })?;
        let Found { catalogue, stamps, kept, mut recovered } = recover::recover(&files, &options)?;
        let mut log = Log {
            shared: Arc::new(Shared::new(files, catalogue)),
            next: recovered.next,
            active: None,
            kept,
            stamps,
            trim_below: 0,
            buffer: Vec::new(),
            ends: Vec::new(),
            options,
            _lock: lock,
        };
        if log.options.is_durable {
            // A disk that fails now may work later: what is not on disk yet is kept.
            log.sync().ok();
            recovered.durable = log.kept.first(log.next) - 1;
        }
        Ok((log, recovered))
    }

    /// Appends entries, with one write for all that go into one segment, and says which numbers they have. They survive
    /// the death of this process, and power loss once [`Log::sync`] says so.
    ///
    /// # Errors
    ///
    /// Each says how many of the entries were appended all the same, from the first on.
    pub fn append(&mut self, entries: &[Entry]) -> Result<Range<u64>, AppendError> {
        self.append_within(entries, self.options.ordinary_bytes_max())
    }

    /// Puts all entries on disk, and says with which number they end. Where that fails, they are written again to a new
    /// segment; an error means that this failed too, and it is tried again by the next call.
    ///
    /// # Errors
    ///
    /// The log was not opened as durable, or the disk fails.
    pub fn sync(&mut self) -> Result<u64, SyncError> {
        if !self.options.is_durable {
            return Err(SyncError::NotDurable);
        }
        if self.sync_active().is_err() {
            self.abandon();
        }
        if self.active.is_none() && !self.kept.entries.is_empty() {
            self.open_segment()?;
            if let Err(source) = self.sync_active() {
                self.abandon();
                return Err(SyncError::Io { source });
            }
        }
        Ok(self.next - 1)
    }

    /// Removes the segments that lie wholly below the number `below`. The last one stays, as it keeps numbers and stamps.
    pub fn trim(&mut self, below: u64) {
        self.trim_below = self.trim_below.max(below);
        let size_max = self.options.segment_bytes.min(self.options.ordinary_bytes_max());
        if self.trimmed_last().is_some_and(|bytes| bytes.saturating_mul(2) >= size_max) {
            // When this fails, the next append or trim tries again.
            self.roll().ok();
        }
        self.remove_trimmed();
    }

    /// Replaces the cursor: a hint, on disk when this returns if `is_synced`.
    ///
    /// # Errors
    ///
    /// It is too long, or cannot be written; the old one stays.
    pub fn set_cursor(&mut self, bytes: &[u8], is_synced: bool) -> Result<(), CursorError> {
        let content = cursor::encode(bytes).ok_or(CursorError::TooLarge { bytes: bytes.len() })?;
        Ok(cursor::write(&self.shared.files, &content, is_synced)?)
    }

    /// How many bytes of the disk cap are used.
    pub fn used_bytes(&self) -> u64 {
        self.shared.catalogue().used_bytes()
    }

    /// The number that the next entry gets.
    pub fn next(&self) -> u64 {
        self.next
    }

    /// A new reader.
    pub fn reader(&self) -> Reader<F> {
        Reader::new(Arc::clone(&self.shared), self.options.subjects_max)
    }

    pub(crate) fn shared(&self) -> Arc<Shared<F>> {
        Arc::clone(&self.shared)
    }

    /// Whether there is anything that a sync would put on disk.
    pub(crate) fn is_unsynced(&self) -> bool {
        !self.kept.entries.is_empty()
    }

    /// Begins a new segment if all entries of the last one are trimmed, and says whether that made room.
    pub(crate) fn free_trimmed(&mut self) -> bool {
        self.trimmed_last().is_some() && self.roll().is_ok()
    }

    /// [`Log::append`] of entries that may all use the reserve.
    pub(crate) fn append_admitted(&mut self, entries: &[Entry]) -> Result<Range<u64>, AppendError> {
        self.append_within(entries, self.options.disk_bytes_max)
    }

    /// How many bytes the last segment has, if it has entries and all of them are trimmed.
    fn trimmed_last(&self) -> Option<u64> {
        let last = self.shared.catalogue().last()?;
        (last.first < last.end && last.end <= self.trim_below).then_some(last.bytes)
    }

    /// Removes what is trimmed, oldest first, and only once the stamps in the segment behind it are safe.
    fn remove_trimmed(&mut self) {
        loop {
            let Some((first, is_safe)) = self.trimmable() else { return };
            if !is_safe {
                return;
            }
            failpoint!("spool::trim::before_remove");
            if !self.remove_first(&segment::name(first.first)) {
                return;
            }
            // Removals in another order would look like a loss after power loss.
            if self.options.is_durable && self.shared.files.sync_directory().is_err() {
                return;
            }
        }
    }

    /// What may go first, and whether it may go now. A sync may make that so.
    fn trimmable(&mut self) -> Option<(Segment, bool)> {
        let trimmable = |log: &Log<F>| log.shared.catalogue().trimmable(log.trim_below);
        if trimmable(self).is_some_and(|(_, is_safe)| !is_safe) && self.options.is_durable {
            // When this fails, the next append or trim tries again.
            self.sync().ok();
        }
        trimmable(self)
    }

    fn remove_first(&mut self, name: &str) -> bool {
        let mut catalogue = self.shared.catalogue();
        let is_gone = match self.shared.files.remove(name) {
            Err(error) => error.kind() == io::ErrorKind::NotFound,
            Ok(()) => true,
        };
        if is_gone {
            catalogue.remove_first();
        }
        is_gone
    }
}
