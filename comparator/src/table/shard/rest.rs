//! Keys at rest: nothing waits for them to be read.

use super::{Shard, Slot};
use crate::table::{Rules, Walk};
use counterfoil_judge::Time;

impl Shard {
    /// How many places for keys there are, taken or not.
    pub(in crate::table) fn slots(&self) -> Slot {
        Slot::try_from(self.entries.len()).unwrap_or(Slot::MAX)
    }

    /// Lets the key at `slot` wait for a read, if it is at rest and one of those that the walk is for; gives whether it is.
    pub(in crate::table) fn rouse(&mut self, slot: Slot, walk: &Walk, now: Time, rules: &Rules) -> bool {
        let Some(entry) = self.entry(slot) else { return false };
        let map = entry.map();
        let is_of_store = rules.contracts.get(map).is_some_and(|contract| contract.store == walk.store);
        if !is_of_store || !entry.rests_since(walk.untouched_since, rules) {
            return false;
        }
        entry.rouse(now);
        self.await_due(map, now, slot);
        true
    }
}
