//! The writes of one key, as many as can still matter.
//!
//! A write is kept while it can explain a read or can be the map's last; once an acknowledged write that began after
//! its end has itself ended, and the map certainly moved on, it is dropped. So a history holds the concurrent writes of
//! a key, not all of them. What dropped writes leave behind:
//!
//! - `floor`: the latest begin of a dropped acknowledged write, the running maximum in the definition of `M(r0)`;
//! - `due`: the same for writes whose deadline has passed too, for telling opened from confirmed;
//! - `dropped`: a short tail of them, so that a stale value is recognised as one;
//! - `blind`: how late a write that nobody reported may have ended. It stands for the unknown state before the key's
//!   first event, for gaps, for lost sources and for writes dropped to stay within bounds.

use crate::time::{Interval, Time};
use crate::verdict::{Observation, Outcome, Reason};
use crate::write::{Digest, Write, WriteId};

/// Most writes kept for a key. A key that has more at once is watched by fewer: see [`History::insert`].
pub const LIVE_WRITES_MAX: usize = 256;

/// Most dropped writes remembered for recognising stale values.
pub const DROPPED_WRITES_MAX: usize = 8;

/// A write that can no longer explain a read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Past {
    pub(crate) digest: Digest,
    pub(crate) store: Interval,
    pub(crate) acknowledged: bool,
    pub(crate) deadline: Time,
}

/// The begin of an acknowledged write, with its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Mark {
    pub(crate) begin: Time,
    pub(crate) id: WriteId,
    pub(crate) digest: Digest,
    pub(crate) end: Time,
}

/// Until when unreported writes may have landed, and why.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Blind {
    pub(crate) until: Time,
    pub(crate) reason: Reason,
}

/// What the last observation of the key saw.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) digest: Digest,
    /// End of the first of the observations in a row that saw it: it was in the store by then.
    pub(crate) since: Time,
    past: Option<Past>,
}

/// The writes of one key.
#[derive(Clone, Debug)]
pub struct History {
    live: Vec<Write>,
    dropped: Vec<Past>,
    /// Until when a dropped write that is no longer remembered may have been late within its deadline.
    forgotten_until: Time,
    seen: Option<Seen>,
    floor: Option<Mark>,
    /// The same over writes that were dropped after the observation under way was made; it does not count for that one.
    floor_after: Option<Mark>,
    due: Option<Mark>,
    due_next: Option<(Mark, Time)>,
    blind: Blind,
}

impl History {
    /// A key that is watched from `since` on: what it held before is not known, and a write that nobody reported may
    /// have landed until then. [`Time::MIN`] if no such write can still land.
    #[must_use]
    pub fn watched_since(since: Time) -> Self {
        Self {
            live: Vec::new(),
            dropped: Vec::new(),
            forgotten_until: Time::MIN,
            seen: None,
            floor: None,
            floor_after: None,
            due: None,
            due_next: None,
            blind: Blind { until: since, reason: Reason::Baseline },
        }
    }

    /// The writes kept.
    #[must_use]
    pub fn writes(&self) -> &[Write] {
        &self.live
    }

    /// How many kept writes wait for an outcome.
    #[must_use]
    pub fn pending(&self) -> usize {
        self.live.iter().filter(|write| write.pending).count()
    }

    /// Writes that nobody reported may have landed until `until`. Nothing that such a write could explain is called
    /// divergent until an acknowledged write began after that.
    pub fn blind_until(&mut self, until: Time, reason: Reason) {
        if until > self.blind.until {
            self.blind = Blind { until, reason };
        }
    }

    /// Adds a write. Past [`LIVE_WRITES_MAX`] the write that ends first is dropped in exchange: its event is shed, and
    /// the key is blind until that write's end, since nothing else remembers it.
    pub fn insert(&mut self, write: Write, ended: &mut Vec<(WriteId, Outcome)>) {
        self.live.push(write);
        if self.live.len() > LIVE_WRITES_MAX {
            self.shed_one(ended);
        }
    }

