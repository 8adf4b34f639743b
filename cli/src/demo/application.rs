//! The application of a demo: a map, a store, an emitter, and threads that write, rightly or wrongly.

use super::crew::Crew;
use super::map::DemoMap;
use super::planter::Planter;
use super::schedule::{Planned, schedule};
use super::stage::{DEADLINE_MS, MAP, Stage};
use super::tally::Planted;
use crate::app_store::StoreError;
use crate::pace::{after, since};
use crate::random::Zipf;
use counterfoil_clock::now;
use counterfoil_emitter::{ConnectError, Emitter, Identity};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use thiserror::Error;

/// Keys that the threads share.
const KEYS: usize = 20_000;
/// A few hundred of them take four fifths of the writes.
const SKEW: f64 = 1.25;
/// One in so many keys has a value before anybody watches.
const PRELOADED: usize = 2;
/// Keys that are preloaded in one go.
const PRELOAD_BATCH: usize = 1_000;
/// Threads that make slow calls.
const SLOW_THREADS: u64 = 2;
/// How long after it is due a late write comes.
const LATE_MARGIN: Duration = Duration::from_secs(2);
/// How long the emitter may take to deliver the rest.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(10);
/// How often it is looked whether the threads are done.
const LOOK: Duration = Duration::from_millis(100);

/// What the application is to do.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plan {
    pub(super) run: Duration,
    /// Writes per second of the fast threads together; 0 for as many as can be.
    pub(super) rate: f64,
    pub(super) threads: u64,
    /// Bugs per second.
    pub(super) plant_rate: f64,
    pub(super) seed: u64,
}

/// What it did.
pub(super) struct Deeds {
    pub(super) planted: Vec<Planted>,
    /// Writes reported.
    pub(super) events: u64,
    pub(super) seconds: f64,
    /// Whether the sidecar has taken everything.
    pub(super) delivered: bool,
}

/// Why it could not.
#[derive(Debug, Error)]
pub(super) enum ApplicationError {
    /// The store did not do as it was told.
    #[error("store: {0}")]
    Store(#[from] StoreError),
    /// There is no emitter.
    #[error("emitter: {0}")]
    Emitter(#[from] ConnectError),
    /// A thread ended by a panic, which the runtime has reported.
    #[error("a thread of the application panicked")]
    Panic,
    /// Somebody pressed Ctrl-C.
    #[error("interrupted")]
    Interrupted,
}

/// Runs the application to its end; `watch` is called now and then with the number of writes reported so far.
pub(super) fn run(
    plan: &Plan,
    stage: &Stage,
    interrupted: &AtomicBool,
    mut watch: impl FnMut(u64),
) -> Result<Deeds, ApplicationError> {
    let late_by = Duration::from_millis(DEADLINE_MS) + LATE_MARGIN;
    let bugs = schedule(plan.run, late_by, plan.plant_rate, plan.seed);
    let map = furnish(stage, bugs.len())?;
    let emitter = Emitter::connect(stage.socket(), Identity::new("demo"))?;
    let start = now();
    let planted = work(plan, stage, &map, &bugs, late_by, &emitter, || {
        watch(emitter.stats().issued);
        interrupted.load(Ordering::Relaxed)
    })?;
    let seconds = since(start).as_secs_f64();
    let events = emitter.stats().issued;
    let delivered = emitter.close(CLOSE_TIMEOUT);
    Ok(Deeds { planted, events, seconds, delivered })
}

/// A map over the shared keys and one for each bug, and a store that holds what the map holds.
fn furnish(stage: &Stage, bugs: usize) -> Result<DemoMap, StoreError> {
    let shared = (0..KEYS).map(|rank| format!("user:{rank:05}"));
    let mut map = DemoMap::new(shared.chain((0..bugs).map(|bug| format!("cold:{bug:05}"))));
    let mut client = stage.store.client()?;
    let ranks = (0..KEYS).step_by(PRELOADED).collect::<Vec<_>>();
    for batch in ranks.chunks(PRELOAD_BATCH) {
        let mut entries = Vec::with_capacity(batch.len());
        for &rank in batch {
            let value = format!("preloaded {rank}").into_bytes();
            entries.extend(map.try_hold(rank).map(|held| (held.key.to_owned(), value.clone())));
            map.preload(rank, value);
        }
        client.put_many(&entries)?;
    }
    Ok(map)
}

/// Lets all threads work until the plan's time is over and every bug is planted. `look` is called now and then; it says
/// whether to stop at once.
fn work(
    plan: &Plan,
    stage: &Stage,
    map: &DemoMap,
    bugs: &[Planned],
    late_by: Duration,
    emitter: &Emitter,
    mut look: impl FnMut() -> bool,
) -> Result<Vec<Planted>, ApplicationError> {
    let (keys, stop, start) = (Zipf::new(KEYS, SKEW), AtomicBool::new(false), now());
    let (store, seed, until) = (&stage.store, plan.seed, after(start, plan.run));
    let crew = &Crew { map, keys: &keys, emitter: emitter.map(MAP), store, seed, until, stop: &stop };
    let planter = Planter::new(map, KEYS, bugs, emitter.map(MAP), store, late_by)?;
    let mut interrupted = false;
    let planted = thread::scope(|scope| {
        let rate = plan.rate / f64::from(u32::try_from(plan.threads).unwrap_or(u32::MAX));
        let fast = (0..plan.threads).map(|number| scope.spawn(move || crew.write_fast(number, rate)));
        let mut writers = fast.collect::<Vec<_>>();
        let slow = (plan.threads..plan.threads + SLOW_THREADS).map(|number| scope.spawn(move || crew.write_slowly(number)));
        writers.extend(slow);
        let stop = &stop;
        let planter = scope.spawn(move || planter.run(start, stop));
        while !(writers.iter().all(thread::ScopedJoinHandle::is_finished) && planter.is_finished()) {
            thread::sleep(LOOK);
            interrupted |= look();
            // A thread that ends early has an error to tell: the others need not go on.
            let early = now() < until && writers.iter().any(thread::ScopedJoinHandle::is_finished);
            stop.fetch_or(interrupted || early, Ordering::Relaxed);
        }
        for writer in writers {
            writer.join().map_err(|_| ApplicationError::Panic)??;
        }
        Ok::<_, ApplicationError>(planter.join().map_err(|_| ApplicationError::Panic)??)
    })?;
    if interrupted { Err(ApplicationError::Interrupted) } else { Ok(planted) }
}
