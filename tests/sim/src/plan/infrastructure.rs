//! The plan of everything around the application: machines, processes, networks, the store's reads, the comparator.
//!
//! What the comparator's documentation assumes is kept here, once and for all: a process is heard of before it begins to
//! write, nobody is cut off for longer than `timeout + expiry`, and a machine falls asleep only when everything it
//! stamped was delivered.

use super::troubles::{self, Trouble, TroubleKind};
use super::{BEGIN, MS, MapPlan, Options, Planting, Times, span};
use counterfoil_comparator::sweep::Settings;
use counterfoil_judge::Scope;
use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;

/// Before a machine falls asleep its processes write nothing for so long, in nanoseconds.
pub const DRAIN: i64 = 400 * MS;

/// A machine falls asleep, and its clock with it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sleep {
    /// When.
    pub at: i64,
    /// For how long, in nanoseconds.
    pub lasts: i64,
    /// How much of that its clock shows afterwards.
    pub shown: i64,
}

/// One machine's clock.
#[derive(Clone, Debug)]
pub struct DomainPlan {
    /// How far it is ahead when the run begins, in nanoseconds.
    pub offset: i64,
    /// How much faster than true time it runs.
    pub drift_ppm: i64,
    /// Its sleeps.
    pub sleeps: Vec<Sleep>,
}

/// One sidecar and its network.
#[derive(Clone, Debug)]
pub struct SidecarPlan {
    /// Its machine's clock.
    pub domain: usize,
    /// Shortest and longest way of a message, in nanoseconds.
    pub delay: (i64, i64),
    /// How much longer the way to the comparator is than the way back, in nanoseconds: half of it is how wrong the middle
    /// of the clock's bounds is.
    pub detour: i64,
    /// Share of uploads that arrive a second time.
    pub duplicates: f64,
    /// Events that may wait for an acknowledgement; with more, emitters are not read.
    pub events_max: u64,
    /// Events of one batch.
    pub batch_events_max: usize,
    /// Oldest age of an open batch, in nanoseconds.
    pub batch_age_max: i64,
    /// What goes wrong.
    pub troubles: Vec<Trouble>,
}

/// How a process ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// It does not, within the run.
    Never,
    /// It finishes its writes and says bye.
    Bye,
    /// It dies.
    Crash,
}

/// One process of the application, from its start to its end.
#[derive(Clone, Debug)]
pub struct SourcePlan {
    /// Its name among the processes; another one may take it over with a later epoch.
    pub instance: usize,
    /// Which of those with this name it is.
    pub epoch: u64,
    /// Its sidecar.
    pub sidecar: usize,
    /// Whether its events carry their place in the map's own order.
    pub exact: bool,
    /// Events that its ring holds.
    pub ring_max: usize,
    /// From one time it sends what it has to the next, in nanoseconds.
    pub flush_every: i64,
    /// It starts.
    pub begin: i64,
    /// It ends.
    pub end: i64,
    /// How.
    pub ending: Ending,
}

/// How the store is read.
#[derive(Clone, Debug)]
pub struct StorePlan {
    /// Shortest and longest read, in nanoseconds.
    pub read: (i64, i64),
    /// Share of reads that take ten times as long.
    pub slow: f64,
    /// When reads fail.
    pub outages: Vec<(i64, i64)>,
}

/// How the comparator is set up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ComparatorPlan {
    /// Keys that it keeps.
    pub keys_max: usize,
    /// A source silent for so long is lost, in nanoseconds.
    pub timeout: i64,
    /// One that is lost for so long is gone, in nanoseconds.
    pub expiry: i64,
    /// From a write's end to the first probe, in nanoseconds.
    pub first_delay: i64,
    /// Shortest and longest time between probes, in nanoseconds.
    pub gap: (i64, i64),
    /// From one look to the next, in nanoseconds.
    pub tick: i64,
    /// Reads at a time.
    pub concurrency: usize,
    /// Keys in a read.
    pub keys_per_read_max: usize,
    /// Keys a second; `None` for as many as the store bears.
    pub keys_per_s: Option<u32>,
    /// What it looks at though nobody writes it.
    pub sweep: Settings,
}

/// Machines, sidecars and processes.
pub(super) struct House {
    pub(super) domains: Vec<DomainPlan>,
    pub(super) sidecars: Vec<SidecarPlan>,
    pub(super) sources: Vec<SourcePlan>,
}

pub(super) fn comparator(rng: &mut SmallRng, options: &Options) -> ComparatorPlan {
    let small = options.planting == Planting::Any && rng.random_bool(0.15);
    let gap_min = span(rng, 5, 20) * MS;
    ComparatorPlan {
        keys_max: if small { rng.random_range(1..65) } else { 100_000 },
        timeout: span(rng, 250, 600) * MS,
        expiry: span(rng, 300, 900) * MS,
        first_delay: span(rng, 0, 20) * MS,
        gap: (gap_min, gap_min * span(rng, 1, 6)),
        tick: 5 * MS,
        concurrency: rng.random_range(1..=4),
        keys_per_read_max: [1, 4, 100].choose(rng).copied().unwrap_or(100),
        keys_per_s: None,
        sweep: Settings::default(),
    }
}

