//! The prober: makes the reads that the scheduler asks for, and tells what it concludes of them.
//!
//! One loop owns it all: on each tick it has observations judged and sends off reads. Reads run as tasks of their own and
//! come back through a bounded channel.
//!
//! # Invariants
//!
//! - Each read that the scheduler asked for comes back to it, with what was seen or why nothing was seen.

use crate::Parts;
use crate::contract::Contract;
use crate::metrics;
use crate::scheduler::{Budget, Read, Request, Scheduler};
use crate::store::{Answer, Found, Reader};
use crate::table::{Observed, Probe, Seen};
use ::metrics::{Counter, Gauge, Histogram};
use bytes::Bytes;
use counterfoil_clock::now;
use counterfoil_digest::{MapDigesters, digest_many};
use counterfoil_judge::{Interval, Reason, Time};
use counterfoil_keys::KeyNumber;
use std::sync::Arc;
use std::time::Duration;
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

/// Series of one store.
#[derive(Clone)]
struct StoreSeries {
    reads: Counter,
    keys: Counter,
    key_errors: Counter,
    seconds: Histogram,
}

/// Makes the reads.
pub(crate) struct Prober {
    parts: Arc<Parts>,
    scheduler: Scheduler,
    gauges_at: Time,
    series: Vec<StoreSeries>,
    waiting_series: Gauge,
}

impl Prober {
    /// Keeps to the budgets of the contracts' stores.
    pub(crate) fn new(parts: Arc<Parts>) -> Self {
        let readers = parts.engine.contracts().readers();
        let budgets = readers.iter().map(|reader| Budget {
            concurrency: reader.concurrency(),
            keys_per_read_max: reader.keys_per_read_max(),
        });
        Self {
            scheduler: Scheduler::new(parts.engine.clone(), budgets.collect()),
            gauges_at: Time::MIN,
            series: readers.iter().map(|reader| StoreSeries::new(reader)).collect(),
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
                Some(read) = back.recv() => self.scheduler.take_back(read, now()),
                _ = tick.tick() => {
                    while reads.try_join_next().is_some() {}
                    let at = now();
                    let effects = self.scheduler.tick(at);
                    self.parts.telling.tell(effects).await;
                    for request in self.scheduler.send_off(at) {
                        self.send(request, &mut reads, done.clone());
                    }
                    self.set_gauges(at);
                }
            }
        }
    }

    fn send(&self, request: Request, reads: &mut JoinSet<()>, done: mpsc::Sender<Read>) {
        let contracts = self.parts.engine.contracts().clone();
        let reader = contracts.readers().get(request.store).cloned();
        let series = self.series.get(request.store).cloned();
        let (Some(reader), Some(series)) = (reader, series) else { return };
        if let Some(tally) = self.parts.tallies.of(request.map) {
            tally.looked_up(request.probes.len() as u64);
        }
        reads.spawn(async move {
            let Some(contract) = contracts.get(request.map) else { return };
            let read = read(&reader, contract, request, &series).await;
            // The loop is gone only when the comparator stops.
            _ = done.send(read).await;
        });
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

impl StoreSeries {
    fn new(reader: &Reader) -> Self {
        let store = [("store", reader.name())];
        Self {
            reads: metrics::READS.counter(&store),
            keys: metrics::READ_KEYS.counter(&store),
            key_errors: metrics::KEY_ERRORS.counter(&store),
            seconds: metrics::READ_SECONDS.histogram(&store),
        }
    }

    fn read(&self, keys: usize, at: Interval) {
        self.reads.increment(1);
        self.keys.increment(keys as u64);
        let took = u64::try_from(at.end.since(at.begin)).unwrap_or(0);
        self.seconds.record(Duration::from_nanos(took).as_secs_f64());
    }
}

/// Makes a read. Where the store does not answer, each probe is told so.
async fn read(reader: &Reader, contract: &Contract, request: Request, series: &StoreSeries) -> Read {
    let keys: Vec<Bytes> = request.probes.iter().map(|probe| probe.key.clone()).collect();
    let begin = now();
    let answers = reader.read_many(&contract.lookup, &keys).await;
    let at = Interval::new(begin, now());
    series.read(keys.len(), at);
    let seen = match answers {
        Ok(answers) => {
            let under = request.probes.iter().map(Probe::digested_under);
            digests(&contract.digesters, under.zip(&answers), series)
        }
        Err(error) => {
            tracing::warn!(store = reader.name(), %error, "a read of the store told nothing");
            let labels = [("store", reader.name()), ("reason", error.label())];
            metrics::READ_ERRORS.counter(&labels).increment(1);
            Vec::new()
        }
    };
    let seen = seen.into_iter().chain(std::iter::repeat(Err(Reason::Store)));
    let observed = request.probes.into_iter().zip(seen).map(|(probe, seen)| Observed { probe, at, seen });
    Read { store: request.store, map: request.map, at, observed: observed.collect() }
}

/// Digests what was found, each value under the key of what it is compared with. What the store or the codec cannot
/// represent tells nothing about its key.
fn digests<'a>(
    digesters: &MapDigesters,
    answers: impl Iterator<Item = (KeyNumber, &'a Answer)>,
    series: &StoreSeries,
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
            series.key_errors.increment(1);
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
        let series = StoreSeries {
            reads: Counter::noop(),
            keys: Counter::noop(),
            key_errors: Counter::noop(),
            seconds: Histogram::noop(),
        };
        digests(&digesters, std::iter::once((KeyNumber::default(), &answer)), &series).remove(0)
    }
}
