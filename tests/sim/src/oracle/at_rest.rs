//! What nobody writes: rows that no map knows, values from before the watch, stores that change under their maps. From when on
//! could the comparator tell each, and has it?

use super::{Oracle, forgets_keys};
use crate::faults::{Fault, FaultKind};
use crate::plan::{MS, Plan, WARM_UP};
use crate::world::{FaultRef, KeyRef, World, WriteRef};
use counterfoil_comparator::engine::Engine;
use counterfoil_comparator::table::Calibration;
use counterfoil_digest::key_hash;
use counterfoil_judge::{Outcome, Time};
use counterfoil_keys::TenantName;
use std::collections::BTreeMap;

/// Nanoseconds in a second.
const SECOND: i64 = 1_000 * MS;

/// What the comparator was told since it started.
#[derive(Default)]
pub(super) struct AtRest {
    /// From when on each row that no map knows could be told, without a break.
    clear_since: BTreeMap<FaultRef, i64>,
    /// When the comparator was first told of what a map held for a key.
    told_at: BTreeMap<KeyRef, i64>,
    /// Something did not arrive.
    pub(super) has_losses: bool,
}

impl AtRest {
    /// The comparator was told of what the map held for the key.
    pub(super) fn told(&mut self, key: KeyRef, now: i64) {
        self.told_at.entry(key).or_insert(now);
    }

    /// Whether it was.
    pub(super) fn is_told(&self, key: KeyRef) -> bool {
        self.told_at.contains_key(&key)
    }

    /// It started over.
    pub(super) fn restarted(&mut self) {
        self.clear_since.clear();
        self.told_at.clear();
    }

    /// From when on a fault could be told, as far as was noted: what was told before that was told in time.
    pub(super) fn tellable_at(&self, at: FaultRef, fault: &Fault<KeyRef, WriteRef>) -> i64 {
        let noted = match fault.kind {
            FaultKind::Baseline => self.told_at.get(&fault.key),
            kind if kind.is_unknown_row() => self.clear_since.get(&at),
            _ => Some(&fault.since),
        };
        noted.copied().unwrap_or(i64::MAX)
    }
}

impl Oracle {
    /// Notes which rows that no map knows the comparator could tell now.
    pub fn note_rows(&mut self, engine: &Engine, world: &World) {
        for (at, fault) in world.faults.iter().filter(|(_, fault)| fault.kind.is_unknown_row()) {
            if fault.is_in_effect(world.now()) && is_clear(fault.key, engine, world) {
                self.at_rest.clear_since.entry(at).or_insert(world.now());
            } else {
                self.at_rest.clear_since.remove(&at);
            }
        }
    }

    /// Whether it was said, or is plain, why a fault that no write has a part in cannot be told.
    pub(super) fn is_doubted_at_rest(
        &self,
        at: FaultRef,
        fault: &Fault<KeyRef, WriteRef>,
        doubt: Time,
        world: &World,
    ) -> bool {
        if !is_bounded(&world.plan) {
            return true;
        }
        if fault.kind.is_unknown_row() {
            let clear_since = self.at_rest.clear_since.get(&at);
            return clear_since
                .is_none_or(|since| since + tellable_within(fault.kind, &world.plan) > world.now());
        }
        // The last word about the key is what the comparator goes by.
        let mut words = world.writes.iter().rev().filter(|(_, it)| it.key == fault.key);
        let last = words.find(|(write, _)| self.has_arrived(*write));
        last.is_none_or(|(write, it)| {
            let outcome = self.outcomes.get(&write);
            let is_open = matches!(outcome, None | Some(Outcome::Undetermined(_) | Outcome::Shed(_)));
            is_open || doubt >= Time(it.map.0)
        })
    }
}

/// Whether nothing keeps the comparator from telling that no map holds the key: it knows what all maps hold, nothing of the
/// key's bucket was lost since, and it knows the form of values.
fn is_clear(key: KeyRef, engine: &Engine, world: &World) -> bool {
    let plan = world.plan.keys.get(key.0);
    let Some((map, key)) = plan.and_then(|key| world.plan.maps.get(key.map).zip(Some(key))) else {
        return false;
    };
    let tenant = TenantName::default();
    let Some(id) = engine.contracts().find(&tenant, &map.name).first().copied() else { return false };
    let whole = engine.sources().whole_since(&tenant, &map.name, engine.clocks(), Time(world.now()));
    let doubt = engine.table().doubt(id, key_hash(&map.name, key.name.as_bytes()));
    whole.is_some_and(|since| doubt < since.begin)
        && engine.table().calibration(id) == Calibration::Calibrated
        && !forgets_keys(&world.plan)
}

/// Whether it can be said how long it takes to look at what nobody writes.
fn is_bounded(plan: &Plan) -> bool {
    plan.comparator.keys_per_s.is_none() && plan.comparator.keys_per_read_max > 1 && !forgets_keys(plan)
}

/// How long after it could be told a fault of this kind is told at the latest, besides what any probe takes: what is behind the
/// scan is met in its next round, and is looked at again after the deadline. While a map is told, each word about a key that
/// says the same again has a deadline of its own.
pub(super) fn tellable_within(kind: FaultKind, plan: &Plan) -> i64 {
    let deadline = plan.deadline_max();
    let looks = super::misses::latency_max(plan);
    match kind {
        FaultKind::Baseline => looks + 2 * deadline,
        FaultKind::Drifted => looks + 2 * plan.comparator.sweep.keys_every.unwrap_or(0),
        kind if kind.is_unknown_row() => looks + 2 * round(plan) + 2 * deadline,
        _ => looks + plan.telling.as_ref().map_or(0, |telling| telling.lasts.1 + WARM_UP + 2 * deadline),
    }
}

/// How long a round over the rows of all maps takes at most, in nanoseconds.
fn round(plan: &Plan) -> i64 {
    let per_s = plan.comparator.sweep.rows_per_s.unwrap_or(1);
    let limit = plan.comparator.keys_per_read_max.min(usize::try_from(per_s).unwrap_or(1)).max(1);
    let rows = |map: usize| plan.keys.iter().filter(|key| key.map == map).count();
    let told = (0..plan.maps.len()).filter(|map| plan.maps.get(*map).is_some_and(|map| map.is_told));
    let pages: usize = told.map(|map| rows(map) / limit + 1).sum();
    let of_rate = i64::try_from(limit).unwrap_or(i64::MAX).saturating_mul(SECOND) / i64::from(per_s.max(1));
    let page = of_rate + plan.comparator.tick + plan.store.read.1 * 10;
    i64::try_from(pages).unwrap_or(i64::MAX).saturating_mul(page)
}
