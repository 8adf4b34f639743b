//! Goes through the records of one segment and finds its way past what is broken.

mod window;

use crate::bounds::{PIECE_BYTES, bytes_in_file, bytes_in_memory};
use crate::files::Files;
use crate::record::{HEAD_BYTES, HEADER_BYTES, Head, Kind, Place, Record, entries_at};
use std::io;
use window::Window;

/// What stands at a place.
enum Found {
    /// An intact record with this head.
    Record(Head),
    /// Nothing intact begins here, nor in the bytes after it: so many may be passed over.
    Damage(u64),
    /// Nothing but zeros, or nothing at all.
    End,
}

/// A place in a segment, and the window of the file around it.
pub(crate) struct Scanner<F: Files> {
    window: Window<F>,
    first: u64,
    /// Where entries begin, if the header is intact.
    entries_at: Option<u64>,
    is_summary_whole: bool,
    /// Where to look next.
    at: u64,
    /// The end of the last intact record.
    sound_to: u64,
    /// The number that the next entry should have.
    expected: u64,
}

impl<F: Files> Scanner<F> {
    /// Begins with the segment `first`, of which `end` bytes are written.
    ///
    /// # Errors
    ///
    /// Reading failed, for another reason than that the disk cannot give what it was given.
    pub(crate) fn new(files: &F, file: F::File, first: u64, end: u64) -> io::Result<Scanner<F>> {
        let mut scanner = Scanner {
            window: Window::new(file),
            first,
            entries_at: None,
            is_summary_whole: true,
            at: HEADER_BYTES,
            sound_to: HEADER_BYTES,
            expected: first,
        };
        scanner.entries_at =
            entries_at(scanner.window.look(files, 0, bytes_in_memory(HEADER_BYTES), end)?, first);
        scanner.is_summary_whole = scanner.entries_at.is_some();
        Ok(scanner)
    }

    /// The next intact record before `end`. `None` is the end: for now, if the segment is being written.
    ///
    /// # Errors
    ///
    /// As for [`Scanner::new`].
    pub(crate) fn next(&mut self, files: &F, end: u64) -> io::Result<Option<Record<'_>>> {
        Ok(self.find_intact(files, end)?.and_then(|head| self.take(head)))
    }

    /// The next intact record of the summary. `None`: an entry or the end comes next.
    ///
    /// # Errors
    ///
    /// As for [`Scanner::new`].
    pub(crate) fn next_summary(&mut self, files: &F, end: u64) -> io::Result<Option<Record<'_>>> {
        let head = self.find_intact(files, end)?.filter(|head| head.kind == Kind::Summary);
        Ok(head.and_then(|head| self.take(head)))
    }

    /// The file.
    pub(crate) fn file(&self) -> &F::File {
        &self.window.file
    }

    /// Whether header and summary were intact, once an entry or the end was reached.
    pub(crate) fn is_summary_whole(&self) -> bool {
        self.is_summary_whole
    }

    /// How many bytes between the last intact record and the end are something else than zeros, once it was reached.
    pub(crate) fn torn_bytes(&self) -> u64 {
        self.at.saturating_sub(self.sound_to)
    }

    /// Where the content ends, once the end was reached.
    pub(crate) fn content_end(&self) -> u64 {
        self.at.max(self.sound_to)
    }

    /// How many numbers the broken end may have had: one for each frame that can be told, one for what follows.
    ///
    /// # Errors
    ///
    /// As for [`Scanner::new`].
    pub(crate) fn torn_numbers(&mut self, files: &F) -> io::Result<u64> {
        let (mut at, end, mut numbers) = (self.sound_to, self.content_end(), 0);
        while at < end {
            let expected = self.expected + numbers;
            numbers += 1;
            match Head::parse(self.window.look(files, at, HEAD_BYTES, end)?) {
                Some(head) if head.number == expected => at += bytes_in_file(head.size()),
                _ => break,
            }
        }
        Ok(numbers)
    }

    /// Goes to where the next intact record begins.
    fn find_intact(&mut self, files: &F, end: u64) -> io::Result<Option<Head>> {
        loop {
            match self.find(files, end)? {
                Found::Record(head) => return Ok(Some(head)),
                Found::Damage(bytes) => self.pass(bytes),
                Found::End => {
                    self.is_summary_whole &= self.entries_at.is_some_and(|entries_at| self.at >= entries_at);
                    return Ok(None);
                }
            }
        }
    }

    fn find(&mut self, files: &F, end: u64) -> io::Result<Found> {
        if self.at >= end {
            return Ok(Found::End);
        }
        let bytes = self.window.look(files, self.at, HEAD_BYTES, end)?;
        if bytes.iter().all(|byte| *byte == 0) {
            return self.find_behind_zeros(files, end);
        }
        let Some(head) = Head::parse(bytes).filter(|head| self.follows(head)) else {
            return Ok(Found::Damage(1));
        };
        let place = Place { first: self.first, at: self.at };
        let record = self.window.look(files, self.at, head.size(), end)?;
        let is_intact = record.len() == head.size() && head.proves(record, place);
        Ok(if is_intact { Found::Record(head) } else { Found::Damage(1) })
    }

    /// Zeros to the end are the end. A record may begin with three of them.
    fn find_behind_zeros(&mut self, files: &F, end: u64) -> io::Result<Found> {
        let mut at = self.at;
        while at < end {
            let bytes = self.window.look(files, at, PIECE_BYTES, end)?;
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            at += bytes_in_file(zeros);
            if zeros < bytes.len() {
                return Ok(Found::Damage(at.saturating_sub(self.at + 3).max(1)));
            }
        }
        Ok(Found::End)
    }

    /// Whether a record with this head may stand here. What is broken before it holds only so many numbers.
    fn follows(&self, head: &Head) -> bool {
        if head.kind == Kind::Summary {
            return self.expected == self.first
                && head.number < self.first
                && self.entries_at.is_none_or(|entries_at| self.at < entries_at);
        }
        let records_between_max = self.torn_bytes() / bytes_in_file(HEAD_BYTES);
        self.entries_at.is_none_or(|entries_at| self.at >= entries_at)
            && head.number.checked_sub(self.expected).is_some_and(|missing| missing <= records_between_max)
    }

    fn take(&mut self, head: Head) -> Option<Record<'_>> {
        let begin = self.at;
        self.at += bytes_in_file(head.size());
        self.sound_to = self.at;
        if head.kind != Kind::Summary {
            self.expected = head.number.saturating_add(1);
        }
        head.record(self.window.seen(begin))
    }

    /// Passes over broken bytes. Those of the summary hold no number.
    fn pass(&mut self, bytes: u64) {
        match self.entries_at.filter(|entries_at| self.at < *entries_at) {
            Some(entries_at) => {
                self.is_summary_whole = false;
                self.at = entries_at.min(self.at + bytes);
                self.sound_to = self.at;
            }
            None => self.at += bytes,
        }
    }
}

#[cfg(test)]
mod tests;
