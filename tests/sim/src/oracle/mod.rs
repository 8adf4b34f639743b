//! The oracle: knows the truth of a world, and checks what the comparator says against it, as it says it.
//!
//! 1. *No false alarm*: a divergence is told only of a key on which at the true instant of the read a fault is in effect,
//!    under a name that the fault can have, and confirmed only after its true deadline. An orphan is told only of a row that
//!    no map holds. No write that was harmed is ever called confirmed or superseded.
//! 2. *No miss*: when the infrastructure's faults have stopped, each lasting fault is confirmed, or its key was honestly
//!    called undetermined.
//! 3. *Accounts*: per source issued = accepted + declared lost + undeclared, and each accepted event ends exactly once.
//!    Tables and queues keep their bounds, and the bounds of every clock hold.

mod accounts;
mod alarms;
mod at_rest;
mod bounds;
mod misses;
mod paths;
mod score;

pub use alarms::{Sample, Told};
pub use paths::{Paths, REQUIRED};
pub use score::{Found, Score};

use crate::plan::{BEGIN, MS, Plan};
use crate::world::{KeyRef, SourceRef, World, WriteRef};
use accounts::Account;
use at_rest::AtRest;
use counterfoil_comparator::contract::MapId;
use counterfoil_comparator::engine::Engine;
use counterfoil_comparator::table::{Calibration, Effects, Rows, Unknown};
use counterfoil_judge::{Outcome, WriteId};
use misses::Finds;
use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Breaches that are told; one is enough to fail.
const BREACHES_MAX: usize = 8;

/// Something that must not happen.
#[derive(Clone, Debug)]
pub struct Breach {
    /// When, in nanoseconds of true time.
    pub at: i64,
    /// What.
    pub what: String,
}

/// Knows the truth.
pub struct Oracle {
    /// How often each rare path was taken.
    pub paths: Paths,
    /// Every divergence that was opened or confirmed, in order.
    pub alarms: Vec<Told>,
    /// How often the store was looked at for a key.
    pub looks: u64,
    score: Score,
    breaches: Vec<Breach>,
    keys: BTreeMap<String, KeyRef>,
    sources: BTreeMap<(String, u64), SourceRef>,
    /// The comparator's numbers of the sources.
    numbers: BTreeMap<u32, SourceRef>,
    accounts: BTreeMap<SourceRef, Account>,
    /// The source and number of each write that got one.
    issued: BTreeMap<WriteRef, (SourceRef, u64)>,
    outcomes: BTreeMap<WriteRef, Outcome>,
    samples: BTreeMap<KeyRef, VecDeque<Sample>>,
    finds: Finds,
    at_rest: AtRest,
    shed: BTreeSet<KeyRef>,
    crashed: BTreeSet<usize>,
    jumped: BTreeSet<usize>,
    has_started_over: bool,
    /// When values of a check were known to have the same form on both sides, in this life of the comparator.
    calibrated_at: BTreeMap<MapId, i64>,
}

impl Oracle {
    /// Knows a world in which nothing has happened yet.
    #[must_use]
    pub fn new(world: &World) -> Self {
        let keys = world.plan.keys.iter().enumerate().map(|(at, key)| (key.name.clone(), KeyRef(at)));
        let sources = (0..world.plan.sources.len()).map(SourceRef).map(|source| {
            let id = crate::delivery::source_id(source, world);
            ((id.instance, id.epoch), source)
        });
        Self {
            paths: Paths::default(),
            alarms: Vec::new(),
            looks: 0,
            score: Score::default(),
            breaches: Vec::new(),
            keys: keys.collect(),
            sources: sources.collect(),
            numbers: BTreeMap::new(),
            accounts: BTreeMap::new(),
            issued: BTreeMap::new(),
            outcomes: BTreeMap::new(),
            samples: BTreeMap::new(),
            finds: Finds::default(),
            at_rest: AtRest::default(),
            shed: BTreeSet::new(),
            crashed: BTreeSet::new(),
            jumped: BTreeSet::new(),
            has_started_over: false,
            calibrated_at: BTreeMap::new(),
        }
    }

    /// Something must not have happened.
    pub fn breach(&mut self, at: i64, what: String) {
        if self.breaches.len() < BREACHES_MAX {
            self.breaches.push(Breach { at, what });
        }
    }

