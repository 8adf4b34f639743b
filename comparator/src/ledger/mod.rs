//! The ledger: every divergence that was opened, confirmed or resolved, in one SQLite file, or in a Postgres database that
//! several comparators share.
//!
//! # Design
//!
//! One dedicated thread writes. It takes whatever waits in a bounded queue, at most [`BATCH_MAX`] transitions, and
//! writes that in one transaction. Readers have connections of their own, on the runtime's blocking threads, and neither
//! waits for the other. Where several comparators share a ledger, their writers' transactions follow one another: see
//! [`database`]; what is done once over all of them is done by the one that leads: see [`lead`].
//!
//! # Invariants
//!
//! - A transition that [`Ledger::record`] took is written, in order, however long it takes. When the disk is full or
//!   fails, or the server is away, the writer keeps its batch, counts a retry, waits a moment and writes it over a fresh connection. The queue
//!   then fills, `record` waits for room, and with it whoever records: nothing is lost, the intake slows down. Only
//!   when the last handle is dropped while writing still fails does it give up, after [`CLOSING_RETRIES_MAX`] retries,
//!   and logs how many transitions that cost.
//! - Transitions are idempotent: opening what is open, confirming what is confirmed and resolving what is resolved
//!   change nothing, so a journal may be replayed. Opening what was resolved opens it again and counts it (`times`).
//! - Written transitions survive `kill -9` and power loss (WAL, `synchronous=FULL`; `synchronous_commit`). What is announced is written.
//! - What people do about a divergence ([`Acting`]) and what the comparator sees of it are kept apart, and neither overwrites
//!   the other. Both raise the divergence's revision. An act names the revision that it was decided on, and is not done if that
//!   is not the present one; one that is done already is done.
//! - The file does not grow without end: beyond [`ROWS_MAX`] rows, the oldest resolved divergences are deleted, and so are
//!   those that [`Ledger::forget`] is told to. What is not resolved is never deleted. Of a divergence's history at most
//!   [`ENTRIES_MAX`] entries are kept.
//! - What is to be told to people of a turn is written with it: see [`outbox`].
//! - A page costs at most one pass over one narrow index, whatever it is filtered by.
//!
//! - Comparators that share a ledger write about divergences of different sources, as each source reports to one of them, and
//!   the source is part of a divergence's id. Where two say the same, the second word changes nothing. How far a store was gone
//!   through stands there once for each check; if two go through the same store, one of them does part of it again when it is
//!   started over.
//!
//! Keys stand in it, values do not: only their digests.

mod act;
mod apply;
mod database;
mod error;
mod filter;
mod history;
mod lead;
mod listing;
pub mod outbox;
mod query;
mod row;
mod schema;
mod transition;
mod writer;

pub use act::{Act, Acted, Acting, Answer, Mark};
pub(crate) use database::{Connection, Database, Row as DatabaseRow, Server, ToSql, Transaction};
pub use database::{DatabaseError, Place};
pub use error::LedgerError;
pub use filter::{ActedOn, Cursor, Filter, Page};
pub use history::{ENTRIES_MAX, Entry};
pub use row::{Count, DivergenceId, Ignored, Life, Row, State};
pub(crate) use row::{digest_of, key_of, shown};
pub use transition::{Opened, ScanPlace, Transition, Turned};

use counterfoil_clock::wall_unix_ns;
use lead::Seeker;
use outbox::{Outbox, Route};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::{Semaphore, mpsc, oneshot, watch};
use tokio::time::timeout;
use writer::{Command, Writer};

/// Transitions that may wait for the writer.
pub const QUEUE_MAX: usize = 4096;
/// Transitions in one transaction.
pub const BATCH_MAX: usize = 1000;
/// Rows a page may have.
pub const PAGE_ROWS_MAX: u32 = 1000;
/// Rows beyond which the oldest resolved ones are deleted.
pub const ROWS_MAX: u32 = 1_000_000;
/// Divergences that are deleted at a time because they were resolved long ago.
pub const FORGOTTEN_MAX: u32 = 10_000;
/// Retries of a write that fails while the ledger closes.
pub const CLOSING_RETRIES_MAX: u32 = 10;
/// Reads at a time.
const READS_MAX: usize = 4;
/// Transitions waiting for the writer beyond which it is behind, and a read does not wait for it.
const BEHIND: usize = BATCH_MAX;
/// How long a read waits for a writer that is not behind: it is not done in that time if it cannot write.
const READ_WAIT_MAX: Duration = Duration::from_millis(500);
/// How long an act may take.
const ACT_WAIT_MAX: Duration = Duration::from_secs(5);

const _: () = assert!(BATCH_MAX <= QUEUE_MAX, "a full batch must fit the queue");

/// Tells of a divergence that came into another state.
type Announce = Box<dyn Fn(&Turned) + Send>;

