//! What the ledger is kept in: a file of SQLite, or a schema in a Postgres database that several comparators share.
//!
//! # Design
//!
//! Each statement is written once, in what both understand, with parameters `?1`, `?2` …; [`dialect`] makes the little
//! different that has to be. Values come and go as those of SQLite ([`ToSql`], [`FromSql`]), which are few: integers of 64
//! bits, text, bytes and `NULL`. A statement is prepared once per connection.
//!
//! # Invariants
//!
//! - One transaction that writes is under way at a time, whoever began it: SQLite has one writer, and in Postgres each begins by
//!   waiting for a lock of the schema. So whatever a transaction reads is as it was when it ends.
//! - What is committed survives power loss of the server too (`synchronous_commit`).
//! - A connection that an error may have left in the middle of something is not used again.
//! - No value is part of an error.
//!
//! A server may commit and its answer be lost. What was written is then written again, which changes nothing; whoever was to be
//! told of it by the first answer, such as a count of turns, is not.

pub(super) mod dialect;
mod error;
mod postgres;

pub use error::DatabaseError;
pub(crate) use postgres::Server;

use super::LedgerError;
use super::schema;
use postgres::Purpose;
pub(super) use postgres::Session;
use rusqlite::types::FromSql;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::runtime::Runtime;

/// A value of a parameter.
pub(crate) type ToSql<'a> = &'a dyn rusqlite::ToSql;

/// Where a ledger is.
#[derive(Clone, Debug)]
pub enum Place {
    /// In a file of SQLite, made if it is not there.
    File(PathBuf),
    /// In a schema of a Postgres database.
    Server(Arc<Server>),
}

impl Place {
    /// The key of the configuration that says it.
    pub(crate) fn key(&self) -> &'static str {
        match self {
            Self::File(_) => "ledger.path",
            Self::Server(_) => "ledger.postgres",
        }
    }
}

impl From<&Path> for Place {
    fn from(path: &Path) -> Self {
        Self::File(path.to_owned())
    }
}

impl From<&PathBuf> for Place {
    fn from(path: &PathBuf) -> Self {
        Self::File(path.clone())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Server(server) => server.fmt(f),
        }
    }
}

/// Opens connections, and keeps some that read.
pub(crate) struct Database {
    place: Place,
    /// Moves the bytes of connections to a server. It has a thread of its own, as whoever asks waits for the answer.
    runtime: Option<Runtime>,
    /// Connections that read and have nothing to do.
    idle: Mutex<Vec<Connection>>,
}

impl fmt::Debug for Database {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.place.fmt(f)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        self.idle.get_mut().unwrap_or_else(PoisonError::into_inner).clear();
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl Database {
    pub(crate) fn new(place: Place) -> Result<Self, LedgerError> {
        let runtime = match &place {
            Place::File(_) => None,
            Place::Server(_) => Some(postgres::runtime().map_err(LedgerError::Thread)?),
        };
        Ok(Self { place, runtime, idle: Mutex::default() })
    }

    pub(crate) fn place(&self) -> &Place {
        &self.place
    }

    /// Whether other comparators may write to it.
    pub(crate) fn is_shared(&self) -> bool {
        self.runtime.is_some()
    }

    /// A connection that writes, to a schema that is brought up. Waits for it: not to be called by asynchronous code.
    pub(crate) fn open(&self) -> Result<Connection, LedgerError> {
        match (&self.place, &self.runtime) {
            (Place::Server(server), Some(runtime)) => {
                let unusable = |source| LedgerError::Open { place: self.place.clone(), source };
                let session = server.connect(runtime.handle(), Purpose::Write).map_err(unusable)?;
                let connection = Connection(Kind::Postgres(session));
                schema::bring_up_server(&connection, server)?;
                Ok(connection)
            }
            (Place::File(path), _) => Ok(Connection(Kind::Sqlite(schema::open(path)?))),
            (Place::Server(_), None) => Err(LedgerError::Stopped),
        }
    }

    /// Reads, over a connection at rest or a new one. Waits for it.
    pub(super) fn read<T>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, DatabaseError>,
    ) -> Result<T, DatabaseError> {
        let (server, runtime) = match (&self.place, &self.runtime) {
            (Place::File(path), _) => return read(&Connection(Kind::Sqlite(schema::open_to_read(path)?))),
            (Place::Server(server), Some(runtime)) => (server, runtime),
            (Place::Server(_), None) => return Err(DatabaseError::server("its thread has ended")),
        };
        let alive = std::iter::from_fn(|| self.idle().pop()).find(Connection::is_usable);
        let connection = match alive {
            Some(connection) => connection,
            None => Connection(Kind::Postgres(server.connect(runtime.handle(), Purpose::Read)?)),
        };
        let answer = read(&connection)?;
        self.idle().push(connection);
        Ok(answer)
    }