    /// The key of this name.
    #[must_use]
    pub fn key(&self, name: &[u8]) -> Option<KeyRef> {
        std::str::from_utf8(name).ok().and_then(|name| self.keys.get(name)).copied()
    }

    /// The comparator said this.
    pub fn told(&mut self, effects: &Effects, engine: &Engine, world: &World) {
        self.paths.add("writes merged", effects.merged);
        for (map, now) in &effects.calibrated {
            self.paths.hit(now.label());
            if *now == Calibration::Calibrated {
                self.calibrated_at.insert(*map, world.now());
            }
        }
        for ended in &effects.ended {
            self.ended(ended.id, ended.outcome, engine, world);
        }
        for turned in &effects.turned {
            self.turned(turned, engine, world);
        }
    }

    /// All rows of the store that were gone through were this to the comparator.
    pub fn count_rows(&mut self, rows: &Rows) {
        self.paths.add("row known", rows.known);
        self.paths.add("row suspected", rows.suspected);
        for (why, count) in Unknown::ALL.iter().zip(rows.unknown) {
            self.paths.add(&format!("row unknown: {}", why.label()), count);
        }
    }

    /// The writes that ended, and how.
    pub fn outcomes(&self) -> impl Iterator<Item = (WriteRef, Outcome)> {
        self.outcomes.iter().map(|(write, outcome)| (*write, *outcome))
    }

    /// The run is over. `next` has each source's next number.
    pub fn conclude(&mut self, engine: &Engine, next: &[(SourceRef, u64)], world: &World) {
        self.close_accounts(engine, next, world);
        self.look_for_misses(engine, world);
        self.count_disorder(world);
        self.check_bounds(engine, 0, world);
    }

    /// What was found out.
    #[must_use]
    pub fn into_parts(self) -> (Vec<Breach>, Paths, Score) {
        (self.breaches, self.paths, self.score)
    }

    fn source(&mut self, number: u32, engine: &Engine) -> Option<SourceRef> {
        if let Some(known) = self.numbers.get(&number) {
            return Some(*known);
        }
        let name = engine.sources().get(number)?.name.clone();
        let source = *self.sources.get(&(name.instance, name.epoch))?;
        self.numbers.insert(number, source);
        Some(source)
    }

    /// The write that the comparator names so.
    fn write(&mut self, id: WriteId, engine: &Engine) -> Option<WriteRef> {
        let source = self.source(id.source, engine)?;
        self.accounts.get(&source)?.write(id.seq)
    }

    /// The last writes of a key, for whoever has to understand a breach.
    fn story(&self, key: KeyRef, world: &World) -> String {
        let of_key: Vec<_> = world.writes.iter().rev().filter(|(_, it)| it.key == key).take(8).collect();
        let mut story = String::new();
        for (write, it) in of_key.into_iter().rev() {
            let at = |time: i64| format!("{:.3}", ms(time));
            let leg = |leg: (i64, i64)| format!("[{}, {}]", at(leg.0), at(leg.1));
            story += &format!(
                "\n    {} {} of source {}: value {} version {} map {} mapped {} store {} {:?} applied {} over {} fault {:?} number {:?} outcome {:?}",
                if it.held { "held value" } else { "write" },
                write.0,
                it.source.0,
                it.value,
                it.version,
                leg(it.map),
                it.mapped.map_or("never".to_owned(), at),
                it.store.map_or("unwatched".to_owned(), leg),
                it.outcome,
                it.applied.map_or("never".to_owned(), at),
                it.over.map_or("never".to_owned(), at),
                it.fault,
                self.issued.get(&write).map(|(_, seq)| seq),
                self.outcomes.get(&write),
            );
        }
        for (at, source) in world.plan.sources.iter().enumerate() {
            let (begin, end) = (ms(source.begin), ms(source.end));
            story += &format!(
                "\n    source {at}: pod {} epoch {} of sidecar {} from {begin:.3} to {end:.3} {:?}",
                source.instance, source.epoch, source.sidecar, source.ending
            );
        }
        story
    }
}

/// Whether the comparator's table is too small for all keys.
fn forgets_keys(plan: &Plan) -> bool {
    plan.comparator.keys_max <= plan.keys.len() * 64
}

/// Milliseconds since the run began.
fn ms(at: i64) -> f64 {
    (at - BEGIN) as f64 / MS as f64
}
