//! The prober: makes the reads that the scheduler asks for, and tells what it concludes of them.
//!
//! One loop owns it all: on each tick it has observations judged and sends off reads. Reads run as tasks of their own and
//! come back through a bounded channel.
//!
//! # Invariants
//!
//! - Each read that the scheduler asked for comes back to it, with what was seen or why nothing was seen.

mod pages;
mod stores;
mod swept;

pub(crate) use stores::Told;

use crate::Parts;
use crate::budget::Ending;
use crate::contract::Contract;
use crate::ledger::ScanPlace;
use crate::metrics;
use crate::scheduler::{PageRead, Read, Request, Scheduler};
use crate::store::{Answer, Found, Reader, StoreError};
use crate::sweep;
use crate::table::{Observed, Probe, Seen};
use ::metrics::{Counter, Gauge};
use bytes::Bytes;
use counterfoil_clock::now;
use counterfoil_digest::{MapDigesters, digest_many};
use counterfoil_judge::{Interval, Reason, Time};
use counterfoil_keys::KeyNumber;
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

/// Reads that may wait for the loop.
const DONE_MAX: usize = 256;

/// What comes back to the loop.
enum Done {
    Read(Read),
    Page(PageRead),
}

/// Makes the reads.
pub(crate) struct Prober {
    parts: Arc<Parts>,
    scheduler: Scheduler,
    gauges_at: Time,
    series: Vec<StoreSeries>,
    sweep_series: Vec<SweepSeries>,
    waiting_series: Gauge,
}

