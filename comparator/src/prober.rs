//! The prober: makes the reads that the scheduler asks for, and tells what it concludes of them.
//!
//! One loop owns it all: on each tick it has observations judged and sends off reads. Reads run as tasks of their own and
//! come back through a bounded channel. While more keys of a store are due than it may be read at a time, each read that comes
//! back lets the next go at once, and there are always some more reads than connections: these stand ready, so that no
//! connection waits until what it read is digested and the next keys are chosen.
//!
//! # Invariants
//!
//! - Each read that the scheduler asked for comes back to it, with what was seen or why nothing was seen.
//! - No more reads of a store are made at a time than its `concurrency`, which its reader sees to; one that stands ready has not
//!   begun.

mod digesting;
mod pages;
mod stores;
mod swept;
mod twice;

pub(crate) use stores::Told;

use crate::Parts;
use crate::budget::{Bounds, Ending};
use crate::contract::Contract;
use crate::ledger::ScanPlace;
use crate::metrics;
use crate::scheduler::{PageBack, Read, Request, Scheduler};
use crate::store::{Reader, Reading, StoreError};
use crate::sweep;
use crate::table::{Observed, Scanned};
use ::metrics::Gauge;
use bytes::Bytes;
use counterfoil_clock::now;
use counterfoil_digest::Hint;
use counterfoil_judge::{Reason, Time};
use digesting::seen;
use pages::Kept;
use std::sync::Arc;
use std::time::Duration;
use stores::{ReadSeries, StoreSeries};
use swept::SweepSeries;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// From one look at what is due to the next.
const TICK: Duration = Duration::from_millis(5);

/// From one look at the gauges to the next, in nanoseconds.
const GAUGES_EVERY: i64 = 5_000_000_000;

/// Reads of a store that stand ready besides those that are made: one for the connection that comes free next, and one more
/// for while the loop judges.
const READY_READS: usize = 2;

/// Reads that may wait for the loop.
const DONE_MAX: usize = 256;

/// What comes back to the loop.
enum Done {
    /// With what the keys showed that were read twice: where the two answers of each differ.
    Read(Read, Vec<Vec<Hint>>),
    Page(PageBack),
    /// The rows of a page that came back before, each with its digest.
    Rows(PageBack, Vec<Scanned>),
}

/// Makes the reads.
pub(crate) struct Prober {
    parts: Arc<Parts>,
    scheduler: Scheduler,
    gauges_at: Time,
    series: Vec<StoreSeries>,
    sweep_series: Vec<SweepSeries>,
    kept: Kept,
    waiting_series: Gauge,
}

impl Prober {
    /// Keeps to the budgets of the contracts' stores, and sweeps as `sweep` says. Stores are gone through from `places` on.
    pub(crate) fn new(parts: Arc<Parts>, sweep: &sweep::Settings, places: &[ScanPlace]) -> Self {
        let contracts = parts.engine.contracts();
        let readers = contracts.readers();
        let bounds = readers.iter().map(|reader| {
            let bounds = reader.bounds();
            Bounds { concurrency: bounds.concurrency + READY_READS, ..bounds }
        });
        let mut scheduler = Scheduler::new(parts.engine.clone(), bounds.collect()).sweeping(sweep);
        for ScanPlace { map, store, after } in places {
            if let (Some(map), Some(after)) = (contracts.named(map, Some(store)), after) {
                scheduler.resume_rows(map, after);
            }
        }
        Self {
            scheduler,
            gauges_at: Time::MIN,
            series: readers.iter().map(|reader| StoreSeries::new(reader)).collect(),
            sweep_series: readers.iter().map(|reader| SweepSeries::new(reader, contracts)).collect(),
            kept: Kept::default(),
            waiting_series: metrics::WAITING.gauge(&[]),
            parts,
        }
    }

