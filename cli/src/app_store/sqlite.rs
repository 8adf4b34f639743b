//! SQLite: one connection that all threads share, in WAL mode so that the comparator can read beside it.

use super::{Client, StoreError};
use rusqlite::{Connection, params};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a statement waits for the file's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// The connection and where it leads.
pub(super) struct Shared {
    path: PathBuf,
    connection: Mutex<Connection>,
}

impl Shared {
    pub(super) fn create(path: &Path, table: &str) -> Result<Self, StoreError> {
        let shared = Self::open(path)?;
        let statement = format!("create table if not exists \"{table}\"(k text primary key, v blob)");
        shared.lock().execute_batch(&statement)?;
        Ok(shared)
    }

    /// A second connection to the same file.
    pub(super) fn reopen(&self) -> Result<Self, StoreError> {
        Self::open(&self.path)
    }

    fn open(path: &Path) -> Result<Self, StoreError> {
        let connection = Connection::open(path)?;
        connection.busy_timeout(BUSY_TIMEOUT)?;
        connection.pragma_update(None, "journal_mode", "wal")?;
        // A load generator's data need not outlive a power cut.
        connection.pragma_update(None, "synchronous", "off")?;
        Ok(Self { path: path.to_owned(), connection: Mutex::new(connection) })
    }

    pub(super) fn drop_table(&self, table: &str) -> Result<(), StoreError> {
        Ok(self.lock().execute_batch(&format!("drop table if exists \"{table}\""))?)
    }

    /// A thread that panicked while holding the lock left a connection whose statement was rolled back.
    fn lock(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A thread's handle on the shared connection.
pub(super) struct SqliteClient {
    shared: Arc<Shared>,
    put: String,
    remove: String,
    #[cfg(test)]
    get: String,
}

impl SqliteClient {
    pub(super) fn new(shared: Arc<Shared>, table: &str) -> Self {
        Self {
            shared,
            put: format!(
                "insert into \"{table}\"(k, v) values (?1, ?2) on conflict(k) do update set v = excluded.v"
            ),
            remove: format!("delete from \"{table}\" where k = ?1"),
            #[cfg(test)]
            get: format!("select v from \"{table}\" where k = ?1"),
        }
    }
}

impl Client for SqliteClient {
    fn put(&mut self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.shared.lock().prepare_cached(&self.put)?.execute(params![key, value])?;
        Ok(())
    }

    fn remove(&mut self, key: &str) -> Result<(), StoreError> {
        self.shared.lock().prepare_cached(&self.remove)?.execute(params![key])?;
        Ok(())
    }

    fn put_many(&mut self, entries: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        let mut connection = self.shared.lock();
        let transaction = connection.transaction()?;
        {
            let mut statement = transaction.prepare_cached(&self.put)?;
            for (key, value) in entries {
                statement.execute(params![key, value])?;
            }
        }
        Ok(transaction.commit()?)
    }

    #[cfg(test)]
    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        use rusqlite::OptionalExtension as _;
        Ok(self
            .shared
            .lock()
            .prepare_cached(&self.get)?
            .query_row(params![key], |row| row.get(0))
            .optional()?)
    }
}
