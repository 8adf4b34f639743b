//! The plan of what nobody writes: what maps held before anybody watched and are told to hold, rows that no map knows, and how
//! the comparator looks at all of that.
//!
//! It is drawn from a stream of its own, so that runs without it are what they were before there was any.

use super::application::{self, FaultPlan, KeyPlan, MapPlan, Role, Workload};
use super::infrastructure::{ComparatorPlan, Ending, House, SourcePlan};
use super::{MS, Mode, Options, Planting, Times, span, stream};
use crate::faults::FaultKind;
use crate::world::KeyRef;
use counterfoil_comparator::sweep::Settings;
use counterfoil_judge::Scope;
use rand::Rng;
use rand::rngs::SmallRng;
use rand::seq::IndexedRandom;

/// Share of the runs in which maps are told whole, and their stores gone through row by row.
const TOLD: f64 = 0.4;

/// Share of the runs in which keys at rest are read again.
const SWEPT: f64 = 0.3;

/// The stream that draws it.
const STREAM: u64 = 79;

/// Nobody can say in time what maps hold whose store may be read less, in keys a second.
const KEYS_PER_S_MIN: u32 = 300;

/// How long it takes at most to tell the last of all that the maps hold, and to go through the rows after that, in nanoseconds.
const LAST_WORD: i64 = 4_500 * MS;

/// From one time all is told to the next at least, in nanoseconds.
const AGAIN_MIN: i64 = 700 * MS;

/// A process that tells what its maps hold has room for so many events at least in its ring.
const RING_MIN: usize = 16;

/// How processes tell what their maps hold.
#[derive(Clone, Debug)]
pub struct TellingPlan {
    /// Each process holds a part, and tells that. If not, each tells all that the maps hold.
    pub is_parted: bool,
    /// Values that are read together.
    pub chunk: usize,
    /// The shortest and longest time that it takes a process to tell what it holds of a map, in nanoseconds.
    pub lasts: (i64, i64),
    /// When all is told anew, besides once by each process when it starts.
    pub again: Vec<i64>,
    /// Share of the values that are too large to be told.
    pub oversized: f64,
}

/// What is drawn before the rest of the plan is known.
pub(super) struct AtRest {
    rng: SmallRng,
    has_troubles: bool,
    is_told: bool,
    sweep: Settings,
}

impl AtRest {
    /// Draws whether maps are told and what is swept, and marks maps and comparator with it.
    pub(super) fn draw(
        seed: u64,
        options: &Options,
        maps: &mut [MapPlan],
        comparator: &mut ComparatorPlan,
    ) -> Self {
        let mut rng = stream(seed, STREAM);
        let only = match options.planting {
            Planting::Only(kind) if kind.is_at_rest() => Some(kind),
            _ => None,
        };
        let (draws_told, draws_swept) = (rng.random_bool(TOLD), rng.random_bool(SWEPT));
        let has_shared = maps.iter().any(is_tellable);
        let is_told = has_shared && only.map_or(draws_told, |only| only != FaultKind::Drifted);
        let is_swept = draws_swept || only == Some(FaultKind::Drifted);
        let sweep = Settings {
            keys_every: is_swept.then(|| span(&mut rng, 200, 600) * MS),
            rows_per_s: is_told.then(|| rng.random_range(2_000..20_000)),
        };
        comparator.sweep = sweep;
        if is_told {
            maps.iter_mut().filter(|map| is_tellable(map)).for_each(|map| map.is_told = true);
            comparator.keys_per_s = comparator.keys_per_s.map(|keys| keys.max(KEYS_PER_S_MIN));
        }
        Self { rng, has_troubles: options.troubles, is_told, sweep }
    }

    /// Lets a run go on for as long as it takes to find what nobody writes.
    pub(super) fn make_room(&self, times: &mut Times, mode: Mode) {
        if mode == Mode::Liveness {
            times.end += if self.is_told { LAST_WORD } else { 0 };
            times.end += 3 * self.sweep.keys_every.unwrap_or(0);
        }
    }

    /// Faults of kinds that can be found in this run, on keys of their own.
    pub(super) fn faults(
        &mut self,
        options: &Options,
        times: &Times,
        maps: &[MapPlan],
        keys: &mut Vec<KeyPlan>,
    ) -> Vec<FaultPlan> {
        let findable: Vec<_> = FaultKind::AT_REST.into_iter().filter(|kind| self.finds(*kind)).collect();
        let kinds: Vec<_> = match options.planting {
            Planting::Only(kind) => vec![kind; 3],
            Planting::Any => {
                let count = self.rng.random_range(0..=4);
                (0..count).filter_map(|_| findable.choose(&mut self.rng).copied()).collect()
            }
            Planting::None => Vec::new(),
        };
        let kinds = kinds.into_iter().filter(|kind| findable.contains(kind));
        kinds.filter_map(|kind| self.fault(kind, times, maps, keys)).collect()
    }

