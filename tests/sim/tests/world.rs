//! The world by itself, with nobody watching.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use counterfoil_sim::faults::FaultKind;
use counterfoil_sim::plan::{Mode, Options, Plan, Planting};
use counterfoil_sim::watch::{Checker, watch};
use counterfoil_sim::world::{KeyRef, News, World};
use std::collections::BTreeSet;

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
    for kind in FaultKind::all_planted() {
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

#[test]
fn what_a_process_tells_of_its_map_is_all_that_the_map_held_since_it_began() {
    let options = Options { mode: Some(Mode::Liveness), planting: Planting::Any, troubles: false };
    let mut complete = 0;
    for seed in 0..60 {
        let (world, news) = ended(seed, &options);
        let Some(telling) = &world.plan.telling else { continue };
        if telling.is_parted {
            continue;
        }
        for (at, ended) in news.iter().enumerate() {
            let News::TellingEnded(source, map) = *ended else { continue };
            let began = |it: &News| *it == News::TellingBegan(source, map);
            let from = news[..at].iter().rposition(began).unwrap();
            let told = |it: &News| match it {
                News::Held(read) if world.writes.get(*read).source == source => {
                    Some(world.writes.get(*read).key)
                }
                _ => None,
            };
            let told: BTreeSet<_> = news[from..at].iter().filter_map(told).collect();
            let loaded =
                world.keys.iter().filter(|(key, it)| it.map == map && world.plan.keys[key.0].is_loaded);
            let unwritten = |key: &KeyRef| !world.writes.iter().any(|(_, it)| !it.held && it.key == *key);
            let untold: Vec<_> =
                loaded.map(|(key, _)| key).filter(unwritten).filter(|key| !told.contains(key)).collect();
            assert!(untold.is_empty(), "seed {seed}, source {source:?}: {untold:?}");
            complete += 1;
        }
    }
    assert!(complete > 50, "{complete}");
}

#[test]
fn the_rows_of_a_map_come_in_the_order_of_their_keys_from_behind_the_last_one() {
    let (world, _) = ended(1, &Options::default());
    for map in 0..world.plan.maps.len() {
        let all: Vec<_> = world.rows_after(map, "").collect();
        assert!(all.is_sorted() && all.iter().all(|(_, key)| world.keys.get(*key).map == map), "{all:?}");
        let there = world.keys.iter().filter(|(_, it)| it.map == map && it.store.value > 0).count();
        assert_eq!(all.len(), there);
        for (at, (name, _)) in all.iter().enumerate() {
            assert!(world.rows_after(map, name).eq(all[at + 1..].iter().copied()));
        }
    }
}
