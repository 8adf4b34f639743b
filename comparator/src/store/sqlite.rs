//! Reads an SQLite file.
//!
//! The file is opened read-only, each connection with the virtual table `rarray`, which turns the keys of a read into
//! rows. Reads run on the runtime's blocking threads; a read that is no longer waited for ends by itself, at its
//! deadline. The file may appear after the start, and may be replaced by another one (renamed over it): a connection
//! remembers which file it opened and is used only while the path still leads to that file.
//!
//! A file in WAL mode needs its `-shm` and `-wal` files beside it, or a directory in which they can be made.

use super::gather::{Asked, Gathered};
use super::lookup::{KeyType, Lookup};
use super::pool::{Lease, Pool};
use super::{Answer, Found, KeyError, StoreError, StoreUrl};
use bytes::Bytes;
use counterfoil_judge::Time;
use counterfoil_settings::Problems;
use rusqlite::types::{Value, ValueRef};
use rusqlite::vtab::array::load_module;
use rusqlite::{Connection, ErrorCode, OpenFlags, Row};
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

/// After how many steps of SQLite's machine the deadline is looked at: a few ten microseconds.
const STEPS_PER_LOOK: i32 = 10_000;

/// Reads one SQLite file.
#[derive(Debug)]
pub(super) struct Sqlite {
    file: Arc<File>,
    pool: Pool<Open>,
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
        url: &StoreUrl,
        timeout: Duration,
        concurrency: usize,
        problems: &mut Problems,
    ) -> Option<Self> {
        let Some(path) = path(url) else {
            problems.add("url", "write sqlite:///absolute/path or sqlite:relative/path, without parameters");
            return None;
        };
        Some(Self { file: Arc::new(File { path, timeout }), pool: Pool::new(concurrency) })
    }

    pub(super) async fn read_many(&self, lookup: &Lookup, keys: &[Bytes]) -> Result<Vec<Answer>, StoreError> {
        let Lookup::Sql { query, key_type } = lookup else { return Err(Lookup::unfit()) };
        let lease = self.pool.lease().await;
        let (file, query, keys) = (Arc::clone(&self.file), Arc::clone(query), keys.to_vec());
        let key_type = key_type.unwrap_or_default();
        tokio::task::spawn_blocking(move || file.read(lease, &query, key_type, &keys))
            .await
            .unwrap_or_else(|_| Err(StoreError::query("the read stopped in its middle")))
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
    fn read(
        &self,
        lease: Lease<Open>,
        query: &str,
        key_type: KeyType,
        keys: &[Bytes],
    ) -> Result<Vec<Answer>, StoreError> {
        let identity = self.identity()?;
        let mut open = match lease.take().filter(|open| open.identity == identity) {
            Some(open) => open,
            None => self.open(identity)?,
        };
        let answers = self.ask(&mut open.connection, query, key_type, keys)?;
        lease.give_back(open);
        Ok(answers)
    }

    fn identity(&self) -> Result<(u64, u64), StoreError> {
        let file = std::fs::metadata(&self.path).map_err(|error| StoreError::connect(error.kind()))?;
        Ok((file.dev(), file.ino()))
    }

    fn open(&self, identity: (u64, u64)) -> Result<Open, StoreError> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags).map_err(|error| classify(&error))?;
        connection.busy_timeout(self.timeout).map_err(|error| classify(&error))?;
        load_module(&connection).map_err(|error| classify(&error))?;
        Ok(Open { connection, identity })
    }

    fn ask(
        &self,
        connection: &mut Connection,
        query: &str,
        key_type: KeyType,
        keys: &[Bytes],
    ) -> Result<Vec<Answer>, StoreError> {
        let timeout_ns = i64::try_from(self.timeout.as_nanos()).unwrap_or(i64::MAX);
        let deadline = Time(counterfoil_clock::now().0.saturating_add(timeout_ns));
        connection
            .progress_handler(STEPS_PER_LOOK, Some(move || counterfoil_clock::now() > deadline))
            .map_err(|error| classify(&error))?;
        let asked = Asked::new(keys, |key| representable(key, key_type));
        let mut gathered = asked.gathered();
        rows(connection, query, bound(asked.keys(), key_type), &mut gathered)?;
        Ok(gathered.in_order())
    }
}

fn rows(
    connection: &Connection,
    query: &str,
    keys: Rc<Vec<Value>>,
    gathered: &mut Gathered<'_, '_>,
) -> Result<(), StoreError> {
    let mut statement = connection.prepare_cached(query).map_err(|error| classify(&error))?;
    let columns = statement.column_count();
    if !(2..=3).contains(&columns) || statement.parameter_count() != 1 {
        return Err(StoreError::query("it must take one parameter and give key, value and perhaps version"));
    }
    let mut rows = statement.query([keys]).map_err(|error| classify(&error))?;
    while let Some(row) = rows.next().map_err(|error| classify(&error))? {
        let key = row.get_ref(0).map_err(|error| classify(&error))?;
        let answer = answer(row, columns).map_err(|error| classify(&error))?;
        match key {
            ValueRef::Text(key) | ValueRef::Blob(key) => gathered.row(Some(key), answer),
            ValueRef::Integer(key) => gathered.row(Some(key.to_string().as_bytes()), answer),
            ValueRef::Null | ValueRef::Real(_) => gathered.row(None, answer),
        }
    }
    Ok(())
}

fn answer(row: &Row<'_>, columns: usize) -> rusqlite::Result<Answer> {
    let value = match row.get_ref(1)? {
        ValueRef::Null => return Ok(Ok(Found::Absent)),
        ValueRef::Text(value) | ValueRef::Blob(value) => value.to_vec(),
        ValueRef::Integer(value) => value.to_string().into_bytes(),
        ValueRef::Real(_) => return Ok(Err(KeyError::ValueType { found: "real".into() })),
    };
    let version = if columns < 3 { ValueRef::Null } else { row.get_ref(2)? };
    Ok(match version {
        ValueRef::Null => Ok(Found::Value(value, None)),
        ValueRef::Integer(version) => match u64::try_from(version) {
            Ok(version) => Ok(Found::Value(value, Some(version))),
            Err(_) => Err(KeyError::Version),
        },
        _ => Err(KeyError::Version),
    })
}

fn representable(key: &[u8], key_type: KeyType) -> Result<(), KeyError> {
    match key_type {
        KeyType::Text => std::str::from_utf8(key).map(|_| ()).map_err(|_| KeyError::NotText),
        KeyType::Bytes => Ok(()),
        KeyType::Integer => super::gather::integer(key).map(|_| ()),
    }
}

/// The keys as SQLite takes them; each was found representable.
fn bound(keys: &[&[u8]], key_type: KeyType) -> Rc<Vec<Value>> {
    let bound = |key: &&[u8]| match key_type {
        KeyType::Text => std::str::from_utf8(key).map_or(Value::Null, |key| Value::Text(key.to_owned())),
        KeyType::Bytes => Value::Blob(key.to_vec()),
        KeyType::Integer => super::gather::integer(key).map_or(Value::Null, Value::Integer),
    };
    Rc::new(keys.iter().map(bound).collect())
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
        ErrorCode::CannotOpen
        | ErrorCode::NotADatabase
        | ErrorCode::DatabaseCorrupt
        | ErrorCode::SystemIoFailure
        | ErrorCode::PermissionDenied => StoreError::connect(failure),
        ErrorCode::Unknown => StoreError::query(message.as_deref().unwrap_or("SQLite refused it")),
        _ => StoreError::query(failure),
    }
}
