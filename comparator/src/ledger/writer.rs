//! The one thread that writes.

use super::act::{self, Acting, Answer};
use super::apply::{Applied, apply};
use super::database::{Connection, Database, DatabaseError, Transaction};
use super::outbox::{self, Counted, Outbox, Route, Sealed, Settling};
use super::transition::{ScanPlace, Transition, Turned};
use super::{Announce, BATCH_MAX, CLOSING_RETRIES_MAX, Counters, FORGOTTEN_MAX, ROWS_MAX};
use counterfoil_clock::wall_unix_ns;
use rusqlite::params;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, oneshot};

/// How long to wait before a write is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(200);
/// After how many new rows the size of the ledger is looked at.
const ROWS_PER_LOOK: u32 = 10_000;

const KEEP_PLACE: &str = "INSERT INTO scan_place (map, store, after) VALUES (?1, ?2, ?3)
    ON CONFLICT (map, store) DO UPDATE SET after = excluded.after";

const FORGET_PLACE: &str = "DELETE FROM scan_place WHERE map = ?1 AND store = ?2";

const PRUNE: &str = "
DELETE FROM divergence WHERE row IN (
    SELECT row FROM divergence WHERE state = 'resolved' ORDER BY row LIMIT ?1)";

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
    /// Write a message to this receiver down, and give it.
    Seal(Arc<str>, oneshot::Sender<Sealed>),
    /// Write what became of a message.
    Settle(Settling, oneshot::Sender<()>),
    /// Tell when everything before is written.
    Flush(oneshot::Sender<()>),
}

/// The writer's state; it lives on its own thread.
pub(super) struct Writer {
    database: Arc<Database>,
    connection: Connection,
    counters: Arc<Counters>,
    announce: Announce,
    outbox: Outbox,
    opened_since_look: u32,
}

impl Writer {
    pub(super) fn new(
        database: Arc<Database>,
        connection: Connection,
        counters: Arc<Counters>,
        announce: Announce,
        outbox: Outbox,
    ) -> Self {
        Self { database, connection, counters, announce, outbox, opened_since_look: ROWS_PER_LOOK }
    }

    /// Writes until nobody is left who could record.
    pub(super) fn run(mut self, mut queue: mpsc::Receiver<Command>) {
        let mut batch = Vec::new();
        while queue.blocking_recv_many(&mut batch, BATCH_MAX) > 0 {
            let Some(replies) = self.land(&batch, &queue) else {
                let lost = batch.len() + queue.len();
                tracing::error!(lost, "the ledger cannot be written while it closes; transitions are lost");
                return;
            };
            batch.drain(..).zip(replies).for_each(|(command, reply)| command.reply(reply));
        }
    }

    /// Tries until the batch is written, and gives what to reply to each command; `None` if it gave up because the ledger closes.
    fn land(&mut self, batch: &[Command], queue: &mpsc::Receiver<Command>) -> Option<Vec<Reply>> {
        let mut closing_retries = 0;
        loop {
            let error = match self.write(batch) {
                Ok(replies) => {
                    self.counters.retries.store(0, Ordering::Relaxed);
                    return Some(replies);
                }
                Err(error) => error,
            };
            self.counters.retries.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(%error, place = %self.database.place(), "the ledger cannot be written; trying again");
            if queue.is_closed() {
                closing_retries += 1;
            }
            if closing_retries > CLOSING_RETRIES_MAX {
                return None;
            }
            std::thread::sleep(RETRY_PAUSE);
            // What the failed connection believes may be wrong.
            match self.database.open() {
                Ok(connection) => self.connection = connection,
                Err(error) => tracing::warn!(%error, "the ledger cannot be opened anew"),
            }
        }
    }

    fn write(&mut self, batch: &[Command]) -> Result<Vec<Reply>, DatabaseError> {
        let transaction = self.connection.begin()?;
        let mut written = Written::new(self.outbox.routes());
        let mut replies = Vec::with_capacity(batch.len());
        for command in batch {
            replies.push(written.add(&transaction, command)?);
        }
        written.counted.write(&transaction, &written.routes, written.now_unix_ns)?;
        if written.has_forgotten {
            self.outbox.lapse(&transaction, written.now_unix_ns)?;
        }
        let look = self.opened_since_look.saturating_add(written.opened) >= ROWS_PER_LOOK;
        if look {
            prune(&transaction, ROWS_MAX)?;
        }
        transaction.commit()?;
        let Written { transitions, opened, orphans, news, .. } = written;
        self.opened_since_look = if look { 0 } else { self.opened_since_look.saturating_add(opened) };
        self.counters.written.fetch_add(transitions, Ordering::Relaxed);
        self.counters.orphans.fetch_add(orphans, Ordering::Relaxed);
        news.iter().for_each(|turned| (self.announce)(turned));
        if written.has_something_to_tell {
            self.outbox.tell();
        }
        Ok(replies)
    }
}

/// What to reply to a command.
enum Reply {
    /// That it is done.
    Done,
    /// What became of an act.
    Act(Answer),
    /// A message.
    Seal(Sealed),
}

