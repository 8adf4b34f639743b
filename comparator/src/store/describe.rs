//! What a store tells about itself, for a person who sets a contract up: nothing here takes part in a verdict.
//!
//! Whatever a store is asked, it is asked in a way that changes nothing: plans are explained and not run, and rights are looked
//! up and not tried.

use super::{Lookup, Reader, Store, StoreError};
use bytes::Bytes;
use serde::Serialize;

/// What a store says of itself, and of how it answers a lookup. `None` stands wherever this kind of store knows no such thing,
/// or its server does not tell; `untold` says which.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Description {
    /// The server's name and version.
    pub server: Option<String>,
    /// Whether it is a primary, whose answers are the newest.
    pub is_primary: Option<bool>,
    /// Whether it is one of several servers that share the keys.
    pub is_cluster: Option<bool>,
    /// The tables that the lookup reads from end to end, because no index serves it.
    pub tables_scanned: Option<Vec<String>>,
    /// What these credentials might change; empty if nothing.
    pub may_write: Option<Vec<String>>,
    /// What becomes of values when memory is short.
    pub eviction: Option<Eviction>,
    /// Whether it can be gone through from its first key to its last, where that is left to whoever made it.
    pub has_scan: Option<bool>,
    /// What this kind of store or its server does not tell, though it matters.
    pub untold: Vec<Untold>,
}

/// What becomes of values when memory is short.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Eviction {
    /// The server's name of its policy; `noeviction` for none.
    pub policy: String,
    /// From how many bytes on it applies; `None` if there is no limit.
    pub memory_bytes_max: Option<u64>,
}

impl Eviction {
    /// Whether values may go that nobody removed.
    #[must_use]
    pub fn drops_values(&self) -> bool {
        self.memory_bytes_max.is_some() && self.policy != "noeviction"
    }
}

/// Something that matters and is not told.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Untold {
    /// What.
    pub about: About,
    /// Why, without data.
    pub why: String,
}

/// What a description may have to leave open.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum About {
    /// Name and version.
    Server,
    /// Primary or replica.
    Role,
    /// Whether an index serves the lookup.
    Index,
    /// What the credentials might change.
    Rights,
    /// What becomes of values when memory is short.
    Eviction,
}

impl About {
    /// As a line of a report is called.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Server => "server",
            Self::Role => "role",
            Self::Index => "index",
            Self::Rights => "rights",
            Self::Eviction => "evicts",
        }
    }
}

impl Description {
    /// Takes what was told `about` something, or notes why it was not: the server does not know the question, or these
    /// credentials may not ask it.
    ///
    /// # Errors
    ///
    /// What keeps the store from telling anything at all.
    pub(super) fn take<T>(
        &mut self,
        about: About,
        told: Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        match told {
            Ok(told) => Ok(Some(told)),
            Err(StoreError::Query { why }) => {
                self.leave_open(about, why);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    /// Notes why something is not told.
    pub(super) fn leave_open(&mut self, about: About, why: impl Into<String>) {
        self.untold.push(Untold { about, why: why.into() });
    }
}

impl Reader {
    /// What the store says of itself, and of how it answers `lookup` for `keys`, of which there may be none. No key and no
    /// value is part of the answer.
    ///
    /// # Errors
    ///
    /// [`StoreError`] if it told nothing, within the time of one read.
    pub async fn describe(&self, lookup: &Lookup, keys: &[Bytes]) -> Result<Description, StoreError> {
        match &self.store {
            Store::Sqlite(store) => store.describe(lookup, keys).await,
            Store::Postgres(store) => self.in_turn(Box::pin(store.describe(lookup, keys))).await.told,
            Store::Mysql(store) => self.in_turn(Box::pin(store.describe(lookup, keys))).await.told,
            Store::Redis(store) => self.in_turn(Box::pin(store.describe(lookup, keys))).await.told,
            Store::Grpc(store) => self.in_turn(Box::pin(store.describe(lookup))).await.told,
        }
    }
}
