//! The outbox: what is to be told to people about divergences, and has not been.
//!
//! # Design
//!
//! The transaction that writes a turn of a divergence also adds it to what is to be told of its *group*: one receiver, one map,
//! one store. A group holds counts and some examples, so it is as large for a million turns as for ten. When it is due it is
//! *sealed*: a message is made of it, written down as a whole, and the group is empty again. A receiver has one message at a
//! time; it stays until it is settled, so whoever delivers it sends the same one again after a crash, under the same id.
//!
//! # Invariants
//!
//! - Each turn that a receiver wants is counted in exactly one message: it is in a group or in a message, and never in both.
//! - What somebody acknowledged, or ignores, tells nothing, and is not counted as open. What was resolved before it was ever
//!   told tells nothing either.
//! - A group says that nothing is open once, after it said that something is.
//! - The tables hold a row for each receiver, map, store, turn and kind at most, a message for each receiver, and
//!   [`DEAD_KEPT_MAX`] dead letters of each.
//!
//! Wall-clock time says when a group is due, as it has to outlive the process. A clock that is set back makes it due at once.

mod adopt;
mod count;
mod message;
mod seal;
mod settle;

pub use message::{Example, Group, Message, Turns};
pub use seal::Sealed;
pub use settle::{DeadLetter, Settling, Waiting};

pub(super) use adopt::adopt;
pub(super) use count::{Counted, Standing};
pub(super) use seal::seal;
pub(super) use settle::settle;

use super::database::{DatabaseError, Row, Transaction};
use super::row::{DivergenceId, State};
use super::writer::Command;
use super::{Ledger, LedgerError};
use rusqlite::params;
use std::collections::BTreeSet;
use std::sync::Arc;
use tokio::sync::{oneshot, watch};

/// Examples in a group of a message.
pub const EXAMPLES_MAX: u8 = 10;
/// Dead letters that are kept of each receiver, the latest ones.
pub const DEAD_KEPT_MAX: u32 = 100;

/// The tables, as a step of the ledger's schema.
pub(super) const TABLES: &str = "
CREATE TABLE outbox_group (
    receiver              TEXT NOT NULL,
    map                   TEXT NOT NULL,
    store                 TEXT NOT NULL, -- empty for none
    pending_since_unix_ns INTEGER, -- NULL: there is nothing to tell
    folded                INTEGER NOT NULL DEFAULT 0, -- turns that came when the group was due already
    open_since_unix_ns    INTEGER, -- NULL: nothing is open, as far as it was told
    told_at_unix_ns       INTEGER,
    PRIMARY KEY (receiver, map, store)
) STRICT, WITHOUT ROWID;
CREATE TABLE outbox_count (
    receiver TEXT NOT NULL,
    map      TEXT NOT NULL,
    store    TEXT NOT NULL,
    turn     TEXT NOT NULL,
    kind     TEXT NOT NULL,
    count    INTEGER NOT NULL,
    examples TEXT NOT NULL, -- ids of divergences, 32 hex digits each
    PRIMARY KEY (receiver, map, store, turn, kind)
) STRICT, WITHOUT ROWID;
CREATE TABLE outbox_message (
    number          INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice: the message's id is made of it
    receiver        TEXT NOT NULL UNIQUE,
    made_at_unix_ns INTEGER NOT NULL,
    since_unix_ns   INTEGER NOT NULL, -- when the oldest turn in it came
    turns           INTEGER NOT NULL,
    content         TEXT NOT NULL -- a JSON array of groups
) STRICT;
CREATE TABLE outbox_dead (
    number          INTEGER PRIMARY KEY,
    receiver        TEXT NOT NULL,
    made_at_unix_ns INTEGER NOT NULL,
    died_at_unix_ns INTEGER NOT NULL,
    turns           INTEGER NOT NULL,
    why             TEXT NOT NULL,
    content         TEXT NOT NULL
) STRICT;
CREATE INDEX outbox_dead_by_receiver ON outbox_dead (receiver, number);
CREATE TABLE outbox_receiver (
    receiver             TEXT PRIMARY KEY,
    delivered_at_unix_ns INTEGER,
    dead                 INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
";

const STIR: &str = "
INSERT INTO outbox_group (receiver, map, store, pending_since_unix_ns) VALUES (?1, ?2, ?3, ?4)
ON CONFLICT (receiver, map, store) DO UPDATE SET
    folded = outbox_group.folded
        + CASE WHEN outbox_group.pending_since_unix_ns + ?5 <= ?4 THEN CAST(?6 AS BIGINT) ELSE 0 END,
    pending_since_unix_ns = coalesce(outbox_group.pending_since_unix_ns, ?4)";

const PLACE: &str = "SELECT map, coalesce(store, '') FROM divergence WHERE id = ?1";

const LAPSED: &str =
    "SELECT DISTINCT map, coalesce(store, '') FROM act JOIN divergence ON row = act.divergence
    WHERE until_unix_ns > ?1 AND until_unix_ns <= ?2 AND state <> 'resolved'";

/// Who is told of which turns, and how often.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// Whom: a name that is used once.
    pub receiver: Arc<str>,
    /// The maps whose divergences are told.
    pub maps: BTreeSet<String>,
    /// The turns that are told.
    pub on: BTreeSet<State>,
    /// How long a group waits for more, in nanoseconds.
    pub group_wait_ns: i64,
    /// How long after it was told a group in which something is open is told again, in nanoseconds.
    pub repeat_ns: Option<i64>,
    /// Most groups in a message.
    pub groups_max: usize,
    /// Whether examples have their keys.
    pub include_key: bool,
}