    /// Ends every event that still waits with `outcome`; the writes themselves are kept.
    pub fn end_all(&mut self, outcome: Outcome, ended: &mut Vec<(WriteId, Outcome)>) {
        for write in self.live.iter_mut().filter(|write| write.pending) {
            write.pending = false;
            ended.push((write.id, outcome));
        }
    }

    /// Drops the writes that can no longer matter at `now`. Their events end superseded. `reading` is the interval of an
    /// observation that was made and not judged yet, open at its end while it is still being made: whatever it can
    /// tell something about is kept.
    pub fn prune(&mut self, now: Time, reading: Option<Interval>, ended: &mut Vec<(WriteId, Outcome)>) {
        if reading.is_none() {
            self.floor = latest(self.floor, self.floor_after.take());
        }
        if self.live.len() < 2 {
            return;
        }
        let Some(moved_on) = self.moved_on(now) else { return };
        let before_reading = reading.and_then(|reading| self.moved_on(reading.begin));
        let (mut live, mut dropped) = (Vec::with_capacity(self.live.len()), Vec::new());
        for write in self.live.drain(..) {
            let before = before_reading.as_ref().is_some_and(|moved_on| moved_on.is_past(&write));
            let after = reading.is_none_or(|reading| write.begun() > reading.end);
            match moved_on.is_past(&write) && (before || after) {
                true => dropped.push((write, before || reading.is_none())),
                false => live.push(write),
            }
        }
        self.live = live;
        for (write, before) in dropped {
            if write.pending {
                ended.push((write.id, Outcome::Superseded));
            }
            let floor = if before { &mut self.floor } else { &mut self.floor_after };
            *floor = latest(*floor, Mark::of(&write));
            self.remember(&write, reading.map_or(now, |reading| reading.begin));
        }
    }

    /// How far store and map had moved on by `by`: every read begun later comes after that.
    fn moved_on(&self, by: Time) -> Option<MovedOn> {
        let settled = self.live.iter().filter(|write| write.map.is_some() && write.ended() < by);
        let last = settled.max_by_key(|write| write.map.map(|leg| leg.begin))?.clone();
        Some(MovedOn { newest: self.newest_settled(by).map_or(Time::MIN, |mark| mark.begin), last })
    }

    /// Notes what an observation saw, after it was judged: a store that stands still on a value is then recognised even
    /// when the write behind it is long dropped.
    pub fn note_seen(&mut self, read: &Observation) {
        let before = self.seen.filter(|seen| seen.digest == read.digest);
        let past = self.matches(read.digest).max_by_key(|past| past.store.end);
        self.seen = Some(Seen {
            digest: read.digest,
            since: before.map_or(read.at.end, |seen| seen.since),
            past: past.or(before.and_then(|seen| seen.past)),
        });
    }

    /// A write of unknown outcome whose value was read, and that alone can explain it, happened: from then on it is an
    /// acknowledged write that ended with the read.
    pub fn resolve_unknown(&mut self, read: &Observation) {
        let newest = self.newest_settled(read.at.begin).map_or(Time::MIN, |mark| mark.begin);
        if self.blind.until >= newest {
            return;
        }
        let explains = |write: &Write| {
            write.digest == read.digest
                && write
                    .store
                    .is_some_and(|leg| leg.interval.begin <= read.at.end && leg.interval.end >= newest)
        };
        let mut explaining = self.live.iter_mut().filter(|write| explains(write));
        if let (Some(write), None) = (explaining.next(), explaining.next())
            && let Some(leg) = write.store.as_mut().filter(|leg| !leg.acknowledged)
        {
            leg.interval.end = leg.interval.end.min(read.at.end);
            leg.acknowledged = true;
        }
    }

    /// `M(r0)`: the acknowledged write that ended before `read_begin` and began last.
    pub(crate) fn newest_settled(&self, read_begin: Time) -> Option<Mark> {
        let ended = self.live.iter().filter(|write| write.ended() < read_begin);
        ended.filter_map(Mark::of).fold(self.floor, |best, mark| latest(best, Some(mark)))
    }