    /// Lets the map follow the store so late that its old value is told meanwhile.
    pub(super) fn slow_down(&mut self, workload: &mut Workload) {
        if self.is_told && self.rng.random_bool(0.5) {
            workload.hesitates = span(&mut self.rng, 2, 25) * MS;
        }
    }

    /// How maps are told: by each process when it starts, now and then, and once more when all doubt is over.
    pub(super) fn telling(
        mut self,
        times: &Times,
        maps: &[MapPlan],
        comparator: &ComparatorPlan,
        house: &mut House,
    ) -> Option<TellingPlan> {
        if !self.is_told {
            return None;
        }
        house.sources.iter_mut().for_each(|source| source.ring_max = source.ring_max.max(RING_MIN));
        let deadline = maps.iter().map(|map| map.deadline).max().unwrap_or(0);
        let mut again = Vec::new();
        let mut at = times.begin + AGAIN_MIN + span(&mut self.rng, 0, 1_500) * MS;
        while at < times.quiet {
            again.push(at);
            at += AGAIN_MIN + span(&mut self.rng, 0, 1_500) * MS;
        }
        again.push(times.stop + comparator.timeout + comparator.expiry + 2 * deadline);
        let is_parted = self.rng.random_bool(0.5);
        if is_parted && self.has_troubles && self.rng.random_bool(0.5) {
            self.let_one_leave(times, house);
        }
        Some(TellingPlan {
            is_parted,
            chunk: if is_parted { self.rng.random_range(1..=3) } else { self.rng.random_range(4..=16) },
            lasts: (20 * MS, span(&mut self.rng, 100, 2_500) * MS),
            again,
            oversized: if self.rng.random_bool(0.3) { 0.02 } else { 0.0 },
        })
    }

    /// One of several processes says bye, perhaps before it has told its part.
    fn let_one_leave(&mut self, times: &Times, house: &mut House) {
        let stays = |source: &SourcePlan| {
            let domain = house.sidecars.get(source.sidecar).and_then(|it| house.domains.get(it.domain));
            let is_awake = domain.is_some_and(|domain| domain.sleeps.is_empty());
            is_awake && source.ending == Ending::Never && source.begin == times.begin
        };
        let staying: Vec<_> =
            (0..).zip(&house.sources).filter(|(_, it)| stays(it)).map(|(at, _)| at).collect();
        let leaves = staying.choose(&mut self.rng).copied().filter(|_| staying.len() > 1);
        if let Some(source) = leaves.and_then(|at: usize| house.sources.get_mut(at)) {
            source.ending = Ending::Bye;
            source.end = times.begin + span(&mut self.rng, 600, 1_600) * MS;
        }
    }

    fn finds(&self, kind: FaultKind) -> bool {
        match kind {
            FaultKind::Drifted => self.sweep.keys_every.is_some(),
            kind => kind.is_at_rest() && self.is_told,
        }
    }

    fn fault(
        &mut self,
        kind: FaultKind,
        times: &Times,
        maps: &[MapPlan],
        keys: &mut Vec<KeyPlan>,
    ) -> Option<FaultPlan> {
        let rng = &mut self.rng;
        let suits = |map: &usize| {
            let is_told = maps.get(*map).is_some_and(|map| map.is_told);
            application::suits(maps, *map, kind) && (is_told || kind == FaultKind::Drifted)
        };
        let fitting: Vec<_> = (0..maps.len()).filter(suits).collect();
        let map = fitting.choose(rng).copied()?;
        let drawn = application::key(rng, keys.len(), map, Role::Fault);
        let is_loaded = match kind {
            FaultKind::Baseline => true,
            FaultKind::Drifted => drawn.is_loaded,
            _ => false,
        };
        keys.push(KeyPlan { values: None, is_loaded, ..drawn });
        let at = match kind {
            kind if kind.is_from_before() => times.begin,
            _ => span(rng, times.begin + 900 * MS, times.quiet - 100 * MS),
        };
        let prior = if kind == FaultKind::Drifted { application::prior(rng, at) } else { Vec::new() };
        let deadline = maps.get(map).map_or(0, |map| map.deadline);
        let healed_at = at.max(times.begin + 900 * MS) + 2 * deadline + span(rng, 0, 400 * MS);
        let healed_at = rng.random_bool(0.3).then_some(healed_at);
        Some(FaultPlan { kind, key: KeyRef(keys.len() - 1), at, prior, healed_at, lasts: 0 })
    }
}

/// Whether the processes' maps are one that can be told whole.
fn is_tellable(map: &MapPlan) -> bool {
    map.has_contract && map.scope == Scope::Shared
}
