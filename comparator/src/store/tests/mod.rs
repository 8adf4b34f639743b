#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic, reason = "a test may panic")]

mod changes;
mod describe;
mod grpc;
mod mysql;
mod postgres;
mod redis;
mod relay;
mod scans;
mod sizes;
mod sqlite;
mod tls;
mod types;
mod written;

use super::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The URL of a server that the test run has started.
#[allow(clippy::disallowed_methods, reason = "the test run says where its servers are")]
pub(crate) fn server(variable: &str) -> String {
    std::env::var(variable)
        .unwrap_or_else(|_| panic!("{variable} is not set; run cargo xtask test, which starts the servers"))
}

/// A name for tables and keys that no other test uses, in this run or at the same time.
pub(crate) fn fresh_name() -> String {
    static NAMES: AtomicU32 = AtomicU32::new(0);
    let place = tempfile::tempdir().unwrap();
    let random = place.path().file_name().unwrap().to_string_lossy().replace(['.', '-'], "_").to_lowercase();
    format!("cf{random}_{}", NAMES.fetch_add(1, Ordering::Relaxed))
}

fn reader(written: &WrittenStore) -> Reader {
    Reader::new("main", written).unwrap()
}

fn sql(query: impl AsRef<str>) -> Lookup {
    Lookup::Sql { query: query.as_ref().into(), key_type: None, shape: Shape::Value }
}

/// A lookup whose rows are objects; the column named `version` is the version, if a name is given.
fn columns(query: impl AsRef<str>, version: Option<&str>) -> Lookup {
    let shape = Shape::Columns { version: version.map(Into::into) };
    Lookup::Sql { query: query.as_ref().into(), key_type: None, shape }
}

fn value(value: impl AsRef<[u8]>) -> Answer {
    Ok(Found::Value(value.as_ref().to_vec(), None))
}

fn versioned(value: impl AsRef<[u8]>, version: u64) -> Answer {
    Ok(Found::Value(value.as_ref().to_vec(), Some(version)))
}

const ABSENT: Answer = Ok(Found::Absent);

async fn read<K: AsRef<[u8]>>(
    reader: &Reader,
    lookup: &Lookup,
    keys: &[K],
) -> Result<Vec<Answer>, StoreError> {
    let keys: Vec<_> = keys.iter().map(|key| Bytes::copy_from_slice(key.as_ref())).collect();
    reader.read_many(lookup, &keys).await.told
}

/// Holds a reader of the server at `url` to being read whenever the server answers: it is down at first, goes away and falls
/// silent. `lookup` gives `x` for the key `a`.
async fn is_read_whenever_it_answers(url: &str, lookup: &Lookup) {
    let (mut relay, url) = relay::Relay::before(url);
    let reader = reader(&WrittenStore { timeout_ms: 500, ..WrittenStore::new(url) });
    assert_eq!(read(&reader, lookup, &["a"]).await.unwrap_err().label(), "connect");
    relay.open();
    assert_eq!(read(&reader, lookup, &["a"]).await, Ok(vec![value("x")]));
    relay.close().await;
    assert_eq!(read(&reader, lookup, &["a"]).await.unwrap_err().label(), "connect");
    relay.silence();
    assert_eq!(read(&reader, lookup, &["a"]).await, Err(StoreError::Timeout));
    relay.open();
    assert_eq!(read(&reader, lookup, &["a"]).await, Ok(vec![value("x")]));
}
