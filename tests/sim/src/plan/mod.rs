//! The plan of a run: every parameter, drawn from the seed before anything happens. A plan knows when processes live,
//! networks part and stores fail; what the application does in detail is drawn as the world goes on.

mod application;
mod at_rest;
mod infrastructure;
mod terms;
mod troubles;

pub use application::{Discipline, FaultPlan, HESITATES, KeyPlan, MapPlan, Role, Workload};
pub use at_rest::TellingPlan;
pub use infrastructure::{
    ComparatorPlan, DRAIN, DomainPlan, Ending, SidecarPlan, Sleep, SourcePlan, StorePlan,
};
pub use terms::terms;
pub use troubles::{Trouble, TroubleKind};

use crate::faults::FaultKind;
use at_rest::AtRest;
use counterfoil_judge::Scope;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// Nanoseconds in a millisecond.
pub const MS: i64 = 1_000_000;

/// When every run begins: far enough from 0 that no clock shows a time before its boot.
pub const BEGIN: i64 = 1_000_000 * MS;

/// How long each process is heard of before it begins to write.
pub const WARM_UP: i64 = 150 * MS;

/// Share of the runs in which hot keys have more writes at once than a history keeps.
const CROWDED: f64 = 0.02;

/// The stream that picks them.
const CROWDS: u64 = 77;

/// Share of the runs in which the store may be read less than is wanted.
const TIGHT: f64 = 0.1;

/// The stream that picks them.
const BUDGETS: u64 = 78;

/// Spreads stream numbers over the seed space (the 64-bit golden ratio), so that neighbours share nothing.
const STREAM_STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The generator of stream `stream` under `seed`: the same pair gives the same choices.
#[must_use]
pub fn stream(seed: u64, stream: u64) -> SmallRng {
    SmallRng::seed_from_u64(seed ^ stream.wrapping_add(1).wrapping_mul(STREAM_STEP))
}

/// What a run is to show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// Anything may fail until the end: nothing false may be told.
    Safety,
    /// The infrastructure's faults stop, a quiet time follows: nothing may be missed.
    Liveness,
}

/// Which faults are planted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Planting {
    /// A few, of any kind.
    Any,
    /// None: the negative control.
    None,
    /// One of this kind, and nothing else goes wrong.
    Only(FaultKind),
}

/// What a plan is drawn for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Options {
    /// What the run is to show; drawn if not given.
    pub mode: Option<Mode>,
    /// Which faults are planted.
    pub planting: Planting,
    /// Whether processes, networks and the store's reads fail too.
    pub troubles: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { mode: None, planting: Planting::Any, troubles: true }
    }
}

impl Options {
    /// The command-line flags that say the same, each after a space; none for the default.
    #[must_use]
    pub fn flags(&self) -> String {
        let planting = match self.planting {
            Planting::Any => String::new(),
            Planting::None => " --plant none".to_owned(),
            Planting::Only(kind) => format!(" --plant {}", kind.label()),
        };
        let mode = match self.mode {
            None => "",
            Some(Mode::Safety) => " --mode safety",
            Some(Mode::Liveness) => " --mode liveness",
        };
        planting + if self.troubles { "" } else { " --calm" } + mode
    }
}

/// The instants at which a run changes its character.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Times {
    /// It begins.
    pub begin: i64,
    /// The infrastructure's faults stop.
    pub quiet: i64,
    /// The application writes no more.
    pub stop: i64,
    /// It ends.
    pub end: i64,
}

/// Every parameter of a run.
#[derive(Clone, Debug)]
pub struct Plan {
    /// What it was drawn from.
    pub seed: u64,
    /// What it is to show.
    pub mode: Mode,
    /// When what happens.
    pub times: Times,
    /// The application's maps.
    pub maps: Vec<MapPlan>,
    /// Its keys.
    pub keys: Vec<KeyPlan>,
    /// How it writes.
    pub workload: Workload,
    /// The faults to be planted.
    pub faults: Vec<FaultPlan>,
    /// The machines' clocks; the first is the comparator's own.
    pub domains: Vec<DomainPlan>,
    /// The sidecars and their networks.
    pub sidecars: Vec<SidecarPlan>,
    /// The application's processes, each from its start to its end.
    pub sources: Vec<SourcePlan>,
    /// How the store is read.
    pub store: StorePlan,
    /// How the comparator is set up.
    pub comparator: ComparatorPlan,
    /// How processes tell what their maps hold; `None` if they do not.
    pub telling: Option<TellingPlan>,
}

