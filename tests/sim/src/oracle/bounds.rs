//! Bounds: of the table, of what waits, of clocks.

use super::Oracle;
use crate::plan::MS;
use crate::world::{KeyRef, World};
use counterfoil_comparator::engine::Engine;
use counterfoil_comparator::sources::Phase;
use counterfoil_judge::Time;

/// A table may keep one key more in each of its shards.
const SHARDS: usize = 64;

impl Oracle {
    /// The table keeps its bounds, no key is read twice at a time, and sources are what they seem.
    pub fn check_bounds(&mut self, engine: &Engine, waiting: usize, world: &World) {
        let keys: usize = engine.table().census().iter().map(|census| census.keys).sum();
        if keys > world.plan.comparator.keys_max + SHARDS {
            self.breach(world.now(), format!("the table keeps {keys} keys"));
        }
        if waiting > world.keys.len() * world.sources.len().max(1) {
            self.breach(world.now(), format!("{waiting} observations wait"));
        }
        let mut sources = engine.sources().all();
        sources.sort_by_key(|source| source.id);
        for source in sources {
            match source.report().phase {
                Phase::Lost => self.paths.hit("source lost"),
                Phase::Expired => self.paths.hit("source expired"),
                Phase::Live | Phase::Ended => {}
            }
        }
    }

    /// What the comparator knows of a sidecar's clock is true.
    pub fn check_clock(&mut self, engine: &Engine, sidecar: usize, world: &World) {
        let Some(domain) = world.plan.sidecars.get(sidecar).map(|sidecar| sidecar.domain) else { return };
        let Some(clock) = world.clocks.get(domain) else { return };
        let Some(known) = engine.clocks().translation(clock.domain(), Time(world.now())) else { return };
        let off = (known.shift - clock.true_offset(world.now())).abs();
        if off > known.error {
            let (off, error) = (off as f64 / MS as f64, known.error as f64 / MS as f64);
            self.breach(
                world.now(),
                format!("clock {domain} is {off:.6} ms off, said to be within {error:.6}"),
            );
        } else if self.jumped.remove(&domain) {
            self.paths.hit("clock epoch");
        }
    }

    /// A machine fell asleep; `idle` says whether everything it had was delivered.
    pub fn slept(&mut self, idle: bool, domain: usize, world: &World) {
        self.jumped.insert(domain);
        if !idle {
            self.breach(
                world.now(),
                format!("the plan lets machine {domain} sleep with something to deliver"),
            );
        }
    }

    /// Counts the changes of a map whose legs begin in another order than the map changed.
    pub(super) fn count_disorder(&mut self, world: &World) {
        for at in 0..world.keys.len() {
            let of_key = world.writes.iter().filter(|(_, it)| it.key == KeyRef(at));
            let mut changes: Vec<_> = of_key.filter_map(|(_, it)| Some((it.mapped?, it.map.0))).collect();
            changes.sort_unstable();
            let disorder = changes.iter().zip(changes.iter().skip(1)).filter(|(one, next)| next.1 < one.1);
            self.paths.add("map legs out of order", disorder.count() as u64);
        }
    }
}
