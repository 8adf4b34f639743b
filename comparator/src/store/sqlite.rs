//! Reads an SQLite file.
//!
//! The file is opened read-only, each connection with the virtual table `rarray`, which turns the keys of a read into
//! rows. Reads run on the runtime's blocking threads; a read that is no longer waited for ends by itself, at its
//! deadline. The file may appear after the start, and may be replaced by another one (renamed over it): a connection
//! remembers which file it opened and is used only while the path still leads to that file.
//!
//! Columns are what they hold, whatever they were declared as: integers, floats, text, bytes or null. SQLite has no
//! booleans, dates or JSON of its own, so none are guessed.
//!
//! A file in WAL mode needs its `-shm` and `-wal` files beside it, or a directory in which they can be made.

pub(super) mod change;
mod describe;
mod line;

use super::gather::{Asked, integer, representable};
use super::lookup::{KeyType, Lookup, Shape, Sql};
use super::row::{self, Layout};
use super::scan::{self, Page, Scan};
use super::written::WrittenStore;
use super::{Answer, KeyError, Reading, StoreError, StoreUrl};
use bytes::Bytes;
use counterfoil_digest::cell::Cell;
use counterfoil_judge::Time;
use counterfoil_settings::Problems;
use line::Line;
use rusqlite::types::{Value, ValueRef};
use rusqlite::vtab::array::load_module;
use rusqlite::{Connection, ErrorCode, OpenFlags, Row, ToSql};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// After how many steps of SQLite's machine the deadline is looked at: a few ten microseconds.
const STEPS_PER_LOOK: i32 = 10_000;

/// How much of the file a connection keeps in memory, in KiB: the inner pages of its trees and the index of some hundred thousand
/// keys, as long as nobody writes in between. SQLite's own 2 MiB are gone through by a few reads.
const CACHE_KIB: i64 = 16_384;
/// Constraints that say that a row is there already: a primary key, a unique index.
const IS_THERE: [std::ffi::c_int; 2] =
    [rusqlite::ffi::SQLITE_CONSTRAINT_PRIMARYKEY, rusqlite::ffi::SQLITE_CONSTRAINT_UNIQUE];

/// Reads one SQLite file.
#[derive(Debug)]
pub(super) struct Sqlite {
    line: Arc<Line>,
    value_bytes_max: usize,
}

#[derive(Debug)]
struct File {
    path: PathBuf,
    timeout: Duration,
}

/// An open file, and which file that is: device and inode.
struct Open {
    connection: Connection,
    identity: (u64, u64),
}

impl Sqlite {
    pub(super) fn new(
        written: &WrittenStore,
        timeout: Duration,
        concurrency: usize,
        problems: &mut Problems,
    ) -> Option<Self> {
        let Some(path) = path(&written.url) else {
            problems.add("url", "write sqlite:///absolute/path or sqlite:relative/path, without parameters");
            return None;
        };
        let line = Arc::new(Line::new(File { path, timeout }, concurrency));
        Some(Self { line, value_bytes_max: written.value_bytes_max() })
    }

    pub(super) async fn read_many(&self, lookup: &Lookup, keys: &[Bytes]) -> Reading<Vec<Answer>> {
        let keys = keys.to_vec();
        self.ask(lookup, move |question, connection| question.look_up(connection, &keys)).await
    }

    pub(super) async fn scan(&self, scan: &Scan, after: Option<&[u8]>, limit: usize) -> Reading<Page> {
        let after = after.map(<[u8]>::to_vec);
        let page = move |question: &Question, connection: &Connection| {
            question.page(connection, after.as_deref(), limit)
        };
        self.ask(scan.lookup(), page).await
    }

