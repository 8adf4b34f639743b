//! What lasted and was not told.

use super::alarms::clock_error;
use super::at_rest::tellable_within;
use super::{Oracle, forgets_keys, ms};
use crate::faults::{Fault, FaultKind};
use crate::plan::{Ending, MS, Mode, Plan};
use crate::world::{FaultRef, KeyRef, World, Write, WriteRef};
use counterfoil_comparator::engine::Engine;
use counterfoil_digest::key_hash;
use counterfoil_judge::{Outcome, Time};
use counterfoil_keys::TenantName;
use std::collections::{BTreeMap, BTreeSet};

/// What was confirmed so far.
#[derive(Default)]
pub(super) struct Finds {
    ever: BTreeSet<FaultRef>,
    /// The faults behind the divergence that stands confirmed on a key.
    standing: BTreeMap<KeyRef, BTreeSet<FaultRef>>,
}

impl Finds {
    /// A divergence was confirmed while this fault was in effect; gives whether that is news.
    pub(super) fn confirmed(&mut self, key: KeyRef, fault: FaultRef) -> bool {
        self.standing.entry(key).or_default().insert(fault);
        self.ever.insert(fault)
    }

    /// The comparator started over.
    pub(super) fn restarted(&mut self) {
        self.standing.clear();
    }

    /// The key's divergence was resolved.
    pub(super) fn resolved(&mut self, key: KeyRef) {
        self.standing.remove(&key);
    }

    fn stands(&self, key: KeyRef, fault: FaultRef) -> bool {
        self.standing.get(&key).is_some_and(|faults| faults.contains(&fault))
    }
}

impl Oracle {
    pub(super) fn look_for_misses(&mut self, engine: &Engine, world: &World) {
        for (at, fault) in world.faults.iter() {
            // Values that recur, and copies whose process is gone, may bring the two sides together again.
            let lasts = world.plan.mode == Mode::Liveness
                && fault.until.is_none()
                && world.keys.get(fault.key).differs()
                && fault.kind != FaultKind::Orphan
                && fault.since <= world.plan.times.stop;
            let found = self.finds.ever.contains(&at);
            let stands = self.finds.stands(fault.key, at);
            let doubted = self.is_doubted(at, fault, engine, world);
            let row = self.score.of(fault.kind);
            row.planted += 1;
            row.found += u64::from(found);
            row.undetermined += u64::from(!found && lasts && doubted);
            row.passed += u64::from(!found && !lasts);
            row.missed += u64::from(lasts && !found && !doubted);
            if lasts && !stands && !doubted {
                let (kind, key, story) = (fault.kind, fault.key.0, self.story(fault.key, world));
                let (deadline, found) = (ms(fault.deadline), if found { "resolved" } else { "missed" });
                let text = format!("{kind:?} on key {key}, due {deadline:.3}, was {found}{story}");
                self.breach(world.now(), text);
            }
        }
    }

    /// Whether something was said about the doubt of a key since the fault, or its event never arrived.
    fn is_doubted(
        &self,
        at: FaultRef,
        fault: &Fault<KeyRef, WriteRef>,
        engine: &Engine,
        world: &World,
    ) -> bool {
        let doubt = doubt(fault.key, engine, world);
        let Some(harmed) = fault.harmed.filter(|_| !fault.kind.is_at_rest()) else {
            return self.is_doubted_at_rest(at, fault, doubt, world);
        };
        let arrived = self.has_arrived(harmed);
        let harmed = world.writes.get(harmed);
        let since = world.writes.iter().filter(|(_, it)| it.key == fault.key && it.version >= harmed.version);
        let behind = fault.kind == FaultKind::MapBehind && self.is_copy_doubted(fault, doubt, world);
        let mut outcomes = since.filter_map(|(write, _)| self.outcomes.get(&write));
        !arrived
            || behind
            || is_blurred(fault.key, harmed, world)
            || doubt >= Time(fault.since)
            || outcomes.any(|outcome| matches!(outcome, Outcome::Undetermined(_) | Outcome::Shed(_)))
    }

    /// Whether the comparator took the event of a write, in this life.
    pub(super) fn has_arrived(&self, write: WriteRef) -> bool {
        let account =
            self.issued.get(&write).and_then(|(source, seq)| self.accounts.get(source).zip(Some(*seq)));
        account.is_some_and(|(account, seq)| account.is_accepted(seq))
    }

