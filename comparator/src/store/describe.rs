//! What a store tells about itself, for a person who sets a contract up: nothing here takes part in a verdict.
//!
//! Whatever a store is asked, it is asked in a way that changes nothing: plans are explained and not run, and rights are looked
//! up and not tried.

use super::{Lookup, Reader, Store, StoreError};
use bytes::Bytes;

/// What a store says of itself, and of how it answers a lookup. `None` stands wherever this kind of store, or its server with
/// these credentials, does not tell.
#[derive(Clone, PartialEq, Eq, Debug, Default, serde::Serialize)]
pub struct Description {
    /// The server's version, as it names it.
    pub server: Option<String>,
    /// Whether it is a primary, whose answers are the newest.
    pub is_primary: Option<bool>,
    /// The tables that the lookup reads from end to end, because no index serves it.
    pub tables_scanned: Option<Vec<String>>,
    /// What these credentials might change; empty if nothing.
    pub may_write: Option<Vec<String>>,
}

impl Reader {
    /// What the store says of itself, and of how it answers `lookup` for `keys`, of which there may be none. No key and no
    /// value is part of the answer.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if it told nothing, within the time of one read.
    pub async fn describe(&self, lookup: &Lookup, keys: &[Bytes]) -> Result<Description, StoreError> {
        let describe = async {
            match &self.store {
                Store::Sqlite(store) => store.describe(lookup, keys).await,
                Store::Postgres(store) => store.describe(lookup, keys).await,
                Store::Mysql(_) | Store::Redis(_) | Store::Grpc(_) => Ok(Description::default()),
            }
        };
        tokio::time::timeout(self.timeout, describe).await.unwrap_or(Err(StoreError::Timeout))
    }
}
