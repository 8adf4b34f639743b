//! The writes of one key, as many as can still matter.
//!
//! A write is kept while it can explain a read or can be the map's last; once an acknowledged write that began after
//! its end has itself ended, and the map certainly moved on, it is dropped. So a history holds the concurrent writes of
//! a key, not all of them, and always the one that gives `M(r0)`. What is not kept leaves behind:
//!
//! - groups: on a key with very many concurrent writes those that end first are merged, see [`Group`];
//! - a tail of dropped writes, so that a stale value is recognised and its age counted;
//! - `due`: the latest begin of a dropped acknowledged write that even a store as late as the contract allows has taken,
//!   for telling opened from confirmed;
//! - `blind`: how late a write that nobody reported may have ended. It stands for the unknown state before the key's
//!   first event, for gaps, for lost sources and for whatever was dropped to stay within bounds.
//!
//! And what was read leaves behind which value came last, and for how long the store has stood still on one.
//!
//! A key with one write and nothing left behind takes no allocation.

mod image;
mod learn;
mod merge;
mod moved_on;
mod rest;

pub use image::{HistoryImage, ImageError};
pub use learn::{LastRead, Still};

use crate::group::Group;
use crate::kept::Kept;
use crate::past::{Fingerprint, Mark, Past};
use crate::time::{Interval, Time};
use crate::verdict::{Outcome, Reason};
use crate::write::{Digest, Write, WriteId};
use moved_on::MovedOn;
use rest::Rest;

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

/// Until when unreported writes may have landed, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Blind {
    pub(crate) until: Time,
    pub(crate) reason: Reason,
}

/// The writes of one key.
#[derive(Clone, Debug)]
pub struct History {
    first: Option<Kept>,
    blind_until: Time,
    rest: Option<Box<Rest>>,
}

const _: () = assert!(size_of::<History>() == 104);

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

    /// Whether some write that is known, kept, merged or remembered, wrote `digest`.
    #[must_use]
    pub fn knows(&self, digest: Digest) -> bool {
        self.kept().any(|write| write.digest == digest) || self.unkept_matches(digest).next().is_some()
    }

    /// How many kept writes wait for an outcome.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.kept().filter(|write| write.is_pending()).count()
    }

    /// Whether an event waits for an outcome that tells of a write, not only of a value that the map held.
    #[must_use]
    pub fn awaits_a_write(&self) -> bool {
        self.kept().any(|write| write.is_pending() && !write.is_held())
    }

    /// Whether all that is known of the key is that the map held no value for it at some time: no source ever told of it.
    #[must_use]
    pub fn is_untold(&self) -> bool {
        self.is_untold_by(Time::MAX)
    }

    /// The same of what had begun by `end`: a write that a source tells of may have come later.
    pub(crate) fn is_untold_by(&self, end: Time) -> bool {
        let mut begun = self.kept().filter(|write| write.begun() <= end).peekable();
        self.groups().is_empty()
            && begun.peek().is_some()
            && begun.all(|write| write.is_held() && write.digest.is_absent())
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
                self.rest_mut().drop_write(&write, oldest_read);
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

    /// `M(r0)`: the acknowledged write that ended before `read_begin` and began last.
    pub(crate) fn newest_settled(&self, read_begin: Time) -> Option<Mark> {
        let ended = self.kept().filter(|write| write.ended() < read_begin).filter_map(Mark::of);
        let merged = self.groups().iter().filter(|group| group.ended() < read_begin);
        ended.chain(merged.filter_map(|group| group.newest)).max_by_key(|mark| mark.begin)
    }

    /// The begin of that write; [`Time::MIN`] if there is none.
    pub(crate) fn newest_begin(&self, read_begin: Time) -> Time {
        let begin = |write: &Kept| match write.store() {
            Some(leg) if leg.acknowledged && leg.interval.end < read_begin => leg.interval.begin,
            _ => Time::MIN,
        };
        self.kept().map(begin).fold(self.newest_begin_of_unkept(read_begin), Time::max)
    }

    /// The same over the writes that are merged or dropped.
    pub(crate) fn newest_begin_of_unkept(&self, read_begin: Time) -> Time {
        let Some(rest) = self.rest() else { return Time::MIN };
        let merged = rest.groups.iter().filter(|group| group.ended() < read_begin);
        merged.filter_map(|group| group.newest).map(|mark| mark.begin).fold(Time::MIN, Time::max)
    }

    /// The same over the writes whose deadline had passed before `read_begin`.
    pub(crate) fn newest_due(&self, read_begin: Time) -> Time {
        let is_due = |write: &&Kept| write.ended().max(write.deadline) < read_begin;
        let live = self.kept().filter(is_due).filter_map(Mark::of);
        let merged = self.groups().iter().filter(|group| group.ended().max(group.deadline) < read_begin);
        let merged = merged.filter_map(|group| group.newest);
        let dropped = self.rest().map_or(Time::MIN, |rest| rest.newest_due(read_begin));
        live.chain(merged).map(|mark| mark.begin).fold(dropped, Time::max)
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
        let live = self.kept().filter(move |write| write.digest == digest).filter_map(Past::of);
        live.chain(self.unkept_matches(digest))
    }

    /// The same, but for those that are kept.
    pub(crate) fn unkept_matches(&self, digest: Digest) -> impl Iterator<Item = Past> {
        let print = Fingerprint::from(digest);
        let merged = self.groups().iter().filter_map(move |group| group.as_past(print));
        merged.chain(self.remembered().filter(move |past| past.digest == print))
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
