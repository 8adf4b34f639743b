//! What a new configuration makes of an outbox that is there.

use super::Route;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::collections::BTreeSet;

/// The tables that have a receiver.
const TABLES: [&str; 5] =
    ["outbox_group", "outbox_count", "outbox_message", "outbox_dead", "outbox_receiver"];

/// Lets go of receivers that there are no routes to any more, and has the groups looked at whose maps are not told any more:
/// nothing is open in these.
pub(in crate::ledger) fn adopt(
    connection: &mut Connection,
    routes: &[Route],
    now_unix_ns: i64,
) -> rusqlite::Result<()> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
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
fn receivers(transaction: &Transaction<'_>) -> rusqlite::Result<BTreeSet<String>> {
    let mut receivers = BTreeSet::new();
    for table in TABLES {
        let mut statement = transaction.prepare(&format!("SELECT DISTINCT receiver FROM {table}"))?;
        for receiver in statement.query_map([], |row| row.get(0))? {
            receivers.insert(receiver?);
        }
    }
    Ok(receivers)
}

/// Removes a receiver, and tells how many turns waited for it.
fn remove(transaction: &Transaction<'_>, receiver: &str) -> rusqlite::Result<i64> {
    let pending = "SELECT coalesce(sum(count), 0) FROM outbox_count WHERE receiver = ?1";
    let pending = transaction.query_row(pending, [receiver], |row| row.get(0))?;
    for table in TABLES {
        transaction.execute(&format!("DELETE FROM {table} WHERE receiver = ?1"), [receiver])?;
    }
    Ok(pending)
}

fn stir_others(transaction: &Transaction<'_>, route: &Route, now_unix_ns: i64) -> rusqlite::Result<()> {
    let open = "SELECT map, store FROM outbox_group WHERE receiver = ?1 AND open_since_unix_ns IS NOT NULL";
    let groups: Vec<(String, String)> =
        transaction.prepare(open)?.query_map([&*route.receiver], super::place)?.collect::<Result<_, _>>()?;
    groups
        .iter()
        .filter(|(map, _)| !route.maps.contains(map))
        .try_for_each(|(map, store)| route.stir(transaction, (map, store), now_unix_ns, 0))
}
