//! Findings against the truth, summed over worlds.

use super::findings::Findings;
use super::scene::SECOND;
use crate::faults::{Fault, FaultKind};
use crate::plan::Role;
use crate::world::{FaultRef, KeyRef, World, WriteRef};
use std::collections::{BTreeMap, BTreeSet};

/// What came into effect, or was written first, later than so long before the end counts neither as found nor as missed:
/// whoever waits for a minute could not find it. In nanoseconds.
pub const TAIL: i64 = 75 * SECOND;

/// How the lasting divergences of one kind fared.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct OfKind {
    /// There were so many.
    pub planted: u64,
    /// So many of them were reported.
    pub found: u64,
    /// What the first report called each.
    pub names: BTreeMap<&'static str, u64>,
}

impl OfKind {
    /// How many were not reported.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.planted - self.found
    }
}

/// How a checker did in some worlds.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Tally {
    /// Lasting divergences by kind.
    pub kinds: BTreeMap<FaultKind, OfKind>,
    /// Reports on keys on which no fault was in effect when the store was read.
    pub false_alarms: u64,
    /// From when the two sides began to differ until it was reported, in nanoseconds.
    pub found_after: Vec<i64>,
    /// Hot and cold keys that were written.
    pub keys: u64,
    /// Those that were never judged.
    pub unjudged_keys: u64,
    /// Writes that were over.
    pub writes: u64,
    /// Those that were judged.
    pub judged_writes: u64,
    /// Those that were called undetermined.
    pub undetermined_writes: u64,
    /// Reads of the store, each of one key.
    pub reads: u64,
}

impl Tally {
    /// Adds what a checker found in a world that has ended.
    pub fn add(&mut self, world: &World, findings: &Findings) {
        self.false_alarms += findings.alarms.iter().filter(|alarm| alarm.faults.is_empty()).count() as u64;
        let reports = first_reports(findings);
        for (at, fault) in world.faults.iter().filter(|(_, fault)| lasts(fault, world)) {
            self.count(fault, reports.get(&at).copied());
        }
        let written = written_keys(world);
        self.keys += written.len() as u64;
        self.unjudged_keys += written.difference(&findings.judged_keys).count() as u64;
        self.writes += world.writes.iter().filter(|(_, it)| it.over.is_some()).count() as u64;
        self.judged_writes += findings.judged_writes;
        self.undetermined_writes += findings.undetermined_writes;
        self.reads += findings.reads;
    }

    fn count(&mut self, fault: &Fault<KeyRef, WriteRef>, report: Option<(i64, &'static str)>) {
        let of_kind = self.kinds.entry(fault.kind).or_default();
        of_kind.planted += 1;
        if let Some((at, name)) = report {
            of_kind.found += 1;
            *of_kind.names.entry(name).or_default() += 1;
            self.found_after.push(at - fault.since);
        }
    }

    /// Adds what the same checker did in other worlds.
    pub fn merge(&mut self, other: &Self) {
        for (kind, of_kind) in &other.kinds {
            let sum = self.kinds.entry(*kind).or_default();
            (sum.planted, sum.found) = (sum.planted + of_kind.planted, sum.found + of_kind.found);
            of_kind.names.iter().for_each(|(name, count)| *sum.names.entry(name).or_default() += count);
        }
        self.false_alarms += other.false_alarms;
        self.found_after.extend(&other.found_after);
        self.keys += other.keys;
        self.unjudged_keys += other.unjudged_keys;
        self.writes += other.writes;
        self.judged_writes += other.judged_writes;
        self.undetermined_writes += other.undetermined_writes;
        self.reads += other.reads;
    }

    /// Lasting divergences of all kinds.
    #[must_use]
    pub fn planted(&self) -> u64 {
        self.kinds.values().map(|it| it.planted).sum()
    }

    /// Those that were not reported.
    #[must_use]
    pub fn missed(&self) -> u64 {
        self.kinds.values().map(OfKind::missed).sum()
    }

    /// Within which time this share of what was found was found, in nanoseconds; `None` if nothing was.
    #[must_use]
    pub fn found_within(&self, share: f64) -> Option<i64> {
        let mut times = self.found_after.clone();
        times.sort_unstable();
        let below = times.len() as f64 * share;
        // The nearest rank: the least time with at least the share at or below it.
        times.iter().enumerate().find(|(at, _)| (*at + 1) as f64 >= below).map(|(_, time)| *time)
    }
}

/// When each fault was first reported, and as what.
fn first_reports(findings: &Findings) -> BTreeMap<FaultRef, (i64, &'static str)> {
    let mut reports = BTreeMap::new();
    for alarm in &findings.alarms {
        for fault in &alarm.faults {
            reports.entry(*fault).or_insert((alarm.at, alarm.name));
        }
    }
    reports
}

fn lasts(fault: &Fault<KeyRef, WriteRef>, world: &World) -> bool {
    fault.until.is_none() && fault.since + TAIL <= world.plan.times.end
}

/// The hot and cold keys that were written early enough for everyone to judge them.
fn written_keys(world: &World) -> BTreeSet<KeyRef> {
    let early =
        world.writes.iter().filter(|(_, it)| it.over.is_some_and(|at| at + TAIL <= world.plan.times.end));
    let is_plain = |key: &KeyRef| world.plan.keys.get(key.0).is_some_and(|plan| plan.role != Role::Fault);
    early.map(|(_, it)| it.key).filter(is_plain).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_of_the_detection_times_is_the_nearest_rank() {
        let tally = Tally { found_after: vec![40, 10, 30, 20], ..Tally::default() };
        assert_eq!(tally.found_within(0.5), Some(20));
        assert_eq!(tally.found_within(0.99), Some(40));
        assert_eq!(Tally::default().found_within(0.5), None);
    }
}
