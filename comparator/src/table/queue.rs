//! When the keys of one map are due, and in which order those that are due wait for a probe.
//!
//! A key waits in `later` until its time has come, then in the queue of its class. It may stand here several times, and
//! where it does not belong any more: what the key itself says counts, and whoever takes a slot out asks it. A key that is
//! to be probed stands at least once where it is found in time.

mod line;

use super::class::{Class, PerClass};
use super::shard::Slot;
use counterfoil_judge::Time;
use line::Line;

/// The keys of one map in one shard, by when they are due or have to be probed.
pub(super) struct Queue {
    later: Line,
    ready: PerClass<Line>,
}

impl Queue {
    pub(super) fn new() -> Self {
        Self { later: Line::default(), ready: PerClass::of(|_| Line::default()) }
    }

    /// The key at `slot` is due at `due`.
    pub(super) fn wait_until(&mut self, due: Time, slot: Slot) {
        self.later.push(due, slot);
    }

    /// A key whose time has come by `now`, and when that was said to be.
    pub(super) fn ripe(&mut self, now: Time) -> Option<(Time, Slot)> {
        self.later.pop_if(|due| due <= now)
    }

    /// The key at `slot` is due; those of its class with an earlier `rank` go first.
    pub(super) fn wait_in(&mut self, class: Class, rank: Time, slot: Slot) {
        self.ready.get_mut(class).push(rank, slot);
    }

    /// The first that waits in a class.
    pub(super) fn first(&mut self, class: Class) -> Option<Slot> {
        Some(self.ready.get_mut(class).pop_if(|_| true)?.1)
    }

    /// The first that waits in a class, if its rank is before `before`.
    pub(super) fn first_before(&mut self, class: Class, before: Time) -> Option<Slot> {
        Some(self.ready.get_mut(class).pop_if(|rank| rank < before)?.1)
    }

    /// How many wait in each class, at most.
    pub(super) fn ready(&self) -> PerClass<usize> {
        PerClass::of(|class| self.ready.get(class).len())
    }
}