impl Route {
    /// Whether a divergence that stands so was told, unless somebody acted on it.
    fn tells_of(&self, was_confirmed: bool) -> bool {
        self.on.contains(&State::Opened) || (self.on.contains(&State::Confirmed) && was_confirmed)
    }

    /// The states in which a divergence is open for this receiver, as they stand in a statement.
    fn open_states(&self) -> &'static str {
        if self.on.contains(&State::Opened) { "'opened', 'confirmed'" } else { "'confirmed'" }
    }

    /// Has the group looked at when it is due. Of what it is to tell, `turns` came now.
    fn stir(
        &self,
        transaction: &Transaction<'_>,
        (map, store): (&str, &str),
        now_unix_ns: i64,
        turns: u64,
    ) -> Result<(), DatabaseError> {
        let turns = i64::try_from(turns).unwrap_or(i64::MAX);
        let parameters = params![&*self.receiver, map, store, now_unix_ns, self.group_wait_ns, turns];
        transaction.execute(STIR, parameters)?;
        Ok(())
    }
}

/// The writer's side of the outbox.
pub(super) struct Outbox {
    routes: Arc<[Route]>,
    changed: watch::Sender<()>,
    /// Until when what is ignored for a time was looked through.
    lapsed_until_unix_ns: i64,
}

impl Outbox {
    /// An outbox for these routes, and what tells when something was put into it.
    pub(super) fn new(routes: Vec<Route>) -> (Self, watch::Receiver<()>) {
        let (changed, changes) = watch::channel(());
        (Self { routes: routes.into(), changed, lapsed_until_unix_ns: 0 }, changes)
    }

    /// Whom to tell.
    pub(super) fn routes(&self) -> &Arc<[Route]> {
        &self.routes
    }

    /// What tells when something was put in.
    pub(super) fn changed(&self) -> watch::Sender<()> {
        self.changed.clone()
    }

    /// Tells that something was put in.
    pub(super) fn tell(&self) {
        self.changed.send_replace(());
    }

    /// Has the groups looked at in which something is not ignored any more.
    pub(super) fn lapse(
        &mut self,
        transaction: &Transaction<'_>,
        now_unix_ns: i64,
    ) -> Result<(), DatabaseError> {
        if self.routes.is_empty() {
            return Ok(());
        }
        let since = self.lapsed_until_unix_ns;
        for (map, store) in transaction.query(LAPSED, params![since, now_unix_ns], place)? {
            stir(transaction, &self.routes, (&map, &store), now_unix_ns)?;
        }
        // If the transaction fails nothing is missed: what lapsed stays open, and the next turn of its group counts it.
        self.lapsed_until_unix_ns = now_unix_ns;
        Ok(())
    }
}

/// Has the groups looked at in which somebody acted on a divergence.
pub(super) fn acted(
    transaction: &Transaction<'_>,
    routes: &[Route],
    id: DivergenceId,
    now_unix_ns: i64,
) -> Result<(), DatabaseError> {
    if routes.is_empty() {
        return Ok(());
    }
    let found = transaction.first(PLACE, params![id.0], place)?;
    let Some((map, store)) = found else { return Ok(()) };
    stir(transaction, routes, (&map, &store), now_unix_ns)
}

fn stir(
    transaction: &Transaction<'_>,
    routes: &[Route],
    group: (&str, &str),
    now_unix_ns: i64,
) -> Result<(), DatabaseError> {
    routes
        .iter()
        .filter(|route| route.maps.contains(group.0))
        .try_for_each(|route| route.stir(transaction, group, now_unix_ns, 0))
}

fn place(row: &Row<'_>) -> Result<(String, String), DatabaseError> {
    Ok((row.get(0)?, row.get(1)?))
}

impl Ledger {
    /// Tells when something was put into the outbox.
    #[must_use]
    pub fn outbox_changes(&self) -> watch::Receiver<()> {
        self.shared.outbox_changes.clone()
    }

    /// The message that the receiver of this name is to be sent: the one that is not settled, or one of what is due. It is on
    /// disk when it is given, and the same one is given until it is settled.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Stopped`] as [`Ledger::flush`].
    pub async fn seal(&self, receiver: Arc<str>) -> Result<Sealed, LedgerError> {
        let (done, sealed) = oneshot::channel();
        self.send(Command::Seal(receiver, done)).await?;
        sealed.await.map_err(|_| LedgerError::Stopped)
    }

    /// Has it written down what became of a message; it is when this is done.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Stopped`] as [`Ledger::flush`].
    pub async fn settle(&self, settling: Settling) -> Result<(), LedgerError> {
        let (done, settled) = oneshot::channel();
        self.send(Command::Settle(settling, done)).await?;
        settled.await.map_err(|_| LedgerError::Stopped)
    }

    /// What waits for each receiver, in the order of their names; those that nothing was ever told to are left out.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Read`].
    pub async fn waiting(&self) -> Result<Vec<Waiting>, LedgerError> {
        self.read(settle::waiting).await
    }
}
