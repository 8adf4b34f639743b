//! The writes of one key, as many as can still matter.
//!
//! A write is kept while it can explain a read or can be the map's last; once an acknowledged write that began after
//! its end has itself ended, and the map certainly moved on, it is dropped. So a history holds the concurrent writes of
//! a key, not all of them. What is not kept leaves behind:
//!
//! - groups: on a key with very many concurrent writes those that end first are merged, see [`Group`];
//! - a tail of dropped writes, so that a stale value is recognised and its age counted;
//! - `floor`: the latest begin of a dropped acknowledged write, the running maximum in the definition of `M(r0)`;
//! - `due`: the same for writes that even a store as late as the contract allows has taken, for telling opened from
//!   confirmed;
//! - `blind`: how late a write that nobody reported may have ended. It stands for the unknown state before the key's
//!   first event, for gaps, for lost sources and for whatever was dropped to stay within bounds.
//!
//! And what was read leaves behind which value came last, and for how long the store has stood still on one.
//!
//! A key with one write and nothing left behind takes no allocation.

use crate::group::Group;
use crate::kept::Kept;
use crate::past::{Fingerprint, Mark, Past, latest};
use crate::time::{Interval, Time};
use crate::verdict::{Legality, Observation, Outcome, Reason};
use crate::write::{Digest, Write, WriteId};
use std::collections::VecDeque;

/// Most writes kept for a key; with more, the half that ended first is merged.
pub const LIVE_WRITES_MAX: usize = 64;

/// Most groups of merged writes of a key; with more, two neighbours become one.
pub const GROUPS_MAX: usize = 8;

/// Most different digests in the groups of a key; with more, the group that ended first is dropped, and the key is
/// blind until that end.
pub const MERGED_DIGESTS_MAX: usize = 4096;

/// Dropped writes remembered for recognising stale values.
pub const DROPPED_WRITES_MIN: usize = 8;

/// Most dropped writes remembered; beyond [`DROPPED_WRITES_MIN`] only those that may still be late within their deadline.
pub const DROPPED_WRITES_MAX: usize = 4096;

/// Writes whose deadlines are closer together than this part of a deadline are told apart by the first of them.
const DUE_STEPS: i64 = 8;

/// Most dropped writes whose deadlines are awaited.
const DUE_MARKS_MAX: usize = 16;

/// Until when unreported writes may have landed, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Blind {
    pub(crate) until: Time,
    pub(crate) reason: Reason,
}

/// The value on which the store stands still.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Still {
    pub(crate) digest: Digest,
    /// End of the first of the reads in a row that saw it: it was in the store by then.
    pub(crate) since: Time,
    /// Other writes of the same value may have landed until then.
    pub(crate) again_until: Time,
    /// The write behind it.
    past: Option<Past>,
}

/// The last possible read: whatever explains a later read of another value ended no earlier than it began.
#[derive(Clone, Copy, Debug)]
struct LastRead {
    digest: Digest,
    at: Interval,
}

/// The writes of one key.
#[derive(Clone, Debug)]
pub struct History {
    first: Option<Kept>,
    blind_until: Time,
    rest: Option<Box<Rest>>,
}

const _: () = assert!(size_of::<History>() == 104);

/// What most keys do not have.
#[derive(Clone, Debug)]
struct Rest {
    is_bounded: bool,
    blind_for: Reason,
    more: Vec<Kept>,
    groups: Vec<Group>,
    /// By their ends.
    dropped: VecDeque<Past>,
    /// A dropped write that is no longer remembered may have been late within its deadline until then.
    forgotten_until: Time,
    floor: Option<Mark>,
    /// The same over writes that were dropped after the observation under way was made; it does not count for that one.
    floor_after: Option<Mark>,
    due: Option<Mark>,
    /// The next ones, and when they are due.
    due_next: VecDeque<(Mark, Time)>,
    still: Option<Still>,
    last: Option<LastRead>,
}

impl Rest {
    const fn new() -> Self {
        Self {
            is_bounded: true,
            blind_for: Reason::Baseline,
            more: Vec::new(),
            groups: Vec::new(),
            dropped: VecDeque::new(),
            forgotten_until: Time::MIN,
            floor: None,
            floor_after: None,
            due: None,
            due_next: VecDeque::new(),
            still: None,
            last: None,
        }
    }
}

