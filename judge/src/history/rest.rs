//! What most keys do not have: more than one write, and what writes that are not kept any more have left behind.

use super::learn::{LastRead, Still};
use super::{DROPPED_WRITES_MAX, DROPPED_WRITES_MIN};
use crate::group::Group;
use crate::kept::Kept;
use crate::past::{Mark, Past};
use crate::time::Time;
use crate::verdict::Reason;
use std::collections::VecDeque;

/// Writes whose deadlines are closer together than this part of a deadline are told apart by the first of them.
const DUE_STEPS: i64 = 8;

/// Most dropped writes whose deadlines are awaited, but for one.
pub(super) const DUE_MARKS_MAX: usize = 16;

/// What most keys do not have.
#[derive(Clone, Debug)]
pub(super) struct Rest {
    pub(super) is_bounded: bool,
    pub(super) blind_for: Reason,
    pub(super) more: Vec<Kept>,
    pub(super) groups: Vec<Group>,
    /// By their ends.
    pub(super) dropped: VecDeque<Past>,
    /// A dropped write that is no longer remembered may have been late within its deadline until then.
    pub(super) forgotten_until: Time,
    /// The latest begin of a dropped write that is due.
    pub(super) due: Time,
    /// The next ones' begins, and when they are due.
    pub(super) due_next: VecDeque<(Time, Time)>,
    pub(super) still: Option<Still>,
    pub(super) last: Option<LastRead>,
}

impl Rest {
    pub(super) const fn new() -> Self {
        Self {
            is_bounded: true,
            blind_for: Reason::Baseline,
            more: Vec::new(),
            groups: Vec::new(),
            dropped: VecDeque::new(),
            forgotten_until: Time::MIN,
            due: Time::MIN,
            due_next: VecDeque::new(),
            still: None,
            last: None,
        }
    }

    /// The latest begin of a dropped write whose deadline had passed before `read_begin`.
    pub(super) fn newest_due(&self, read_begin: Time) -> Time {
        let next = self.due_next.iter().filter(|(_, due)| *due < read_begin);
        next.fold(self.due, |newest, (begin, _)| newest.max(*begin))
    }

    /// Drops a write that was kept.
    pub(super) fn drop_write(&mut self, write: &Kept, oldest_read: Time) {
        let Some(past) = Past::of(write) else { return };
        let later = self.dropped.iter().rev().take_while(|other| other.store.end > past.store.end).count();
        self.dropped.insert(self.dropped.len() - later, past);
        self.forget(oldest_read);
        let due = past.store.end.max(write.deadline);
        if let Some(mark) = Mark::of(write) {
            self.await_due(mark.begin, due, due.since(past.store.end) / DUE_STEPS);
        }
    }

    /// Notes that the write that began at `begin` is due at `due`. By due time, each began later than the one before; of those that are due within a
    /// `step` of each other the first is enough.
    fn await_due(&mut self, begin: Time, due: Time, step: i64) {
        let at = self.due_next.partition_point(|(_, other)| *other <= due);
        let is_told =
            |(before, other): &(Time, Time)| *before >= begin || (step > 0 && due.since(*other) <= step);
        if self.due_next.len() > DUE_MARKS_MAX
            || at.checked_sub(1).and_then(|at| self.due_next.get(at)).is_some_and(is_told)
        {
            return;
        }
        let later = self.due_next.split_off(at);
        self.due_next.push_back((begin, due));
        self.due_next.extend(later.into_iter().filter(|(other, _)| *other > begin));
    }

    /// Moves on to `now`: what is due by then, and what no memory is needed for any more.
    pub(super) fn settle_down(&mut self, now: Time) {
        while let Some((next, _)) = self.due_next.pop_front_if(|(_, due)| *due < now) {
            self.due = self.due.max(next);
        }
        self.forget(now);
        if self.due_next.is_empty() {
            self.due_next = VecDeque::new();
        }
        if self.dropped.capacity() > 2 * self.dropped.len().max(DROPPED_WRITES_MIN) {
            self.dropped.shrink_to_fit();
        }
    }

    /// Forgets those that ended first: none of the others can have been overwritten by them.
    fn forget(&mut self, oldest_read: Time) {
        while let Some(first) = self.dropped.front().filter(|_| self.is_bounded) {
            let (count, is_late) = (self.dropped.len(), first.latest >= oldest_read);
            if count <= DROPPED_WRITES_MIN || (is_late && count <= DROPPED_WRITES_MAX) {
                return;
            }
            self.forgotten_until = self.forgotten_until.max(first.latest);
            self.dropped.pop_front();
        }
    }

    pub(super) fn drop_group(&mut self, group: &Group) {
        self.forgotten_until = self.forgotten_until.max(group.latest);
    }
}
