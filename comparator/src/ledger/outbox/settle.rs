//! What became of messages, and what waits.

use super::DEAD_KEPT_MAX;
use super::message::Message;
use crate::ledger::database::{Connection, DatabaseError, Row, Transaction};
use rusqlite::params;
use serde::Serialize;
use std::sync::Arc;

/// Dead letters that are shown of each receiver, the latest ones.
const DEAD_SHOWN_MAX: u32 = 5;

const DELIVERED: &str = "INSERT INTO outbox_receiver (receiver, delivered_at_unix_ns) VALUES (?1, ?2)
    ON CONFLICT (receiver) DO UPDATE SET delivered_at_unix_ns = excluded.delivered_at_unix_ns";

const DIED: &str = "INSERT INTO outbox_receiver (receiver, dead) VALUES (?1, 1)
    ON CONFLICT (receiver) DO UPDATE SET dead = outbox_receiver.dead + 1";

const BURY: &str =
    "INSERT INTO outbox_dead (number, receiver, made_at_unix_ns, died_at_unix_ns, turns, why, content)
    SELECT number, receiver, made_at_unix_ns, ?3, turns, ?4, content FROM outbox_message
    WHERE receiver = ?1 AND number = ?2";

const PRUNE: &str = "DELETE FROM outbox_dead WHERE receiver = ?1 AND number <=
    (SELECT number FROM outbox_dead WHERE receiver = ?1 ORDER BY number DESC LIMIT 1 OFFSET ?2)";

const REMOVE: &str = "DELETE FROM outbox_message WHERE receiver = ?1 AND number = ?2";

const WAITING: &str = "
SELECT receiver, CAST(sum(turns) AS BIGINT), min(since), max(delivered), max(dead) FROM (
    SELECT receiver, count AS turns, CAST(NULL AS BIGINT) AS since, CAST(NULL AS BIGINT) AS delivered, 0 AS dead
        FROM outbox_count
    UNION ALL SELECT receiver, 0, pending_since_unix_ns, NULL, 0 FROM outbox_group
    UNION ALL SELECT receiver, turns, since_unix_ns, NULL, 0 FROM outbox_message
    UNION ALL SELECT receiver, 0, NULL, delivered_at_unix_ns, dead FROM outbox_receiver) AS waiting
GROUP BY receiver ORDER BY receiver";

const DEAD: &str = "SELECT number, made_at_unix_ns, died_at_unix_ns, turns, why FROM outbox_dead
    WHERE receiver = ?1 ORDER BY number DESC LIMIT ?2";

/// What became of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Settling {
    /// Whose message.
    pub receiver: Arc<str>,
    /// Which.
    pub number: i64,
    /// When: wall-clock time, nanoseconds since 1970.
    pub at_unix_ns: i64,
    /// Why it will never be delivered; `None` if it was.
    pub dead: Option<String>,
}

/// What waits for a receiver, and what became of what was sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Waiting {
    /// Who.
    pub receiver: String,
    /// Turns that were not told yet.
    pub turns: u64,
    /// When the oldest of what is to be told came: wall-clock time, nanoseconds since 1970.
    pub since_unix_ns: Option<i64>,
    /// When a message was delivered last.
    pub delivered_at_unix_ns: Option<i64>,
    /// Messages that will never be delivered.
    pub dead: u64,
    /// The latest of these.
    pub latest_dead: Vec<DeadLetter>,
}

/// A message that will never be delivered.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct DeadLetter {
    /// The message's id.
    pub id: String,
    /// When it was given up: wall-clock time, nanoseconds since 1970.
    pub died_at_unix_ns: i64,
    /// Turns that it told.
    pub turns: u64,
    /// Why.
    pub why: String,
}

/// Writes down what became of a message. One that is settled already stays as it is.
pub(in crate::ledger) fn settle(
    transaction: &Transaction<'_>,
    settling: &Settling,
) -> Result<(), DatabaseError> {
    let Settling { receiver, number, at_unix_ns, dead } = settling;
    let receiver = &**receiver;
    if let Some(why) = dead {
        let buried = transaction.execute(BURY, params![receiver, number, at_unix_ns, why])?;
        if buried > 0 {
            transaction.execute(DIED, params![receiver])?;
            transaction.execute(PRUNE, params![receiver, DEAD_KEPT_MAX])?;
        }
    }
    let removed = transaction.execute(REMOVE, params![receiver, number])?;
    if removed > 0 && dead.is_none() {
        transaction.execute(DELIVERED, params![receiver, at_unix_ns])?;
    }
    Ok(())
}

/// What waits for each receiver.
pub(super) fn waiting(connection: &Connection) -> Result<Vec<Waiting>, DatabaseError> {
    let one_instant = connection.snapshot()?;
    let waiting = |row: &Row<'_>| {
        let (turns, dead): (i64, i64) = (row.get(1)?, row.get(4)?);
        Ok(Waiting {
            receiver: row.get(0)?,
            turns: turns.unsigned_abs(),
            since_unix_ns: row.get(2)?,
            delivered_at_unix_ns: row.get(3)?,
            dead: dead.unsigned_abs(),
            latest_dead: Vec::new(),
        })
    };
    let mut all = one_instant.query(WAITING, &[], waiting)?;
    for waiting in &mut all {
        waiting.latest_dead = latest_dead(&one_instant, &waiting.receiver)?;
    }
    one_instant.commit()?;
    Ok(all)
}

fn latest_dead(connection: &Connection, receiver: &str) -> Result<Vec<DeadLetter>, DatabaseError> {
    let letter = |row: &Row<'_>| {
        let turns: i64 = row.get(3)?;
        Ok(DeadLetter {
            id: Message::id(receiver, row.get(0)?, row.get(1)?),
            died_at_unix_ns: row.get(2)?,
            turns: turns.unsigned_abs(),
            why: row.get(4)?,
        })
    };
    connection.query(DEAD, params![receiver, DEAD_SHOWN_MAX], letter)
}
