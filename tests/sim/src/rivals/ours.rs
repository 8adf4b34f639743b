//! Counterfoil in the same scenes: with its own delivery, clocks and reads, and judged by the same measure.

use super::findings::{Alarm, Findings};
use crate::delivery::Counterfoil;
use crate::oracle::Told;
use crate::plan::Plan;
use crate::transcript::Transcript;
use crate::watch::watch;
use crate::world::World;
use counterfoil_judge::{Outcome, Time};

/// How Counterfoil did in a world.
pub(super) struct Ours {
    /// The world at its end.
    pub(super) world: World,
    /// Events that happened, of the world and of Counterfoil.
    pub(super) events: u64,
    /// What it said at once: divergences that were opened.
    pub(super) opened: Findings,
    /// What it said for good: divergences that were confirmed.
    pub(super) confirmed: Findings,
    /// How well it knew the worst of the clocks in the end, in nanoseconds; 0 where there is only its own.
    pub(super) clock_error: i64,
}

/// Lets Counterfoil watch the world of `plan`.
pub(super) fn run(plan: Plan) -> Ours {
    let mut world = World::new(plan);
    let mut checker = Counterfoil::new(&world, Transcript::new(false));
    let events = watch(&mut world, &mut checker);
    let of_writes = judged(&checker, &world);
    let [opened, confirmed] = [false, true].map(|confirmed| {
        let told = checker.oracle.alarms.iter().filter(|told| told.confirmed == confirmed);
        Findings { alarms: told.map(alarm).collect(), ..of_writes.clone() }
    });
    let clock_error = clock_error(&checker, &world);
    Ours { world, events, opened, confirmed, clock_error }
}

fn alarm(told: &Told) -> Alarm {
    Alarm { key: told.key, at: told.at, name: told.kind, faults: told.faults.clone() }
}

/// What became of keys and writes, whatever was reported.
fn judged(checker: &Counterfoil, world: &World) -> Findings {
    let mut findings = Findings { reads: checker.oracle.looks, ..Findings::default() };
    findings.judged_keys.extend(checker.oracle.alarms.iter().map(|told| told.key));
    for (write, outcome) in checker.oracle.outcomes() {
        match outcome {
            Outcome::Confirmed { .. } | Outcome::Divergent => {
                findings.judged_writes += 1;
                findings.judged_keys.insert(world.writes.get(write).key);
            }
            Outcome::Undetermined(_) => findings.undetermined_writes += 1,
            Outcome::Superseded | Outcome::Shed(_) => {}
        }
    }
    findings
}

fn clock_error(checker: &Counterfoil, world: &World) -> i64 {
    let now = Time(world.now());
    let clocks = world.plan.sidecars.iter().filter_map(|sidecar| world.clocks.get(sidecar.domain));
    let engine = &checker.comparator().engine;
    let errors = clocks.filter_map(|clock| Some(engine.clocks().translation(clock.domain(), now)?.error));
    errors.max().unwrap_or(0)
}