    /// Whether something was said about the doubt of a copy that had to follow: about the last event it had, or about its
    /// bucket since.
    fn is_copy_doubted(&self, fault: &Fault<KeyRef, WriteRef>, doubt: Time, world: &World) -> bool {
        let mut copies = world.keys.get(fault.key).copies.keys();
        let last = |source| {
            let mut writes = world.writes.iter().rev();
            writes.find(|(_, it)| it.key == fault.key && it.source == source && it.over.is_some())
        };
        copies.any(|source| {
            let last = last(*source);
            let outcome = last.and_then(|(write, _)| self.outcomes.get(&write));
            let is_tainted = last.is_some_and(|(_, it)| Time(it.map.0) <= doubt);
            is_tainted
                || outcome
                    .is_none_or(|outcome| matches!(outcome, Outcome::Undetermined(_) | Outcome::Shed(_)))
        })
    }

    /// In a run in which only the planted faults go wrong, a divergence is confirmed in time.
    pub(super) fn check_latency(&mut self, fault: &Fault<KeyRef, WriteRef>, after: i64, world: &World) {
        let bound = tellable_within(fault.kind, &world.plan);
        let is_lossy = fault.kind.is_at_rest() && self.at_rest.has_losses;
        let is_blurred =
            fault.harmed.is_some_and(|harmed| is_blurred(fault.key, world.writes.get(harmed), world));
        let is_bounded = is_calm(&world.plan) && fault.kind != FaultKind::Frozen && !is_lossy && !is_blurred;
        if is_bounded && after > bound {
            let text = format!(
                "{:?} on key {} was confirmed {:.3} ms after its deadline; {:.3} ms are allowed{}",
                fault.kind,
                fault.key.0,
                after as f64 / MS as f64,
                bound as f64 / MS as f64,
                self.story(fault.key, world)
            );
            self.breach(world.now(), text);
        }
    }
}

/// Whether what the store holds was read in the map about when the write changed it: nobody knows which came first.
fn is_blurred(key: KeyRef, harmed: &Write, world: &World) -> bool {
    let (in_store, since) = (world.keys.get(key).store.value, harmed.map.0 - clock_error(world));
    let mut held = world.writes.iter().filter(|(_, it)| it.held && it.key == key);
    held.any(|(_, it)| it.value == in_store && it.map.1 >= since)
}

/// Until when writes to the key that nobody reported may have landed, as the comparator has it.
fn doubt(key: KeyRef, engine: &Engine, world: &World) -> Time {
    let key = world.plan.keys.get(key.0);
    let map = key.and_then(|key| world.plan.maps.get(key.map));
    let Some((map, key)) = map.zip(key) else { return Time::MIN };
    let id = engine.contracts().find(&TenantName::default(), &map.name);
    id.first().map_or(Time::MIN, |id| engine.table().doubt(*id, key_hash(&map.name, key.name.as_bytes())))
}

/// Clock error, one probe interval, one read, and the way of an event from its process to the comparator.
pub(super) fn latency_max(plan: &Plan) -> i64 {
    let longest = |of: fn(&crate::plan::SidecarPlan) -> i64| plan.sidecars.iter().map(of).max().unwrap_or(0);
    let (delay, age) = (longest(|it| it.delay.1 + it.detour), longest(|it| it.batch_age_max));
    let flush = plan.sources.iter().map(|it| it.flush_every).max().unwrap_or(0);
    let give_up = plan.maps.iter().filter_map(|map| map.give_up).max().unwrap_or(0);
    let lead = plan.maps.iter().map(|map| map.lead).max().unwrap_or(0);
    let comparator = &plan.comparator;
    let read = plan.store.read.1 * 10;
    let error = 2 * delay;
    let way = 2 * (flush + age + delay) + lead;
    2 * error + comparator.gap.1.max(comparator.first_delay) + read * 3 + way + 3 * comparator.tick + give_up
}

fn is_calm(plan: &Plan) -> bool {
    plan.sidecars.iter().all(|sidecar| sidecar.troubles.is_empty())
        && plan.sources.iter().all(|source| source.ending == Ending::Never)
        && plan.domains.iter().all(|domain| domain.sleeps.is_empty())
        && plan.store.outages.is_empty()
        // With one key a read, probes queue for the store's budget, and no bound holds.
        && plan.comparator.keys_per_read_max > 1
        && plan.comparator.keys_per_s.is_none()
        && !forgets_keys(plan)
}
