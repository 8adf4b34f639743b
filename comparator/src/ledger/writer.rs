//! The one thread that writes.

use super::act::{self, Acting, Answer};
use super::apply::{Applied, apply};
use super::transition::{ScanPlace, Transition, Turned};
use super::{Announce, BATCH_MAX, CLOSING_RETRIES_MAX, Counters, FORGOTTEN_MAX, ROWS_MAX, schema};
use rusqlite::{Connection, Transaction, TransactionBehavior};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How long to wait before a write is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// After how many new rows the size of the ledger is looked at.
const ROWS_PER_LOOK: u32 = 10_000;

const KEEP_PLACE: &str = "INSERT OR REPLACE INTO scan_place (map, store, after) VALUES (?1, ?2, ?3)";

const FORGET_PLACE: &str = "DELETE FROM scan_place WHERE map = ?1 AND store = ?2";

const PRUNE: &str = "
DELETE FROM divergence WHERE row IN (
    SELECT row FROM divergence WHERE state = 'resolved' ORDER BY row
    LIMIT max(0, (SELECT count(*) FROM divergence) - ?1))";

const FORGET: &str = "
DELETE FROM divergence WHERE row IN (
    SELECT row FROM divergence WHERE state = 'resolved' AND resolved_at_unix_ns < ?1 LIMIT ?2)";

/// What the writer is asked to do.
#[derive(Debug)]
pub(super) enum Command {
    /// Write this.
    Record(Transition),
    /// Write how far a store was gone through.
    Place(ScanPlace),
    /// Write what somebody does, unless it came too late, and tell what became of it.
    Act(Acting, oneshot::Sender<Answer>),
    /// Delete some of what was resolved before this wall-clock time, in nanoseconds since 1970.
    Forget(i64),
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
            let Some(answers) = self.land(&batch, &queue) else {
                let lost = batch.len() + queue.len();
                tracing::error!(lost, "the ledger cannot be written while it closes; transitions are lost");
                return;
            };
            let mut answers = answers.into_iter();
            for command in batch.drain(..) {
                match command {
                    // Whoever asked may have stopped waiting.
                    Command::Flush(done) => _ = done.send(()),
                    Command::Act(_, done) => _ = answers.next().map(|answer| done.send(answer)),
                    Command::Record(_) | Command::Place(_) | Command::Forget(_) => {}
                }
            }
        }
    }

    /// Tries until the batch is written, and gives what became of its acts; `None` if it gave up because the ledger closes.
    fn land(&mut self, batch: &[Command], queue: &mpsc::Receiver<Command>) -> Option<Vec<Answer>> {
        let mut closing_retries = 0;
        loop {
            let error = match self.write(batch) {
                Ok(answers) => return Some(answers),
                Err(error) => error,
            };
            self.counters.retries.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(%error, path = %self.path.display(), "the ledger cannot be written; trying again");
            if queue.is_closed() {
                closing_retries += 1;
            }
            if closing_retries > CLOSING_RETRIES_MAX {
                return None;
            }
            std::thread::sleep(RETRY_PAUSE);
            // What the failed connection believes about the file may be wrong.
            match schema::open(&self.path) {
                Ok(connection) => self.connection = connection,
                Err(error) => tracing::warn!(%error, "the ledger cannot be opened anew"),
            }
        }
    }

    fn write(&mut self, batch: &[Command]) -> rusqlite::Result<Vec<Answer>> {
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        let mut written = Written::default();
        for command in batch {
            written.add(&transaction, command)?;
        }
        let Written { transitions, opened, orphans, news, answers } = written;
        let look = self.opened_since_look.saturating_add(opened) >= ROWS_PER_LOOK;
        if look {
            prune(&transaction, ROWS_MAX)?;
        }
        transaction.commit()?;
        self.opened_since_look = if look { 0 } else { self.opened_since_look.saturating_add(opened) };
        self.counters.written.fetch_add(transitions, Ordering::Relaxed);
        self.counters.orphans.fetch_add(orphans, Ordering::Relaxed);
        news.iter().for_each(|turned| (self.announce)(turned));
        Ok(answers)
    }
}

/// What a transaction has written so far.
#[derive(Default)]
struct Written {
    transitions: u64,
    opened: u32,
    orphans: u64,
    news: Vec<Turned>,
    /// What became of its acts, in their order.
    answers: Vec<Answer>,
}

impl Written {
    fn add(&mut self, transaction: &Transaction<'_>, command: &Command) -> rusqlite::Result<()> {
        match command {
            Command::Record(transition) => self.record(transaction, transition)?,
            Command::Place(place) => _ = keep(transaction, place)?,
            Command::Act(acting, _) => self.answers.push(act::apply(transaction, acting)?),
            Command::Forget(before_unix_ns) => {
                transaction.prepare_cached(FORGET)?.execute((before_unix_ns, FORGOTTEN_MAX))?;
            }
            Command::Flush(_) => {}
        }
        Ok(())
    }

    fn record(&mut self, transaction: &Transaction<'_>, transition: &Transition) -> rusqlite::Result<()> {
        self.transitions += 1;
        self.opened += u32::from(matches!(transition, Transition::Opened(_)));
        match apply(transaction, transition)? {
            Applied::Changed(turned) => self.news.push(turned),
            Applied::Known => {}
            Applied::Orphan => self.orphans += 1,
        }
        Ok(())
    }
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
