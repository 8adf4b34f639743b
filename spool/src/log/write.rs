//! Writing: room is made, a group of records is written, segments are begun and ended.

use super::{AppendError, Log};
use crate::bounds::{bytes_in_file, bytes_in_memory};
use crate::catalogue::Shared;
use crate::entry::Entry;
use crate::files::{Files, write_full};
use crate::record::{HEADER_BYTES, Place, Record, entry_bytes};
use crate::segment::{self, Active, Beginning, summary_bytes};
use std::io;
use std::ops::Range;

/// Why no further entry was written.
enum Stop {
    Full,
    Io(io::Error),
}

impl From<io::Error> for Stop {
    fn from(source: io::Error) -> Stop {
        Stop::Io(source)
    }
}

impl<F: Files> Log<F> {
    /// [`Log::append`], with another limit for entries that are not reserved.
    pub(super) fn append_within(
        &mut self,
        entries: &[Entry],
        ordinary_bytes_max: u64,
    ) -> Result<Range<u64>, AppendError> {
        entries.iter().try_for_each(Entry::check)?;
        let first = self.next;
        let mut written = 0;
        while let Some(rest) = entries.get(written..).filter(|rest| !rest.is_empty()) {
            let stop = self.append_some(rest, ordinary_bytes_max).err();
            written = bytes_in_memory(self.next - first);
            match stop {
                Some(Stop::Full) => return Err(AppendError::Full { written }),
                Some(Stop::Io(source)) => return Err(AppendError::Io { written, source }),
                None => {}
            }
        }
        Ok(first..self.next)
    }

    /// Appends as many of `entries`, at least one, as the segment has room for.
    fn append_some(&mut self, entries: &[Entry], ordinary_bytes_max: u64) -> Result<(), Stop> {
        let Some(first) = entries.first() else { return Ok(()) };
        self.make_room(first, ordinary_bytes_max)?;
        self.encode_fitting(entries, ordinary_bytes_max);
        let Some(active) = &self.active else { return Ok(()) };
        failpoint!("spool::append::before_write");
        let (bytes, done) = write_full(&self.shared.files, &active.file, &self.buffer, active.bytes);
        failpoint!("spool::append::after_write");
        let whole = self.ends.partition_point(|end| *end <= bytes);
        self.note(entries.get(..whole).unwrap_or_default());
        if done.is_err() {
            self.seal();
        }
        Ok(done?)
    }

    /// Sees to it that the last segment has room for `entry`.
    fn make_room(&mut self, entry: &Entry, ordinary_bytes_max: u64) -> Result<(), Stop> {
        let bytes = entry_bytes(entry);
        let limit = if entry.reserved { self.options.disk_bytes_max } else { ordinary_bytes_max };
        let is_too_much = |used: u64, more: u64| used.saturating_add(more) > limit;
        let beginning = HEADER_BYTES + summary_bytes(&self.stamps);
        let used = self.used_bytes();
        let is_full = self.active.as_ref().is_none_or(|active| {
            let entries = active.entries_bytes();
            entries > 0 && entries + bytes > self.options.segment_bytes
        });
        if !is_too_much(used, if is_full { beginning + bytes } else { bytes }) {
            return if is_full { Ok(self.roll()?) } else { Ok(()) };
        }
        match self.trimmed_last() {
            Some(freed) if !is_too_much(used.saturating_sub(freed), beginning + bytes) => Ok(self.roll()?),
            _ => Err(Stop::Full),
        }
    }

    /// Encodes the first of `entries`, and those after it that fit too.
    fn encode_fitting(&mut self, entries: &[Entry], ordinary_bytes_max: u64) {
        self.buffer.clear();
        self.ends.clear();
        let Some(active) = &self.active else { return };
        let used = self.shared.catalogue().used_bytes();
        for (number, entry) in (self.next..).zip(entries) {
            let begin = bytes_in_file(self.buffer.len());
            let end = begin + entry_bytes(entry);
            let limit = if entry.reserved { self.options.disk_bytes_max } else { ordinary_bytes_max };
            let fits = active.entries_bytes() + end <= self.options.segment_bytes && used + end <= limit;
            if !fits && begin > 0 {
                break;
            }
            let place = Place { first: active.first, at: active.bytes + begin };
            Record::of(number, entry).encode(place, &mut self.buffer);
            self.ends.push(self.buffer.len());
        }
    }

