//! How the service is set up, and what it tells.

use crate::entry::TooLarge;
use crate::log::{Options, Recovered};

/// How the service is set up.
#[derive(Clone, Debug)]
pub struct SpoolOptions {
    /// How the log is kept.
    pub log: Options,
    /// How many bytes of entries may wait to be written.
    pub queue_bytes_max: u64,
    /// How many entries may wait to be written.
    pub queue_entries_max: usize,
    /// The shortest time between two syncs, in milliseconds, and so the longest that an entry waits for one.
    pub sync_ms: u64,
}

impl Default for SpoolOptions {
    fn default() -> SpoolOptions {
        SpoolOptions {
            log: Options::default(),
            queue_bytes_max: 16 << 20,
            queue_entries_max: 65_536,
            sync_ms: 20,
        }
    }
}

/// How far everything would survive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// All entries up to this number survive the death of the process.
    pub written: u64,
    /// All entries up to this number survive power loss.
    pub durable: u64,
    /// Whether writing works.
    pub state: State,
}

impl Progress {
    /// Where a log is when it was opened.
    pub(super) fn recovered(recovered: &Recovered) -> Progress {
        let written = recovered.next.saturating_sub(1);
        Progress { written, durable: recovered.durable, state: State::Healthy }
    }
}

/// Whether writing works.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum State {
    /// It does.
    Healthy,
    /// There is no room: the disk cap is reached for entries that are not reserved, or the disk itself is full.
    Full,
    /// The disk fails. It is tried again.
    Failing,
}

/// Why an entry was not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Refused {
    /// The entry is too long.
    #[error(transparent)]
    TooLarge(#[from] TooLarge),
    /// There is no room for it now.
    #[error("the spool has no room")]
    NoRoom,
    /// It is wanted on disk, but the log was not opened as durable.
    #[error("the log was not opened as durable")]
    NotDurable,
    /// The spool is closed.
    #[error("the spool is closed")]
    Closed,
}
