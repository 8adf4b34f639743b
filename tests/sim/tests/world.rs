//! The world by itself, with nobody watching.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use counterfoil_sim::faults::FaultKind;
use counterfoil_sim::plan::{Mode, Options, Plan, Planting};
use counterfoil_sim::watch::{Checker, watch};
use counterfoil_sim::world::{News, World};

/// Counts what could be noticed.
#[derive(Default)]
struct Onlooker(Vec<News>);

impl Checker for Onlooker {
    fn notice(&mut self, news: News, _: &World) {
        self.0.push(news);
    }

    fn next_at(&self) -> i64 {
        i64::MAX
    }

    fn act(&mut self, _: &World) {}
}

fn ended(seed: u64, options: &Options) -> (World, Vec<News>) {
    let mut world = World::new(Plan::draw(seed, options));
    let mut onlooker = Onlooker::default();
    watch(&mut world, &mut onlooker);
    (world, onlooker.0)
}

#[test]
fn an_honest_application_ends_with_both_sides_in_step() {
    let options = Options { mode: Some(Mode::Liveness), planting: Planting::None, troubles: false };
    for seed in 0..200 {
        let (world, _) = ended(seed, &options);
        let keys = world.keys.iter().filter(|(_, key)| world.plan.maps[key.map].expires_after.is_none());
        let differing: Vec<_> = keys.filter(|(_, key)| key.differs()).map(|(at, _)| at).collect();
        assert!(differing.is_empty(), "seed {seed}: {differing:?}");
        assert!(world.writes.len() > 20, "seed {seed} has {} writes", world.writes.len());
    }
}

#[test]
fn the_true_instants_of_a_write_lie_in_what_is_reported() {
    for seed in 0..200 {
        let (world, _) = ended(seed, &Options::default());
        for (at, it) in world.writes.iter().filter(|(_, it)| it.over.is_some()) {
            let clock = world.clock(it.source);
            let legs = it.reported(clock);
            let within = |leg: counterfoil_judge::Interval, instant: i64| {
                let shown = clock.shows(instant);
                leg.begin <= shown && shown <= leg.end
            };
            assert!(it.mapped.is_some_and(|at| within(legs.map.unwrap(), at)), "seed {seed} {at:?}: {it:?}");
            let honest = it.fault.is_none() && it.outcome == counterfoil_judge::StoreOutcome::Ok;
            if let (Some((leg, _)), Some(applied), true) = (legs.store, it.applied, honest) {
                assert!(within(leg, applied), "seed {seed} {at:?}: {it:?}");
            }
        }
    }
}

#[test]
fn every_kind_of_fault_comes_into_effect_and_lasts_unless_it_is_healed() {
    for kind in FaultKind::PLANTED {
        let options = Options { mode: Some(Mode::Liveness), planting: Planting::Only(kind), troubles: false };
        let worlds: Vec<_> = (0..30).map(|seed| ended(seed, &options).0).collect();
        let faults = || worlds.iter().flat_map(|world| world.faults.iter().map(move |(_, it)| (world, it)));
        let of_kind = || faults().filter(|(_, it)| it.kind == kind);
        assert!(of_kind().count() >= 15, "{kind:?}: {}", of_kind().count());
        for (world, it) in of_kind().filter(|(_, it)| it.until.is_none() && it.kind != FaultKind::Frozen) {
            let key = world.keys.get(it.key);
            assert!(key.differs(), "{kind:?} in seed {}: {it:?} {:?}", world.plan.seed, key.store);
        }
    }
}

#[test]
fn the_same_seed_makes_the_same_world() {
    for seed in [3, 4] {
        let (one, other) = (ended(seed, &Options::default()), ended(seed, &Options::default()));
        assert_eq!(one.1, other.1);
        assert_ne!(one.1, ended(seed + 10, &Options::default()).1);
    }
}