    /// The same over the writes whose deadline had passed before `read_begin` too.
    pub(crate) fn newest_due(&self, read_begin: Time) -> Option<Mark> {
        let due = |deadline: Time, end: Time| deadline.max(end) < read_begin;
        let dropped = self.due_next.filter(|(mark, deadline)| due(*deadline, mark.end)).map(|(mark, _)| mark);
        let live = self.live.iter().filter(|write| due(write.deadline, write.ended()));
        live.filter_map(Mark::of).fold(latest(self.due, dropped), |best, mark| latest(best, Some(mark)))
    }

    pub(crate) fn blind(&self) -> Blind {
        self.blind
    }

    /// The writes, kept or remembered, that wrote `digest` to the store.
    pub(crate) fn matches(&self, digest: Digest) -> impl Iterator<Item = Past> {
        self.store_legs().filter(move |past| past.digest == digest)
    }

    /// The store legs of all writes, kept or remembered.
    pub(crate) fn store_legs(&self) -> impl Iterator<Item = Past> {
        let seen = self.seen.and_then(|seen| seen.past);
        let past = self.dropped.iter().copied().chain(seen.filter(|past| !self.dropped.contains(past)));
        self.live.iter().filter_map(Past::of).chain(past)
    }

    pub(crate) fn seen(&self) -> Option<Seen> {
        self.seen
    }

    /// Until when a dropped write that is no longer remembered may have been late within its deadline.
    pub(crate) fn forgotten_until(&self) -> Time {
        self.forgotten_until
    }

    pub(crate) fn live_mut(&mut self) -> &mut [Write] {
        &mut self.live
    }

    fn remember(&mut self, write: &Write, oldest_read: Time) {
        let Some(past) = Past::of(write) else { return };
        if self.dropped.len() == DROPPED_WRITES_MAX {
            let forgotten = self.dropped.remove(0);
            self.forgotten_until = self.forgotten_until.max(forgotten.store.end).max(forgotten.deadline);
        }
        self.dropped.push(past);
        if let Some((next, deadline)) = self.due_next
            && deadline.max(next.end) < oldest_read
        {
            self.due = latest(self.due, Some(next));
            self.due_next = None;
        }
        if self.due_next.is_none() {
            self.due_next = Mark::of(write).map(|mark| (mark, past.deadline));
        }
    }

    fn shed_one(&mut self, ended: &mut Vec<(WriteId, Outcome)>) {
        let first = self.live.iter().enumerate().min_by_key(|(_, write)| write.ended()).map(|(at, _)| at);
        let Some(write) = first.map(|at| self.live.swap_remove(at)) else { return };
        if write.pending {
            ended.push((write.id, Outcome::Shed));
        }
        let map_end = write.map.map_or(Time::MIN, |leg| leg.end);
        self.blind_until(write.ended().max(map_end), Reason::Shed);
        if write.ended() < Time::MAX {
            self.floor = latest(self.floor, Mark::of(&write));
        }
    }
}

/// How far store and map had moved on by some instant.
struct MovedOn {
    /// Begin of the newest acknowledged write that had ended.
    newest: Time,
    /// A write that the map had taken.
    last: Write,
}

impl MovedOn {
    /// No read begun after that instant can tell anything about `write`.
    fn is_past(&self, write: &Write) -> bool {
        let store_moved_on = write.store.is_none_or(|leg| leg.interval.end < self.newest);
        let map_moved_on = write.map.is_none() || write.is_map_before(&self.last);
        write.id != self.last.id && store_moved_on && map_moved_on
    }
}

impl Mark {
    fn of(write: &Write) -> Option<Self> {
        let leg = write.acknowledged()?;
        Some(Self { begin: leg.begin, id: write.id, digest: write.digest, end: leg.end })
    }
}

impl Past {
    fn of(write: &Write) -> Option<Self> {
        let leg = write.store?;
        let (digest, deadline) = (write.digest, write.deadline);
        Some(Self { digest, store: leg.interval, acknowledged: leg.acknowledged, deadline })
    }
}

fn latest(left: Option<Mark>, right: Option<Mark>) -> Option<Mark> {
    match (left, right) {
        (Some(left), Some(right)) => Some(if right.begin > left.begin { right } else { left }),
        (one, other) => one.or(other),
    }
}
