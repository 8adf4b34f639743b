//! Alarms against the truth: was the key really divergent when the store was looked at, and rightly named?

use super::{Oracle, forgets_keys, ms};
use crate::faults::FaultKind;
use crate::values;
use crate::world::{FaultRef, KeyRef, World, WriteRef};
use counterfoil_comparator::engine::Engine;
use counterfoil_comparator::table::{Turn, Turned};
use counterfoil_judge::{Interval, Kind, Outcome, Reason, Scope, StoreOutcome};
use std::collections::VecDeque;

/// The number of the source of what no source told of.
const NOBODY: u32 = u32::MAX;

/// What any fault may be called of a key whose value was told by whoever only held it.
const AFTER_HELD: [&str; 3] = ["inverted", "missing", "foreign"];

/// Samples kept of a key; only one read of it is under way at a time.
const SAMPLES_MAX: usize = 16;

/// The truth about a key at the instant at which the store was looked at.
#[derive(Clone, Debug)]
pub struct Sample {
    at: Interval,
    instant: i64,
    value: u64,
    /// The map held a value.
    is_held: bool,
    faults: Vec<FaultRef>,
}

impl Sample {
    /// The truth about `key` now, for a read made within `at`.
    #[must_use]
    pub fn new(world: &World, key: KeyRef, at: Interval) -> Self {
        let (instant, it) = (world.now(), world.keys.get(key));
        let in_effect = |fault: &FaultRef| {
            let fault = world.faults.get(*fault);
            // After a crash the two sides may agree by luck.
            fault.is_in_effect(instant) && (fault.kind != FaultKind::Orphan || it.differs())
        };
        let faults = it.faults.iter().copied().filter(in_effect).collect();
        Self { at, instant, value: it.store.value, is_held: it.map_value > 0, faults }
    }
}

/// A divergence that was told, beside the truth.
#[derive(Clone, Debug)]
pub struct Told {
    /// Of which key.
    pub key: KeyRef,
    /// When it was told, in nanoseconds of true time.
    pub at: i64,
    /// Its kind's label.
    pub kind: &'static str,
    /// Whether it was confirmed; else it was opened.
    pub confirmed: bool,
    /// The faults in effect when the store was looked at; none for a false alarm.
    pub faults: Vec<FaultRef>,
}

impl Oracle {
    /// The store was looked at.
    pub fn sampled(&mut self, key: KeyRef, sample: Sample) {
        self.looks += 1;
        let samples: &mut VecDeque<Sample> = self.samples.entry(key).or_default();
        if samples.len() == SAMPLES_MAX {
            samples.pop_front();
        }
        samples.push_back(sample);
    }

    pub(super) fn turned(&mut self, turned: &Turned, engine: &Engine, world: &World) {
        let Some(key) = self.key(&turned.key) else {
            self.breach(world.now(), "a divergence of a key that nobody wrote".to_owned());
            return;
        };
        if matches!(turned.turn, Turn::Resolved(_)) {
            self.finds.resolved(key);
            return;
        }
        let samples = self.samples.get(&key).into_iter().flatten();
        let Some(sample) = samples.rev().find(|sample| sample.at == turned.at).cloned() else {
            self.breach(world.now(), "a divergence of a read that nobody made".to_owned());
            return;
        };
        let confirmed = turned.turn == Turn::Confirmed;
        let (at, kind, faults) = (world.now(), turned.divergence.kind.label(), sample.faults.clone());
        self.alarms.push(Told { key, at, kind, confirmed, faults });
        if let Some(problem) = self.problem(turned, key, &sample, engine, world) {
            let (label, found) = (turned.divergence.kind.label(), turned.found);
            let text = format!(
                "{problem}: {label} {} {:?} on key {} named {:?}, read [{:.3}, {:.3}] at {:.3} found {found:?}, store held {}, now {:.3}, faults {:?}{}",
                if confirmed { "confirmed" } else { "opened" },
                turned.divergence.kind,
                key.0,
                turned.divergence.named,
                ms(sample.at.begin.0),
                ms(sample.at.end.0),
                ms(sample.instant),
                sample.value,
                ms(world.now()),
                world.keys.get(key).faults.iter().map(|it| world.faults.get(*it)).collect::<Vec<_>>(),
                self.story(key, world),
            );
            self.breach(world.now(), text);
        }
        self.credit(turned, key, &sample, confirmed, world);
    }