    async fn ask<T: Send + 'static>(
        &self,
        lookup: &Lookup,
        ask: impl FnOnce(&Question, &Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Reading<T> {
        match Question::of(lookup, self.value_bytes_max) {
            Ok(question) => self.line.read(move |connection| ask(&question, connection)).await,
            Err(error) => Reading::without_read(Err(error)),
        }
    }
}

fn path(url: &StoreUrl) -> Option<PathBuf> {
    let rest = url.expose().strip_prefix("sqlite:")?;
    let path = match rest.strip_prefix("//") {
        Some(path) if path.starts_with('/') => path,
        Some(_) => return None,
        None => rest,
    };
    (!path.is_empty() && !path.contains('?') && !path.contains(":memory:")).then(|| path.into())
}

impl File {
    /// Reads over `open`, or a new connection if there is none to this file. One whose read came to its end is left there.
    fn read<T>(
        &self,
        open: &mut Option<Open>,
        read: impl FnOnce(&Connection) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let identity = self.identity()?;
        let mut used = match open.take().filter(|open| open.identity == identity) {
            Some(open) => open,
            None => self.open(identity)?,
        };
        self.set_deadline(&mut used.connection)?;
        let told = read(&used.connection)?;
        *open = Some(used);
        Ok(told)
    }

    fn identity(&self) -> Result<(u64, u64), StoreError> {
        let file = std::fs::metadata(&self.path).map_err(|error| StoreError::connect(error.kind()))?;
        Ok((file.dev(), file.ino()))
    }

    fn open(&self, identity: (u64, u64)) -> Result<Open, StoreError> {
        let connection = self.connect(OpenFlags::SQLITE_OPEN_READ_ONLY)?;
        connection.pragma_update(None, "cache_size", -CACHE_KIB).map_err(|error| classify(&error))?;
        Ok(Open { connection, identity })
    }

    fn connect(&self, access: OpenFlags) -> Result<Connection, StoreError> {
        let flags = access | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags).map_err(|error| classify(&error))?;
        connection.busy_timeout(self.timeout).map_err(|error| classify(&error))?;
        load_module(&connection).map_err(|error| classify(&error))?;
        Ok(connection)
    }

    fn set_deadline(&self, connection: &mut Connection) -> Result<(), StoreError> {
        let timeout_ns = i64::try_from(self.timeout.as_nanos()).unwrap_or(i64::MAX);
        let deadline = Time(counterfoil_clock::now().0.saturating_add(timeout_ns));
        connection
            .progress_handler(STEPS_PER_LOOK, Some(move || counterfoil_clock::now() > deadline))
            .map_err(|error| classify(&error))
    }
}

/// A query, and how its parameters and columns are to be taken.
struct Question {
    query: Arc<str>,
    key_type: KeyType,
    shape: Shape,
    value_bytes_max: usize,
}

impl Question {
    fn of(lookup: &Lookup, value_bytes_max: usize) -> Result<Self, StoreError> {
        let Sql { query, key_type, shape } = lookup.sql()?;
        let (query, key_type, shape) = (Arc::clone(query), key_type.unwrap_or_default(), shape.clone());
        Ok(Self { query, key_type, shape, value_bytes_max })
    }

    fn look_up(&self, connection: &Connection, keys: &[Bytes]) -> Result<Vec<Answer>, StoreError> {
        let asked = Asked::new(keys, |key| representable(key, self.key_type));
        let bound: Vec<_> = asked.keys().iter().map(|key| self.bound(key)).collect();
        let mut gathered = asked.gathered();
        self.ask(connection, [Rc::new(bound)], |row, answer| {
            gathered.row(row::key(row).as_deref(), answer);
            Ok(())
        })?;
        Ok(gathered.in_order())
    }

    fn page(&self, connection: &Connection, after: Option<&[u8]>, limit: usize) -> Result<Page, StoreError> {
        let from = match after {
            Some(after) => self.bound(scan::from(after, representable(after, self.key_type))?),
            None => self.least(),
        };
        let wanted = Page::wanted(after, limit);
        let mut rows = self.rows_from(connection, from, wanted)?;
        if rows.is_empty() && after.is_none() && self.key_type == KeyType::Text {
            // Integers come before every text, so a column of them gives nothing so far.
            rows = self.rows_from(connection, Value::Integer(i64::MIN), wanted)?;
        }
        Page::of_rows(rows, after, limit)
    }

