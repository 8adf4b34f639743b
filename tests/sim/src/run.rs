//! One run of Counterfoil over a world, until the plan's end.

use crate::delivery::Counterfoil;
use crate::oracle::{Breach, Paths, Score};
use crate::plan::{Options, Plan};
use crate::transcript::Transcript;
use crate::watch::watch;
use crate::world::World;

/// How a run of Counterfoil went.
pub struct Outcome {
    /// Its seed.
    pub seed: u64,
    /// Events that happened.
    pub events: u64,
    /// What was wrong.
    pub breaches: Vec<Breach>,
    /// How often each rare path was taken.
    pub paths: Paths,
    /// What was planted and found, and how events ended.
    pub score: Score,
    /// Every input and effect.
    pub transcript: Transcript,
}

/// Runs a seed with Counterfoil watching. The transcript's bytes are kept if `keeps` says so.
#[must_use]
pub fn run(seed: u64, options: &Options, keeps: bool) -> Outcome {
    let mut world = World::new(Plan::draw(seed, options));
    let mut checker = Counterfoil::new(&world, Transcript::new(keeps));
    let events = watch(&mut world, &mut checker);
    let next: Vec<_> = checker.emitters().map(|(source, emitter)| (source, emitter.next_seq)).collect();
    let (engine, rows) = (checker.comparator().engine.clone(), checker.comparator().rows());
    let Counterfoil { mut oracle, transcript, .. } = checker;
    oracle.count_rows(&rows);
    oracle.conclude(&engine, &next, &world);
    let (breaches, paths, score) = oracle.into_parts();
    Outcome { seed, events, breaches, paths, score, transcript }
}
