//! Reading real stores, many keys per round trip.
//!
//! A [`Reader`] answers "what does the store hold for these keys?" and nothing else: it never writes, it opens its
//! connections read-only where the store knows such a thing, and it should be given credentials that can only read.
//! It must be pointed at the primary: a replica that lags shows older values, which would look like stale writes. A
//! Postgres standby, a read-only MySQL server and a Redis replica are refused.
//!
//! # Design
//!
//! One file per kind of store, one enum that names them all. They share [`pool::Pool`] (Redis, whose reads share a connection,
//! has its like), and with it one story of recovery: a connection goes back into the pool only after a read that came to its end; after anything else (an
//! error, a timeout, a caller that went away) it is dropped, and the next read opens a new one. Nothing connects
//! before the first read, so a store that is down at start is not an error but a read that tells so.
//!
//! # Invariants
//!
//! - The answer has one entry per key, in the order of the keys, seen at one instant between call and return.
//! - A key that cannot be asked for, or whose value cannot be compared, is that key's own [`KeyError`]; the other keys
//!   of the batch are answered. It is never told as absent.
//! - A value has `value_bytes_max` bytes at most; a larger one is a [`KeyError`] too.
//! - A read ends within `timeout_ms` once it has begun. At most `concurrency` reads are on their way at a time; others wait.
//! - No key, value or password is part of an error, of `Debug` or of a log line.
//!
//! Connections are encrypted where the URL or a `tls` section asks for it, see [`tls`]; never otherwise, and never only if
//! the server likes.

mod budget;
mod change;
mod describe;
mod error;
mod gather;
mod grpc;
mod lookup;
mod mysql;
mod pool;
mod postgres;
mod reading;
mod redis;
mod row;
mod scan;
mod sqlite;
mod tls;
mod twice;
mod written;

pub use budget::WrittenBudget;
pub(crate) use change::{Changer, SETTLE_MAX, Swap, Swapped, Writing, WrittenStatements};
pub use describe::{About, Description, Eviction, Untold};
pub use error::{KeyError, StoreError};
pub use lookup::{KeyType, Lookup, Rows, Shape, WrittenLookup};
pub(crate) use postgres::{Dial, classify};
pub use reading::Reading;
pub use scan::{Page, Scan};
pub use tls::{WrittenStoreCertificate, WrittenStoreTls};
pub use twice::differing;
pub use written::{StoreUrl, WrittenStore};

use crate::budget::Bounds;
use bytes::Bytes;
use counterfoil_settings::Problems;
use std::time::Duration;
use tokio::sync::Semaphore;

/// What the store holds for one key.
#[derive(Clone, PartialEq, Eq)]
pub enum Found {
    /// No value: no row, a value that is `NULL`, or no such entry.
    Absent,
    /// A value, and its version if the lookup gives one.
    Value(Vec<u8>, Option<u64>),
}

impl std::fmt::Debug for Found {
    /// Tells the size of a value, never the value.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Absent => f.write_str("Absent"),
            Self::Value(value, version) => write!(f, "Value({} bytes, {version:?})", value.len()),
        }
    }
}

/// What is known about one key after a read.
pub type Answer = Result<Found, KeyError>;

/// That a value with so many bytes may be compared.
fn fits(bytes: usize, value_bytes_max: usize) -> Result<(), KeyError> {
    if bytes > value_bytes_max { Err(KeyError::ValueTooLarge { value_bytes_max }) } else { Ok(()) }
}

/// The kinds of store there are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StoreKind {
    /// An SQLite file.
    Sqlite,
    /// A Postgres server.
    Postgres,
    /// A MySQL or MariaDB server.
    Mysql,
    /// A Redis server.
    Redis,
    /// A reader service of the user's own.
    Grpc,
}

/// Reads one store. Shared by reference among as many tasks as like.
#[derive(Debug)]
pub struct Reader {
    name: Box<str>,
    timeout: Duration,
    bounds: Bounds,
    /// How many more reads may be made at a time. An SQLite file has a line of its own.
    turns: Semaphore,
    store: Store,
}

/// Each kind of store there is.
#[derive(Debug)]
enum Store {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
    Mysql(mysql::Mysql),
    Redis(redis::Redis),
    Grpc(grpc::Grpc),
}

