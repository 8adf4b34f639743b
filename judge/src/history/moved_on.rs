//! Which writes no later read can tell anything about.

use crate::group::Group;
use crate::kept::Kept;
use crate::time::{Interval, Time};

/// How far store and map had moved on by some instant.
pub(super) struct MovedOn {
    /// Begin of the newest acknowledged write that had ended.
    pub(super) newest: Time,
    /// A write that the map had taken.
    pub(super) last: Option<Kept>,
}

impl MovedOn {
    /// No read begun after that instant can tell anything about `write`.
    pub(super) fn is_past(&self, write: &Kept) -> bool {
        let store_moved_on = write.store().is_none_or(|leg| leg.interval.end < self.newest);
        let last = self.last.as_ref().filter(|last| last.id() != write.id());
        store_moved_on && (write.map().is_none() || last.is_some_and(|last| write.is_map_before(last)))
    }

    pub(super) fn is_group_past(&self, group: &Group) -> bool {
        let map_moved_on = |leg: Interval| {
            let last = self.last.as_ref().and_then(Kept::map);
            last.is_some_and(|last| leg.is_before(last))
        };
        group.store().is_none_or(|leg| leg.end < self.newest) && group.map.is_none_or(map_moved_on)
    }
}
