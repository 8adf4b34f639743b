//! The prober: reads the store for keys that are due, and judges what it saw once every live source has told of all
//! writes begun before.
//!
//! One loop owns it all: on each tick it judges the observations whose time has come, gives up on silent sources, and
//! sends off as many reads as the stores' budgets allow, each for many keys of one map. Reads run as tasks of their own
//! and come back through a bounded channel. An observation that waits is not read again.
//!
//! # Invariants
//!
//! - Each probe that was taken from the table comes back to it, with what it saw or why it saw nothing.
//! - At most `concurrency` reads per store and [`WAITING_MAX`] observations are under way.

use crate::Parts;
use crate::contract::{Contract, MapId};
use crate::metrics;
use crate::store::{Answer, Found, Reader};
use crate::table::{Change, Observed, Probe, Seen};
use ::metrics::{Counter, Gauge, Histogram};
use bytes::Bytes;
use counterfoil_clock::now;
use counterfoil_digest::{MapDigester, digest_many};
use counterfoil_judge::{Interval, Reason, Time};
use counterfoil_proto::BucketSet;
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

/// Most observations that may wait for watermarks; with more, no more reads are sent off.
const WAITING_MAX: usize = 200_000;

/// Reads that may wait for the loop.
const DONE_MAX: usize = 256;

/// A read that came back.
struct Read {
    store: usize,
    at: Interval,
    observed: Vec<Observed>,
}

/// Series of one store.
#[derive(Clone)]
struct StoreSeries {
    reads: Counter,
    keys: Counter,
    key_errors: Counter,
    seconds: Histogram,
}

/// Reads and judges.
pub(crate) struct Prober {
    parts: Arc<Parts>,
    source_timeout: i64,
    in_flight: Vec<usize>,
    waiting: Vec<Read>,
    turn: usize,
    gauges_at: Time,
    series: Vec<StoreSeries>,
    waiting_series: Gauge,
    lost_series: Counter,
}

impl Prober {
    /// Gives up on sources that are silent for `source_timeout` nanoseconds.
    pub(crate) fn new(parts: Arc<Parts>, source_timeout: i64) -> Self {
        let series = parts.contracts.readers().iter().map(|reader| StoreSeries::new(reader)).collect();
        let in_flight = vec![0; parts.contracts.readers().len()];
        Self {
            parts,
            source_timeout,
            in_flight,
            waiting: Vec::new(),
            turn: 0,
            gauges_at: Time::MIN,
            series,
            waiting_series: metrics::WAITING.gauge(&[]),
            lost_series: metrics::SOURCES_LOST.counter(&[]),
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
                Some(read) = back.recv() => self.take_back(read),
                _ = tick.tick() => {
                    while reads.try_join_next().is_some() {}
                    let at = now();
                    self.expire_sources(at);
                    self.judge(at).await;
                    self.send_off(at, &mut reads, &done);
                    self.set_gauges(at);
                }
            }
        }
    }

    fn take_back(&mut self, read: Read) {
        if let Some(in_flight) = self.in_flight.get_mut(read.store) {
            *in_flight = in_flight.saturating_sub(1);
        }
        // Writes that began after this read need not be kept for its judgement.
        let effects = self.parts.table.apply(Change::Looked(&read.observed), now());
        debug_assert!(effects.ended.is_empty() && effects.turned.is_empty(), "looking ends nothing");
        self.waiting.push(read);
    }

    /// What a lost source wrote last, nobody knows: every key is in doubt.
    fn expire_sources(&self, at: Time) {
        for source in self.parts.sources.expire(at.minus(self.source_timeout)) {
            tracing::warn!(source = %source.name, "a source fell silent; verdicts no longer wait for it");
            self.lost_series.increment(1);
            let until = at.plus(self.parts.contracts.deadline_max());
            self.parts.table.taint(&BucketSet::All, until, Reason::SourceLost);
        }
    }

    /// Judges the observations that every live source's watermark has passed.
    async fn judge(&mut self, at: Time) {
        let passed =
            self.parts.sources.horizon(&self.parts.clocks, at).minus(self.parts.contracts.lead_max());
        let (ready, waiting) =
            std::mem::take(&mut self.waiting).into_iter().partition(|read| read.at.end < passed);
        self.waiting = waiting;
        let ready: Vec<Read> = ready;
        for read in ready {
            let effects = self.parts.table.apply(Change::Observed(read.observed), now());
            self.parts.telling.tell(effects).await;
        }
    }

    fn send_off(&mut self, at: Time, reads: &mut JoinSet<()>, done: &mpsc::Sender<Read>) {
        self.turn = self.turn.wrapping_add(1);
        let mut waiting: usize = self.waiting.iter().map(|read| read.observed.len()).sum();
        let parts = self.parts.clone();
        let maps = parts.contracts.iter().len();
        for step in 0..maps {
            let Ok(map) = u32::try_from((self.turn + step) % maps) else { return };
            let Some(contract) = parts.contracts.get(MapId(map)) else { return };
            let Some(reader) = parts.contracts.readers().get(contract.store) else { return };
            while self.in_flight.get(contract.store).is_some_and(|&now| now < reader.concurrency()) {
                let limit = reader.keys_per_read_max().min(WAITING_MAX.saturating_sub(waiting));
                let probes = parts.table.due(MapId(map), at, limit, self.turn);
                if probes.is_empty() {
                    break;
                }
                waiting += probes.len();
                self.send(contract, reader.clone(), probes, reads, done.clone());
            }
        }
    }

    fn send(
        &mut self,
        contract: &Contract,
        reader: Arc<Reader>,
        probes: Vec<Probe>,
        reads: &mut JoinSet<()>,
        done: mpsc::Sender<Read>,
    ) {
        let store = contract.store;
        let Some(series) = self.series.get(store).cloned() else { return };
        if let Some(in_flight) = self.in_flight.get_mut(store) {
            *in_flight += 1;
        }
        let (lookup, digester) = (contract.lookup.clone(), contract.digester.clone());
        reads.spawn(async move {
            let keys: Vec<Bytes> = probes.iter().map(|probe| probe.key.clone()).collect();
            let begin = now();
            let answers = reader.read_many(&lookup, &keys).await;
            let at = Interval::new(begin, now());
            series.read(keys.len(), at);
            let seen = match answers {
                Ok(answers) => digests(&digester, &answers, &series),
                Err(error) => {
                    tracing::warn!(store = reader.name(), %error, "a read of the store told nothing");
                    let labels = [("store", reader.name()), ("reason", error.label())];
                    metrics::READ_ERRORS.counter(&labels).increment(1);
                    Vec::new()
                }
            };
            let seen = seen.into_iter().chain(std::iter::repeat(Err(Reason::Store)));
            let observed =
                probes.into_iter().zip(seen).map(|(probe, seen)| Observed { probe, at, seen }).collect();
            // The loop is gone only when the comparator stops.
            _ = done.send(Read { store, at, observed }).await;
        });
    }

    fn set_gauges(&mut self, at: Time) {
        if at < self.gauges_at {
            return;
        }
        self.gauges_at = at.plus(GAUGES_EVERY);
        self.waiting_series.set(self.waiting.iter().map(|read| read.observed.len()).sum::<usize>() as f64);
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

/// Digests what was found. What the store or the codec cannot represent tells nothing about its key.
fn digests(digester: &MapDigester, answers: &[Answer], series: &StoreSeries) -> Vec<Result<Seen, Reason>> {
    let values = answers.iter().map(|answer| match answer {
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
