//! The scenes of the comparison: worlds of three minutes, in which nothing goes wrong but what is planted.
//!
//! Times are those of a real deployment, so that waiting five seconds or a minute means what it means there. Keys rest for
//! longer than a minute, but for a few hot ones, which never rest, not even at the end: a scene stops in the middle of
//! the work. Nothing of what is drawn here depends on the clock error, so that scenes that differ only in it have the
//! same writes, faults and stores.

use crate::faults::FaultKind;
use crate::plan::{
    BEGIN, ComparatorPlan, Discipline, DomainPlan, Ending, FaultPlan, HESITATES, KeyPlan, MS, MapPlan, Mode,
    Plan, Role, SidecarPlan, SourcePlan, StorePlan, Times, Workload, span, stream,
};
use crate::world::KeyRef;
use counterfoil_comparator::sweep::Settings;
use counterfoil_judge::Scope;
use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;

/// Nanoseconds in a second.
pub const SECOND: i64 = 1_000 * MS;
/// How long a scene lasts, in nanoseconds.
pub const LENGTH: i64 = 180 * SECOND;
/// The deadline of every contract: how long the store may lag, in nanoseconds.
pub const DEADLINE: i64 = 5 * SECOND;
/// Keys that are written again and again, if the scene has a hot share.
pub const HOT_KEYS: usize = 4;
/// Keys that are written now and then.
pub const COLD_KEYS: usize = 2_000;
/// Faults of each kind but `Frozen`, each on a key of its own.
pub const FAULTS_PER_KIND: usize = 3;
/// Keys whose store is frozen until the end: hot ones, where there are any.
pub const FROZEN: usize = 2;
/// Processes of the application.
pub const SOURCES: usize = 4;
/// Machines besides the comparator's.
const MACHINES: usize = 2;
/// From one write of a process to its next, on average, in nanoseconds.
const PAUSE: i64 = 100 * MS;
/// The stream of the seed that scenes are drawn from.
const STREAM: u64 = 3;
/// The places of the maps: a lock over both sides, versions, and a copy per process.
const LOCKED: usize = 0;
const VERSIONED: usize = 1;
const COPIES: usize = 2;

/// What distinguishes one scene from another.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Scene {
    /// Share of the writes that go to the hot keys, from 0 to 1.
    pub hot_share: f64,
    /// How well the comparator can know the clocks of other machines, either way, in nanoseconds.
    pub clock_error: i64,
}

impl Scene {
    /// The plan of this scene under `seed`.
    #[must_use]
    pub fn plan(&self, seed: u64) -> Plan {
        let mut rng = stream(seed, STREAM);
        let end = BEGIN + LENGTH;
        let mut keys = keys(&mut rng);
        let faults = self.faults(&mut rng, &mut keys);
        Plan {
            seed,
            mode: Mode::Safety,
            times: Times { begin: BEGIN, quiet: end, stop: end, end },
            maps: maps(),
            keys,
            workload: self.workload(),
            faults,
            domains: (0..=MACHINES).map(domain).collect(),
            sidecars: (0..MACHINES).map(|at| self.sidecar(at)).collect(),
            sources: (0..SOURCES).map(|at| source(at, end)).collect(),
            store: StorePlan { read: (MS / 2, 3 * MS), slow: 0.01, outages: Vec::new() },
            comparator: comparator(),
            telling: None,
        }
    }

    fn workload(&self) -> Workload {
        Workload {
            pause: PAUSE,
            hot: self.hot_share,
            removes: 0.1,
            failed: 0.01,
            unknown: 0.002,
            slow: 0.02,
            store_first: 0.2,
            hesitates: HESITATES,
        }
    }

    /// A clock is known as well as a message and its answer take alike long: the way of a message is the error.
    fn sidecar(&self, at: usize) -> SidecarPlan {
        let is_alone = self.clock_error == 0;
        let way = if is_alone { MS } else { self.clock_error };
        SidecarPlan {
            domain: if is_alone { 0 } else { at + 1 },
            delay: (way, way),
            detour: 0,
            duplicates: 0.0,
            events_max: 100_000,
            batch_events_max: 1_000,
            batch_age_max: 10 * MS,
            troubles: Vec::new(),
        }
    }

    fn faults(&self, rng: &mut SmallRng, keys: &mut Vec<KeyPlan>) -> Vec<FaultPlan> {
        let first = if self.hot_share > 0.0 { 0 } else { HOT_KEYS };
        let mut faults: Vec<_> = (first..first + FROZEN).map(|key| freeze(rng, key)).collect();
        for kind in FaultKind::PLANTED.into_iter().filter(|kind| *kind != FaultKind::Frozen) {
            for _ in 0..FAULTS_PER_KIND {
                let map = map_for(rng, kind);
                keys.push(key(keys.len(), map, Role::Fault, None));
                faults.push(plant(rng, kind, keys.len() - 1));
            }
        }
        faults
    }
}

