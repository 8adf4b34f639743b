//! The checkers in scenes of one seed: each does what it is there to show.

use super::scene::{HOT_KEYS, SECOND, Scene};
use super::{Findings, Rival, Tally, Timer, ours};
use crate::plan::{MS, Plan};
use crate::watch::watch;
use crate::world::{KeyRef, World};

const SEED: u64 = 1;
const BUSY: Scene = Scene { hot_share: 0.95, clock_error: 5 * MS };
const RESET: Timer = Timer { delay: 5 * SECOND, resets: true };
const KEPT: Timer = Timer { delay: 5 * SECOND, resets: false };
const AT_ONCE: Timer = Timer { delay: 0, resets: false };

fn watched(timer: Timer, plan: Plan) -> (World, Findings) {
    let mut world = World::new(plan);
    let mut rival = Rival::new(timer);
    watch(&mut world, &mut rival);
    (world, rival.findings)
}

/// The scene with nothing planted.
fn honest(scene: &Scene) -> Plan {
    Plan { faults: Vec::new(), ..scene.plan(SEED) }
}

#[test]
fn a_rival_that_resets_its_timer_never_judges_a_key_that_is_written_all_the_time() {
    let (world, reset) = watched(RESET, BUSY.plan(SEED));
    let (_, kept) = watched(KEPT, BUSY.plan(SEED));
    for key in (0..HOT_KEYS).map(KeyRef) {
        let writes = world.writes.iter().filter(|(_, it)| it.key == key && it.over.is_some()).count();
        assert!(writes > 500, "{key:?} was written {writes} times");
        assert!(!reset.judged_keys.contains(&key), "{key:?} rested");
        assert!(kept.judged_keys.contains(&key), "{key:?} was not read");
    }
    assert!(!reset.judged_keys.is_empty(), "keys that rest are judged");
}

#[test]
fn a_rival_that_reads_at_once_calls_a_write_in_flight_divergent() {
    let (world, findings) = watched(AT_ONCE, honest(&BUSY));
    let lands_later = |key: KeyRef, at: i64| {
        let reported =
            world.writes.iter().filter(|(_, it)| it.key == key && it.over.is_some_and(|over| over <= at));
        reported.into_iter().any(|(_, it)| it.applied.is_some_and(|applied| applied > at))
    };
    assert!(findings.alarms.iter().any(|alarm| lands_later(alarm.key, alarm.at)));
    assert!(findings.alarms.iter().all(|alarm| alarm.faults.is_empty()), "nothing was planted");
}

#[test]
fn a_store_that_stopped_under_a_hot_key_is_found_only_without_resets() {
    let frozen = |findings: &Findings| {
        let alarms =
            findings.alarms.iter().filter(|alarm| alarm.key.0 < HOT_KEYS && !alarm.faults.is_empty());
        alarms.count()
    };
    assert_eq!(frozen(&watched(RESET, BUSY.plan(SEED)).1), 0);
    assert!(frozen(&watched(KEPT, BUSY.plan(SEED)).1) > 0);
}

#[test]
fn counterfoil_finds_all_that_lasts_and_tells_nothing_false() {
    let run = ours::run(BUSY.plan(SEED));
    let mut tally = Tally::default();
    tally.add(&run.world, &run.confirmed);
    assert!(tally.planted() >= 30, "{tally:?}");
    assert_eq!((tally.missed(), tally.false_alarms, tally.unjudged_keys), (0, 0, 0), "{:?}", tally.kinds);
    assert!(run.opened.alarms.iter().all(|alarm| !alarm.faults.is_empty()), "{:?}", run.opened.alarms);
    let (told, known) = (BUSY.clock_error, run.clock_error);
    assert!((told..told + MS).contains(&known), "the clocks are known within {known} ns");
}

#[test]
fn scenes_that_differ_in_the_clock_error_have_the_same_writes() {
    let writes = |clock_error: i64| {
        let (world, _) = watched(KEPT, Scene { clock_error, ..BUSY }.plan(SEED));
        world.writes.iter().map(|(_, it)| (it.key, it.value, it.mapped, it.applied)).collect::<Vec<_>>()
    };
    assert_eq!(writes(0), writes(20 * MS));
}