impl History {
    /// A key that is watched from `since` on: what it held before is not known, and a write that nobody reported may
    /// have landed until then. [`Time::MIN`] if no such write can still land.
    #[must_use]
    pub const fn watched_since(since: Time) -> Self {
        Self { first: None, blind_until: since, rest: None }
    }

    /// The same without bounds, for judging recordings: nothing is merged and no dropped write forgotten.
    #[must_use]
    pub fn unbounded() -> Self {
        let mut history = Self::watched_since(Time::MIN);
        history.rest_mut().is_bounded = false;
        history
    }

    /// What a copy of the key in another process knows from this one: the store legs alone, and what was read.
    #[must_use]
    pub fn for_another_copy(&self) -> Self {
        let mut copy = self.clone();
        copy.kept_mut().for_each(Kept::drop_map_leg);
        copy
    }

    /// The writes kept, those merged not among them.
    pub fn writes(&self) -> impl Iterator<Item = Write> {
        self.kept().map(Kept::unpacked)
    }

    /// How many writes are kept.
    #[must_use]
    pub fn live(&self) -> usize {
        usize::from(self.first.is_some()) + self.rest().map_or(0, |rest| rest.more.len())
    }

    /// How many merged writes' digests are remembered.
    #[must_use]
    pub fn merged(&self) -> usize {
        self.groups().iter().map(Group::len).sum()
    }

