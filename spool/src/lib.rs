//! What is kept: one durable, segmented, append-only queue.
//!
//! It has two users, the sidecar's spool of batches that the comparator has not taken over and the comparator's journal
//! of batches whose events have no outcome, and knows nothing of either: an [`Entry`] is bytes. [`Log`] is the
//! synchronous core, [`Spool`] the service around it: a handle for many tasks and one thread that writes.
//!
//! # What is promised
//!
//! - Entries are numbered from 1, without holes, for ever. A number is never given to other bytes, unless power loss took
//!   the entry before it was synced, and the numbers behind it with it.
//! - What [`Log::append`] returned survives the death of the process; what [`Log::sync`] returned survives power loss.
//! - Data that is wrong is never an error. What is lost is told as a [`Gap`], number by number, and the rest is read.
//! - Trimming old entries loses no *stamp*: what is to be remembered of a subject stands at the head of each segment.
//! - Memory is bounded: entries that wait ([`SpoolOptions`]), entries since the last sync (one segment), stamps
//!   ([`Options::subjects_max`]), and a window of 1 MiB for each reader, which grows to a record longer than that.
//!
//! # The format, version 1
//!
//! All integers are little-endian. A directory holds the files below; names it does not know are left alone.
//!
//! `<first>.seg`, where `<first>` is the number of its first entry in 16 hexadecimal digits, is a *segment*: a header,
//! the *summary* (one record for each subject: its latest stamp as of before the first entry), then one record for each entry.
//!
//! | header | bytes | |
//! |---|---|---|
//! | magic | 8 | `CFSPOOL` and a zero |
//! | version | 4 | 1 |
//! | first | 8 | as in the name |
//! | entries at | 8 | where in the file the first entry begins, behind the summary |
//! | crc | 4 | CRC32C of the 28 bytes before it |
//!
//! | record | bytes | |
//! |---|---|---|
//! | length | 4 | of everything after the crc: 17 and the three lengths below |
//! | crc | 4 | CRC32C of: `first` (8), the record's place in the file (8), everything after this crc |
//! | number | 8 | the entry's number; in a summary, that of the entry that brought the stamp |
//! | kind | 1 | 1 summary, 2 entry, 3 entry that may use the reserve |
//! | lengths | 2, 2, 4 | of subject, stamp and body |
//! | subject, stamp, body | | |
//!
//! The place in the file is under the crc so that a record which an entry carries in its body, or which an old block
//! brings back, is never taken for a record of the segment. A file may be longer than its records, as it is allocated
//! ahead: zeros to the end are the end. Lengths are believed only below their bounds.
//!
//! Reading goes from record to record. Where none is intact, the next one is looked for byte by byte: it must have a
//! number that follows and is not further away than the bytes between could hold. The numbers between are a gap
//! ([`Cause::Rot`]). A broken end counts as one number, or as many as its frames tell, so that none is given twice
//! ([`Cause::TornTail`]). A header that is broken costs nothing but the certainty that the summary is whole: the name of
//! the file is believed. **A later segment overrides an earlier one** from its first number on, because entries whose
//! sync failed are written again, under the same numbers, to a new segment.
//!
//! A segment is written as `<first>.new` until header, summary and what is written again are in it, and then renamed.
//!
//! `cursor` holds up to 64 KiB of the user's: magic `CFCURSR` and a zero, version (4), length (4), CRC32C (4) of length and
//! bytes, the bytes. It is a hint: missing, stale or broken means none. `lock` is locked while the log is open.
//!
//! A change of this format takes a new version, and reading version 1 stays: `tests/golden` holds its bytes.

/// A place where a test may stop the process or make a step fail.
macro_rules! failpoint {
    ($name:literal) => {
        #[cfg(feature = "failpoints")]
        fail::fail_point!($name);
    };
}

mod bounds;
mod catalogue;
mod cursor;
mod entry;
mod files;
mod log;
mod reader;
mod record;
mod scanner;
mod segment;
mod service;
mod stamps;

pub use bounds::{
    BODY_BYTES_MAX, CURSOR_BYTES_MAX, GAPS_MAX, GROUP_BYTES_MAX, STAMP_BYTES_MAX, SUBJECT_BYTES_MAX,
};
pub use entry::{Cause, Entry, Gap, Numbered, Part, TooLarge};
#[cfg(any(test, feature = "faulty"))]
pub use files::faulty;
pub use files::{Directory, Files};
pub use log::{AppendError, CursorError, Log, OpenError, Options, Recovered, SyncError};
pub use reader::{Read, ReadError, Reader, Start};
pub use service::{Closed, Progress, Refused, Spool, SpoolOptions, State};
