//! The one thread that writes.

use super::row::{Opened, ScanPlace, Transition, Turned};
use super::{Announce, BATCH_MAX, CLOSING_RETRIES_MAX, Counters, ROWS_MAX, schema};
use counterfoil_digest::Differing;
use rusqlite::{Connection, OptionalExtension, Row, Transaction, TransactionBehavior, named_params};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How long to wait before a write is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// After how many new rows the size of the ledger is looked at.
const ROWS_PER_LOOK: u32 = 10_000;

const OPEN: &str = "
INSERT INTO divergence (id, map, store, key, kind, state, times, source, seq, opened_at_unix_ns, store_digest, map_digest,
    stale_versions, stale_at_least_ns, write_ended_ns, seen_after_ns, trace_id, fields, fields_missing)
VALUES (:id, :map, :store, :key, :kind, 'opened', 1, :source, :seq, :at, :store_digest, :map_digest,
    :stale_versions, :stale_at_least_ns, :write_ended_ns, :seen_after_ns, :trace_id, :fields, :fields_missing)
ON CONFLICT (id) DO UPDATE SET state = 'opened', times = times + 1, store = excluded.store, source = excluded.source, seq = excluded.seq,
    opened_at_unix_ns = excluded.opened_at_unix_ns, confirmed_at_unix_ns = NULL, resolved_at_unix_ns = NULL,
    resolved_how = NULL, store_digest = excluded.store_digest, map_digest = excluded.map_digest,
    stale_versions = excluded.stale_versions, stale_at_least_ns = excluded.stale_at_least_ns,
    write_ended_ns = excluded.write_ended_ns, seen_after_ns = excluded.seen_after_ns, trace_id = excluded.trace_id,
    fields = excluded.fields, fields_missing = excluded.fields_missing
WHERE state = 'resolved' RETURNING map, store, kind";

const CONFIRM: &str = "
UPDATE divergence SET state = 'confirmed', confirmed_at_unix_ns = :at,
    fields = coalesce(:fields, fields), fields_missing = coalesce(:fields_missing, fields_missing)
WHERE id = :id AND state = 'opened' RETURNING map, store, kind";

const RESOLVE: &str = "
UPDATE divergence SET state = 'resolved', resolved_at_unix_ns = :at, resolved_how = :how
WHERE id = :id AND state <> 'resolved' RETURNING map, store, kind";

const KNOWN: &str = "SELECT EXISTS (SELECT 1 FROM divergence WHERE id = ?1)";

const KEEP_PLACE: &str = "INSERT OR REPLACE INTO scan_place (map, store, after) VALUES (?1, ?2, ?3)";

const FORGET_PLACE: &str = "DELETE FROM scan_place WHERE map = ?1 AND store = ?2";

const PRUNE: &str = "
DELETE FROM divergence WHERE row IN (
    SELECT row FROM divergence WHERE state = 'resolved' ORDER BY row
    LIMIT max(0, (SELECT count(*) FROM divergence) - ?1))";

/// What the writer is asked to do.
#[derive(Debug)]
pub(super) enum Command {
    /// Write this.
    Record(Transition),
    /// Write how far a store was gone through.
    Place(ScanPlace),
    /// Tell when everything before is written.
    Flush(oneshot::Sender<()>),
}

/// The writer's state; it lives on its own thread.
pub(super) struct Writer {
    path: PathBuf,
    connection: Connection,
    counters: Arc<Counters>,
    announce: Announce,
    opened_since_look: u32,
}

impl Writer {
    pub(super) fn new(
        path: PathBuf,
        connection: Connection,
        counters: Arc<Counters>,
        announce: Announce,
    ) -> Self {
        Self { path, connection, counters, announce, opened_since_look: ROWS_PER_LOOK }
    }

    /// Writes until nobody is left who could record.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Command>) {
        let mut batch = Vec::new();
        while queue.blocking_recv_many(&mut batch, BATCH_MAX) > 0 {
            if !self.land(&batch, &queue) {
                let lost = batch.len() + queue.len();
                tracing::error!(lost, "the ledger cannot be written while it closes; transitions are lost");
                return;
            }
            for command in batch.drain(..) {
                if let Command::Flush(done) = command {
                    // Whoever asked may have stopped waiting.
                    done.send(()).ok();
                }
            }
        }
    }

    /// Tries until the batch is written; false if it gave up because the ledger closes.
    fn land(&mut self, batch: &[Command], queue: &mpsc::Receiver<Command>) -> bool {
        let mut closing_retries = 0;
        while let Err(error) = self.write(batch) {
            self.counters.retries.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(%error, path = %self.path.display(), "the ledger cannot be written; trying again");
            if queue.is_closed() {
                closing_retries += 1;
            }
            if closing_retries > CLOSING_RETRIES_MAX {
                return false;
            }
            std::thread::sleep(RETRY_PAUSE);
            // What the failed connection believes about the file may be wrong.
            match schema::open(&self.path) {
                Ok(connection) => self.connection = connection,
                Err(error) => tracing::warn!(%error, "the ledger cannot be opened anew"),
            }
        }
        true
    }

    fn write(&mut self, batch: &[Command]) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut written = 0;
        let mut opened: u32 = 0;
        let mut orphans = 0;
        let mut news = Vec::new();
        for command in batch {
            let transition = match command {
                Command::Record(transition) => transition,
                Command::Place(place) => {
                    keep(&transaction, place)?;
                    continue;
                }
                Command::Flush(_) => continue,
            };
            written += 1;
            opened += u32::from(matches!(transition, Transition::Opened(_)));
            match apply(&transaction, transition)? {
                Applied::Changed(turned) => news.push(turned),
                Applied::Known => {}
                Applied::Orphan => orphans += 1,
            }
        }
        let look = self.opened_since_look.saturating_add(opened) >= ROWS_PER_LOOK;
        if look {
            prune(&transaction, ROWS_MAX)?;
        }
        transaction.commit()?;
        self.opened_since_look = if look { 0 } else { self.opened_since_look.saturating_add(opened) };
        self.counters.written.fetch_add(written, Ordering::Relaxed);
        self.counters.orphans.fetch_add(orphans, Ordering::Relaxed);
        news.iter().for_each(|turned| (self.announce)(turned));
        Ok(())
    }
}