    /// Notes that these entries, the first ones in the buffer, are written.
    fn note(&mut self, entries: &[Entry]) {
        for (number, entry) in (self.next..).zip(entries) {
            self.stamps.set(&entry.subject, &entry.stamp, number);
            if self.options.is_durable {
                self.kept.entries.push_back(entry.clone());
            }
        }
        self.next += bytes_in_file(entries.len());
        let bytes = entries.len().checked_sub(1).and_then(|last| self.ends.get(last)).copied().unwrap_or(0);
        if let Some(active) = &mut self.active {
            active.bytes += bytes_in_file(bytes);
            self.shared.catalogue().grow(self.next, active.bytes);
        }
    }

    /// Ends the last segment and begins a new one; then what is trimmed may go.
    pub(super) fn roll(&mut self) -> io::Result<()> {
        self.seal();
        self.open_segment()?;
        self.remove_trimmed();
        Ok(())
    }

    /// Ends the segment that is being written: it is synced if that matters, and never written again.
    fn seal(&mut self) {
        if self.options.is_durable && self.sync_active().is_err() {
            return self.abandon();
        }
        if let Some(active) = self.active.take() {
            // Only room on disk is lost when this fails.
            self.shared.files.cut(&segment::name(active.first), active.bytes).ok();
        }
    }

    /// Gives up the segment that is being written. What it has that is not synced is kept, to be written again.
    pub(super) fn abandon(&mut self) {
        self.active = None;
    }

    /// Syncs the segment that is being written, and the directory if its name is new.
    pub(super) fn sync_active(&mut self) -> io::Result<()> {
        let Some(active) = &self.active else { return Ok(()) };
        let is_anchored = self.shared.catalogue().last().is_some_and(|last| last.is_anchored);
        if self.kept.entries.is_empty() && is_anchored {
            return Ok(());
        }
        failpoint!("spool::sync::before");
        self.shared.files.sync(&active.file)?;
        if !is_anchored {
            self.shared.files.sync_directory()?;
        }
        failpoint!("spool::sync::after");
        self.shared.catalogue().anchor();
        let first = self.kept.first(self.next);
        for (number, entry) in (first..).zip(self.kept.entries.drain(..)) {
            self.kept.stamps.set(&entry.subject, &entry.stamp, number);
        }
        Ok(())
    }

    /// Begins a segment, with what has to be written again.
    pub(super) fn open_segment(&mut self) -> io::Result<()> {
        let first = self.kept.first(self.next);
        let stamps = if self.options.is_durable { &self.kept.stamps } else { &self.stamps };
        let beginning = Beginning::new(first, stamps, self.kept.entries.iter());
        let name_new = segment::name_new(first);
        let opened = self.begin(first, &beginning, &name_new);
        if opened.is_err() {
            // Recovery removes it if this fails.
            self.shared.files.remove(&name_new).ok();
        }
        self.active = Some(opened?);
        Ok(())
    }

    fn begin(&self, first: u64, beginning: &Beginning, name_new: &str) -> io::Result<Active<F>> {
        let Shared { files, .. } = &*self.shared;
        let file = files.create(name_new)?;
        failpoint!("spool::roll::after_create");
        let bytes = bytes_in_file(beginning.bytes.len());
        let left = self.options.disk_bytes_max.saturating_sub(self.used_bytes());
        let wanted = bytes.max(beginning.entries_at.saturating_add(self.options.segment_bytes).min(left));
        // Only time is lost when this fails.
        files.allocate(&file, wanted).ok();
        write_full(files, &file, &beginning.bytes, 0).1?;
        let is_replacing = self.shared.catalogue().last().is_some_and(|last| last.first == first);
        if self.options.is_durable && (is_replacing || !self.kept.entries.is_empty()) {
            // It overrides a segment, so it must have what that one had: entries, or stamps alone.
            files.sync(&file)?;
        }
        let mut catalogue = self.shared.catalogue();
        files.rename(name_new, &segment::name(first))?;
        catalogue.add(first, self.next, bytes, !self.options.is_durable);
        Ok(Active { file, first, bytes, entries_at: beginning.entries_at })
    }
}