impl Command {
    /// Tells whoever asked, who may have stopped waiting.
    fn reply(self, reply: Reply) {
        match (self, reply) {
            (Self::Flush(done) | Self::Settle(_, done), _) => _ = done.send(()),
            (Self::Act(_, done), Reply::Act(answer)) => _ = done.send(answer),
            (Self::Seal(_, done), Reply::Seal(sealed)) => _ = done.send(sealed),
            _ => {}
        }
    }
}

/// What a transaction has written so far.
struct Written {
    routes: Arc<[Route]>,
    now_unix_ns: i64,
    transitions: u64,
    opened: u32,
    orphans: u64,
    news: Vec<Turned>,
    /// What is to be told to people.
    counted: Counted,
    has_something_to_tell: bool,
    has_forgotten: bool,
}

impl Written {
    fn new(routes: &Arc<[Route]>) -> Self {
        Self {
            routes: Arc::clone(routes),
            now_unix_ns: wall_unix_ns(),
            transitions: 0,
            opened: 0,
            orphans: 0,
            news: Vec::new(),
            counted: Counted::default(),
            has_something_to_tell: false,
            has_forgotten: false,
        }
    }

    fn add(&mut self, transaction: &Transaction<'_>, command: &Command) -> Result<Reply, DatabaseError> {
        match command {
            Command::Record(transition) => self.record(transaction, transition)?,
            Command::Place(place) => _ = keep(transaction, place)?,
            Command::Act(acting, _) => return self.act(transaction, acting).map(Reply::Act),
            Command::Forget(before_unix_ns) => {
                transaction.execute(FORGET, params![before_unix_ns, FORGOTTEN_MAX])?;
                (self.has_forgotten, self.has_something_to_tell) = (true, true);
            }
            Command::Seal(receiver, _) => return self.seal(transaction, receiver).map(Reply::Seal),
            Command::Settle(settling, _) => outbox::settle(transaction, settling)?,
            Command::Flush(_) => {}
        }
        Ok(Reply::Done)
    }

    fn record(
        &mut self,
        transaction: &Transaction<'_>,
        transition: &Transition,
    ) -> Result<(), DatabaseError> {
        self.transitions += 1;
        self.opened += u32::from(matches!(transition, Transition::Opened(_)));
        match apply(transaction, transition)? {
            Applied::Changed(turned, standing) => {
                self.counted.add(transaction, &self.routes, (&turned, standing), self.now_unix_ns)?;
                self.has_something_to_tell |= !self.counted.is_empty();
                self.news.push(turned);
            }
            Applied::Known => {}
            Applied::Orphan => self.orphans += 1,
        }
        Ok(())
    }

    fn act(&mut self, transaction: &Transaction<'_>, acting: &Acting) -> Result<Answer, DatabaseError> {
        let answer = act::apply(transaction, acting)?;
        if answer == Answer::Done {
            outbox::acted(transaction, &self.routes, acting.id, self.now_unix_ns)?;
            self.has_something_to_tell = true;
        }
        Ok(answer)
    }

    /// What was counted in this transaction is in the next message, as it is not written down yet.
    fn seal(&self, transaction: &Transaction<'_>, receiver: &str) -> Result<Sealed, DatabaseError> {
        let route = self.routes.iter().find(|route| *route.receiver == *receiver);
        route.map_or(Ok(Sealed::default()), |route| outbox::seal(transaction, route, self.now_unix_ns))
    }
}

fn keep(transaction: &Transaction<'_>, place: &ScanPlace) -> Result<usize, DatabaseError> {
    let ScanPlace { map, store, after } = place;
    match after {
        Some(after) => transaction.execute(KEEP_PLACE, params![map, store, after]),
        None => transaction.execute(FORGET_PLACE, params![map, store]),
    }
}

/// Deletes the oldest resolved divergences, so that `rows_max` are left if there are enough of them.
fn prune(transaction: &Transaction<'_>, rows_max: u32) -> Result<usize, DatabaseError> {
    let rows: i64 = transaction.one("SELECT count(*) FROM divergence", &[], |row| row.get(0))?;
    transaction.execute(PRUNE, params![rows.saturating_sub(rows_max.into()).max(0)])
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crate::ledger::tests::opened;

    #[test]
    fn the_oldest_resolved_rows_make_room_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::new((&folder.path().join("ledger")).into()).unwrap();
        let connection = database.open().unwrap();
        let transaction = connection.begin().unwrap();
        for number in 0..6 {
            assert!(matches!(apply(&transaction, &opened(number).into()).unwrap(), Applied::Changed(..)));
        }
        for number in [1, 2, 4] {
            let resolved = Transition::Resolved { id: opened(number).id, at_unix_ns: 1, how: "agreed" };
            assert!(matches!(apply(&transaction, &resolved).unwrap(), Applied::Changed(..)));
        }
        let left = |rows_max| {
            prune(&transaction, rows_max).unwrap();
            transaction
                .query("SELECT seq FROM divergence ORDER BY row", &[], |row| row.get::<u32>(0))
                .unwrap()
        };
        assert_eq!(left(6), [0, 1, 2, 3, 4, 5]);
        assert_eq!(left(4), [0, 3, 4, 5]);
        assert_eq!(left(1), [0, 3, 5]);
    }
}