/// What a transition did.
enum Applied {
    /// The divergence is in another state now.
    Changed(Turned),
    /// It was in that state already.
    Known,
    /// The ledger does not know the divergence.
    Orphan,
}

fn apply(transaction: &Transaction<'_>, transition: &Transition) -> rusqlite::Result<Applied> {
    let id = transition.id();
    let turned = |row: &Row<'_>| {
        Ok(Turned { id, map: row.get(0)?, store: row.get(1)?, kind: row.get(2)?, turn: transition.label() })
    };
    let changed = match transition {
        Transition::Opened(opened) => open(transaction, opened, turned),
        Transition::Confirmed { id, at_unix_ns, fields } => {
            let (fields, missing) = columns(fields.as_deref());
            transaction.prepare_cached(CONFIRM)?.query_row(
                named_params! { ":id": id.0, ":at": at_unix_ns, ":fields": fields, ":fields_missing": missing },
                turned,
            )
        }
        Transition::Resolved { id, at_unix_ns, how } => transaction
            .prepare_cached(RESOLVE)?
            .query_row(named_params! { ":id": id.0, ":at": at_unix_ns, ":how": how }, turned),
    };
    if let Some(turned) = changed.optional()? {
        return Ok(Applied::Changed(turned));
    }
    let is_known = transaction.prepare_cached(KNOWN)?.query_row([id.0], |row| row.get(0))?;
    Ok(if is_known { Applied::Known } else { Applied::Orphan })
}

fn open(
    transaction: &Transaction<'_>,
    opened: &Opened,
    turned: impl FnOnce(&Row<'_>) -> rusqlite::Result<Turned>,
) -> rusqlite::Result<Turned> {
    let (fields, fields_missing) = columns(opened.fields.as_deref());
    let parameters = named_params! {
        ":id": opened.id.0,
        ":map": opened.map,
        ":store": opened.store,
        ":key": opened.key,
        ":kind": opened.kind,
        ":source": opened.source,
        ":seq": opened.seq.cast_signed(),
        ":at": opened.opened_at_unix_ns,
        ":store_digest": opened.store_digest.to_string(),
        ":map_digest": opened.map_digest.to_string(),
        ":stale_versions": opened.stale_versions,
        ":stale_at_least_ns": opened.stale_at_least_ns,
        ":write_ended_ns": opened.write_ended_ns,
        ":seen_after_ns": opened.seen_after_ns,
        ":trace_id": opened.trace_id,
        ":fields": fields,
        ":fields_missing": fields_missing,
    };
    transaction.prepare_cached(OPEN)?.query_row(parameters, turned)
}

/// What the two columns about fields hold.
fn columns(fields: Option<&Differing>) -> (Option<String>, Option<u32>) {
    let names = fields.map(|fields| fields.names.iter().map(|name| &**name).collect::<serde_json::Value>());
    let missing = fields.map(|fields| u32::try_from(fields.only_there).unwrap_or(u32::MAX));
    (names.map(|names| names.to_string()), missing)
}

fn keep(transaction: &Transaction<'_>, place: &ScanPlace) -> rusqlite::Result<usize> {
    let ScanPlace { map, store, after } = place;
    match after {
        Some(after) => transaction.prepare_cached(KEEP_PLACE)?.execute((map, store, after)),
        None => transaction.prepare_cached(FORGET_PLACE)?.execute((map, store)),
    }
}

/// Deletes the oldest resolved divergences, so that `rows_max` are left if there are enough of them.
fn prune(transaction: &Transaction<'_>, rows_max: u32) -> rusqlite::Result<usize> {
    transaction.prepare_cached(PRUNE)?.execute([rows_max])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crate::ledger::tests::opened;

    #[test]
    fn the_oldest_resolved_rows_make_room_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let mut connection = schema::open(&folder.path().join("ledger")).unwrap();
        let transaction = connection.transaction().unwrap();
        for number in 0..6 {
            assert!(matches!(apply(&transaction, &opened(number).into()).unwrap(), Applied::Changed(_)));
        }
        for number in [1, 2, 4] {
            let resolved = Transition::Resolved { id: opened(number).id, at_unix_ns: 1, how: "agreed" };
            assert!(matches!(apply(&transaction, &resolved).unwrap(), Applied::Changed(_)));
        }
        let left = |rows_max| {
            prune(&transaction, rows_max).unwrap();
            let mut seqs = transaction.prepare("SELECT seq FROM divergence ORDER BY row").unwrap();
            seqs.query_map([], |row| row.get::<_, u32>(0)).unwrap().map(Result::unwrap).collect::<Vec<_>>()
        };
        assert_eq!(left(6), [0, 1, 2, 3, 4, 5]);
        assert_eq!(left(4), [0, 3, 4, 5]);
        assert_eq!(left(1), [0, 3, 5]);
    }
}
