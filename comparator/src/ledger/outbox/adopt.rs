//! What a new configuration makes of an outbox that is there.

use super::Route;
use crate::ledger::database::{Connection, DatabaseError, Transaction};
use rusqlite::params;
use std::collections::BTreeSet;

/// The tables that have a receiver.
const TABLES: [&str; 5] =
    ["outbox_group", "outbox_count", "outbox_message", "outbox_dead", "outbox_receiver"];

/// Lets go of receivers that there are no routes to any more, and has the groups looked at whose maps are not told any more:
/// nothing is open in these.
pub(in crate::ledger) fn adopt(
    connection: &Connection,
    routes: &[Route],
    now_unix_ns: i64,
) -> Result<(), DatabaseError> {
    let transaction = connection.begin()?;
    for receiver in receivers(&transaction)? {
        match routes.iter().find(|route| *route.receiver == *receiver) {
            Some(route) => stir_others(&transaction, route, now_unix_ns)?,
            None => {
                let pending = remove(&transaction, &receiver)?;
                tracing::warn!(
                    receiver,
                    pending,
                    "is not in notify.receivers any more; what waited for it is not told"
                );
            }
        }
    }
    transaction.commit()
}

/// Those that anything stands there of.
fn receivers(transaction: &Transaction<'_>) -> Result<BTreeSet<String>, DatabaseError> {
    let mut receivers = BTreeSet::new();
    for table in TABLES {
        let sql = format!("SELECT DISTINCT receiver FROM {table}");
        receivers.extend(transaction.query(&sql, &[], |row| row.get::<String>(0))?);
    }
    Ok(receivers)
}

/// Removes a receiver, and tells how many turns waited for it.
fn remove(transaction: &Transaction<'_>, receiver: &str) -> Result<i64, DatabaseError> {
    let pending = "SELECT CAST(coalesce(sum(count), 0) AS BIGINT) FROM outbox_count WHERE receiver = ?1";
    let pending = transaction.one(pending, params![receiver], |row| row.get(0))?;
    for table in TABLES {
        transaction.execute(&format!("DELETE FROM {table} WHERE receiver = ?1"), params![receiver])?;
    }
    Ok(pending)
}

fn stir_others(transaction: &Transaction<'_>, route: &Route, now_unix_ns: i64) -> Result<(), DatabaseError> {
    let open = "SELECT map, store FROM outbox_group WHERE receiver = ?1 AND open_since_unix_ns IS NOT NULL";
    let groups = transaction.query(open, params![&*route.receiver], super::place)?;
    groups
        .iter()
        .filter(|(map, _)| !route.maps.contains(map))
        .try_for_each(|(map, store)| route.stir(transaction, (map, store), now_unix_ns, 0))
}