    fn rows_from(
        &self,
        connection: &Connection,
        from: Value,
        wanted: usize,
    ) -> Result<Vec<(Vec<u8>, Answer)>, StoreError> {
        let limit = Value::Integer(i64::try_from(wanted).unwrap_or(i64::MAX));
        let mut rows = Vec::new();
        self.ask(connection, [from, limit], |row, answer| {
            rows.push((scan::key_of(row, self.key_type)?, answer));
            Ok(())
        })?;
        Ok(rows)
    }

    fn ask<P: ToSql, const N: usize>(
        &self,
        connection: &Connection,
        parameters: [P; N],
        mut take: impl FnMut(&Row<'_>, Answer) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let mut statement = connection.prepare_cached(&self.query).map_err(|error| classify(&error))?;
        if statement.parameter_count() != N {
            let parameters =
                if N == 1 { "one parameter, the keys" } else { "two parameters, a key and a limit" };
            return Err(StoreError::query(format!("it must take {parameters}")));
        }
        let layout = Layout::new(&self.shape, statement.column_names(), self.value_bytes_max)?;
        let parameters = rusqlite::params_from_iter(parameters);
        let mut rows = statement.query(parameters).map_err(|error| classify(&error))?;
        while let Some(row) = rows.next().map_err(|error| classify(&error))? {
            take(row, layout.answer(row))?;
        }
        Ok(())
    }

    /// A key as SQLite takes it. Those of a lookup were found representable; one that a scan is resumed at was a key before.
    fn bound(&self, key: &[u8]) -> Value {
        match self.key_type {
            KeyType::Text => std::str::from_utf8(key).map_or(Value::Null, |key| Value::Text(key.to_owned())),
            KeyType::Bytes => Value::Blob(key.to_vec()),
            KeyType::Integer => integer(key).map_or(Value::Null, Value::Integer),
        }
    }

    fn least(&self) -> Value {
        match self.key_type {
            KeyType::Text => Value::Text(String::new()),
            KeyType::Bytes => Value::Blob(Vec::new()),
            KeyType::Integer => Value::Integer(i64::MIN),
        }
    }
}

impl row::Row for Row<'_> {
    fn cell(&self, column: usize) -> Result<Cell<'_>, KeyError> {
        let unreadable = |_| KeyError::ValueType { found: "none, for there is no such column".into() };
        Ok(match self.get_ref(column).map_err(unreadable)? {
            ValueRef::Null => Cell::Null,
            ValueRef::Integer(value) => Cell::Integer(value.into()),
            ValueRef::Real(value) => Cell::Float(value),
            ValueRef::Text(value) => row::text(value),
            ValueRef::Blob(value) => Cell::Bytes(value),
        })
    }

    fn type_name(&self, column: usize) -> String {
        self.get_ref(column)
            .map_or_else(|_| String::new(), |value| value.data_type().to_string().to_lowercase())
    }
}

/// SQLite's own message is told only for errors that come from the query's text, which holds no data.
fn classify(error: &rusqlite::Error) -> StoreError {
    let rusqlite::Error::SqliteFailure(failure, message) = error else {
        return match error {
            rusqlite::Error::SqlInputError { msg, .. } => StoreError::query(msg),
            _ => StoreError::query("SQLite refused it"),
        };
    };
    match failure.code {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::OperationInterrupted => {
            StoreError::Timeout
        }
        ErrorCode::ConstraintViolation if IS_THERE.contains(&failure.extended_code) => StoreError::Conflict,
        ErrorCode::CannotOpen
        | ErrorCode::NotADatabase
        | ErrorCode::DatabaseCorrupt
        | ErrorCode::SystemIoFailure
        | ErrorCode::PermissionDenied => StoreError::connect(failure),
        ErrorCode::Unknown => StoreError::query(message.as_deref().unwrap_or("SQLite refused it")),
        _ => StoreError::query(failure),
    }
}
