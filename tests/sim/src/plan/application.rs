//! The application's part of a plan: its maps and keys, how it writes, and which faults are planted when.

use super::{MS, Options, Planting, Times, span};
use crate::faults::FaultKind;
use crate::world::KeyRef;
use counterfoil_judge::Scope;
use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;

/// How the application keeps map and store in step.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Discipline {
    /// A lock of the key is held until both sides have changed.
    Locked,
    /// The map gives each change a version, and the store keeps the newest: writes run side by side.
    Versioned,
}

/// One map.
#[derive(Clone, Debug)]
pub struct MapPlan {
    /// Its name.
    pub name: String,
    /// Whether the comparator has a contract for it.
    pub has_contract: bool,
    /// Whose map it is.
    pub scope: Scope,
    /// How the two sides are kept in step.
    pub discipline: Discipline,
    /// Within this time after a write the store agrees, in nanoseconds.
    pub deadline: i64,
    /// How long before its map leg an unwatched store write may have been applied, in nanoseconds.
    pub lead: i64,
    /// How late a store write of unknown outcome may land, in nanoseconds.
    pub give_up: Option<i64>,
    /// How many of its store calls are watched, from 0 to 1.
    pub watched: f64,
    /// Whether events carry the version of the write.
    pub reports_versions: bool,
    /// Whether the store keeps it beside the value and shows it.
    pub stores_versions: bool,
    /// The store drops values after this time, in nanoseconds.
    pub expires_after: Option<i64>,
    /// Each process tells what the map holds, and the store's rows are gone through.
    pub is_told: bool,
}

/// The longest time from a store call to the map's change that nobody wants longer, in nanoseconds.
pub const HESITATES: i64 = 300_000;

/// What a key is there for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// It is written all the time.
    Hot,
    /// It is written now and then.
    Cold,
    /// A fault is planted on it.
    Fault,
}

/// One key.
#[derive(Clone, Debug)]
pub struct KeyPlan {
    /// Its map's place.
    pub map: usize,
    /// Its name, unlike that of any other key of any map.
    pub name: String,
    /// What it is there for.
    pub role: Role,
    /// Its values are taken from so many; `None` if each is new.
    pub values: Option<u64>,
    /// Both sides hold a value when the run begins.
    pub is_loaded: bool,
}

/// How the application writes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Workload {
    /// From one write of a process to its next, on average, in nanoseconds.
    pub pause: i64,
    /// Share of the writes that go to hot keys.
    pub hot: f64,
    /// Share that are removes.
    pub removes: f64,
    /// Share of watched store calls that fail.
    pub failed: f64,
    /// Share of watched store calls whose outcome is unknown.
    pub unknown: f64,
    /// Share of store calls that are slow, or are tried again.
    pub slow: f64,
    /// Share of writes that reach the store before the map.
    pub store_first: f64,
    /// The longest time from the end of such a store call to the map's change, in nanoseconds.
    pub hesitates: i64,
}

/// A fault to be planted.
#[derive(Clone, Debug)]
pub struct FaultPlan {
    /// What.
    pub kind: FaultKind,
    /// On which key.
    pub key: KeyRef,
    /// When.
    pub at: i64,
    /// When the key is written honestly before.
    pub prior: Vec<i64>,
    /// When it is written honestly afterwards; `None` for a fault that lasts.
    pub healed_at: Option<i64>,
    /// How long a key is frozen, in nanoseconds.
    pub lasts: i64,
}

pub(super) fn maps(rng: &mut SmallRng, options: &Options) -> Vec<MapPlan> {
    let count = rng.random_range(1..=3);
    let mut maps: Vec<_> = (0..count).map(|at| map(rng, at)).collect();
    if let Planting::Only(kind) = options.planting {
        maps.truncate(1);
        maps.iter_mut().for_each(|map| fit(map, kind));
    }
    if options.planting == Planting::Any && rng.random_bool(0.15) {
        maps.push(MapPlan { has_contract: false, ..map(rng, count) });
    }
    maps
}

/// Makes a map on which a fault of this kind can be told.
fn fit(map: &mut MapPlan, kind: FaultKind) {
    map.expires_after = None;
    if kind == FaultKind::MapBehind {
        (map.scope, map.discipline) = (Scope::Process, Discipline::Versioned);
    } else {
        map.scope = Scope::Shared;
    }
    map.give_up = Some(map.give_up.unwrap_or(map.deadline));
    if kind == FaultKind::Corrupt {
        (map.reports_versions, map.stores_versions) = (true, true);
    }
}

fn map(rng: &mut SmallRng, at: usize) -> MapPlan {
    let deadline = span(rng, 60, 250) * MS;
    let scope = if rng.random_bool(0.15) { Scope::Process } else { Scope::Shared };
    let versioned = scope == Scope::Process || rng.random_bool(0.5);
    let discipline = if versioned { Discipline::Versioned } else { Discipline::Locked };
    let reports_versions = rng.random_bool(if versioned { 0.6 } else { 0.3 });
    MapPlan {
        name: format!("map-{at}"),
        has_contract: true,
        scope,
        discipline,
        deadline,
        lead: [0, 5 * MS, 30 * MS].choose(rng).copied().unwrap_or(0),
        give_up: [None, Some(deadline / 2), Some(2 * deadline)].choose(rng).copied().flatten(),
        watched: [0.0, 0.5, 1.0, 1.0].choose(rng).copied().unwrap_or(1.0),
        reports_versions,
        stores_versions: reports_versions && rng.random_bool(0.6),
        expires_after: rng.random_bool(0.1).then(|| span(rng, 50, 500) * MS),
        is_told: false,
    }
}

