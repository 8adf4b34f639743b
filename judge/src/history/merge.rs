//! Staying within bounds on a key that has very many writes at once.

use super::{GROUPS_MAX, History, LIVE_WRITES_MAX, MERGED_DIGESTS_MAX};
use crate::group::Group;
use crate::kept::Kept;
use crate::time::Time;
use crate::verdict::{Outcome, Reason};
use crate::write::WriteId;

impl History {
    /// Merges the half of the kept writes that may go: those first from which the map certainly moved on, and of those
    /// the ones that ended first. Writes that may land at any time are not merged with those that have an end.
    pub(super) fn merge(&mut self, ended: &mut Vec<(WriteId, Outcome)>) {
        let writes: Vec<Kept> = self.take_kept();
        let is_followed =
            |write: &Kept| write.map().is_none() || writes.iter().any(|other| write.is_map_before(other));
        let mut order: Vec<(bool, Time, usize)> =
            writes.iter().enumerate().map(|(at, write)| (!is_followed(write), write.ended(), at)).collect();
        order.sort_unstable();
        let mut merged: Vec<(usize, bool)> =
            order.iter().take(LIVE_WRITES_MAX / 2).map(|&(last, _, at)| (at, !last)).collect();
        merged.sort_unstable();
        let (mut closed, mut open): (Option<Group>, Option<Group>) = (None, None);
        for (at, write) in writes.into_iter().enumerate() {
            let Ok(found) = merged.binary_search_by_key(&at, |&(at, _)| at) else {
                self.keep(write);
                continue;
            };
            let is_followed = merged.get(found).is_some_and(|&(_, is_followed)| is_followed);
            let group = if write.ended() == Time::MAX { &mut open } else { &mut closed };
            let alone = Group::of(&write, is_followed);
            *group = Some(match group.take() {
                Some(group) => group.merged(alone),
                None => alone,
            });
            if write.is_pending() {
                ended.push((write.id(), Outcome::Superseded));
            }
        }
        self.rest_mut().groups.extend(closed.into_iter().chain(open));
        self.bound_groups();
    }

    fn bound_groups(&mut self) {
        let groups = &mut self.rest_mut().groups;
        groups.sort_by_key(Group::ended);
        while groups.len() > GROUPS_MAX {
            let sizes = groups.windows(2).map(|pair| pair.iter().map(Group::len).sum::<usize>());
            let Some((at, _)) = sizes.enumerate().min_by_key(|&(_, size)| size) else { break };
            let later = groups.remove(at + 1);
            let earlier = groups.remove(at);
            groups.insert(at, earlier.merged(later));
        }
        while self.merged() > MERGED_DIGESTS_MAX {
            let group = self.rest_mut().groups.remove(0);
            self.blind_until(group.latest.max(group.map.map_or(Time::MIN, |leg| leg.end)), Reason::Shed);
            let rest = self.rest_mut();
            rest.forgotten_until = rest.forgotten_until.max(group.latest);
        }
    }
}
