//! The store as the application has it.

use rusqlite::{Connection, params};
use std::time::Duration;

/// How long a statement waits for the file's lock.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// A client of the store.
pub(crate) enum Store {
    /// A table of an SQLite file.
    Sqlite { connection: Connection, put: String, remove: String },
    /// Keys of Redis with this prefix.
    Redis { connection: redis::Connection, prefix: String },
}

impl Store {
    /// Opens the store at `url` and makes its table `map` unless it is there.
    pub(crate) fn open(url: &str, map: &str) -> Result<Self, String> {
        let told = |error: &dyn std::fmt::Display| format!("store {url}: {error}");
        if url.starts_with("redis://") {
            let client = redis::Client::open(url).map_err(|error| told(&error))?;
            let connection = client.get_connection().map_err(|error| told(&error))?;
            return Ok(Self::Redis { connection, prefix: format!("{map}:") });
        }
        let connection = Connection::open(url).map_err(|error| told(&error))?;
        furnish(&connection, map).map_err(|error| told(&error))?;
        let put =
            format!("insert into {map}(k, v) values (?1, ?2) on conflict(k) do update set v = excluded.v");
        Ok(Self::Sqlite { connection, put, remove: format!("delete from {map} where k = ?1") })
    }

    /// Sets `key`, or removes it.
    pub(crate) fn set(&mut self, key: &str, value: Option<&[u8]>) -> Result<(), String> {
        match self {
            Self::Sqlite { connection, put, remove } => {
                let done = match value {
                    Some(value) => {
                        connection.prepare_cached(put).and_then(|mut it| it.execute(params![key, value]))
                    }
                    None => connection.prepare_cached(remove).and_then(|mut it| it.execute(params![key])),
                };
                done.map(drop).map_err(|error| error.to_string())
            }
            Self::Redis { connection, prefix } => {
                let key = format!("{prefix}{key}");
                let mut command = redis::cmd(if value.is_some() { "SET" } else { "DEL" });
                command.arg(key);
                if let Some(value) = value {
                    command.arg(value);
                }
                command.exec(connection).map_err(|error| error.to_string())
            }
        }
    }
}

fn furnish(connection: &Connection, map: &str) -> rusqlite::Result<()> {
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "journal_mode", "wal")?;
    // The store is not what is tested; it outlives the processes, and that is enough.
    connection.pragma_update(None, "synchronous", "off")?;
    connection.execute_batch(&format!("create table if not exists {map}(k text primary key, v blob)"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn a_store_holds_what_was_set_last_and_nothing_after_a_remove() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store.db");
        let mut store = Store::open(path.to_str().unwrap(), "cart").unwrap();
        store.set("a", Some(b"1")).unwrap();
        store.set("a", Some(b"2")).unwrap();
        let read = |key: &str| {
            let connection = Connection::open(&path).unwrap();
            connection
                .query_row("select v from cart where k = ?1", [key], |row| row.get::<_, Vec<u8>>(0))
                .ok()
        };
        assert_eq!(read("a"), Some(b"2".to_vec()));
        store.set("a", None).unwrap();
        assert_eq!(read("a"), None);
    }
}