    /// How many kept writes wait for an outcome.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.kept().filter(|write| write.is_pending()).count()
    }

    /// Writes that nobody reported may have landed until `until`. Nothing that such a write could explain is called
    /// divergent until an acknowledged write began after that.
    pub fn blind_until(&mut self, until: Time, reason: Reason) {
        if until > self.blind_until {
            self.blind_until = until;
            self.rest_mut().blind_for = reason;
        }
    }

    /// Adds a write. Past [`LIVE_WRITES_MAX`] half of the writes are merged; the events of those end superseded, and the
    /// key is judged as before, though with wider intervals. Gives whether writes were merged.
    pub fn insert(&mut self, write: Write, ended: &mut Vec<(WriteId, Outcome)>) -> bool {
        let write = Kept::from(write);
        if let Some(rest) = &mut self.rest
            && let Some(still) = rest.still.as_mut().filter(|still| still.digest == write.digest)
        {
            still.again_until = still.again_until.max(Past::of(&write).map_or(Time::MIN, |past| past.latest));
        }
        if self.first.is_none() {
            self.first = Some(write);
            return false;
        }
        let rest = self.rest_mut();
        if rest.more.is_empty() {
            // Most keys have no more than two writes at once.
            rest.more.reserve_exact(1);
        }
        rest.more.push(write);
        let is_full = rest.is_bounded && rest.more.len() >= LIVE_WRITES_MAX;
        if is_full {
            self.merge(ended);
        }
        is_full
    }

    /// Drops the writes that can no longer matter at `now`. Their events end superseded. `reading` is the interval of an
    /// observation that was made and not judged yet, open at its end while it is still being made: whatever it can
    /// tell something about is kept.
    pub fn prune(&mut self, now: Time, reading: Option<Interval>, ended: &mut Vec<(WriteId, Outcome)>) {
        if reading.is_none()
            && let Some(rest) = &mut self.rest
        {
            rest.floor = latest(rest.floor, rest.floor_after.take());
        }
        if self.rest.is_none() || self.live() + self.groups().len() < 2 {
            return self.settle_down(now, reading);
        }
        let moved_on = self.moved_on(now);
        let before_reading = reading.map(|reading| self.moved_on(reading.begin));
        let oldest_read = reading.map_or(now, |reading| reading.begin);
        for write in self.take_kept() {
            let before = before_reading.as_ref().is_some_and(|moved_on| moved_on.is_past(&write));
            let after = reading.is_none_or(|reading| write.begun() > reading.end);
            if moved_on.is_past(&write) && (before || after) {
                if write.is_pending() {
                    ended.push((write.id(), Outcome::Superseded));
                }
                self.rest_mut().drop_write(&write, before || reading.is_none(), oldest_read);
            } else {
                self.keep(write);
            }
        }
        let group_moved_on = before_reading.unwrap_or(moved_on);
        let groups = std::mem::take(&mut self.rest_mut().groups);
        for group in groups {
            match group_moved_on.is_group_past(&group) {
                true => self.rest_mut().drop_group(&group),
                false => self.rest_mut().groups.push(group),
            }
        }
        self.settle_down(now, reading);
    }

    /// Notes what was read, after it was judged: from now on the value's write, if only one explains the read, is known to
    /// have happened by the end of it, whatever it was told; and no value that had certainly been overwritten by then may
    /// come back. Gives the write, if its value was certainly the one that was read.
    pub(crate) fn learn(&mut self, read: &Observation, legality: Legality) -> Option<WriteId> {
        let shown = match legality {
            Legality::Legal => self.narrow(read),
            Legality::Unknowable | Legality::Illegal => None,
        };
        let still = self.still_on(read);
        let rest = self.rest_mut();
        rest.still = Some(still);
        if legality != Legality::Illegal {
            rest.last = Some(LastRead { digest: read.digest, at: read.at });
        }
        shown
    }

    /// `M(r0)`: the acknowledged write that ended before `read_begin` and began last.
    pub(crate) fn newest_settled(&self, read_begin: Time) -> Option<Mark> {
        let ended = self.kept().filter(|write| write.ended() < read_begin).filter_map(Mark::of);
        let merged = self.groups().iter().filter(|group| group.ended() < read_begin);
        let floor = self.rest().and_then(|rest| rest.floor);
        ended
            .chain(merged.filter_map(|group| group.newest))
            .fold(floor, |best, mark| latest(best, Some(mark)))
    }

    /// The begin of that write; [`Time::MIN`] if there is none.
    pub(crate) fn newest_begin(&self, read_begin: Time) -> Time {
        let begin = |write: &Kept| match write.store() {
            Some(leg) if leg.acknowledged && leg.interval.end < read_begin => leg.interval.begin,
            _ => Time::MIN,
        };
        let merged = self.groups().iter().filter(|group| group.ended() < read_begin);
        let merged = merged.filter_map(|group| group.newest).map(|mark| mark.begin);
        let floor = self.rest().and_then(|rest| rest.floor).map_or(Time::MIN, |mark| mark.begin);
        self.kept().map(begin).chain(merged).fold(floor, Time::max)
    }

    /// The same over the writes whose deadline had passed before `read_begin`.
    pub(crate) fn newest_due(&self, read_begin: Time) -> Option<Mark> {
        let is_due = |write: &&Kept| write.ended().max(write.deadline) < read_begin;
        let live = self.kept().filter(is_due).filter_map(Mark::of);
        let merged = self.groups().iter().filter(|group| group.ended().max(group.deadline) < read_begin);
        let dropped = self.rest().and_then(|rest| {
            let next = rest.due_next.iter().filter(|(_, due)| *due < read_begin);
            next.fold(rest.due, |best, (mark, _)| latest(best, Some(*mark)))
        });
        live.chain(merged.filter_map(|group| group.newest))
            .fold(dropped, |best, mark| latest(best, Some(mark)))
    }

    /// When the last possible read before of another value than `digest` began: what explains a read of `digest` now was
    /// in the store later than that.
    pub(crate) fn other_value_read(&self, digest: Digest) -> Time {
        let last = self.rest().and_then(|rest| rest.last).filter(|last| last.digest != digest);
        last.map_or(Time::MIN, |last| last.at.begin)
    }

    pub(crate) fn blind(&self) -> Blind {
        let reason = self.rest().map_or(Reason::Baseline, |rest| rest.blind_for);
        Blind { until: self.blind_until, reason }
    }

    /// The writes, kept, merged or remembered, that wrote `digest` to the store.
    pub(crate) fn matches(&self, digest: Digest) -> impl Iterator<Item = Past> {
        let print = Fingerprint::from(digest);
        let live = self.kept().filter(move |write| write.digest == digest).filter_map(Past::of);
        let merged = self.groups().iter().filter_map(move |group| group.as_past(print));
        live.chain(merged).chain(self.remembered().filter(move |past| past.digest == print))
    }

    /// The store legs that are known one by one: of all writes but the merged ones.
    pub(crate) fn store_legs(&self) -> impl Iterator<Item = Past> {
        self.kept().filter_map(Past::of).chain(self.remembered())
    }

    pub(crate) fn still(&self) -> Option<Still> {
        self.rest().and_then(|rest| rest.still)
    }

    /// Until when a dropped write that is no longer remembered may have been late within its deadline.
    pub(crate) fn forgotten_until(&self) -> Time {
        self.rest().map_or(Time::MIN, |rest| rest.forgotten_until)
    }

    #[inline]
    pub(crate) fn kept(&self) -> impl Iterator<Item = &Kept> + Clone {
        self.first.iter().chain(self.rest().map_or(&[][..], |rest| &rest.more))
    }

    pub(crate) fn kept_mut(&mut self) -> impl Iterator<Item = &mut Kept> {
        let more = self.rest.as_mut().map_or(&mut [][..], |rest| &mut rest.more);
        self.first.iter_mut().chain(more)
    }

    #[inline]
    pub(crate) fn groups(&self) -> &[Group] {
        self.rest().map_or(&[], |rest| &rest.groups)
    }

    fn remembered(&self) -> impl Iterator<Item = Past> {
        let dropped = || self.rest().into_iter().flat_map(|rest| rest.dropped.iter().copied());
        let kept = || self.kept().filter_map(Past::of);
        let still = self.still().and_then(|still| still.past);
        let only_seen = still.filter(|still| !dropped().chain(kept()).any(|past| past.is_same_write(still)));
        dropped().chain(only_seen)
    }

    /// How far store and map had moved on by `by`: every read begun later comes after that.
    fn moved_on(&self, by: Time) -> MovedOn {
        let settled = self.kept().filter(|write| write.map().is_some() && write.ended() < by);
        let last = settled.max_by_key(|write| write.map().map(|leg| leg.begin)).cloned();
        MovedOn { newest: self.newest_begin(by), last }
    }

    /// If exactly one write explains the read, it had happened by the end of it.
    fn narrow(&mut self, read: &Observation) -> Option<WriteId> {
        let newest = self.newest_begin(read.at.begin);
        let newest = newest.max(self.other_value_read(read.digest));
        if self.blind_until >= newest {
            return None;
        }
        let explains = |leg: Interval| leg.begin <= read.at.end && leg.end >= newest;
        if self.matches(read.digest).filter(|past| explains(past.store)).count() != 1 {
            return None;
        }
        let due = self.newest_due(read.at.begin).map_or(Time::MIN, |mark| mark.begin);
        let late = |past: &Past| past.store.begin <= read.at.end && past.latest >= due;
        let is_certain = self.blind_until < due
            && (self.forgotten_until() < due || self.forgotten_until() == Time::MIN)
            && self.matches(read.digest).filter(late).count() == 1;
        let one = self.kept_mut().find(|write| {
            write.digest == read.digest && write.store().is_some_and(|leg| explains(leg.interval))
        })?;
        let is_news = one.ended() >= read.at.end;
        one.happened_by(read.at.end);
        if is_certain && is_news {
            one.set_seen();
        }
        Some(one.id())
    }

    fn still_on(&self, read: &Observation) -> Still {
        let before = self.still().filter(|still| still.digest == read.digest);
        let past = self.matches(read.digest).max_by_key(|past| past.store.end);
        if let Some(before) = before {
            return Still { past: past.or(before.past), ..before };
        }
        // Of one write that had begun it is known that it is the one that was read, unless the unknown past explains it.
        let due = self.newest_due(read.at.begin).map_or(Time::MIN, |mark| mark.begin);
        let begun = self.matches(read.digest).filter(|past| past.store.begin <= read.at.end).count();
        let is_known = begun <= 1 && self.blind_until < due;
        let again = |past: &Past| !is_known || past.store.begin > read.at.end;
        let again = self.matches(read.digest).filter(again).map(|past| past.latest).max();
        let again_until = again.unwrap_or(Time::MIN).max(self.forgotten_until());
        Still { digest: read.digest, since: read.at.end, again_until, past }
    }

    /// Merges the half of the kept writes that may go: those first from which the map certainly moved on, and of those
    /// the ones that ended first. Writes that may land at any time are not merged with those that have an end.
    fn merge(&mut self, ended: &mut Vec<(WriteId, Outcome)>) {
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

    /// Lets go of memory that is not needed: of all there is if there is nothing in it that a single write does not tell.
    fn settle_down(&mut self, now: Time, reading: Option<Interval>) {
        if let Some(rest) = self.rest.as_mut() {
            rest.settle_down(reading.map_or(now, |reading| reading.begin));
        }
        let Some(first) = self.first.as_ref() else { return };
        let told = |digest: Digest, by: Time| {
            let acknowledged = first.store().is_some_and(|leg| leg.acknowledged);
            acknowledged && digest == first.digest && first.ended() <= by
        };
        let is_void = reading.is_none()
            && self.rest().is_some_and(|rest| {
                rest.is_bounded
                    && (rest.blind_for == Reason::Baseline || self.blind_until < first.begun())
                    && rest.more.is_empty()
                    && rest.groups.is_empty()
                    && rest.dropped.is_empty()
                    && rest.forgotten_until == Time::MIN
                    && rest.floor.is_none()
                    && rest.still.is_none_or(|still| told(still.digest, still.since))
                    && rest.last.is_none_or(|last| told(last.digest, last.at.end))
            });
        if is_void {
            self.rest = None;
        }
    }

    fn keep(&mut self, write: Kept) {
        match self.first {
            None => self.first = Some(write),
            Some(_) => self.rest_mut().more.push(write),
        }
    }

    fn take_kept(&mut self) -> Vec<Kept> {
        let more = self.rest.as_mut().map(|rest| std::mem::take(&mut rest.more)).unwrap_or_default();
        self.first.take().into_iter().chain(more).collect()
    }

    #[inline]
    fn rest(&self) -> Option<&Rest> {
        self.rest.as_deref()
    }

    fn rest_mut(&mut self) -> &mut Rest {
        self.rest.get_or_insert_with(|| Box::new(Rest::new()))
    }
}

