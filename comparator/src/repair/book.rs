//! The book: what was approved and what became of it, in the ledger's database, over a connection of its own.
//!
//! # Invariants
//!
//! - A turn of a repair and its entry in the audit log are one transaction.
//! - A repair turns from one of the states that its writer names, or not at all: two that turn it cannot both do so.
//! - Beyond [`REPAIRS_MAX`] repairs the oldest that came to their end are deleted.

mod breakers;
mod sql;

pub(crate) use breakers::BreakerRow;

use super::audit::{self, AuditEntry, Note};
use super::row::{Repair, RepairState};
use super::{COMPARATOR, RepairState as State};
use crate::ledger::{Connection, Database, DatabaseError, DatabaseRow, LedgerError, ToSql, Transaction};
use counterfoil_clock::wall_unix_ns;
use counterfoil_keys::SigningKey;
use rusqlite::params;
use serde::Serialize;
use sql::{APPROVE, BACK, FORGET_FORMER, FORSAKEN, KEEP, LEFT, OVER, PAGE, PRUNE, PUT_OFF, TURN, WAITING};
use std::sync::{Arc, Mutex, PoisonError};

/// Repairs that are kept.
const REPAIRS_MAX: u32 = 100_000;
/// How long it is watched whether a divergence comes back after its repair was confirmed, in nanoseconds: a day.
const WATCHED_NS: i64 = 86_400_000_000_000;
/// How long a divergence may go on after its repair was applied until that is a recurrence, in nanoseconds: 5 minutes.
const SETTLED_NS: i64 = 300_000_000_000;
/// How long a divergence may go on after its repair was handed over until nobody waits for it any more, in nanoseconds: an hour.
const HANDED_NS: i64 = 3_600_000_000_000;
/// How long an approved repair whose divergence changed is left to the comparator that watches it, where several share the
/// ledger, in nanoseconds: a minute.
const FORSAKEN_NS: i64 = 60_000_000_000;
/// What is said then.
const FORSAKEN_WHY: &str = "the divergence changed since it was approved";
/// What is said of a task that came to nothing.
const LEFT_WHY: &str = "an hour after it was handed over the sides do not agree";

/// What became of an approval in the book.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Approved {
    /// It is written down.
    Now,
    /// It stood there, and was not changed.
    Before(State),
}

/// Repairs, those approved last first.
#[derive(Debug, Serialize)]
pub(crate) struct Page {
    pub(crate) repairs: Vec<Repair>,
    /// Where the next page begins; `null` on the last one.
    pub(crate) next: Option<i64>,
}

/// How a repair turns.
#[derive(Clone, Debug)]
pub(super) struct Turn {
    pub(super) from: State,
    pub(super) to: State,
    pub(super) why: Option<String>,
    pub(super) by: String,
}

impl Turn {
    /// By the comparator itself.
    pub(super) fn new(from: State, to: State, why: Option<String>) -> Self {
        Self { from, to, why, by: COMPARATOR.to_owned() }
    }
}

/// The book.
pub(crate) struct Book {
    shared: Arc<Shared>,
}

struct Shared {
    database: Arc<Database>,
    /// Opened when it is needed, and anew after an error that may have broken it.
    connection: Mutex<Option<Connection>>,
    signing: Option<SigningKey>,
}

impl Book {
    /// The one in the ledger's database.
    pub(super) fn new(database: &Arc<Database>, signing: Option<SigningKey>) -> Self {
        let database = Arc::clone(database);
        Self { shared: Arc::new(Shared { database, connection: Mutex::default(), signing }) }
    }

