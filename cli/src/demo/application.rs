//! The application of a demo: a map, a store, an emitter, and threads that write, rightly or wrongly.

use super::crew::{Crew, ReportedMap};
use super::hot::{Freezer, HOT_KEYS, hot_keys};
use super::map::DemoMap;
use super::planter::Planter;
use super::schedule::{Freeze, Planned, freezes, schedule};
use super::stage::{DEADLINE_MS, HOT_MAP, MAP, Stage};
use super::tally::Planted;
use crate::app_store::StoreError;
use crate::pace::after;
use crate::random::Zipf;
use counterfoil_clock::now;
use counterfoil_emitter::{ConnectError, Emitter, Identity};
use counterfoil_judge::Time;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread::{self, Scope, ScopedJoinHandle};
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
const SLOW_THREADS: u32 = 2;
/// How long after its acknowledgement a late write comes: well past the deadline.
const LATE_BY: Duration = Duration::from_millis(DEADLINE_MS + 2_000);
/// How long a freeze lasts. A key that never rests is confirmed divergent by a write that began when every write before the
/// freeze was due, and is due itself: that takes two deadlines. The judge steps from one such write to the next, which may
/// take a third; then a probe must come by and watermarks pass.
const FREEZE_LASTS: Duration = Duration::from_millis(3 * DEADLINE_MS + 2_000);
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
    pub(super) threads: u32,
    /// Bugs per second; with 0 no hot key is frozen either.
    pub(super) plant_rate: f64,
    /// Share of the fast threads' writes that goes to hot keys, from 0 to 1; with 0 there are none.
    pub(super) hot_share: f64,
    pub(super) seed: u64,
}

impl Plan {
    fn hot_keys(&self) -> usize {
        if self.hot_share > 0.0 { HOT_KEYS } else { 0 }
    }

    fn freezes(&self) -> Vec<Freeze> {
        let wanted = self.hot_share > 0.0 && self.plant_rate > 0.0;
        if wanted { freezes(self.run, FREEZE_LASTS, self.seed) } else { Vec::new() }
    }
}

/// What it did.
pub(super) struct Deeds {
    pub(super) planted: Vec<Planted>,
    /// Writes reported.
    pub(super) events: u64,
    /// For how long the fast threads wrote.
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
    let bugs = schedule(plan.run, LATE_BY, plan.plant_rate, plan.seed);
    let shared = (0..KEYS).map(|rank| format!("user:{rank:05}"));
    let map = furnish(stage, shared.chain((0..bugs.len()).map(|bug| format!("cold:{bug:05}"))), KEYS)?;
    let hot = furnish(stage, hot_keys().take(plan.hot_keys()), plan.hot_keys())?;
    let emitter = Emitter::connect(stage.socket(), Identity::new("demo"))?;
    let freezes = plan.freezes();
    let application = Application { plan, stage, map, hot, bugs, freezes, emitter: &emitter };
    let (planted, wrote_for) = application.work(|| {
        watch(emitter.stats().issued);
        interrupted.load(Ordering::Relaxed)
    })?;
    if interrupted.load(Ordering::Relaxed) {
        return Err(ApplicationError::Interrupted);
    }
    let events = emitter.stats().issued;
    let delivered = emitter.close(CLOSE_TIMEOUT);
    Ok(Deeds { planted, events, seconds: wrote_for.as_secs_f64(), delivered })
}

/// A map over `keys`, some of whose first `shared` keys have a value, and a store that holds what the map holds.
fn furnish(stage: &Stage, keys: impl Iterator<Item = String>, shared: usize) -> Result<DemoMap, StoreError> {
    let mut map = DemoMap::new(keys);
    let mut client = stage.store.client()?;
    let ranks = (0..shared).step_by(PRELOADED).collect::<Vec<_>>();
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

/// Everything that works together.
struct Application<'a> {
    plan: &'a Plan,
    stage: &'a Stage,
    map: DemoMap,
    hot: DemoMap,
    bugs: Vec<Planned>,
    freezes: Vec<Freeze>,
    emitter: &'a Emitter,
}

impl Application<'_> {
    /// Lets all threads work until the plan's time is over and every bug is planted; gives the bugs, and for how long the
    /// fast threads wrote. `look` is called now and then, and says whether to stop at once.
    fn work(&self, mut look: impl FnMut() -> bool) -> Result<(Vec<Planted>, Duration), ApplicationError> {
        let (keys, stop, ended, start) =
            (Zipf::new(KEYS, SKEW), AtomicBool::new(false), AtomicI64::new(0), now());
        let crew = self.crew(&keys, start, &stop, &ended);
        let planter =
            Planter::new(&self.map, KEYS, &self.bugs, self.emitter.map(MAP), &self.stage.store, LATE_BY)?;
        let hot_emitter = self.emitter.map(HOT_MAP);
        let freezer = Freezer::new(&self.hot, &self.freezes, FREEZE_LASTS, hot_emitter, &self.stage.store)?;
        let planted = thread::scope(|scope| {
            let writers = self.hire(scope, &crew);
            let planters =
                [scope.spawn(|| planter.run(start, &stop)), scope.spawn(|| freezer.run(start, &stop))];
            let ended = |planter: &ScopedJoinHandle<'_, _>| planter.is_finished();
            while !(writers.iter().all(ScopedJoinHandle::is_finished) && planters.iter().all(ended)) {
                thread::sleep(LOOK);
                // A thread that ends early has an error to tell: the others need not go on.
                let early = now() < crew.until && writers.iter().any(ScopedJoinHandle::is_finished);
                stop.fetch_or(look() || early, Ordering::Relaxed);
            }
            writers.into_iter().try_for_each(join)?;
            let [bugs, freezes] = planters.map(join);
            Ok::<_, ApplicationError>(bugs?.into_iter().chain(freezes?).collect())
        })?;
        let wrote_for = u64::try_from(ended.into_inner().saturating_sub(start.0)).unwrap_or(0);
        Ok((planted, Duration::from_nanos(wrote_for)))
    }

    fn crew<'a>(
        &'a self,
        keys: &'a Zipf,
        start: Time,
        stop: &'a AtomicBool,
        ended: &'a AtomicI64,
    ) -> Crew<'a> {
        Crew {
            shared: ReportedMap { map: &self.map, emitter: self.emitter.map(MAP) },
            keys,
            hot: ReportedMap { map: &self.hot, emitter: self.emitter.map(HOT_MAP) },
            hot_share: self.plan.hot_share,
            store: &self.stage.store,
            seed: self.plan.seed,
            until: after(start, self.plan.run),
            stop,
            ended,
        }
    }

    /// Starts the threads that write.
    fn hire<'scope>(&self, scope: &'scope Scope<'scope, '_>, crew: &'scope Crew<'_>) -> Vec<Writer<'scope>> {
        let fast_threads = self.plan.threads;
        let rate = self.plan.rate / f64::from(fast_threads);
        let fast = (0..fast_threads).map(|number| scope.spawn(move || crew.write_fast(number.into(), rate)));
        let slow = (fast_threads..fast_threads + SLOW_THREADS)
            .map(|number| scope.spawn(move || crew.write_slowly(number.into())));
        fast.chain(slow).collect()
    }
}

type Writer<'scope> = ScopedJoinHandle<'scope, Result<(), StoreError>>;

fn join<T>(thread: ScopedJoinHandle<'_, Result<T, StoreError>>) -> Result<T, ApplicationError> {
    Ok(thread.join().map_err(|_| ApplicationError::Panic)??)
}
