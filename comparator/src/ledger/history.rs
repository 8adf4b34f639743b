//! What happened to a divergence, turn by turn and act by act.
//!
//! An entry has the revision that it made, so how many are missing is known without being written down: of [`ENTRIES_MAX`] at
//! most, the first [`FIRST_KEPT`] tell how it began and the others how it goes on. They go with their divergence.

use super::database::{Connection, DatabaseError, Row, Transaction};
use rusqlite::params;
use serde::Serialize;

/// Entries that are kept of one divergence.
pub const ENTRIES_MAX: u32 = 100;
/// Of these, how many are the first ones.
const FIRST_KEPT: u32 = 20;

const _: () = assert!(FIRST_KEPT < ENTRIES_MAX, "the latest entry is kept");

const WRITE: &str = "INSERT INTO history
    (divergence, revision, at_unix_ns, what, who, why, until_unix_ns, kind, store_digest, map_digest)
    VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)";

const DROP_MIDDLE: &str = "DELETE FROM history WHERE divergence = ?1 AND revision > ?2 AND revision <= ?3";

const READ: &str =
    "SELECT revision, at_unix_ns, what, who, why, until_unix_ns, kind, store_digest, map_digest
    FROM history WHERE divergence = ?1 ORDER BY revision";

/// One thing that happened to a divergence.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Entry {
    /// The divergence's revision since then.
    pub revision: u32,
    /// Wall-clock time, nanoseconds since 1970.
    pub at_unix_ns: i64,
    /// What: `opened`, `confirmed` or `resolved` by the comparator, `acknowledged`, `ignored` or `reopened` by somebody.
    pub what: String,
    /// Who did it; `None` for the comparator.
    pub by: Option<String>,
    /// Why somebody did it, or how it was resolved.
    pub why: Option<String>,
    /// When an `ignored` is over.
    pub until_unix_ns: Option<i64>,
    /// The verdict with which it was opened.
    pub kind: Option<String>,
    /// What the store was seen to hold when it was opened.
    pub store_digest: Option<String>,
    /// What it should have held then.
    pub map_digest: Option<String>,
}

/// What is to be written down of one thing that happened.
#[derive(Default)]
pub(super) struct Note<'a> {
    pub(super) what: &'static str,
    pub(super) at_unix_ns: i64,
    pub(super) by: Option<&'a str>,
    pub(super) why: Option<&'a str>,
    pub(super) until_unix_ns: Option<i64>,
    pub(super) kind: Option<&'a str>,
    pub(super) store_digest: Option<String>,
    pub(super) map_digest: Option<String>,
}

impl Note<'_> {
    /// That `what` happened.
    pub(super) fn new(what: &'static str, at_unix_ns: i64) -> Self {
        Self { what, at_unix_ns, ..Self::default() }
    }
}

/// Writes the entry that made `revision` of the divergence in row `place`.
pub(super) fn write(
    transaction: &Transaction<'_>,
    place: i64,
    revision: u32,
    note: &Note<'_>,
) -> Result<(), DatabaseError> {
    let Note { what, at_unix_ns, by, why, until_unix_ns, kind, store_digest, map_digest } = note;
    let parameters =
        params![place, revision, at_unix_ns, what, by, why, until_unix_ns, kind, store_digest, map_digest];
    transaction.execute(WRITE, parameters)?;
    if revision > ENTRIES_MAX {
        let until = revision - (ENTRIES_MAX - FIRST_KEPT);
        transaction.execute(DROP_MIDDLE, params![place, FIRST_KEPT, until])?;
    }
    Ok(())
}

/// The entries of the divergence in row `place`, oldest first.
pub(super) fn of(connection: &Connection, place: i64) -> Result<Vec<Entry>, DatabaseError> {
    let entry = |row: &Row<'_>| {
        Ok(Entry {
            revision: row.get("revision")?,
            at_unix_ns: row.get("at_unix_ns")?,
            what: row.get("what")?,
            by: row.get("who")?,
            why: row.get("why")?,
            until_unix_ns: row.get("until_unix_ns")?,
            kind: row.get("kind")?,
            store_digest: row.get("store_digest")?,
            map_digest: row.get("map_digest")?,
        })
    };
    connection.query(READ, params![place], entry)
}
