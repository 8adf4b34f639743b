//! What can go wrong, one type for each operation.

use crate::bounds::CURSOR_BYTES_MAX;
use crate::entry::TooLarge;
use std::io;

/// Why a log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process has it open.
    #[error("the directory is used by another process")]
    Locked,
    /// The directory cannot be used.
    #[error("cannot {doing}")]
    Io {
        /// What could not be done.
        doing: &'static str,
        /// What the file system said.
        source: io::Error,
    },
}

/// Why entries were not appended.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The disk cap is reached. Trimming makes room.
    #[error("the disk cap is reached")]
    Full {
        /// How many of the entries were appended.
        written: usize,
    },
    /// An entry is too long. None was appended.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// The disk is full or failing. The next append begins a new segment.
    #[error("cannot write a segment")]
    Io {
        /// How many of the entries were appended.
        written: usize,
        /// What the file system said.
        source: io::Error,
    },
}

/// Why entries are not known to be on disk.
#[derive(Debug, thiserror::Error)]
pub enum SyncError {
    /// The log was opened without [`crate::Options::is_durable`].
    #[error("the log was not opened as durable")]
    NotDurable,
    /// The disk fails, also where the entries were written again. They stay in memory.
    #[error("cannot sync a segment")]
    Io {
        /// What the file system said.
        #[from]
        source: io::Error,
    },
}

/// Why a cursor was not set.
#[derive(Debug, thiserror::Error)]
pub enum CursorError {
    /// It is too long.
    #[error("a cursor of {bytes} bytes, at most {CURSOR_BYTES_MAX} are kept")]
    TooLarge {
        /// How long it is.
        bytes: usize,
    },
    /// It cannot be written.
    #[error("cannot write the cursor")]
    Io {
        /// What the file system said.
        #[from]
        source: io::Error,
    },
}
