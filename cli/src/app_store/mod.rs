//! The store as the application has it: its own synchronous clients, quite apart from the readers of the comparator.
//!
//! A store holds one *namespace* per map, laid out so that the comparator's documented queries fit:
//!
//! | store | layout of namespace `NAME` |
//! |---|---|
//! | SQLite | table `"NAME"(k text primary key, v blob)` in the file |
//! | Postgres | table `"NAME"(k text primary key, v bytea)` |
//! | Redis | a string value per key, named `NAME:key` |
//!
//! Calls block; each thread has its own [`Client`]. Clients of SQLite share one connection, as applications do: the
//! file has one writer anyway.

mod postgres;
mod redis;
mod sqlite;
mod url;

pub(crate) use url::{StoreUrl, UrlError};

use std::sync::Arc;
use thiserror::Error;

/// Most bytes of a namespace's name; Postgres cuts identifiers at 63.
const NAME_BYTES_MAX: usize = 48;

/// Why a call to the store did not do what it should.
#[derive(Debug, Error)]
pub(crate) enum StoreError {
    /// SQLite said no.
    #[error("sqlite: {0}")]
    Sqlite(#[from] rusqlite::Error),
    /// Postgres said no.
    #[error("postgres: {source}{}", detail(source))]
    Postgres {
        /// What the client library says.
        #[from]
        source: ::postgres::Error,
    },
    /// Redis said no.
    #[error("redis: {0}")]
    Redis(#[from] ::redis::RedisError),
    /// The name would not be safe or unambiguous in every store.
    #[error("map name `{0}` needs 1 to {NAME_BYTES_MAX} letters, digits or underscores")]
    Name(String),
}

/// What the server said; the client library's own text is only `db error`.
fn detail(error: &::postgres::Error) -> String {
    std::error::Error::source(error).map_or_else(String::new, |source| format!(": {source}"))
}

/// One thread's way to the store.
pub(crate) trait Client: Send {
    /// Sets `key` to `value`; it is in the store when this returns.
    fn put(&mut self, key: &str, value: &[u8]) -> Result<(), StoreError>;
    /// Removes `key`; it is gone when this returns.
    fn remove(&mut self, key: &str) -> Result<(), StoreError>;
    /// Sets many keys at once, in no particular order.
    fn put_many(&mut self, entries: &[(String, Vec<u8>)]) -> Result<(), StoreError>;
    /// What `key` holds.
    #[cfg(test)]
    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreError>;
}

/// A namespace in a store.
pub(crate) struct AppStore {
    name: String,
    backend: Backend,
}

enum Backend {
    Sqlite(Arc<sqlite::Shared>),
    Postgres(String),
    Redis(::redis::Client),
}

impl AppStore {
    /// Opens the store at `url` and creates namespace `name` there unless it exists.
    pub(crate) fn create(url: &StoreUrl, name: &str) -> Result<Self, StoreError> {
        if !is_name(name) {
            return Err(StoreError::Name(name.to_owned()));
        }
        let backend = match url {
            StoreUrl::Sqlite(path) => Backend::Sqlite(Arc::new(sqlite::Shared::create(path, name)?)),
            StoreUrl::Postgres(url) => {
                postgres::create(url, name)?;
                Backend::Postgres(url.clone())
            }
            StoreUrl::Redis(url) => Backend::Redis(redis::open(url)?),
        };
        Ok(Self { name: name.to_owned(), backend })
    }

    /// A client for one thread.
    pub(crate) fn client(&self) -> Result<Box<dyn Client>, StoreError> {
        Ok(match &self.backend {
            Backend::Sqlite(shared) => Box::new(sqlite::SqliteClient::new(Arc::clone(shared), &self.name)),
            Backend::Postgres(url) => Box::new(postgres::PostgresClient::connect(url, &self.name)?),
            Backend::Redis(client) => Box::new(redis::RedisClient::connect(client, &self.name)?),
        })
    }

    /// A client with a connection of its own, as another program would have.
    pub(crate) fn stranger(&self) -> Result<Box<dyn Client>, StoreError> {
        match &self.backend {
            Backend::Sqlite(shared) => {
                Ok(Box::new(sqlite::SqliteClient::new(Arc::new(shared.reopen()?), &self.name)))
            }
            Backend::Postgres(_) | Backend::Redis(_) => self.client(),
        }
    }

    /// Removes the namespace and all it holds.
    pub(crate) fn drop_namespace(&self) -> Result<(), StoreError> {
        match &self.backend {
            Backend::Sqlite(shared) => shared.drop_table(&self.name),
            Backend::Postgres(url) => postgres::drop_table(url, &self.name),
            Backend::Redis(client) => redis::drop_prefix(client, &self.name),
        }
    }
}

/// Whether `name` is safe as an identifier and as a prefix.
fn is_name(name: &str) -> bool {
    let fits = (1..=NAME_BYTES_MAX).contains(&name.len());
    fits && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn a_namespace_keeps_what_its_clients_put_and_is_gone_when_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let url = StoreUrl::Sqlite(folder.path().join("app.db"));
        let store = AppStore::create(&url, "cart").unwrap();
        let (mut one, mut two) = (store.client().unwrap(), store.stranger().unwrap());
        one.put("a", b"1").unwrap();
        two.put("a", b"2").unwrap();
        assert_eq!(one.get("a").unwrap(), Some(b"2".to_vec()));
        one.remove("a").unwrap();
        assert_eq!(two.get("a").unwrap(), None);
        let entries = (0..1_000).map(|n| (format!("k{n}"), vec![0; 10])).collect::<Vec<_>>();
        one.put_many(&entries).unwrap();
        assert_eq!(two.get("k999").unwrap(), Some(vec![0; 10]));
        store.drop_namespace().unwrap();
        assert!(two.get("k999").is_err());
    }

    #[test]
    fn a_name_that_is_not_safe_in_every_store_is_refused() {
        let url = StoreUrl::Sqlite("/nowhere/app.db".into());
        for name in ["", "a\"b", "a:b", "a b", &"x".repeat(49)] {
            let refused = AppStore::create(&url, name).err().unwrap();
            assert!(refused.to_string().contains("letters, digits or underscores"), "{name}: {refused}");
        }
    }
}