/// Figures of the writer since it was started.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Stats {
    /// Transitions written, those that changed nothing included.
    pub written: u64,
    /// Tries in a row that did not succeed; 0 while the file can be written.
    pub retries: u64,
    /// Whether this comparator does what is done once over all that share the ledger.
    pub leads: bool,
    /// Transitions of divergences that the ledger does not know: a breach of the order opened, confirmed, resolved.
    pub orphans: u64,
}

#[derive(Debug, Default)]
struct Counters {
    written: AtomicU64,
    retries: AtomicU64,
    orphans: AtomicU64,
}

/// A handle of the ledger. Clones share one writer, which ends after the last of them is dropped: that drop waits until
/// everything recorded is written.
#[derive(Clone, Debug)]
pub struct Ledger {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    database: Arc<Database>,
    counters: Arc<Counters>,
    reads: Arc<Semaphore>,
    queue: Option<mpsc::Sender<Command>>,
    outbox_changes: watch::Receiver<()>,
    thread: Option<JoinHandle<()>>,
    seeker: Seeker,
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.queue = None;
        if let Some(Err(_)) = self.thread.take().map(JoinHandle::join) {
            tracing::error!("the ledger's thread panicked");
        }
    }
}

impl Ledger {
    /// Opens the ledger at `place`, or makes it, and starts the writer. `announce` is called, on the writer's thread, for each
    /// divergence that came into another state, after that is on disk.
    ///
    /// # Errors
    ///
    /// [`LedgerError`] if the place is unusable or not a ledger of this version or an older one.
    pub fn open(
        place: impl Into<Place>,
        announce: impl Fn(&Turned) + Send + 'static,
    ) -> Result<Self, LedgerError> {
        Self::open_with(place, Vec::new(), announce)
    }

    /// The same, with an outbox for these routes.
    ///
    /// # Errors
    ///
    /// [`LedgerError`] as [`Ledger::open`].
    pub fn open_with(
        place: impl Into<Place>,
        routes: Vec<Route>,
        announce: impl Fn(&Turned) + Send + 'static,
    ) -> Result<Self, LedgerError> {
        let database = Arc::new(Database::new(place.into())?);
        let (outbox, outbox_changes) = Outbox::new(routes);
        let changed = outbox.changed();
        let counters = Arc::<Counters>::default();
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        // The writer's thread opens the database too, as whoever calls may be asynchronous code, which must not wait.
        let (opened, is_open) = std::sync::mpsc::sync_channel(1);
        let of_writer = (Arc::clone(&database), Arc::clone(&counters), Box::new(announce));
        let thread = std::thread::Builder::new()
            .name("ledger".into())
            .spawn(move || {
                let (database, counters, announce) = of_writer;
                let told = match connect(&database, outbox.routes()) {
                    Ok(connection) => Ok(Writer::new(database, connection, counters, announce, outbox)),
                    Err(error) => Err(error),
                };
                match told {
                    Ok(writer) if opened.send(Ok(())).is_ok() => writer.run(waiting),
                    Ok(_) => {}
                    Err(error) => drop(opened.send(Err(error))),
                }
            })
            .map_err(LedgerError::Thread)?;
        is_open.recv().map_err(|_| LedgerError::Stopped)??;
        let seeker = Seeker::new(Arc::clone(&database), changed)?;
        let reads = Arc::new(Semaphore::new(READS_MAX));
        let (queue, thread) = (Some(queue), Some(thread));
        let shared = Shared { database, counters, reads, queue, outbox_changes, thread, seeker };
        Ok(Self { shared: Arc::new(shared) })
    }

    /// Hands transitions to the writer, in order; waits while its queue is full. If the future is dropped before it is
    /// done, some of them are recorded: record all of them again then.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Stopped`] if the writer's thread has panicked.
    pub async fn record(&self, transitions: Vec<Transition>) -> Result<(), LedgerError> {
        for transition in transitions {
            self.send(Command::Record(transition)).await?;
        }
        Ok(())
    }

    /// Hands the writer how far a store was gone through; waits while its queue is full.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Stopped`] if the writer's thread has panicked.
    pub async fn keep_place(&self, place: ScanPlace) -> Result<(), LedgerError> {
        self.send(Command::Place(place)).await
    }

    /// How far each store was gone through.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Read`].
    pub async fn scan_places(&self) -> Result<Vec<ScanPlace>, LedgerError> {
        self.read(query::scan_places).await
    }

    /// Waits until everything recorded before is written.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Stopped`] if the writer's thread has panicked, or gave up while the ledger closes.
    pub async fn flush(&self) -> Result<(), LedgerError> {
        let (done, written) = oneshot::channel();
        self.send(Command::Flush(done)).await?;
        written.await.map_err(|_| LedgerError::Stopped)
    }

    /// Waits until what was recorded before is written, so that a read shows it; but not while the writer is behind, nor long if
    /// it cannot write: the read then shows what is there.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Stopped`] as [`Ledger::flush`].
    pub async fn catch_up(&self) -> Result<(), LedgerError> {
        let queue = self.shared.queue.as_ref().ok_or(LedgerError::Stopped)?;
        if queue.max_capacity() - queue.capacity() > BEHIND {
            return Ok(());
        }
        timeout(READ_WAIT_MAX, self.flush()).await.unwrap_or(Ok(()))
    }