    /// Writes down what somebody wants done, unless it is there already and did not come to nothing.
    pub(super) async fn approve(&self, repair: Repair) -> Result<Approved, LedgerError> {
        self.write(move |transaction, signing| {
            let state = "SELECT state FROM repair WHERE id = ?1";
            let state = transaction.first(state, params![repair.id], |row| row.get::<String>(0))?;
            let found = state.and_then(|state| State::of(&state));
            if let Some(state) = found.filter(|state| !state.came_to_nothing()) {
                return Ok(Approved::Before(state));
            }
            let parameters = params![
                repair.id,
                repair.divergence.0,
                repair.times,
                repair.revision,
                repair.map,
                repair.store,
                repair.key_bytes,
                repair.kind,
                repair.action.label(),
                repair.observed_digest,
                repair.wanted_digest,
                repair.source,
                repair.seq.cast_signed(),
                repair.by,
                repair.approved_at_unix_ns,
            ];
            transaction.execute(APPROVE, parameters)?;
            prune(transaction)?;
            let what = format!("{} of a {} divergence", repair.action.label(), repair.kind);
            audit::add(transaction, signing, &note(&repair, &repair.by, State::Approved, &what))?;
            Ok(Approved::Now)
        })
        .await
    }

    /// Turns a repair; whether it was in the state that it turns from.
    pub(super) async fn turn(&self, repair: &Repair, turn: Turn) -> Result<bool, LedgerError> {
        let repair = repair.clone();
        self.write(move |transaction, signing| {
            let Turn { from, to, why, by } = &turn;
            let parameters = params![repair.id, to.as_str(), why, wall_unix_ns(), from.as_str()];
            if transaction.execute(TURN, parameters)? == 0 {
                return Ok(false);
            }
            let detail = why.as_deref().unwrap_or_default();
            audit::add(transaction, signing, &note(&repair, by, *to, detail))?;
            Ok(true)
        })
        .await
    }

    /// Says why a repair is tried again later, until it turns.
    pub(super) async fn put_off(&self, id: &str, why: String) -> Result<(), LedgerError> {
        let id = id.to_owned();
        self.write(move |transaction, _| transaction.execute(PUT_OFF, params![id, why]).map(|_| ())).await
    }

    /// Keeps what a repair is about to replace, sealed, until a wall-clock time.
    pub(super) async fn keep(
        &self,
        id: &str,
        former: Vec<u8>,
        until_unix_ns: i64,
    ) -> Result<(), LedgerError> {
        let id = id.to_owned();
        self.write(move |transaction, _| {
            transaction.execute(KEEP, params![id, former, until_unix_ns]).map(|_| ())
        })
        .await
    }

    /// Lets go of what was kept long enough.
    pub(super) async fn forget_former(&self) -> Result<(), LedgerError> {
        self.write(|transaction, _| transaction.execute(FORGET_FORMER, params![wall_unix_ns()]).map(|_| ()))
            .await
    }

    /// One repair.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Read`].
    pub(crate) async fn get(&self, id: &str) -> Result<Option<Repair>, LedgerError> {
        let id = id.to_owned();
        self.with(move |connection, _| {
            connection.first("SELECT * FROM repair WHERE id = ?1", params![id], Repair::of)
        })
        .await
    }

    /// A page of the repairs of `map` in `state`.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Read`].
    pub(crate) async fn list(
        &self,
        map: Option<String>,
        state: Option<State>,
        after: Option<i64>,
        limit: u32,
    ) -> Result<Page, LedgerError> {
        self.with(move |connection, _| {
            let placed = |row: &DatabaseRow<'_>| Ok((row.get::<i64>("row")?, Repair::of(row)?));
            let parameters = params![map, state.map(State::as_str), after, limit];
            let rows = connection.query(PAGE, parameters, placed)?;
            let is_full = u32::try_from(rows.len()).is_ok_and(|count| count == limit);
            let next = rows.last().filter(|_| is_full).map(|(place, _)| *place);
            Ok(Page { repairs: rows.into_iter().map(|(_, repair)| repair).collect(), next })
        })
        .await
    }

    /// Repairs that are to be carried out, those approved first in front.
    pub(super) async fn waiting(&self, limit: u32) -> Result<Vec<Repair>, LedgerError> {
        self.with(move |connection, _| connection.query(WAITING, params![limit], Repair::of)).await
    }