impl Prober {
    /// Keeps to the budgets of the contracts' stores, and sweeps as `sweep` says. Stores are gone through from `places` on.
    pub(crate) fn new(parts: Arc<Parts>, sweep: &sweep::Settings, places: &[ScanPlace]) -> Self {
        let contracts = parts.engine.contracts();
        let readers = contracts.readers();
        let bounds = readers.iter().map(|reader| reader.bounds());
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
            waiting_series: metrics::WAITING.gauge(&[]),
            parts,
        }
    }

    /// Runs until `stop`; reads under way are then dropped, and their events stay open.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let (done, mut back) = mpsc::channel(DONE_MAX);
        let mut reads = JoinSet::new();
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                Some(back) = back.recv() => match back {
                    Done::Read(read) => self.scheduler.take_back(read, now()),
                    Done::Page(page) => self.take_back_page(page).await,
                },
                _ = tick.tick() => {
                    while reads.try_join_next().is_some() {}
                    let at = now();
                    let effects = self.scheduler.tick(at);
                    self.parts.telling.tell(effects).await;
                    for request in self.scheduler.send_off(at) {
                        self.send(request, &mut reads, done.clone());
                    }
                    for request in self.scheduler.next_pages(at) {
                        self.send_page(request, &mut reads, done.clone());
                    }
                    self.tell_of_stores(at);
                    self.set_gauges(at);
                }
            }
        }
    }

    fn send(&self, request: Request, reads: &mut JoinSet<()>, done: mpsc::Sender<Done>) {
        let contracts = self.parts.engine.contracts().clone();
        let reader = contracts.readers().get(request.store).cloned();
        let (Some(reader), Some(series)) = (reader, self.series.get(request.store)) else { return };
        series.sent(request.delay);
        let series = series.reads.clone();
        if let Some(tally) = self.parts.tallies.of(request.map) {
            tally.looked_up(request.probes.len() as u64);
        }
        reads.spawn(async move {
            let Some(contract) = contracts.get(request.map) else { return };
            let read = read(&reader, contract, request, &series).await;
            // The loop is gone only when the comparator stops.
            _ = done.send(Done::Read(read)).await;
        });
    }

    fn tell_of_stores(&mut self, at: Time) {
        let (statuses, swept) = (self.scheduler.statuses(at), self.scheduler.swept());
        let (statuses, swept): (Vec<_>, Vec<_>) = (statuses.collect(), swept.collect());
        for (series, status) in self.series.iter_mut().zip(&statuses) {
            series.set(status);
        }
        for (series, progress) in self.sweep_series.iter_mut().zip(&swept) {
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

/// Makes a read. Where the store does not answer, each probe is told so.
async fn read(reader: &Reader, contract: &Contract, request: Request, series: &ReadSeries) -> Read {
    let keys: Vec<Bytes> = request.probes.iter().map(|probe| probe.key.clone()).collect();
    let begin = now();
    let answers = reader.read_many(&contract.lookup, &keys).await;
    let at = Interval::new(begin, now());
    series.read(keys.len(), at);
    let (ending, seen) = match answers {
        Ok(answers) => {
            let under = request.probes.iter().map(Probe::digested_under);
            (Ending::Answered, digests(&contract.digesters, under.zip(&answers), &series.key_errors))
        }
        Err(error) => {
            tracing::warn!(store = reader.name(), %error, "a read of the store told nothing");
            let labels = [("store", reader.name()), ("reason", error.label())];
            metrics::READ_ERRORS.counter(&labels).increment(1);
            (ending(&error), Vec::new())
        }
    };
    let seen = seen.into_iter().chain(std::iter::repeat(Err(Reason::Store)));
    let observed = request.probes.into_iter().zip(seen).map(|(probe, seen)| Observed { probe, at, seen });
    Read { store: request.store, map: request.map, at, ending, observed: observed.collect() }
}

/// What an error says about the store. A query that it does not understand is another map's no business.
fn ending(error: &StoreError) -> Ending {
    match error {
        StoreError::Connect { .. } | StoreError::Timeout | StoreError::Standby => {
            Ending::Unanswered(error.label())
        }
        StoreError::Query { .. } | StoreError::TooManyKeys { .. } => Ending::Refused,
    }
}

/// Digests what was found, each value under the key of what it is compared with. What the store or the codec cannot
/// represent tells nothing about its key.
fn digests<'a>(
    digesters: &MapDigesters,
    answers: impl Iterator<Item = (KeyNumber, &'a Answer)>,
    key_errors: &Counter,
) -> Vec<Result<Seen, Reason>> {
    // Every number is that of a batch that was accepted, so there is a digester under it.
    let (digesters, answers): (Vec<_>, Vec<_>) =
        answers.filter_map(|(key, answer)| Some((digesters.under(key)?, answer))).unzip();
    let values = digesters.into_iter().zip(&answers).map(|(digester, answer)| match answer {
        Ok(Found::Value(value, _)) => (digester, Some(value.as_slice())),
        Ok(Found::Absent) | Err(_) => (digester, None),
    });
    let mut digests = Vec::with_capacity(answers.len());
    digest_many(values, &mut digests);
    let told = answers.iter().zip(digests).map(|(answer, digest)| match (answer, digest) {
        (Ok(Found::Value(_, version)), Ok(digest)) => Ok(Seen { digest, version: *version }),
        (Ok(Found::Absent), Ok(digest)) => Ok(Seen { digest, version: None }),
        _ => {
            key_errors.increment(1);
            Err(Reason::Store)
        }
    });
    told.collect()
}

#[cfg(test)]
#[path = "../../tests/vectors/mod.rs"]
#[allow(dead_code, reason = "of what vectors tell, digests are the prober's")]
mod vectors;

#[cfg(test)]
mod tests {
    use super::vectors::{File, Vector, files, hex};
    use super::*;

    #[test]
    fn the_digests_of_what_a_store_holds_are_those_of_the_vectors() {
        for file in files() {
            for vector in &file.vectors {
                let seen = seen(&file, vector);
                let digest_hex = seen.ok().map(|seen| hex(&seen.digest.0));
                assert_eq!(digest_hex, vector.expected.digest_hex, "{}", vector.about);
                assert_eq!(seen.err(), vector.expected.refused.as_ref().map(|_| Reason::Store));
            }
        }
    }

    fn seen(file: &File, vector: &Vector) -> Result<Seen, Reason> {
        let digesters = MapDigesters::new(&file.keys(), &vector.map, vector.form());
        let answer = Ok(vector.value().map_or(Found::Absent, |value| Found::Value(value, None)));
        digests(&digesters, std::iter::once((KeyNumber::default(), &answer)), &Counter::noop()).remove(0)
    }
}