fn maps() -> Vec<MapPlan> {
    let locked = MapPlan {
        name: "locked".to_owned(),
        has_contract: true,
        scope: Scope::Shared,
        discipline: Discipline::Locked,
        deadline: DEADLINE,
        lead: 5 * MS,
        give_up: Some(DEADLINE),
        watched: 1.0,
        reports_versions: false,
        stores_versions: false,
        expires_after: None,
        is_told: false,
    };
    let versioned = MapPlan {
        name: "versioned".to_owned(),
        discipline: Discipline::Versioned,
        watched: 0.7,
        reports_versions: true,
        stores_versions: true,
        ..locked.clone()
    };
    let copies =
        MapPlan { name: "copies".to_owned(), scope: Scope::Process, watched: 1.0, ..versioned.clone() };
    vec![locked, versioned, copies]
}

/// A third of the keys toggle between few values, but for those that may be frozen: the two sides would agree by luck.
fn keys(rng: &mut SmallRng) -> Vec<KeyPlan> {
    let hot = (0..HOT_KEYS).map(|at| key(at, at % COPIES, Role::Hot, (at >= FROZEN).then_some(3)));
    let mut keys: Vec<_> = hot.collect();
    for at in 0..COLD_KEYS {
        let (map, values) = match at < FROZEN {
            true => (at % COPIES, None),
            false => (some_map(rng), rng.random_bool(0.33).then_some(3)),
        };
        keys.push(key(HOT_KEYS + at, map, Role::Cold, values));
    }
    keys
}

fn key(at: usize, map: usize, role: Role, values: Option<u64>) -> KeyPlan {
    KeyPlan { map, name: format!("key-{at:04}"), role, values, is_loaded: true }
}

fn some_map(rng: &mut SmallRng) -> usize {
    [LOCKED, LOCKED, LOCKED, LOCKED, VERSIONED, VERSIONED, VERSIONED, VERSIONED, COPIES]
        .choose(rng)
        .copied()
        .unwrap_or(LOCKED)
}

fn map_for(rng: &mut SmallRng, kind: FaultKind) -> usize {
    match kind {
        FaultKind::MapBehind => COPIES,
        FaultKind::Corrupt => VERSIONED,
        _ => [LOCKED, VERSIONED].choose(rng).copied().unwrap_or(LOCKED),
    }
}

/// Early enough that whoever waits for a minute can still find it.
fn plant(rng: &mut SmallRng, kind: FaultKind, key: usize) -> FaultPlan {
    let at = BEGIN + span(rng, 30 * SECOND, 90 * SECOND);
    let prior = [20, 15, 10, 7].map(|before| at - before * SECOND - span(rng, 0, SECOND));
    FaultPlan { kind, key: KeyRef(key), at, prior: prior.to_vec(), healed_at: None, lasts: 0 }
}

fn freeze(rng: &mut SmallRng, key: usize) -> FaultPlan {
    let at = BEGIN + span(rng, 30 * SECOND, 60 * SECOND);
    let (kind, key) = (FaultKind::Frozen, KeyRef(key));
    FaultPlan { kind, key, at, prior: Vec::new(), healed_at: None, lasts: LENGTH }
}

/// The first is the comparator's own.
fn domain(at: usize) -> DomainPlan {
    let number = i64::try_from(at).unwrap_or(0);
    DomainPlan { offset: number * 1_000 * SECOND, drift_ppm: number * 40, sleeps: Vec::new() }
}

fn source(instance: usize, end: i64) -> SourcePlan {
    SourcePlan {
        instance,
        epoch: 1,
        sidecar: instance % MACHINES,
        exact: instance.is_multiple_of(2),
        ring_max: 10_000,
        flush_every: 20 * MS,
        begin: BEGIN,
        end,
        ending: Ending::Never,
    }
}

/// As the comparator is set up if nothing is configured.
fn comparator() -> ComparatorPlan {
    ComparatorPlan {
        keys_max: 1_000_000,
        timeout: 10 * SECOND,
        expiry: 60 * SECOND,
        first_delay: 20 * MS,
        gap: (100 * MS, 5 * SECOND),
        tick: 10 * MS,
        concurrency: 8,
        keys_per_read_max: 100,
        keys_per_s: None,
        sweep: Settings::default(),
    }
}