    fn problem(
        &mut self,
        turned: &Turned,
        key: KeyRef,
        sample: &Sample,
        engine: &Engine,
        world: &World,
    ) -> Option<&'static str> {
        let faults = || sample.faults.iter().map(|fault| world.faults.get(*fault));
        let label = turned.divergence.kind.label();
        if sample.faults.is_empty() {
            self.score.false_alarms += 1;
            return Some("false alarm");
        }
        if values::digest(sample.value) != turned.found {
            return Some("the store held something else");
        }
        let is_orphan = turned.divergence.kind == Kind::Orphan;
        if is_orphan && sample.is_held {
            return Some("an orphan that the map holds");
        }
        if is_orphan && !forgets_keys(&world.plan) && self.is_told_of(key, sample.at.end.0, world) {
            return Some("an orphan that a source told of");
        }
        // What was written before the comparator started over, or let go of the key, it does not know.
        let is_unknown = self.has_started_over || forgets_keys(&world.plan);
        // Nor what was there before the first report.
        let is_first =
            faults().filter_map(|fault| fault.harmed).any(|harmed| world.writes.get(harmed).version <= 1);
        let is_forgotten = (label == "foreign" && (is_unknown || is_first)) || (is_orphan && is_unknown);
        let may_be_so = |kind: FaultKind| kind.looks_like().contains(&label);
        // That the map held a value says of no store call that it was made, or how it ended.
        let may_be_held = |kind: FaultKind| {
            !kind.is_unknown_row() && AFTER_HELD.contains(&label) && self.at_rest.is_told(key)
        };
        if !is_forgotten && !faults().any(|fault| may_be_so(fault.kind) || may_be_held(fault.kind)) {
            return Some("named wrongly");
        }
        let nobody_wrote_it =
            faults().all(|fault| matches!(fault.kind, FaultKind::Foreign | FaultKind::Corrupt));
        let names_that = matches!(label, "foreign" | "corrupt");
        let needs_form = is_orphan || (nobody_wrote_it && names_that);
        if needs_form && !self.calibrated_at.contains_key(&turned.map) {
            return Some("told before the check was calibrated");
        }
        let named = self.write(turned.divergence.named, engine);
        if !is_orphan && named.is_none_or(|named| world.writes.get(named).key != key) {
            return Some("names a write of another key");
        }
        if is_orphan && turned.divergence.named.source != NOBODY {
            return Some("an orphan of somebody");
        }
        let due = faults().map(|fault| fault.deadline).min();
        // A value that nobody wrote is not late.
        let may_be_late = label != "foreign";
        let early = turned.turn == Turn::Confirmed && due.is_some_and(|due| sample.instant <= due);
        (may_be_late && early).then_some("confirmed before the deadline")
    }

    /// Whether an event of the key that had happened by `end` got into the comparator's table in this life.
    fn is_told_of(&self, key: KeyRef, end: i64, world: &World) -> bool {
        let got_in = |write: WriteRef| {
            use Outcome::{Shed, Undetermined};
            let outcome = self.outcomes.get(&write);
            let is_left_out = matches!(outcome, Some(Shed(_) | Undetermined(Reason::Clock)));
            self.has_arrived(write) && !is_left_out
        };
        world.writes.iter().any(|(write, it)| it.key == key && it.map.1 <= end && got_in(write))
    }

    fn credit(&mut self, turned: &Turned, key: KeyRef, sample: &Sample, confirmed: bool, world: &World) {
        self.paths.hit(&format!("verdict: {}", turned.divergence.kind.label()));
        if !confirmed {
            return;
        }
        for fault in &sample.faults {
            let it = world.faults.get(*fault);
            if it.kind == FaultKind::Frozen {
                self.paths.hit("hot key confirmed divergent");
            }
            if self.finds.confirmed(key, *fault) {
                // What a difference of form would look like is held back until there is none.
                let calibrated_at = self.calibrated_at.get(&turned.map).copied().unwrap_or(0);
                let tellable_at = self.at_rest.tellable_at(*fault, it);
                let after = world.now() - it.deadline.max(tellable_at).max(calibrated_at);
                self.score.confirmed_after_max_ns = self.score.confirmed_after_max_ns.max(after);
                self.check_latency(it, after, world);
            }
        }
    }

    /// What is called confirmed was seen after its store leg, and what is called superseded was followed.
    pub(super) fn check_outcome(&mut self, write: WriteRef, outcome: Outcome, world: &World) {
        let it = world.writes.get(write);
        let is_wrong = match outcome {
            Outcome::Confirmed { .. } => !self.was_seen(write, world),
            Outcome::Superseded => {
                world.keys.get(it.key).last_mapped == Some(write) && !may_be_followed(write, world)
            }
            Outcome::Divergent | Outcome::Undetermined(_) | Outcome::Shed(_) => false,
        };
        if is_wrong {
            let story = self.story(it.key, world);
            self.breach(world.now(), format!("write {} cannot have ended {outcome:?}{story}", write.0));
        }
    }

    /// Whether a read saw what the write wrote, after it had begun.
    fn was_seen(&self, write: WriteRef, world: &World) -> bool {
        let it = world.writes.get(write);
        let from = it.store.map_or(it.map.0, |leg| leg.0.min(it.map.0)).min(it.applied.unwrap_or(i64::MAX));
        // A copy that drops a value agrees with anything.
        let map = world.plan.maps.get(world.keys.get(it.key).map);
        let has_copies = map.is_some_and(|map| map.scope == Scope::Process);
        let is_eviction = has_copies && it.value == 0 && it.outcome == StoreOutcome::Failed;
        // Where the store holds what it should not, an old value may well pass for a new one within the clock's error.
        let fits = |sample: &Sample| sample.instant >= from || !sample.faults.is_empty();
        let mut samples = self.samples.get(&it.key).into_iter().flatten();
        samples.any(|sample| fits(sample) && (sample.value == it.value || is_eviction))
    }
}

/// Whether the map leg of another write of the key ends so late that, clocks being what they are, it may be the later one.
fn may_be_followed(write: WriteRef, world: &World) -> bool {
    let (it, error) = (world.writes.get(write), clock_error(world));
    let rivals = world.writes.iter().filter(|(at, other)| *at != write && other.key == it.key);
    rivals.filter(|(_, other)| other.mapped.is_some()).any(|(_, other)| other.map.1 + error >= it.map.0)
}

/// How far off the clocks of two sources may be, as the comparator has it, in nanoseconds.
pub(super) fn clock_error(world: &World) -> i64 {
    2 * world.plan.sidecars.iter().map(|sidecar| sidecar.delay.1 + sidecar.detour).max().unwrap_or(0)
}
