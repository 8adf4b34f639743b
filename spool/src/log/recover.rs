//! What a directory still has when a log is opened.
//!
//! Entries that a process had not synced when it died are read from memory, where a sync of it may have failed before. So a
//! durable log does not sync the last segment but writes its entries again, and is done with both cases. Only where that segment
//! has a gap, the part before it is synced as it is.

use super::{Kept, OpenError, Options};
use crate::bounds::GAPS_MAX;
use crate::catalogue::Catalogue;
use crate::cursor;
use crate::entry::{Cause, Gap};
use crate::files::Files;
use crate::scanner::Scanner;
use crate::segment::{self, ENDING_NEW};
use crate::stamps::Stamps;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::io;

/// What a log had when it was opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recovered {
    /// The first number that is kept.
    pub first: u64,
    /// The number that the next entry gets.
    pub next: u64,
    /// The latest stamp of each subject.
    pub stamps: BTreeMap<Bytes, Bytes>,
    /// Whether all stamps are there. They may not be when entries or a summary were lost and no later summary is intact.
    pub are_stamps_complete: bool,
    /// The numbers between first and next whose entries are lost; those of earlier openings too, until they are trimmed.
    pub gaps: Vec<Gap>,
    /// What the user noted last, if it is intact.
    pub cursor: Option<Bytes>,
    /// How many bytes at the ends of segments are no entry.
    pub torn_bytes: u64,
    /// All entries up to this number are on disk; 0 when the log was not opened as durable.
    pub durable: u64,
}

/// What a log begins with.
pub(super) struct Found {
    pub(super) catalogue: Catalogue,
    pub(super) stamps: Stamps,
    pub(super) kept: Kept,
    pub(super) recovered: Recovered,
}

/// Recovers a directory.
pub(super) fn recover<F: Files>(files: &F, options: &Options) -> Result<Found, OpenError> {
    let firsts = tidy(files).map_err(|source| OpenError::Io { doing: "list the directory", source })?;
    let mut recovery = Recovery::new(files, options);
    for (index, first) in firsts.iter().enumerate() {
        let until = firsts.get(index + 1).copied();
        recovery
            .segment(*first, until)
            .map_err(|source| OpenError::Io { doing: "read a segment", source })?;
    }
    if options.is_durable {
        files.sync_directory().map_err(|source| OpenError::Io { doing: "sync the directory", source })?;
    }
    Ok(recovery.done())
}

/// Removes what was not complete, and gives the first numbers of the segments in their order.
fn tidy<F: Files>(files: &F) -> io::Result<Vec<u64>> {
    let names = files.list()?;
    for name in names.iter().filter(|name| name.as_str() == cursor::NAME_NEW || name.ends_with(ENDING_NEW)) {
        // It does no harm if it stays.
        files.remove(name).ok();
    }
    let mut firsts: Vec<u64> = names.iter().filter_map(|name| segment::first_of(name)).collect();
    firsts.sort_unstable();
    Ok(firsts)
}

struct Recovery<'a, F> {
    files: &'a F,
    options: &'a Options,
    catalogue: Catalogue,
    stamps: Stamps,
    /// The entries since the last gap of the last segment, if the log is durable.
    kept: Kept,
    are_stamps_complete: bool,
    gaps: Vec<Gap>,
    next: u64,
    torn_bytes: u64,
}

