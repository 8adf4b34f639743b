//! Changing one key of a store, and only if it still holds what was seen there.
//!
//! A [`Changer`] is what a repair writes through. It has a connection and a credential of its own; a [`super::Reader`] never
//! writes. A change goes in three steps: it *looks* what the store holds, it lets its caller *settle* whether that is still to be
//! changed, and it *sets* the key, all of it only if nobody wrote to the key since the look.
//!
//! # How a write that comes between is noticed
//!
//! | store | a row that is there | a row that is not |
//! |---|---|---|
//! | Postgres | `REPEATABLE READ` since the look: a lock on a row that changed meanwhile fails (40001), even if it holds the same again | a unique violation, or 40001 |
//! | MariaDB | the same, with `innodb_snapshot_isolation`; MySQL has none: there the locked row must hold the same value and version | a duplicate key |
//! | SQLite | `BEGIN IMMEDIATE`, and the same value and version | the same |
//! | Redis, a string | `WATCH` since the look | `WATCH`, and `SET NX` |
//! | Redis, a hash | `WATCH` since the look, or, where other fields changed, the same value | the same |
//!
//! Where a value is compared, a writer that changed the key and changed it back between look and set is not seen. A version in the
//! third column of the query lets it be seen in MySQL and SQLite.
//!
//! # Invariants
//!
//! - A statement changes exactly one row, and afterwards the query gives what was wanted; otherwise it is rolled back.
//! - No row is locked while the caller settles.
//! - Whatever ends early leaves the store as it was: the connection is closed, and with it the transaction.

mod statements;

pub(super) use statements::{Marker, Statement, Statements};
pub(crate) use statements::{Writing, WrittenStatements};

use super::lookup::Lookup;
use super::{Found, KeyError, Store, StoreError, StoreKind, WrittenStore, mysql, postgres, redis, sqlite};
use bytes::Bytes;
use counterfoil_settings::Problems;
use std::sync::Arc;
use std::time::Duration;

/// How long a caller may take to settle whether a key is still to be changed.
pub(crate) const SETTLE_MAX: Duration = Duration::from_secs(10);

/// Says something about what a store holds.
pub(crate) type Says = Arc<dyn Fn(&Found) -> bool + Send + Sync>;

/// One change.
#[derive(Clone)]
pub(crate) struct Swap {
    /// Of this key.
    pub(crate) key: Bytes,
    /// To this value; `None` removes it.
    pub(crate) value: Option<Bytes>,
    /// Whether the store holds what is to be changed.
    pub(crate) is_expected: Says,
    /// Whether the store holds what it is to hold afterwards.
    pub(crate) is_wanted: Says,
}

/// What became of a change.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Swapped {
    /// It is made.
    Written,
    /// The store held what was wanted already.
    Already,
    /// The store holds something else than what was expected, or somebody wrote to the key meanwhile: nothing was written.
    Overtaken,
    /// The caller did not settle it: nothing was written.
    Unsettled,
    /// The store cannot tell about the key: nothing was written.
    Untold(KeyError),
    /// The statement changed another number of rows than one: it was rolled back.
    Rows(u64),
    /// The statement left another value than the wanted one: it was rolled back.
    NotWanted,
}

impl Swap {
    /// What the store holds, if `answer`, of a first look, says that it is to be changed and the caller settles that; else what
    /// became of the change.
    pub(super) async fn settled<F, S>(
        &self,
        answer: Option<super::Answer>,
        settle: F,
    ) -> Result<Found, Swapped>
    where
        F: FnOnce(Found) -> S + Send,
        S: Future<Output = bool> + Send,
    {
        match answer {
            Some(Ok(found)) if (self.is_wanted)(&found) => Err(Swapped::Already),
            Some(Ok(found)) if (self.is_expected)(&found) => {
                if settle(found.clone()).await {
                    Ok(found)
                } else {
                    Err(Swapped::Unsettled)
                }
            }
            Some(Ok(_)) | None => Err(Swapped::Overtaken),
            Some(Err(error)) => Err(Swapped::Untold(error)),
        }
    }

    /// What the answer after a statement says that changed so many `rows`.
    pub(super) fn written(&self, rows: u64, answer: Option<super::Answer>) -> Swapped {
        match answer {
            _ if rows != 1 => Swapped::Rows(rows),
            Some(Ok(found)) if (self.is_wanted)(&found) => Swapped::Written,
            _ => Swapped::NotWanted,
        }
    }
}

/// Whether a second look shows what a first one did.
pub(super) fn is_same(answer: Option<super::Answer>, before: &Found) -> bool {
    answer.is_some_and(|answer| answer.as_ref() == Ok(before))
}

/// Changes one store. Shared by reference among as many tasks as like.
#[derive(Debug)]
pub(crate) struct Changer {
    timeout: Duration,
    store: Store,
}

impl Changer {
    /// A changer of the store that is `written`. Does not connect: the first change does.
    ///
    /// # Errors
    ///
    /// Every problem of `written`, each with a path relative to it, such as `url`.
    pub(crate) fn new(written: &WrittenStore) -> Result<Self, Problems> {
        let reader = super::Reader::new("repair", written)?;
        let is_cluster = matches!(&reader.store, Store::Redis(redis) if redis.is_cluster());
        if is_cluster || reader.kind() == StoreKind::Grpc {
            let mut problems = Problems::default();
            problems
                .add("url", "a cluster or a reader service cannot be written to key by key; write a webhook");
            return Err(problems);
        }
        Ok(Self { timeout: reader.timeout, store: reader.store })
    }

    /// What kind of store it is.
    pub(crate) fn kind(&self) -> StoreKind {
        self.store.kind()
    }

    /// Makes a change, if the store holds what is expected and goes on doing so until it is made. `settle` is told what the store
    /// holds, and says whether that is still to be changed; it may take [`SETTLE_MAX`].
    ///
    /// # Errors
    ///
    /// [`StoreError`] if it is not known what became of it: look again.
    pub(crate) async fn swap<F, S>(
        &self,
        writing: &Writing,
        swap: &Swap,
        settle: F,
    ) -> Result<Swapped, StoreError>
    where
        F: FnOnce(Found) -> S + Send,
        S: Future<Output = bool> + Send,
    {
        let made = async {
            match &self.store {
                Store::Sqlite(store) => sqlite::change::swap(store, writing, swap, settle).await,
                Store::Postgres(store) => postgres::change::swap(store, writing, swap, settle).await,
                Store::Mysql(store) => mysql::change::swap(store, writing, swap, settle).await,
                Store::Redis(store) => redis::change::swap(store, writing, swap, settle).await,
                Store::Grpc(_) => Err(Lookup::unfit()),
            }
        };
        let limit = self.timeout.saturating_mul(2).saturating_add(SETTLE_MAX);
        match tokio::time::timeout(limit, made).await.unwrap_or(Err(StoreError::Timeout)) {
            Err(StoreError::Conflict) => Ok(Swapped::Overtaken),
            made => made,
        }
    }
}