pub(super) fn keys(rng: &mut SmallRng, maps: &[MapPlan]) -> Vec<KeyPlan> {
    let hot = rng.random_range(1..=3);
    let cold = rng.random_range(2..=60);
    let roles = std::iter::repeat_n(Role::Hot, hot).chain(std::iter::repeat_n(Role::Cold, cold));
    let mut keys = Vec::new();
    for role in roles {
        let map = rng.random_range(0..maps.len());
        keys.push(key(rng, keys.len(), map, role));
    }
    keys
}

pub(super) fn key(rng: &mut SmallRng, at: usize, map: usize, role: Role) -> KeyPlan {
    let values = rng.random_bool(0.3).then(|| rng.random_range(2..=4));
    KeyPlan { map, name: format!("key-{at:03}"), role, values, is_loaded: rng.random_bool(0.5) }
}

pub(super) fn workload(rng: &mut SmallRng, options: &Options) -> Workload {
    let sometimes = |rng: &mut SmallRng, most: f64| {
        if rng.random_bool(0.5) { rng.random_range(0.0..most) } else { 0.0 }
    };
    let alone = matches!(options.planting, Planting::Only(_));
    Workload {
        pause: span(rng, 8, 60) * MS,
        hot: rng.random_range(0.2..0.8),
        removes: rng.random_range(0.0..0.3),
        failed: sometimes(rng, 0.08),
        unknown: if alone { 0.0 } else { sometimes(rng, 0.08) },
        slow: sometimes(rng, 0.2),
        store_first: if rng.random_bool(0.5) { 0.0 } else { rng.random_range(0.0..1.0) },
        hesitates: HESITATES,
    }
}

/// Many unwatched writes of a few values to hot keys: more may land at a time than a history keeps.
pub(super) fn crowd(maps: &mut [MapPlan], keys: &mut [KeyPlan], workload: &mut Workload) {
    maps.iter_mut().for_each(|map| map.watched = 0.0);
    keys.iter_mut().filter(|key| key.role == Role::Hot).for_each(|key| key.values = Some(3));
    (workload.pause, workload.hot) = (2 * MS, 0.95);
}

pub(super) fn faults(
    rng: &mut SmallRng,
    options: &Options,
    times: &Times,
    maps: &[MapPlan],
    keys: &mut Vec<KeyPlan>,
) -> Vec<FaultPlan> {
    let kinds: Vec<FaultKind> = match options.planting {
        Planting::None => Vec::new(),
        Planting::Only(kind) if kind.is_at_rest() => Vec::new(),
        Planting::Only(kind) => vec![kind; 3],
        Planting::Any => {
            let count = rng.random_range(0..=5);
            (0..count).filter_map(|_| FaultKind::PLANTED.choose(rng).copied()).collect()
        }
    };
    kinds.into_iter().filter_map(|kind| fault(rng, kind, times, maps, keys)).collect()
}

fn fault(
    rng: &mut SmallRng,
    kind: FaultKind,
    times: &Times,
    maps: &[MapPlan],
    keys: &mut Vec<KeyPlan>,
) -> Option<FaultPlan> {
    let at = span(rng, times.begin + 900 * MS, times.quiet - 100 * MS);
    let key = match kind {
        FaultKind::Frozen => keys.iter().position(|key| key.role == Role::Hot && suits(maps, key.map, kind)),
        _ => {
            let fitting: Vec<_> = (0..maps.len()).filter(|map| suits(maps, *map, kind)).collect();
            let map = fitting.choose(rng).copied()?;
            keys.push(KeyPlan { values: None, ..key(rng, keys.len(), map, Role::Fault) });
            Some(keys.len() - 1)
        }
    }?;
    let deadline = keys.get(key).and_then(|key| maps.get(key.map)).map_or(0, |map| map.deadline);
    let prior = prior(rng, at);
    let healed_at = rng.random_bool(0.3).then(|| at + 2 * deadline + span(rng, 0, 200 * MS));
    Some(FaultPlan { kind, key: KeyRef(key), at, prior, healed_at, lasts: 5 * deadline })
}

/// When the key of a fault planted at `at` is written honestly before.
pub(super) fn prior(rng: &mut SmallRng, at: i64) -> Vec<i64> {
    let prior = (0..rng.random_range(2..=3)).map(|before| at - 150 * MS * (before + 1) - span(rng, 0, MS));
    let mut prior: Vec<_> = prior.collect();
    prior.reverse();
    prior
}

/// Whether a fault of this kind can be planted on a map, and be told from what is allowed there.
pub(super) fn suits(maps: &[MapPlan], map: usize, kind: FaultKind) -> bool {
    let Some(map) = maps.get(map) else { return false };
    let scope = if kind == FaultKind::MapBehind { Scope::Process } else { Scope::Shared };
    let has_versions = map.reports_versions && map.stores_versions;
    map.has_contract
        && map.expires_after.is_none()
        && map.scope == scope
        && (kind != FaultKind::Corrupt || has_versions)
}