    /// Runs until `stop`; reads under way are then dropped, and their events stay open.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let (done, mut back) = mpsc::channel(DONE_MAX);
        let mut reads = Reads { tasks: JoinSet::new(), done };
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Some(back) = back.recv() => match back {
                    Done::Read(read, twice) => {
                        self.parts.telling.read_twice(read.map, &twice);
                        self.take_back(read, &mut reads).await;
                    }
                    Done::Page(page) => self.turn_page(&page, &mut reads),
                    Done::Rows(page, rows) => self.compare_page(page, &rows).await,
                },
                _ = tick.tick() => self.tick(&mut reads).await,
            }
        }
    }

    async fn tick(&mut self, reads: &mut Reads) {
        while reads.tasks.try_join_next().is_some() {}
        let at = now();
        self.judge(at).await;
        let requests = self.scheduler.send_off(at);
        requests.into_iter().for_each(|request| self.send(request, reads));
        let pages = self.scheduler.next_pages(at);
        pages.into_iter().for_each(|request| self.send_page(request, reads));
        self.tell_of_stores(at);
        self.set_gauges(at);
    }

    async fn take_back(&mut self, read: Read, reads: &mut Reads) {
        let (store, at) = (read.store, now());
        self.scheduler.take_back(read, at);
        if self.scheduler.is_short(store) {
            let requests = self.scheduler.send_off_to(store, at);
            requests.into_iter().for_each(|request| self.send(request, reads));
        }
        if self.scheduler.is_behind() {
            self.judge(at).await;
        }
    }

    async fn judge(&mut self, at: Time) {
        let effects = self.scheduler.tick(at);
        self.parts.telling.tell(effects).await;
    }

    fn send(&self, request: Request, reads: &mut Reads) {
        let contracts = self.parts.engine.contracts().clone();
        let Some(store) = self.store(request.store) else { return };
        self.series.get(request.store).into_iter().for_each(|series| series.sent(request.delay));
        if let Some(tally) = self.parts.tallies.of(request.map) {
            let twice = request.probes.iter().filter(|probe| probe.is_read_twice).count();
            tally.looked_up((request.probes.len() + twice) as u64);
        }
        let done = reads.done.clone();
        reads.tasks.spawn(async move {
            let Some(contract) = contracts.get(request.map) else { return };
            let (read, twice) = store.read(contract, request).await;
            // The loop is gone only when the comparator stops.
            _ = done.send(Done::Read(read, twice)).await;
        });
    }

    /// What a read of the store at `place` needs.
    fn store(&self, place: usize) -> Option<Place> {
        Some(Place {
            reader: self.parts.engine.contracts().readers().get(place)?.clone(),
            series: self.series.get(place)?.reads.clone(),
        })
    }

    fn tell_of_stores(&mut self, at: Time) {
        let (statuses, swept) = (self.scheduler.statuses(at), self.scheduler.swept());
        let (statuses, swept): (Vec<_>, Vec<_>) = (statuses.collect(), swept.collect());
        for (series, status) in self.series.iter_mut().zip(&statuses) {
            series.set(status);
        }
        for (series, progress) in self.sweep_series.iter().zip(&swept) {
            series.set(progress);
        }
        self.parts.statuses.set(statuses);
        self.parts.swept.set(swept);
    }

    fn set_gauges(&mut self, at: Time) {
        if at < self.gauges_at {
            return;
        }
        self.gauges_at = at.plus(GAUGES_EVERY);
        self.waiting_series.set(self.scheduler.waiting() as f64);
        self.parts.set_gauges();
    }
}

/// The reads that are made or stand ready, and where they come back.
struct Reads {
    tasks: JoinSet<()>,
    done: mpsc::Sender<Done>,
}

/// A store, as the task of a read has it.
struct Place {
    reader: Arc<Reader>,
    series: ReadSeries,
}

impl Place {
    /// Makes a read, of some keys twice. Where the store does not answer, each probe is told so.
    async fn read(&self, contract: &Contract, request: Request) -> (Read, Vec<Vec<Hint>>) {
        let keys: Vec<Bytes> = request.probes.iter().map(|probe| probe.key.clone()).collect();
        let Reading { at, told } = self.reader.read_many(&contract.lookup, &keys).await;
        let again = if told.is_ok() { self.read_again(contract, &request.probes).await } else { Vec::new() };
        // The read that was ready begins, and only then is digested what this one gave.
        tokio::task::yield_now().await;
        self.series.read(keys.len(), at);
        let (ending, seen, twice) = match told {
            Ok(answers) => {
                let twice = twice::compared(contract, request.probes.iter().zip(&answers), &again);
                let answers = request.probes.iter().map(|probe| &probe.against).zip(&answers);
                (Ending::Answered, seen(&contract.digesters, answers, &self.series.key_errors), twice)
            }
            Err(error) => (self.failed(contract, &error), Vec::new(), Vec::new()),
        };
        let seen = seen.into_iter().chain(std::iter::repeat(Err(Reason::Store)));
        let observed = request.probes.into_iter().zip(seen).map(|(probe, seen)| Observed { probe, at, seen });
        let observed = observed.collect();
        (Read { store: request.store, map: request.map, at, ending, observed }, twice)
    }

    /// Tells that a read told nothing about the contract's map; gives how it ended.
    fn failed(&self, contract: &Contract, error: &StoreError) -> Ending {
        self.series.failed(self.reader.name(), &contract.name, error);
        ending(error)
    }
}

/// What an error says about the store. A query that it does not understand is another map's no business.
fn ending(error: &StoreError) -> Ending {
    match error {
        StoreError::Connect { .. } | StoreError::Timeout | StoreError::Standby => {
            Ending::Unanswered(error.label())
        }
        StoreError::Query { .. } | StoreError::Conflict | StoreError::TooManyKeys { .. } => Ending::Refused,
    }
}