    /// Notes whose divergence was seen to be over, whose came back or goes on, and what was handed over for nothing; gives these
    /// turns.
    pub(super) async fn follow(&self) -> Result<Vec<(Repair, RepairState)>, LedgerError> {
        let is_shared = self.shared.database.is_shared();
        self.write(move |transaction, signing| {
            let now = wall_unix_ns();
            let over = repairs(transaction, OVER, &[])?.into_iter().map(|repair| (repair, State::Confirmed));
            let since = params![now.saturating_sub(WATCHED_NS), now.saturating_sub(SETTLED_NS)];
            let back = repairs(transaction, BACK, since)?.into_iter().map(|repair| (repair, State::Recurred));
            let left = repairs(transaction, LEFT, params![now.saturating_sub(HANDED_NS)])?.into_iter();
            let left = left.map(|repair| (repair, State::Failed));
            let mut turns: Vec<_> = over.chain(back).chain(left).collect();
            if is_shared {
                let since = params![now.saturating_sub(FORSAKEN_NS)];
                let forsaken = repairs(transaction, FORSAKEN, since)?.into_iter();
                turns.extend(forsaken.map(|repair| (repair, State::Overtaken)));
            }
            for (repair, to) in &turns {
                let why = match to {
                    State::Failed => Some(LEFT_WHY),
                    State::Overtaken => Some(FORSAKEN_WHY),
                    _ => None,
                };
                let parameters = params![repair.id, to.as_str(), why, now, repair.state.as_str()];
                transaction.execute(TURN, parameters)?;
                let detail = why.unwrap_or_default();
                audit::add(transaction, signing, &note(repair, COMPARATOR, *to, detail))?;
            }
            Ok(turns)
        })
        .await
    }

    /// Up to `limit` entries of the audit log after a number.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Read`].
    pub(crate) async fn audit(&self, after: u64, limit: u32) -> Result<Vec<AuditEntry>, LedgerError> {
        self.with(move |connection, _| audit::page(connection, after, limit)).await
    }

    async fn write<T: Send + 'static>(
        &self,
        write: impl FnOnce(&Transaction<'_>, Option<&SigningKey>) -> Result<T, DatabaseError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        self.with(move |connection, signing| {
            let transaction = connection.begin()?;
            let written = write(&transaction, signing)?;
            transaction.commit()?;
            Ok(written)
        })
        .await
    }

    async fn with<T: Send + 'static>(
        &self,
        act: impl FnOnce(&Connection, Option<&SigningKey>) -> Result<T, DatabaseError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let shared = Arc::clone(&self.shared);
        let acted = tokio::task::spawn_blocking(move || {
            // A panic in the middle rolled its transaction back.
            let mut connection = shared.connection.lock().unwrap_or_else(PoisonError::into_inner);
            let usable = connection.take().filter(Connection::is_usable);
            let connection = connection.insert(usable.map_or_else(|| shared.database.open(), Ok)?);
            Ok(act(connection, shared.signing.as_ref())?)
        });
        acted.await.map_err(|_| LedgerError::Stopped)?
    }
}

fn repairs(
    transaction: &Transaction<'_>,
    sql: &str,
    parameters: &[ToSql<'_>],
) -> Result<Vec<Repair>, DatabaseError> {
    transaction.query(sql, parameters, Repair::of)
}

/// Deletes the oldest repairs that came to their end, beyond those that are kept.
fn prune(transaction: &Transaction<'_>) -> Result<(), DatabaseError> {
    let rows: i64 = transaction.one("SELECT count(*) FROM repair", &[], |row| row.get(0))?;
    transaction.execute(PRUNE, params![rows.saturating_sub(REPAIRS_MAX.into()).max(0)])?;
    Ok(())
}

fn note<'a>(repair: &'a Repair, who: &'a str, state: State, detail: &'a str) -> Note<'a> {
    let (at_unix_ns, what) = (wall_unix_ns(), state.as_str());
    Note { at_unix_ns, who, what, map: &repair.map, repair: Some(&repair.id), detail }
}

#[cfg(test)]
mod tests;
