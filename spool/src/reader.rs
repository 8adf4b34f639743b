//! Reads entries while others write and trim.

use crate::catalogue::{Shared, View};
use crate::entry::{Cause, Gap, Numbered};
use crate::files::Files;
use crate::record::Kind;
use crate::scanner::Scanner;
use crate::segment::name;
use crate::stamps::Stamps;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

/// Reads entries in the order of their numbers, each file once from its beginning to its end. A clone of it begins anew.
pub struct Reader<F: Files> {
    shared: Arc<Shared<F>>,
    subjects_max: usize,
    seat: Option<Seat<F>>,
}

/// Where the reader is.
struct Seat<F: Files> {
    scanner: Scanner<F>,
    generation: u64,
    next: u64,
}

/// What was read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Read {
    /// The entries.
    pub entries: Vec<Numbered>,
    /// The numbers among them that are lost.
    pub gaps: Vec<Gap>,
    /// The number to read from next.
    pub next: u64,
}

/// The state that held before the first entry that is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Start {
    /// The first number that is kept.
    pub first: u64,
    /// The latest stamp of each subject as of before it.
    pub stamps: BTreeMap<Bytes, Bytes>,
    /// Whether these are all. They are not when the summary rotted.
    pub is_complete: bool,
}

/// A file could not be read, for a reason that says nothing about what is in it: nothing is lost, try again.
#[derive(Debug, thiserror::Error)]
#[error("cannot read a segment")]
pub struct ReadError {
    /// What the file system said.
    #[from]
    pub source: io::Error,
}

impl<F: Files> Reader<F> {
    pub(crate) fn new(shared: Arc<Shared<F>>, subjects_max: usize) -> Reader<F> {
        Reader { shared, subjects_max, seat: None }
    }

    /// The stamps as of before the first entry that is kept, and its number.
    ///
    /// # Errors
    ///
    /// Those of [`ReadError`].
    pub fn from_start(&self) -> Result<Start, ReadError> {
        let mut stamps = Stamps::new(self.subjects_max);
        let (view, opened) = {
            let catalogue = self.shared.catalogue();
            let Some(view) = catalogue.find(0) else {
                return Ok(Start { first: catalogue.first(), stamps: BTreeMap::new(), is_complete: true });
            };
            (view, self.shared.files.open(&name(view.first)))
        };
        let file = match opened {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Ok(Start { first: view.first, stamps: BTreeMap::new(), is_complete: false });
            }
            opened => opened?,
        };
        let mut scanner = Scanner::new(&self.shared.files, file, view.first, view.bytes)?;
        while let Some(record) = scanner.next_summary(&self.shared.files, view.bytes)? {
            stamps.apply(&record);
        }
        let is_complete = scanner.is_summary_whole();
        Ok(Start { first: view.first, stamps: stamps.latest(), is_complete })
    }

    /// Reads from the number `from` on, or from the first that is kept: all that is written, until the entries have
    /// `bytes_max` bytes or somewhat more.
    ///
    /// # Errors
    ///
    /// Those of [`ReadError`].
    pub fn read(&mut self, from: u64, bytes_max: usize) -> Result<Read, ReadError> {
        let mut read = Read { entries: Vec::new(), gaps: Vec::new(), next: from };
        let mut room = bytes_max;
        while room > 0 {
            let Some(view) = self.sit(&mut read)? else { break };
            if view.until > read.next {
                self.read_segment(&view, &mut read, &mut room)?;
            }
        }
        Ok(read)
    }

    /// Goes to where `read.next` is. Nothing is left to read when there is no such place.
    fn sit(&mut self, read: &mut Read) -> Result<Option<View>, ReadError> {
        let catalogue = self.shared.catalogue();
        let Some(view) = catalogue.find(read.next) else { return Ok(None) };
        read.next = read.next.max(view.first);
        if read.next >= view.until {
            return Ok(None);
        }
        let is_here = |seat: &Seat<F>| seat.generation == view.generation && seat.next == read.next;
        if self.seat.as_ref().is_some_and(is_here) {
            return Ok(Some(view));
        }
        self.seat = None;
        match self.shared.files.open(&name(view.first)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                read.gaps.push(Gap { numbers: read.next..view.until, cause: Cause::MissingSegment });
                read.next = view.until;
            }
            opened => {
                drop(catalogue);
                let scanner = Scanner::new(&self.shared.files, opened?, view.first, view.bytes)?;
                self.seat = Some(Seat { scanner, generation: view.generation, next: read.next });
            }
        }
        Ok(Some(view))
    }

    /// Reads to the end of a segment or of the room.
    fn read_segment(&mut self, view: &View, read: &mut Read, room: &mut usize) -> Result<(), ReadError> {
        let Some(seat) = self.seat.as_mut() else { return Ok(()) };
        while *room > 0 {
            let record = match seat.scanner.next(&self.shared.files, view.bytes)? {
                Some(record) if record.kind == Kind::Summary || record.number < read.next => continue,
                Some(record) if record.number < view.end => record,
                end => {
                    let is_overridden = end.is_some();
                    let is_torn = seat.scanner.torn_bytes() > 0;
                    read.gaps.extend(Gap::at_end(read.next, view.until, is_overridden, is_torn));
                    (read.next, seat.next) = (view.until, view.until);
                    return Ok(());
                }
            };
            if record.number > read.next {
                read.gaps.push(Gap { numbers: read.next..record.number, cause: Cause::Rot });
            }
            *room = room.saturating_sub(record.size());
            read.next = record.number + 1;
            read.entries.push(record.entry());
            seat.next = read.next;
        }
        Ok(())
    }
}

impl<F: Files> Clone for Reader<F> {
    fn clone(&self) -> Reader<F> {
        Reader::new(Arc::clone(&self.shared), self.subjects_max)
    }
}
