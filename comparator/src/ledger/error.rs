//! Why the ledger does not do what it is asked to.

use super::database::{DatabaseError, Place};

/// Why the ledger cannot be opened, read or written to.
#[derive(Debug, thiserror::Error)]
pub enum LedgerError {
    /// The file cannot be opened or made, or the server's schema cannot be used.
    #[error("{}: ledger {place}: {source}", place.key())]
    Open {
        /// Which.
        place: Place,
        /// The cause.
        source: DatabaseError,
    },
    /// It was written by a newer version of this program.
    #[error("{}: ledger {place} has schema {found}, this version knows up to {known}; run the newer version or choose another place", place.key())]
    Newer {
        /// Which.
        place: Place,
        /// Its schema.
        found: i64,
        /// The newest schema known here.
        known: i64,
    },
    /// There are tables of someone else.
    #[error("{}: {place} is not a ledger but another database; choose another place", place.key())]
    NotALedger {
        /// Where.
        place: Place,
    },
    /// The writer's thread could not be started.
    #[error("the ledger's thread: {0}")]
    Thread(std::io::Error),
    /// A read did not succeed.
    #[error("reading the ledger: {0}")]
    Read(#[from] DatabaseError),
    /// The writer did not come to an act in time.
    #[error("the ledger cannot be written at present; ask again, what is done is not done twice")]
    Late,
    /// The writer or a reader stopped in the middle of its work.
    #[error("the ledger stopped")]
    Stopped,
}