impl Rest {
    /// Drops a write that was kept. `before` tells that it ended before the observation under way, so that it counts for
    /// that one too.
    fn drop_write(&mut self, write: &Kept, before: bool, oldest_read: Time) {
        let floor = if before { &mut self.floor } else { &mut self.floor_after };
        *floor = latest(*floor, Mark::of(write));
        let Some(past) = Past::of(write) else { return };
        let later = self.dropped.iter().rev().take_while(|other| other.store.end > past.store.end).count();
        self.dropped.insert(self.dropped.len() - later, past);
        self.forget(oldest_read);
        let due = past.store.end.max(write.deadline);
        if let Some(mark) = Mark::of(write) {
            self.await_due(mark, due, due.since(past.store.end) / DUE_STEPS);
        }
    }

    /// Notes that `mark` is due at `due`. By due time, each began later than the one before; of those that are due within a
    /// `step` of each other the first is enough.
    fn await_due(&mut self, mark: Mark, due: Time, step: i64) {
        let at = self.due_next.partition_point(|(_, other)| *other <= due);
        let is_told = |(before, other): &(Mark, Time)| {
            before.begin >= mark.begin || (step > 0 && due.since(*other) <= step)
        };
        if self.due_next.len() > DUE_MARKS_MAX
            || at.checked_sub(1).and_then(|at| self.due_next.get(at)).is_some_and(is_told)
        {
            return;
        }
        let later = self.due_next.split_off(at);
        self.due_next.push_back((mark, due));
        self.due_next.extend(later.into_iter().filter(|(other, _)| other.begin > mark.begin));
    }

