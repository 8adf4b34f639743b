//! The rivals: checkers that wait for a fixed time after a write, read the store once, and compare.
//!
//! Three methods in the field are this one with other parameters. *Timer reset by each write*: a key is read when it has
//! rested for the delay. *Timer kept*: a key is read when the delay has passed since the first write that no read
//! followed. *Read at once*: the delay is nothing. To check each write by itself after the delay, and to skip it if a
//! newer write of the key is known by then, makes the same reads at the same times as to reset the timer.
//!
//! They are treated generously: each write is reported the instant it is over, in a clock that is everyone's; nothing is
//! lost; of the reported writes they know which one changed the map last; and their reads take no time.

use super::findings::{Alarm, Findings, faults_in_effect};
use crate::watch::Checker;
use crate::world::{KeyRef, News, World, WriteRef};
use std::collections::{BTreeMap, BTreeSet};

/// How a rival waits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Timer {
    /// From a write to the read that checks it, in nanoseconds.
    pub delay: i64,
    /// Whether a newer write of the key starts the time anew.
    pub resets: bool,
}

/// What it knows of a key.
struct Known {
    /// Of the reported writes, the last to change the map.
    last: WriteRef,
    /// When the key will be read, if it will.
    due: Option<i64>,
}

/// A checker that waits for a fixed time.
pub struct Rival {
    /// What it said.
    pub findings: Findings,
    timer: Timer,
    keys: BTreeMap<KeyRef, Known>,
    due: BTreeSet<(i64, KeyRef)>,
}

impl Rival {
    /// A rival that has seen nothing yet.
    #[must_use]
    pub fn new(timer: Timer) -> Self {
        Self { findings: Findings::default(), timer, keys: BTreeMap::new(), due: BTreeSet::new() }
    }

    fn hear(&mut self, write: WriteRef, world: &World) {
        let it = world.writes.get(write);
        let known = self.keys.entry(it.key).or_insert(Known { last: write, due: None });
        if world.writes.get(known.last).version <= it.version {
            known.last = write;
        }
        if let Some(due) = known.due {
            if !self.timer.resets {
                return;
            }
            self.due.remove(&(due, it.key));
        }
        let due = world.now() + self.timer.delay;
        known.due = Some(due);
        self.due.insert((due, it.key));
    }

    fn read(&mut self, key: KeyRef, world: &World) {
        let Some(known) = self.keys.get_mut(&key) else { return };
        known.due = None;
        let (in_map, in_store) = (world.writes.get(known.last).value, world.keys.get(key).store.value);
        self.findings.reads += 1;
        self.findings.judged_writes += 1;
        self.findings.judged_keys.insert(key);
        if let Some(name) = difference(in_map, in_store) {
            let (at, faults) = (world.now(), faults_in_effect(world, key));
            self.findings.alarms.push(Alarm { key, at, name, faults });
        }
    }
}

impl Checker for Rival {
    fn notice(&mut self, news: News, world: &World) {
        if let News::Over(write) = news {
            self.hear(write, world);
        }
    }

    fn next_at(&self) -> i64 {
        self.due.first().map_or(i64::MAX, |(due, _)| *due)
    }

    fn act(&mut self, world: &World) {
        if let Some((_, key)) = self.due.pop_first() {
            self.read(key, world);
        }
    }
}

/// The only three names that comparing two values has; 0 stands for no value.
fn difference(in_map: u64, in_store: u64) -> Option<&'static str> {
    match (in_map, in_store) {
        _ if in_map == in_store => None,
        (_, 0) => Some("missing"),
        (0, _) => Some("extra"),
        _ => Some("different"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_named_by_the_side_that_has_no_value() {
        assert_eq!(difference(0, 0), None);
        assert_eq!(difference(7, 7), None);
        assert_eq!(difference(7, 0), Some("missing"));
        assert_eq!(difference(0, 7), Some("extra"));
        assert_eq!(difference(7, 8), Some("different"));
    }
}
