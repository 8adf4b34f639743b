//! Why the ledger does not do what it is asked to.

use std::path::PathBuf;

/// Why the ledger cannot be opened, read or written to.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file cannot be opened or made.
    #[error("ledger {path}: {source}", path = path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: rusqlite::Error,
    },
    /// The file was written by a newer version of this program.
    #[error("ledger {path} has schema {found}, this version knows up to {known}; run the newer version or choose another file", path = path.display())]
    Newer {
        /// The file.
        path: PathBuf,
        /// The schema of the file.
        found: i64,
        /// The newest schema known here.
        known: i64,
    },
    /// The file is an SQLite file of someone else.
    #[error("{path} is not a ledger but another database; choose another file", path = path.display())]
    NotALedger {
        /// The file.
        path: PathBuf,
    },
    /// The writer's thread could not be started.
    #[error("the ledger's thread: {0}")]
    Thread(std::io::Error),
    /// A read did not succeed.
    #[error("reading the ledger: {0}")]
    Read(#[from] rusqlite::Error),
    /// The writer did not come to an act in time.
    #[error("the ledger cannot be written at present; ask again, what is done is not done twice")]
    Late,
    /// The writer or a reader stopped in the middle of its work.
    #[error("the ledger stopped")]
    Stopped,
}
