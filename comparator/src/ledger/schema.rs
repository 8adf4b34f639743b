//! The tables of the ledger, and how a file comes to have them.
//!
//! `PRAGMA user_version` is the version of the schema. A new file gets the newest; an older one is brought up step by
//! step, each step in a transaction; a newer one is refused.
//!
//! In Postgres the same steps are written in other types ([`dialect::step`]), and the version stands in `ledger_version`. A
//! schema with tables of somebody else is refused.

use super::database::{Connection, Place, Row, Server, dialect};
use super::{LedgerError, outbox};
use rusqlite::{OpenFlags, TransactionBehavior, params};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// How long to wait for another process that holds the file.
const BUSY: Duration = Duration::from_secs(5);

/// How many tables a schema of a server has, and whether one of them is that of the version.
const TABLES_OF_SERVER: &str =
    "SELECT count(*), count(*) FILTER (WHERE tablename = 'ledger_version') FROM pg_tables
    WHERE CAST(schemaname AS TEXT) = CAST(?1 AS TEXT)";

const VERSION_OF_SERVER: &str =
    "CREATE TABLE IF NOT EXISTS ledger_version (version BIGINT NOT NULL); DELETE FROM ledger_version";

/// The steps: the first makes version 1 of an empty file, each further one makes the next version.
pub(super) const STEPS: [&str; 7] = [
    "
CREATE TABLE divergence (
    row                  INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice: it is the cursor of pages
    id                   BLOB NOT NULL UNIQUE,
    map                  TEXT NOT NULL,
    key                  BLOB NOT NULL,
    kind                 TEXT NOT NULL,
    state                TEXT NOT NULL,
    times                INTEGER NOT NULL,
    source               TEXT NOT NULL,
    seq                  INTEGER NOT NULL, -- the 64 bits of an unsigned number
    opened_at_unix_ns    INTEGER NOT NULL,
    confirmed_at_unix_ns INTEGER,
    resolved_at_unix_ns  INTEGER,
    resolved_how         TEXT,
    store_digest         TEXT NOT NULL,
    map_digest           TEXT NOT NULL,
    stale_versions       INTEGER,
    stale_at_least_ns    INTEGER,
    write_ended_ns       INTEGER,
    seen_after_ns        INTEGER,
    trace_id             BLOB
) STRICT;
CREATE INDEX divergence_by_map ON divergence (map, kind, state);
CREATE INDEX divergence_by_state ON divergence (state);
",
    // NULL for what was opened before: then a map had one store.
    "ALTER TABLE divergence ADD COLUMN store TEXT;",
    // NULL where it is not known in which fields the two sides differ.
    "
ALTER TABLE divergence ADD COLUMN fields TEXT; -- a JSON array of names
ALTER TABLE divergence ADD COLUMN fields_missing INTEGER;
",
    // How far a store was gone through for rows that no map knows; no row before the first page and after the last.
    "CREATE TABLE scan_place (map TEXT, store TEXT, after BLOB NOT NULL, PRIMARY KEY (map, store)) STRICT;",
    // What people did, and what happened; of what was opened before nothing is told, and its revision is 0. What is filtered by
    // stands in one index, in the order of pages, so that what does not match costs an entry of it and not a row.
    "
ALTER TABLE divergence ADD COLUMN revision INTEGER NOT NULL DEFAULT 0;
CREATE TABLE act (
    divergence    INTEGER PRIMARY KEY REFERENCES divergence (row) ON DELETE CASCADE,
    act           TEXT NOT NULL,
    who           TEXT NOT NULL,
    why           TEXT NOT NULL,
    at_unix_ns    INTEGER NOT NULL,
    until_unix_ns INTEGER -- NULL for good
) STRICT;
CREATE INDEX act_by_act ON act (act);
CREATE TABLE history (
    divergence    INTEGER NOT NULL REFERENCES divergence (row) ON DELETE CASCADE,
    revision      INTEGER NOT NULL, -- the one that it made
    at_unix_ns    INTEGER NOT NULL,
    what          TEXT NOT NULL,
    who           TEXT, -- NULL for the comparator
    why           TEXT,
    until_unix_ns INTEGER,
    kind          TEXT,
    store_digest  TEXT,
    map_digest    TEXT,
    PRIMARY KEY (divergence, revision)
) STRICT, WITHOUT ROWID;
DROP INDEX divergence_by_map;
DROP INDEX divergence_by_state;
CREATE INDEX divergence_by_check ON divergence (map, store, kind, state);
CREATE INDEX divergence_by_state ON divergence (state, row, map, store, kind, source, opened_at_unix_ns);
CREATE INDEX divergence_by_key ON divergence (key);
CREATE INDEX divergence_by_end ON divergence (resolved_at_unix_ns) WHERE state = 'resolved';
",
    // What is to be told to people.
    outbox::TABLES,
    // What is done about divergences in the stores, before it is done; and who had it done. Values stand there sealed alone.
    "
CREATE TABLE repair (
    row                  INTEGER PRIMARY KEY AUTOINCREMENT,
    id                   TEXT NOT NULL UNIQUE, -- the divergence's, and which time it was opened
    divergence           BLOB NOT NULL,
    times                INTEGER NOT NULL,
    revision             INTEGER NOT NULL,
    map                  TEXT NOT NULL,
    store                TEXT NOT NULL,
    key                  BLOB NOT NULL,
    kind                 TEXT NOT NULL,
    action               TEXT NOT NULL,
    observed             TEXT NOT NULL,
    wanted               TEXT NOT NULL,
    source               TEXT NOT NULL,
    seq                  INTEGER NOT NULL,
    state                TEXT NOT NULL,
    why                  TEXT,
    who                  TEXT NOT NULL,
    approved_at_unix_ns  INTEGER NOT NULL,
    changed_at_unix_ns   INTEGER NOT NULL,
    former               BLOB, -- sealed: what the store held before
    former_until_unix_ns INTEGER
) STRICT;
CREATE INDEX repair_by_state ON repair (state, changed_at_unix_ns);
CREATE INDEX repair_by_map ON repair (map, changed_at_unix_ns);
CREATE TABLE repair_breaker (
    map               TEXT PRIMARY KEY,
    why               TEXT, -- NULL while it is closed
    changed_at_unix_ns INTEGER NOT NULL,
    who               TEXT NOT NULL
) STRICT;
CREATE TABLE repair_audit (
    number     INTEGER PRIMARY KEY,
    at_unix_ns INTEGER NOT NULL,
    who        TEXT NOT NULL,
    what       TEXT NOT NULL,
    map        TEXT NOT NULL,
    repair     TEXT, -- NULL where it is about the map
    detail     TEXT NOT NULL,
    hash       BLOB NOT NULL, -- of the entry before and of this one
    signer     BLOB,
    signature  BLOB
) STRICT;
",
];