impl Store {
    fn kind(&self) -> StoreKind {
        match self {
            Self::Sqlite(_) => StoreKind::Sqlite,
            Self::Postgres(_) => StoreKind::Postgres,
            Self::Mysql(_) => StoreKind::Mysql,
            Self::Redis(_) => StoreKind::Redis,
            Self::Grpc(_) => StoreKind::Grpc,
        }
    }
}

impl Reader {
    /// A reader of the store `name`. Does not connect: the first read does.
    ///
    /// # Errors
    ///
    /// Every problem of `written`, each with a path relative to it, such as `url`.
    pub fn new(name: &str, written: &WrittenStore) -> Result<Self, Problems> {
        let mut problems = written.problems();
        let timeout = Duration::from_millis(written.timeout_ms.into());
        let concurrency = written.concurrency();
        let store = match written.url.kind() {
            Some(StoreKind::Sqlite) => {
                sqlite::Sqlite::new(written, timeout, concurrency, &mut problems).map(Store::Sqlite)
            }
            Some(StoreKind::Postgres) => {
                postgres::Postgres::new(written, timeout, &mut problems).map(Store::Postgres)
            }
            Some(StoreKind::Mysql) => mysql::Mysql::new(written, timeout, &mut problems).map(Store::Mysql),
            Some(StoreKind::Redis) => redis::Redis::new(written, timeout, &mut problems).map(Store::Redis),
            Some(StoreKind::Grpc) => grpc::Grpc::new(written, timeout, &mut problems).map(Store::Grpc),
            None => None,
        };
        let bounds = written.bounds();
        let turns = Semaphore::new(concurrency);
        let reader = store.map(|store| Self { name: name.into(), timeout, bounds, turns, store });
        match reader {
            Some(reader) => problems.none_or(reader),
            None => Err(problems),
        }
    }

    /// What the store holds for each of `keys`, in their order, asked in one round trip. A key may occur several times. If it
    /// tells a [`StoreError`] nothing is known about any key, and the next read starts afresh.
    pub async fn read_many(&self, lookup: &Lookup, keys: &[Bytes]) -> Reading<Vec<Answer>> {
        if keys.is_empty() {
            return Reading::without_read(Ok(Vec::new()));
        }
        if let Err(error) = self.may_ask_for(keys.len()) {
            return Reading::without_read(Err(error));
        }
        match &self.store {
            Store::Sqlite(store) => store.read_many(lookup, keys).await,
            Store::Postgres(store) => self.in_turn(Box::pin(store.read_many(lookup, keys))).await,
            Store::Mysql(store) => self.in_turn(Box::pin(store.read_many(lookup, keys))).await,
            Store::Redis(store) => self.in_turn(Box::pin(store.read_many(lookup, keys))).await,
            Store::Grpc(store) => self.in_turn(Box::pin(store.read_many(lookup, keys))).await,
        }
    }

    /// The next rows of the store, about `limit` of them: from the first one on, or from where an earlier page ended. A
    /// row that was there all the time between the first page and the last is told at least once. If it tells a
    /// [`StoreError`], the same page may be asked for again.
    pub async fn scan(&self, scan: &Scan, after: Option<&[u8]>, limit: usize) -> Reading<Page> {
        if let Err(error) = self.may_ask_for(limit) {
            return Reading::without_read(Err(error));
        }
        let limit = limit.max(1);
        match &self.store {
            Store::Sqlite(store) => store.scan(scan, after, limit).await,
            Store::Postgres(store) => self.in_turn(Box::pin(store.scan(scan, after, limit))).await,
            Store::Mysql(store) => self.in_turn(Box::pin(store.scan(scan, after, limit))).await,
            Store::Redis(store) => self.in_turn(Box::pin(store.scan(scan, after, limit))).await,
            Store::Grpc(store) => self.in_turn(Box::pin(store.scan(scan, after, limit))).await,
        }
    }

    /// The store's name in the configuration.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What kind of store it is; a map's lookup must fit it.
    #[must_use]
    pub fn kind(&self) -> StoreKind {
        self.store.kind()
    }

    /// How hard it may be read.
    #[must_use]
    pub fn bounds(&self) -> Bounds {
        self.bounds
    }
}

#[cfg(test)]
pub(crate) mod tests;
