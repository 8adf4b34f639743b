//! The breakers of maps: what they are decided by, which are open, and who opened or closed them.

use super::Book;
use super::sql::{COUNTS, SET_BREAKER};
use crate::ledger::{DatabaseRow, LedgerError};
use crate::repair::audit::{self, Note};
use crate::repair::breaker::{Counts, WINDOW_NS};
use counterfoil_clock::wall_unix_ns;
use rusqlite::params;
use serde::Serialize;

/// The breaker of a map that was ever open.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct BreakerRow {
    pub(crate) map: String,
    /// Why it is open; `null` if it is closed.
    pub(crate) why: Option<String>,
    pub(crate) changed_at_unix_ns: i64,
    /// Who closed or opened it.
    pub(crate) by: String,
}

impl Book {
    /// What the breaker of a map is decided by, but for how few confirmed divergences there were.
    pub(in crate::repair) async fn counts(&self, map: &str) -> Result<Counts, LedgerError> {
        let map = map.to_owned();
        let of_row = |row: &DatabaseRow<'_>| {
            let count = |at: usize| row.get::<i64>(at).map(i64::unsigned_abs);
            Ok(Counts {
                recurred: count(0)?,
                tried: count(1)?,
                nothing: count(2)?,
                open: count(3)?,
                open_min: 0,
            })
        };
        self.with(move |connection, _| {
            let since = wall_unix_ns().saturating_sub(WINDOW_NS);
            connection.one(COUNTS, params![map, since], of_row)
        })
        .await
    }

    /// Why the breaker of a map is open; `None` if it is closed.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Read`].
    pub(crate) async fn breaker(&self, map: &str) -> Result<Option<String>, LedgerError> {
        let of_map = self.breakers().await?.into_iter().find(|breaker| breaker.map == map);
        Ok(of_map.and_then(|breaker| breaker.why))
    }

    /// Every breaker that was ever open.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Read`].
    pub(crate) async fn breakers(&self) -> Result<Vec<BreakerRow>, LedgerError> {
        self.with(|connection, _| {
            let breaker = |row: &DatabaseRow<'_>| {
                Ok(BreakerRow {
                    map: row.get("map")?,
                    why: row.get("why")?,
                    changed_at_unix_ns: row.get("changed_at_unix_ns")?,
                    by: row.get("who")?,
                })
            };
            connection.query("SELECT * FROM repair_breaker ORDER BY map", &[], breaker)
        })
        .await
    }

    /// Opens the breaker of a map, or closes it without a `why`; whether it was the other way before.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Read`] if it could not be written.
    pub(crate) async fn set_breaker(
        &self,
        map: &str,
        why: Option<String>,
        by: &str,
    ) -> Result<bool, LedgerError> {
        let (map, by) = (map.to_owned(), by.to_owned());
        self.write(move |transaction, signing| {
            let at_unix_ns = wall_unix_ns();
            let is_known = "SELECT EXISTS (SELECT 1 FROM repair_breaker WHERE map = ?1)";
            let is_known: bool = transaction.one(is_known, params![map], |row| row.get(0))?;
            if (why.is_none() && !is_known)
                || transaction.execute(SET_BREAKER, params![map, why, at_unix_ns, by])? == 0
            {
                return Ok(false);
            }
            let what = if why.is_some() { "breaker opened" } else { "breaker closed" };
            let detail = why.as_deref().unwrap_or_default();
            let note = Note { at_unix_ns, who: &by, what, map: &map, repair: None, detail };
            audit::add(transaction, signing, &note)?;
            Ok(true)
        })
        .await
    }
}