/// Opens the file to write, makes it if it is not there, and brings its schema up.
pub(super) fn open(path: &Path) -> Result<rusqlite::Connection, LedgerError> {
    let unusable = |source: rusqlite::Error| LedgerError::Open { place: path.into(), source: source.into() };
    let mut connection = rusqlite::Connection::open(path).map_err(unusable)?;
    connection.busy_timeout(BUSY).map_err(unusable)?;
    let found = check(&connection, path)?;
    connection.pragma_update(None, "journal_mode", "wal").map_err(unusable)?;
    connection.pragma_update(None, "synchronous", "full").map_err(unusable)?;
    connection.pragma_update(None, "foreign_keys", true).map_err(unusable)?;
    bring_up(&mut connection, found).map_err(unusable)?;
    Ok(connection)
}

/// Opens the file to read.
pub(super) fn open_to_read(path: &Path) -> rusqlite::Result<rusqlite::Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = rusqlite::Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY)?;
    Ok(connection)
}

/// The schema's version, before anything is written to a file that may not be ours.
fn check(connection: &rusqlite::Connection, path: &Path) -> Result<usize, LedgerError> {
    let unusable = |source: rusqlite::Error| LedgerError::Open { place: path.into(), source: source.into() };
    let found: i64 =
        connection.pragma_query_value(None, "user_version", |row| row.get(0)).map_err(unusable)?;
    let tables =
        "SELECT count(*) AS tables, count(*) FILTER (WHERE name = 'divergence') AS ours FROM sqlite_schema";
    let (tables, ours): (i64, i64) =
        connection.query_row(tables, [], |row| Ok((row.get(0)?, row.get(1)?))).map_err(unusable)?;
    known(found, tables, ours, &path.into())
}

/// The version of a schema with so many tables, of which `ours` are those by which a ledger is known.
fn known(found: i64, tables: i64, ours: i64, place: &Place) -> Result<usize, LedgerError> {
    match usize::try_from(found) {
        Ok(0) if tables == 0 => Ok(0),
        Ok(version) if version > 0 && ours == 1 => {
            let known = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
            let newer = LedgerError::Newer { place: place.clone(), found, known };
            if version > STEPS.len() { Err(newer) } else { Ok(version) }
        }
        _ => Err(LedgerError::NotALedger { place: place.clone() }),
    }
}

fn bring_up(connection: &mut rusqlite::Connection, found: usize) -> rusqlite::Result<()> {
    for (version, step) in STEPS.iter().enumerate().skip(found) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        transaction.execute_batch(step)?;
        transaction.pragma_update(None, "user_version", i64::try_from(version + 1).unwrap_or(i64::MAX))?;
        transaction.commit()?;
    }
    Ok(())
}

/// Brings the schema of a server up, in one transaction, so that of several comparators that start at once one does it.
pub(super) fn bring_up_server(connection: &Connection, server: &Arc<Server>) -> Result<(), LedgerError> {
    let place = Place::Server(Arc::clone(server));
    let unusable = |source| LedgerError::Open { place: place.clone(), source };
    let transaction = connection.begin().map_err(unusable)?;
    let counts = |row: &Row<'_>| Ok((row.get(0)?, row.get(1)?));
    let (tables, ours) =
        transaction.one(TABLES_OF_SERVER, params![server.schema()], counts).map_err(unusable)?;
    let found = if ours == 1 { "SELECT version FROM ledger_version" } else { "SELECT 0" };
    let found = transaction.one(found, &[], |row| row.get(0)).map_err(unusable)?;
    let found = known(found, tables, ours, &place)?;
    if found < STEPS.len() {
        let steps = || {
            for step in STEPS.iter().skip(found) {
                transaction.run(&dialect::step(step))?;
            }
            transaction.run(VERSION_OF_SERVER)?;
            let version = i64::try_from(STEPS.len()).unwrap_or(i64::MAX);
            transaction.execute("INSERT INTO ledger_version (version) VALUES (?1)", params![version])
        };
        steps().map_err(unusable)?;
    }
    transaction.commit().map_err(unusable)
}
