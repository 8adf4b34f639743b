//! The application: a process of its own, so that it can be killed, slowed down and put into other clocks. It writes to its
//! map and to the store as fast as it is told, reports by the emitter that real applications link, plants bugs on keys of
//! their own, and tells on standard output what it knows ([`line::Line`]). It ends when its standard input does.

mod driver;
pub(crate) mod line;
mod planter;
mod store;

use crate::book::SourceBook;
use crate::promise::Level;
use clap::Args;
use counterfoil_clock::now;
use counterfoil_emitter::{Emitter, Identity, Options, Stats};
use driver::Driver;
use line::{Counted, Line};
use std::io::{self, Read};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// The service that every source here belongs to.
const SERVICE: &str = "faults";

/// How often it counts.
const COUNT_EVERY: Duration = Duration::from_millis(10);

/// How long it waits for the sidecar at first, and for the last acknowledgements.
const PATIENCE: Duration = Duration::from_secs(30);

/// The longest pause before an emitter connects again.
const RETRY_MAX: Duration = Duration::from_millis(400);

/// What the application is to do.
#[derive(Clone, Debug, Args)]
pub(crate) struct AppArgs {
    /// The sidecar's socket
    #[arg(long)]
    pub(crate) socket: PathBuf,
    /// An SQLite file, or a Redis as redis://host:port
    #[arg(long)]
    pub(crate) store: String,
    /// Map, and table or prefix in the store
    #[arg(long)]
    pub(crate) map: String,
    /// Writes per second
    #[arg(long)]
    pub(crate) rate: f64,
    /// Bugs per second
    #[arg(long)]
    pub(crate) bugs: f64,
    /// How many emitters share the writes
    #[arg(long, default_value_t = 1)]
    pub(crate) emitters: usize,
    /// When events are acknowledged
    #[arg(long, value_enum)]
    pub(crate) level: Level,
    /// How many applications of this round came before
    #[arg(long, default_value_t = 0)]
    pub(crate) life: u32,
    /// Repeats its choices
    #[arg(long, default_value_t = 0)]
    pub(crate) seed: u64,
}

/// Runs until standard input ends.
pub(crate) fn run(args: &AppArgs) -> Result<(), String> {
    let (names, emitters) = connect(args)?;
    let mut driver = Driver::new(args, &emitters)?;
    await_sidecar(&emitters)?;
    line::say(&Line::Began { sources: names.clone() })?;
    let stop = stop_at_end_of_input();
    let done = AtomicBool::new(false);
    let driven = thread::scope(|scope| {
        scope.spawn(|| count_until(&done, &emitters));
        let driven = driver.run(&stop);
        let _flushed = emitters.iter().all(|emitter| emitter.flush(PATIENCE));
        done.store(true, Ordering::Relaxed);
        driven
    });
    driven?;
    drop(driver);
    end(&names, emitters)
}

/// Set when standard input ends; the harness says nothing on it but the end. The thread is not waited for.
fn stop_at_end_of_input() -> Arc<AtomicBool> {
    let stop = Arc::<AtomicBool>::default();
    let stopping = Arc::clone(&stop);
    thread::spawn(move || {
        let _read = io::stdin().read_to_end(&mut Vec::new());
        stopping.store(true, Ordering::Relaxed);
    });
    stop
}

fn connect(args: &AppArgs) -> Result<(Vec<String>, Vec<Emitter>), String> {
    let epoch = u64::try_from(now().0).unwrap_or_default();
    let connected = (0..args.emitters.max(1)).map(|number| {
        let identity = Identity { service: SERVICE.to_owned(), instance: format!("app-{number}"), epoch };
        let name = format!("{SERVICE}/{}/{epoch}", identity.instance);
        let options = Options { ack: args.level.into(), retry_max: RETRY_MAX, ..Options::default() };
        let emitter = Emitter::connect_with(&args.socket, identity, options);
        emitter.map(|emitter| (name, emitter)).map_err(|error| format!("an emitter: {error}"))
    });
    Ok(connected.collect::<Result<Vec<_>, _>>()?.into_iter().unzip())
}

/// A process must be heard of before what it wrote is judged.
fn await_sidecar(emitters: &[Emitter]) -> Result<(), String> {
    let all = || emitters.iter().all(|emitter| emitter.stats().connected);
    counterfoil_tests::wait::within(PATIENCE, || all().then_some(()))
        .ok_or_else(|| format!("the sidecar did not welcome the application within {PATIENCE:?}"))
}

fn count_until(done: &AtomicBool, emitters: &[Emitter]) {
    while !done.load(Ordering::Relaxed) {
        if line::say(&Line::Counted(counted(emitters))).is_err() {
            return;
        }
        thread::sleep(COUNT_EVERY);
    }
}

/// The sums over all emitters.
fn counted(emitters: &[Emitter]) -> Counted {
    let mut sum = Counted { at_ns: now().0, ..Counted::default() };
    for stats in emitters.iter().map(Emitter::stats) {
        sum.issued += stats.issued;
        // In this order: what was acknowledged before is never more than what was issued after.
        sum.acknowledged += stats.acknowledged;
        sum.lost += declared(&stats);
        sum.connected += u64::from(stats.connected);
    }
    sum
}

/// What the emitter itself declared lost.
fn declared(stats: &Stats) -> u64 {
    let lost = stats.lost;
    lost.ring_full + lost.limit + lost.unknown_map + lost.abandoned
}

fn end(names: &[String], emitters: Vec<Emitter>) -> Result<(), String> {
    let stats: Vec<_> = emitters.iter().map(Emitter::stats).collect();
    // Every one is closed, also after one that could not deliver everything.
    let undelivered =
        emitters.into_iter().map(|emitter| emitter.close(PATIENCE)).filter(|done| !done).count();
    let delivered = undelivered == 0;
    let books = names.iter().zip(&stats).map(|(name, stats)| SourceBook {
        name: name.clone(),
        issued: Some(stats.issued),
        acknowledged: stats.acknowledged,
        own_losses: declared(stats),
    });
    let refusal = stats.iter().find_map(|stats| stats.last_refusal.clone());
    line::say(&Line::Ended { sources: books.collect(), delivered, refusal })
}