    /// Moves on to `now`: what is due by then, and what no memory is needed for any more.
    fn settle_down(&mut self, now: Time) {
        while let Some((next, _)) = self.due_next.pop_front_if(|(_, due)| *due < now) {
            self.due = latest(self.due, Some(next));
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

    fn drop_group(&mut self, group: &Group) {
        self.floor = latest(self.floor, group.newest);
        self.forgotten_until = self.forgotten_until.max(group.latest);
    }
}

/// How far store and map had moved on by some instant.
struct MovedOn {
    /// Begin of the newest acknowledged write that had ended.
    newest: Time,
    /// A write that the map had taken.
    last: Option<Kept>,
}

impl MovedOn {
    /// No read begun after that instant can tell anything about `write`.
    fn is_past(&self, write: &Kept) -> bool {
        let store_moved_on = write.store().is_none_or(|leg| leg.interval.end < self.newest);
        let last = self.last.as_ref().filter(|last| last.id() != write.id());
        store_moved_on && (write.map().is_none() || last.is_some_and(|last| write.is_map_before(last)))
    }

    fn is_group_past(&self, group: &Group) -> bool {
        let map_moved_on = |leg: Interval| {
            let last = self.last.as_ref().and_then(Kept::map);
            last.is_some_and(|last| leg.is_before(last))
        };
        group.store().is_none_or(|leg| leg.end < self.newest) && group.map.is_none_or(map_moved_on)
    }
}
