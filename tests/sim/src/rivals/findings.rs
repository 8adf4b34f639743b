//! What a checker said about a world, in the same words for all of them.

use crate::world::{FaultRef, KeyRef, World};
use std::collections::BTreeSet;

/// A disagreement that a checker reported.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Alarm {
    /// Of which key.
    pub key: KeyRef,
    /// When it was reported, in nanoseconds of true time.
    pub at: i64,
    /// What the checker called it.
    pub name: &'static str,
    /// The faults in effect when the store was read; none for a false alarm.
    pub faults: Vec<FaultRef>,
}

/// What a checker said about a world.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Findings {
    /// Everything it reported, in order.
    pub alarms: Vec<Alarm>,
    /// The keys of which it said at least once that the two sides agree or differ.
    pub judged_keys: BTreeSet<KeyRef>,
    /// Writes of which it said so.
    pub judged_writes: u64,
    /// Writes of which it said that nothing can be said.
    pub undetermined_writes: u64,
    /// Reads of the store, each of one key.
    pub reads: u64,
}

/// The faults in effect on a key at the present instant.
#[must_use]
pub fn faults_in_effect(world: &World, key: KeyRef) -> Vec<FaultRef> {
    let faults = world.keys.get(key).faults.iter().copied();
    faults.filter(|fault| world.faults.get(*fault).is_in_effect(world.now())).collect()
}