impl Plan {
    /// The plan of `seed`.
    #[must_use]
    pub fn draw(seed: u64, options: &Options) -> Self {
        let mut rng = stream(seed, 0);
        let drawn = if rng.random_bool(0.5) { Mode::Safety } else { Mode::Liveness };
        let mode = options.mode.unwrap_or(drawn);
        let mut maps = application::maps(&mut rng, options);
        let mut comparator = infrastructure::comparator(&mut rng, options);
        let has_copies = maps.iter().any(|map| map.scope == Scope::Process);
        if has_copies {
            // Each process's copy is read for: one key at a time would never come to an end.
            comparator.keys_per_read_max = comparator.keys_per_read_max.max(8);
        }
        let mut budgets = stream(seed, BUDGETS);
        if options.planting == Planting::Any && !has_copies && budgets.random_bool(TIGHT) {
            // A copy that is not looked at leaves no event undetermined: that it was missed would not show.
            comparator.keys_per_s = Some(budgets.random_range(10..300));
        }
        let mut at_rest = AtRest::draw(seed, options, &mut maps, &mut comparator);
        let mut times = times(&mut rng, mode, &maps, &comparator);
        at_rest.make_room(&mut times, mode);
        let mut keys = application::keys(&mut rng, &maps);
        let mut faults = application::faults(&mut rng, options, &times, &maps, &mut keys);
        faults.extend(at_rest.faults(options, &times, &maps, &mut keys));
        let mut workload = application::workload(&mut rng, options);
        at_rest.slow_down(&mut workload);
        if options.planting == Planting::Any && !has_copies && stream(seed, CROWDS).random_bool(CROWDED) {
            application::crowd(&mut maps, &mut keys, &mut workload);
            // Of a few values that many unwatched writes repeat, any may be right: a store that stands still is not seen.
            faults.retain(|fault| fault.kind != FaultKind::Frozen);
        }
        let mut house = infrastructure::house(&mut rng, options, &times, &comparator, &maps);
        let store = infrastructure::store(&mut rng, options, &times);
        let telling = at_rest.telling(&times, &maps, &comparator, &mut house);
        Self {
            seed,
            mode,
            times,
            maps,
            keys,
            workload,
            faults,
            domains: house.domains,
            sidecars: house.sidecars,
            sources: house.sources,
            store,
            comparator,
            telling,
        }
    }

    /// The longest deadline of any map, in nanoseconds.
    #[must_use]
    pub fn deadline_max(&self) -> i64 {
        self.maps.iter().map(|map| map.deadline).max().unwrap_or(0)
    }
}

fn times(rng: &mut SmallRng, mode: Mode, maps: &[MapPlan], comparator: &ComparatorPlan) -> Times {
    let quiet = BEGIN + rng.random_range(2_000..3_500) * MS;
    let deadline = maps.iter().map(|map| map.deadline).max().unwrap_or(0);
    match mode {
        Mode::Safety => Times { begin: BEGIN, quiet, stop: quiet, end: quiet + 300 * MS },
        Mode::Liveness => {
            let stop = quiet + 200 * MS;
            // A source that died last is given up, the doubt about it ends, and every event's patience runs out.
            let tail = comparator.timeout + comparator.expiry + 5 * deadline + 300 * MS;
            Times { begin: BEGIN, quiet, stop, end: stop + tail }
        }
    }
}

/// A span of time drawn evenly.
pub(crate) fn span(rng: &mut SmallRng, from: i64, to: i64) -> i64 {
    if from < to { rng.random_range(from..to) } else { from }
}
