//! What is kept, and what is told of what was lost.

use crate::bounds::{BODY_BYTES_MAX, STAMP_BYTES_MAX, SUBJECT_BYTES_MAX};
use bytes::Bytes;
use std::ops::Range;

/// What is kept under one number.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Entry {
    /// Whom the entry is about; up to [`SUBJECT_BYTES_MAX`] bytes.
    pub subject: Bytes,
    /// What is to be remembered about the subject from this entry on, even when the entry was trimmed; up to
    /// [`STAMP_BYTES_MAX`] bytes. An empty one: forget the subject.
    pub stamp: Bytes,
    /// The content; up to [`BODY_BYTES_MAX`] bytes.
    pub body: Bytes,
    /// Whether the entry may use the reserve of the disk cap, as a record of what was lost may.
    pub reserved: bool,
}

impl Entry {
    /// Checks the lengths.
    pub(crate) fn check(&self) -> Result<(), TooLarge> {
        let parts = [
            (Part::Subject, self.subject.len(), SUBJECT_BYTES_MAX),
            (Part::Stamp, self.stamp.len(), STAMP_BYTES_MAX),
            (Part::Body, self.body.len(), BODY_BYTES_MAX),
        ];
        match parts.into_iter().find(|(_, bytes, bytes_max)| bytes > bytes_max) {
            Some((part, bytes, bytes_max)) => Err(TooLarge { part, bytes, bytes_max }),
            None => Ok(()),
        }
    }
}

/// An entry and its number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Numbered {
    /// The number, from 1.
    pub number: u64,
    /// What was kept under it.
    pub entry: Entry,
}

/// A part of an entry whose length is bounded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// [`Entry::subject`].
    Subject,
    /// [`Entry::stamp`].
    Stamp,
    /// [`Entry::body`].
    Body,
}

/// An entry that no segment takes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the {part:?} of an entry has {bytes} bytes, at most {bytes_max} are kept")]
pub struct TooLarge {
    /// Which part is too long.
    pub part: Part,
    /// How long it is.
    pub bytes: usize,
    /// How long it may be.
    pub bytes_max: usize,
}

/// Numbers whose entries are lost.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gap {
    /// The numbers.
    pub numbers: Range<u64>,
    /// How they were lost.
    pub cause: Cause,
}

impl Gap {
    /// How many numbers are lost.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.numbers.end.saturating_sub(self.numbers.start)
    }

    /// What is missing at the end of a segment, before the number `until`; nothing when none is. After the loss, there may be
    /// intact records that a later segment overrides, or bytes that are none, or nothing.
    pub(crate) fn at_end(from: u64, until: u64, is_overridden: bool, is_torn: bool) -> Option<Gap> {
        let cause = match (is_overridden, is_torn) {
            (true, _) => Cause::Rot,
            (false, true) => Cause::TornTail,
            (false, false) => Cause::MissingSegment,
        };
        (from < until).then_some(Gap { numbers: from..until, cause })
    }
}

/// How entries were lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cause {
    /// Bytes changed on disk, before entries that are intact.
    Rot,
    /// A segment, or the whole end of one, is not there.
    MissingSegment,
    /// A segment ends in bytes that are no entry: a write was cut off, or its end rotted.
    TornTail,
}