impl<'a, F: Files> Recovery<'a, F> {
    fn new(files: &'a F, options: &'a Options) -> Recovery<'a, F> {
        Recovery {
            files,
            options,
            catalogue: Catalogue::default(),
            stamps: Stamps::new(options.subjects_max),
            kept: Kept::after(Stamps::new(options.subjects_max)),
            are_stamps_complete: true,
            gaps: Vec::new(),
            next: 1,
            torn_bytes: 0,
        }
    }

    fn done(self) -> Found {
        let recovered = Recovered {
            first: self.catalogue.first(),
            next: self.next,
            stamps: self.stamps.latest(),
            are_stamps_complete: self.are_stamps_complete,
            gaps: self.gaps,
            cursor: cursor::read(self.files),
            torn_bytes: self.torn_bytes,
            durable: 0,
        };
        let Recovery { catalogue, stamps, kept, .. } = self;
        Found { catalogue, stamps, kept, recovered }
    }

    /// Goes through the segment `first`, which the next one overrides from `until` on.
    fn segment(&mut self, first: u64, until: Option<u64>) -> io::Result<()> {
        let name = segment::name(first);
        let file = self.files.open(&name)?;
        let length = self.files.length(&file)?;
        let mut scanner = Scanner::new(self.files, file, first, length)?;
        self.next = first;
        self.summary(&mut scanner, length)?;
        let is_overridden = self.entries(&mut scanner, length, until)?;
        let (mut end, mut content_end) = (self.next, length);
        if !is_overridden {
            end += scanner.torn_numbers(self.files)?;
            content_end = scanner.content_end();
            self.torn_bytes += scanner.torn_bytes();
            self.cut(&name, content_end, length);
        }
        self.gap(Gap::at_end(self.next, until.unwrap_or(end), is_overridden, scanner.torn_bytes() > 0));
        let is_kept = until.is_none() && self.kept.first(self.next) == first;
        if self.options.is_durable && !is_kept {
            self.files.sync(scanner.file())?;
        }
        let is_anchored = scanner.is_summary_whole() && (until.is_some() || !self.options.is_durable);
        self.catalogue.add(first, end, content_end, is_anchored);
        Ok(())
    }

    /// Reads the summary. A whole one is all there is to know; a broken one adds to what is known.
    fn summary(&mut self, scanner: &mut Scanner<F>, length: u64) -> io::Result<()> {
        let mut stamps = Stamps::new(self.options.subjects_max);
        while let Some(record) = scanner.next_summary(self.files, length)? {
            stamps.apply(&record);
        }
        if scanner.is_summary_whole() {
            (self.stamps, self.are_stamps_complete) = (stamps, true);
        } else {
            self.are_stamps_complete &= !self.catalogue.is_empty();
            self.stamps.merge(&stamps);
        }
        self.kept = Kept::after(self.stamps.clone());
        Ok(())
    }

    /// Goes through the entries, and says whether it met one that the next segment overrides.
    fn entries(&mut self, scanner: &mut Scanner<F>, length: u64, until: Option<u64>) -> io::Result<bool> {
        while let Some(record) = scanner.next(self.files, length)? {
            let number = record.number;
            if until.is_some_and(|until| number >= until) {
                return Ok(true);
            }
            let gap = Gap { numbers: self.next..number, cause: Cause::Rot };
            self.gap(Some(gap).filter(|gap| !gap.numbers.is_empty()));
            self.stamps.apply(&record);
            self.next = number + 1;
            if self.options.is_durable && until.is_none() {
                self.kept.entries.push_back(record.entry().entry);
            }
        }
        Ok(false)
    }

    fn gap(&mut self, gap: Option<Gap>) {
        let Some(gap) = gap else { return };
        self.next = gap.numbers.end;
        self.kept = Kept::after(self.stamps.clone());
        self.are_stamps_complete = false;
        if self.gaps.len() < GAPS_MAX {
            return self.gaps.push(gap);
        }
        // Too many to tell apart: better too much is told as lost than too little.
        if let Some(last) = self.gaps.last_mut() {
            last.numbers.end = gap.numbers.end;
        }
    }

    /// Gives back the room behind the content. Broken bytes stay, so that the next opening tells the same of them.
    fn cut(&self, name: &str, content_end: u64, length: u64) {
        if content_end < length {
            // Only room on disk is lost when this fails.
            self.files.cut(name, content_end).ok();
            failpoint!("spool::recover::after_cut");
        }
    }
}