    /// A connection that tries to take the lead; `None` where nobody else could.
    pub(super) fn contender(&self) -> Result<Option<Session>, DatabaseError> {
        match (&self.place, &self.runtime) {
            (Place::Server(server), Some(runtime)) => {
                server.connect(runtime.handle(), Purpose::Lead).map(Some)
            }
            _ => Ok(None),
        }
    }

    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection to the ledger's database.
pub(crate) struct Connection(Kind);

enum Kind {
    Sqlite(rusqlite::Connection),
    Postgres(Session),
}

impl From<rusqlite::Connection> for Connection {
    fn from(connection: rusqlite::Connection) -> Self {
        Self(Kind::Sqlite(connection))
    }
}

impl Connection {
    /// Begins to write, once nobody else does.
    pub(crate) fn begin(&self) -> Result<Transaction<'_>, DatabaseError> {
        match &self.0 {
            Kind::Sqlite(file) => file.execute_batch("BEGIN IMMEDIATE")?,
            Kind::Postgres(session) => session.begin()?,
        }
        Ok(Transaction { connection: self })
    }

    /// Begins to read what is there at one instant.
    pub(crate) fn snapshot(&self) -> Result<Transaction<'_>, DatabaseError> {
        match &self.0 {
            Kind::Sqlite(file) => file.execute_batch("BEGIN")?,
            Kind::Postgres(session) => session.run("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")?,
        }
        Ok(Transaction { connection: self })
    }

    /// Runs a statement; how many rows it changed.
    pub(crate) fn execute(&self, sql: &str, parameters: &[ToSql<'_>]) -> Result<usize, DatabaseError> {
        match &self.0 {
            Kind::Sqlite(file) => Ok(file.prepare_cached(sql)?.execute(parameters)?),
            Kind::Postgres(session) => session.execute(sql, parameters),
        }
    }

    /// Each row that a statement gives.
    pub(crate) fn query<T>(
        &self,
        sql: &str,
        parameters: &[ToSql<'_>],
        mut of: impl FnMut(&Row<'_>) -> Result<T, DatabaseError>,
    ) -> Result<Vec<T>, DatabaseError> {
        match &self.0 {
            Kind::Sqlite(file) => {
                let mut statement = file.prepare_cached(sql)?;
                let mut rows = statement.query(parameters)?;
                let mut all = Vec::new();
                while let Some(row) = rows.next()? {
                    all.push(of(&Row::Sqlite(row))?);
                }
                Ok(all)
            }
            Kind::Postgres(session) => {
                session.query(sql, parameters)?.iter().map(|row| of(&Row::Postgres(row))).collect()
            }
        }
    }

    /// The first row that a statement gives, if there is one.
    pub(crate) fn first<T>(
        &self,
        sql: &str,
        parameters: &[ToSql<'_>],
        of: impl FnMut(&Row<'_>) -> Result<T, DatabaseError>,
    ) -> Result<Option<T>, DatabaseError> {
        Ok(self.query(sql, parameters, of)?.into_iter().next())
    }

    /// The row of a statement that always gives one.
    pub(crate) fn one<T>(
        &self,
        sql: &str,
        parameters: &[ToSql<'_>],
        of: impl FnMut(&Row<'_>) -> Result<T, DatabaseError>,
    ) -> Result<T, DatabaseError> {
        self.first(sql, parameters, of)?.ok_or(DatabaseError::NoRow)
    }

    /// Runs statements that have no parameters, as they are written.
    pub(crate) fn run(&self, statements: &str) -> Result<(), DatabaseError> {
        match &self.0 {
            Kind::Sqlite(file) => Ok(file.execute_batch(statements)?),
            Kind::Postgres(session) => session.run(statements),
        }
    }

    /// Whether it may be used again.
    pub(crate) fn is_usable(&self) -> bool {
        match &self.0 {
            Kind::Sqlite(_) => true,
            Kind::Postgres(session) => session.is_usable(),
        }
    }

    fn roll_back(&self) {
        let is_over = match &self.0 {
            Kind::Sqlite(file) => file.is_autocommit(),
            Kind::Postgres(session) => !session.is_usable(),
        };
        if !is_over && let Err(error) = self.run("ROLLBACK") {
            tracing::debug!(%error, "a transaction of the ledger is not rolled back; its end does that");
        }
    }
}

/// A transaction; rolled back if it is dropped.
pub(crate) struct Transaction<'c> {
    connection: &'c Connection,
}

impl Transaction<'_> {
    pub(crate) fn commit(self) -> Result<(), DatabaseError> {
        self.connection.run("COMMIT")?;
        std::mem::forget(self);
        Ok(())
    }
}

impl std::ops::Deref for Transaction<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        self.connection.roll_back();
    }
}

/// A row of an answer.
pub(crate) enum Row<'r> {
    Sqlite(&'r rusqlite::Row<'r>),
    Postgres(&'r tokio_postgres::Row),
}

impl Row<'_> {
    /// The value of a column, by its name or place.
    pub(crate) fn get<T: FromSql>(
        &self,
        column: impl rusqlite::RowIndex + tokio_postgres::row::RowIndex + fmt::Display,
    ) -> Result<T, DatabaseError> {
        match self {
            Self::Sqlite(row) => Ok(row.get(column)?),
            Self::Postgres(row) => {
                let unreadable = || DatabaseError::Column { name: column.to_string() };
                let value = postgres::Value::of(row, &column).ok_or_else(unreadable)?;
                T::column_result(value.as_sqlite()).map_err(|_| unreadable())
            }
        }
    }
}