    /// Does what somebody does about a divergence, and tells what became of it once it is on disk. If this is given up, it may
    /// be done all the same.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Late`] if it takes too long, [`LedgerError::Stopped`] as [`Ledger::flush`].
    pub async fn act(&self, acting: Acting) -> Result<Answer, LedgerError> {
        let (done, answer) = oneshot::channel();
        let acted = async {
            self.send(Command::Act(acting, done)).await?;
            answer.await.map_err(|_| LedgerError::Stopped)
        };
        timeout(ACT_WAIT_MAX, acted).await.map_err(|_| LedgerError::Late)?
    }

    /// Has up to [`FORGOTTEN_MAX`] divergences deleted that were resolved before this wall-clock time, in nanoseconds since
    /// 1970; waits while the writer's queue is full.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Stopped`] if the writer's thread has panicked.
    pub async fn forget(&self, resolved_before_unix_ns: i64) -> Result<(), LedgerError> {
        self.send(Command::Forget(resolved_before_unix_ns)).await
    }

    async fn send(&self, command: Command) -> Result<(), LedgerError> {
        let queue = self.shared.queue.as_ref().ok_or(LedgerError::Stopped)?;
        queue.send(command).await.map_err(|_| LedgerError::Stopped)
    }

    /// One page of the divergences that `filter` lets through, newest first. Pages stay in place when divergences are
    /// opened between two calls: those come before the first page.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Read`].
    pub async fn list(&self, filter: Filter) -> Result<Page, LedgerError> {
        self.read(move |connection| query::list(connection, &filter, wall_unix_ns())).await
    }

    /// The newest of the divergences that `filter` lets through, up to about `rows_max`: its last page is whole.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Read`].
    pub(crate) async fn newest(&self, filter: Filter, rows_max: usize) -> Result<Vec<Row>, LedgerError> {
        let (mut rows, mut after) = (Vec::new(), None);
        loop {
            let page = self.list(Filter { limit: PAGE_ROWS_MAX, after, ..filter.clone() }).await?;
            rows.extend(page.rows);
            after = page.next;
            if after.is_none() || rows.len() >= rows_max {
                return Ok(rows);
            }
        }
    }

    /// The divergence `id`.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Read`].
    pub async fn get(&self, id: DivergenceId) -> Result<Option<Row>, LedgerError> {
        self.read(move |connection| query::get(connection, id, wall_unix_ns())).await
    }

    /// The divergence `id` and what happened to it.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Read`].
    pub async fn life(&self, id: DivergenceId) -> Result<Option<Life>, LedgerError> {
        self.read(move |connection| query::life(connection, id, wall_unix_ns())).await
    }

    /// How many divergences of each map, store and kind are in each state; those of which there are none are left out.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Read`].
    pub async fn counts(&self) -> Result<Vec<Count>, LedgerError> {
        self.read(query::counts).await
    }

    /// How many divergences of each map and store are not resolved, and ignored; those of which there are none are left out.
    ///
    /// # Errors
    ///
    /// [`LedgerError::Read`].
    pub async fn ignored(&self) -> Result<Vec<Ignored>, LedgerError> {
        self.read(move |connection| query::ignored(connection, wall_unix_ns())).await
    }

    /// Whether this comparator does what is done once over all that share the ledger: one that has it alone always does.
    #[must_use]
    pub fn lead(&self) -> watch::Receiver<bool> {
        self.shared.seeker.lead()
    }

    /// The same at this instant.
    #[must_use]
    pub fn leads(&self) -> bool {
        *self.shared.seeker.lead().borrow()
    }

    /// Where the ledger is kept, for what is kept beside it.
    pub(crate) fn database(&self) -> &Arc<Database> {
        &self.shared.database
    }

    /// Figures of the writer.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let Counters { written, retries, orphans } = &*self.shared.counters;
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        Stats { written: read(written), retries: read(retries), orphans: read(orphans), leads: self.leads() }
    }

    async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce(&Connection) -> Result<T, DatabaseError> + Send + 'static,
    ) -> Result<T, LedgerError> {
        let reads = Arc::clone(&self.shared.reads);
        let place = reads.acquire_owned().await.map_err(|_| LedgerError::Stopped)?;
        let database = Arc::clone(&self.shared.database);
        let done = tokio::task::spawn_blocking(move || {
            let _place = place;
            database.read(read)
        });
        Ok(done.await.map_err(|_| LedgerError::Stopped)??)
    }
}

fn connect(database: &Database, routes: &[Route]) -> Result<Connection, LedgerError> {
    let connection = database.open()?;
    let unusable = |source| LedgerError::Open { place: database.place().clone(), source };
    outbox::adopt(&connection, routes, wall_unix_ns()).map_err(unusable)?;
    Ok(connection)
}

#[cfg(test)]
pub(crate) mod tests;