pub(super) fn store(rng: &mut SmallRng, options: &Options, times: &Times) -> StorePlan {
    let outages = if options.troubles && rng.random_bool(0.2) { 1 } else { 0 };
    let outage = |rng: &mut SmallRng| {
        let begin = span(rng, times.begin + 300 * MS, times.quiet - 400 * MS);
        (begin, begin + span(rng, 20, 400) * MS)
    };
    StorePlan {
        read: (50_000, span(rng, 100, 5_000) * 1_000),
        slow: if rng.random_bool(0.3) { 0.05 } else { 0.0 },
        outages: (0..outages).map(|_| outage(rng)).collect(),
    }
}

pub(super) fn house(
    rng: &mut SmallRng,
    options: &Options,
    times: &Times,
    comparator: &ComparatorPlan,
    maps: &[MapPlan],
) -> House {
    let mut domains: Vec<_> = (0..rng.random_range(1..=4)).map(|at| domain(rng, at)).collect();
    let mut sidecars: Vec<_> = (0..rng.random_range(1..=4)).map(|_| sidecar(rng, domains.len())).collect();
    let count = rng.random_range(1..=8);
    let mut sources: Vec<_> =
        (0..count).map(|instance| source(rng, instance, sidecars.len(), times)).collect();
    if options.troubles {
        // The copies of a sleeping machine cannot follow.
        let has_copies = maps.iter().any(|map| map.scope == Scope::Process);
        let domains_to_sleep = if has_copies { &mut [] } else { domains.as_mut_slice() };
        put_to_sleep(rng, times, comparator, domains_to_sleep);
        end_processes(rng, times, &domains, &sidecars, &mut sources);
        for (at, sidecar) in sidecars.iter_mut().enumerate() {
            let calm = troubles::calm_times(at, sidecar.domain, &domains, &sources);
            sidecar.troubles = troubles::draw(rng, times, comparator, &calm);
        }
    }
    let forgets = troubles::forget(rng, options, times, &domains, &sidecars, &sources);
    if let (Some(at), Some(sidecar)) = (forgets, sidecars.first_mut()) {
        sidecar.troubles.push(Trouble { kind: TroubleKind::Forget, begin: at, end: at });
    }
    House { domains, sidecars, sources }
}

fn domain(rng: &mut SmallRng, at: usize) -> DomainPlan {
    if at == 0 {
        return DomainPlan { offset: 0, drift_ppm: 0, sleeps: Vec::new() };
    }
    let offset = rng.random_range(-BEGIN / 2..BEGIN * 100);
    DomainPlan { offset, drift_ppm: rng.random_range(-150..=150), sleeps: Vec::new() }
}

fn sidecar(rng: &mut SmallRng, domains: usize) -> SidecarPlan {
    let shortest = span(rng, 20, 3_000) * 1_000;
    SidecarPlan {
        domain: rng.random_range(0..domains),
        delay: (shortest, shortest * span(rng, 2, 6)),
        detour: if rng.random_bool(0.5) { 0 } else { span(rng, 5, 40) * MS },
        duplicates: if rng.random_bool(0.5) { rng.random_range(0.0..0.1) } else { 0.0 },
        events_max: rng.random_range(20..400),
        batch_events_max: rng.random_range(1..=32),
        batch_age_max: span(rng, 1, 10) * MS,
        troubles: Vec::new(),
    }
}

fn source(rng: &mut SmallRng, instance: usize, sidecars: usize, times: &Times) -> SourcePlan {
    SourcePlan {
        instance,
        epoch: 1,
        sidecar: rng.random_range(0..sidecars),
        exact: rng.random_bool(0.5),
        ring_max: rng.random_range(4..100),
        flush_every: span(rng, 3, 25) * MS,
        begin: times.begin,
        end: times.end,
        ending: Ending::Never,
    }
}

/// The shortest sleep; the clock misses at least half of it.
const SLEEP_MIN: i64 = 250 * MS;

fn put_to_sleep(rng: &mut SmallRng, times: &Times, comparator: &ComparatorPlan, domains: &mut [DomainPlan]) {
    for domain in domains.iter_mut().skip(1) {
        if rng.random_bool(0.15) {
            let at = span(rng, times.begin + 1_100 * MS, times.quiet - 200 * MS);
            // A jump smaller than the bounds of the clock goes unnoticed: that it does not happen is an assumption.
            let lasts = span(rng, SLEEP_MIN, comparator.timeout + comparator.expiry / 2);
            domain.sleeps.push(Sleep { at, lasts, shown: span(rng, 0, lasts / 2) });
        }
    }
}

/// Lets some processes end before the run does; most of those start over.
fn end_processes(
    rng: &mut SmallRng,
    times: &Times,
    domains: &[DomainPlan],
    sidecars: &[SidecarPlan],
    sources: &mut Vec<SourcePlan>,
) {
    let sleeps = |source: &SourcePlan| {
        let domain = sidecars.get(source.sidecar).and_then(|sidecar| domains.get(sidecar.domain));
        domain.is_some_and(|domain| !domain.sleeps.is_empty())
    };
    let mut next_lives = Vec::new();
    for source in sources.iter_mut().filter(|source| !sleeps(source)) {
        if !rng.random_bool(0.2) {
            continue;
        }
        source.ending = if rng.random_bool(0.7) { Ending::Crash } else { Ending::Bye };
        source.end = span(rng, times.begin + 600 * MS, times.quiet);
        let begin = source.end + span(rng, 20, 500) * MS;
        if rng.random_bool(0.7) && begin < times.stop {
            let epoch = source.epoch + 1;
            next_lives.push(SourcePlan {
                epoch,
                begin,
                end: times.end,
                ending: Ending::Never,
                ..source.clone()
            });
        }
    }
    sources.extend(next_lives);
}
