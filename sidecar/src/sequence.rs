//! The sequence numbers of one source: which come next, which came before, which are lost, and what the source's
//! watermarks promise. Pure.
//!
//! # Invariants
//!
//! - Every number from the first one on is handed on once, as an event or as part of a loss, in order.
//! - A watermark holds only once every number below the heartbeat's `next_seq` was handed on.
//!
//! # The start
//!
//! After a restart the sidecar does not know where a source stands, or knows only what its spool had. The source then starts
//! at the first number it sends. A heartbeat alone does not say that, since older events may still be on their way behind it;
//! a second one with the same `next_seq` does: an emitter with events to send would have sent some in between.
//!
//! What the spool had may lie behind what the sidecar had acknowledged as received: the emitter has forgotten the numbers
//! between, and they are declared lost.

use crate::refused::Refused;
use counterfoil_judge::{Interval, Time};
use counterfoil_proto::{BucketSet, Loss, LossReason};
use std::collections::BTreeMap;

/// Ranges declared lost that lie ahead of the next event; each may hold a bucket set of 128 bytes.
const LOSSES_AHEAD_MAX: usize = 1_024;

/// A source's promise to keep once all numbers below `next_seq` were handed on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Promise {
    next_seq: u64,
    watermark: Time,
}

/// Where a source stands.
#[derive(Default)]
pub(crate) struct Sequence {
    start: Option<Start>,
    /// Declared losses ahead of the next number, by their first number.
    ahead: BTreeMap<u64, Loss>,
    /// The oldest promise that is not kept yet, and the newest.
    promises: (Option<Promise>, Option<Promise>),
    watermark: Option<Time>,
    /// The next number that the source will use, as it said last.
    issued: u64,
    /// When what this process forgot of the source may have been written, until it is known where the source stands.
    forgotten: Option<Interval>,
}

#[derive(Clone, Copy)]
struct Start {
    floor: u64,
    next: u64,
}

impl Sequence {
    /// A source that stood at `next` and had promised `watermark`, when a process before this one wrote it down; that one lived
    /// until `until` at most. All numbers below `next` were handed on.
    pub(crate) fn restored(next: u64, issued: u64, watermark: Time, until: Time) -> Self {
        Self {
            start: Some(Start { floor: 0, next }),
            watermark: Some(watermark),
            issued,
            forgotten: Some(Interval::new(watermark, until.max(watermark))),
            ..Self::default()
        }
    }

    /// The next number that the source will use, as far as is known.
    pub(crate) fn issued(&self) -> u64 {
        self.issued.max(self.next().unwrap_or_default())
    }

    /// The first number not handed on yet; `None` if it is not known where the source stands.
    pub(crate) fn next(&self) -> Option<u64> {
        self.start.map(|start| start.next)
    }

    /// Everything begun before this was handed on; `None` before the first promise is kept.
    pub(crate) fn watermark(&self) -> Option<Time> {
        self.watermark
    }

    /// Sets the watermark of a source whose clock is the sidecar's.
    pub(crate) fn promise_now(&mut self, watermark: Time) {
        self.watermark = self.watermark.max(Some(watermark));
    }

    /// Starts the source at `number`, unless it is known where it stands. What lies before it and was forgotten is lost.
    pub(crate) fn start_at(&mut self, number: u64) {
        let next = self.start.get_or_insert(Start { floor: number, next: number }).next;
        if let Some(during) = self.forgotten.take()
            && number > next
        {
            self.forget(next, number - next, during);
        }
    }

    /// Starts a source whose numbers are given here. If something may have been forgotten, one number says so: nobody knows
    /// how many there were.
    pub(crate) fn start_numbering(&mut self) {
        match (self.start, self.forgotten.take()) {
            (None, _) => self.start_at(0),
            (Some(start), Some(during)) => self.forget(start.next, 1, during),
            (Some(_), None) => {}
        }
    }

    fn forget(&mut self, first_seq: u64, count: u64, during: Interval) {
        let loss = Loss { first_seq, count, reason: LossReason::Sidecar, during, buckets: BucketSet::All };
        self.ahead.insert(first_seq, loss);
    }

    /// Prepares for `count` events from `first_seq` on: tells how many of them came before. Losses that lie before them
    /// are given by [`Self::next_loss`] first.
    pub(crate) fn events(&mut self, first_seq: u64, count: u64) -> Result<Arrival, Refused> {
        let end = first_seq.checked_add(count).ok_or(Refused::SequenceEnd(first_seq))?;
        let first_ahead = self.ahead.keys().next().copied().unwrap_or(first_seq);
        self.start_at(first_seq.min(first_ahead));
        let Start { floor, next } = self.start.unwrap_or(Start { floor: first_seq, next: first_seq });
        if first_seq < floor {
            return Err(Refused::BelowStart { first_seq, floor });
        }
        let reached = self.reach(next, first_seq);
        if reached < first_seq {
            return Err(Refused::Hole { first_seq, next: reached });
        }
        Ok(Arrival { repeated: reached.min(end) - first_seq })
    }

    /// How far declared losses reach from `next` on, up to `goal` at least if they can.
    fn reach(&self, mut next: u64, goal: u64) -> u64 {
        for (first, loss) in &self.ahead {
            if next >= goal || *first > next {
                break;
            }
            next = next.max(end_of(loss));
        }
        next
    }

    /// Notes that the event with the next number was handed on.
    pub(crate) fn handed_on(&mut self) {
        if let Some(start) = &mut self.start {
            start.next += 1;
        }
    }

    /// Takes a heartbeat's losses. They are given by [`Self::next_loss`] when their turn comes.
    pub(crate) fn declare(&mut self, losses: impl IntoIterator<Item = Loss>) -> Result<(), Refused> {
        for loss in losses {
            let known = self.next().is_some_and(|next| end_of(&loss) <= next);
            let shorter = self.ahead.get(&loss.first_seq).is_some_and(|other| other.count >= loss.count);
            if !known && !shorter {
                self.ahead.insert(loss.first_seq, loss);
            }
            if self.ahead.len() > LOSSES_AHEAD_MAX {
                return Err(Refused::LossesAhead { max: LOSSES_AHEAD_MAX });
            }
        }
        Ok(())
    }

    /// Takes a heartbeat's promise.
    pub(crate) fn promise(&mut self, next_seq: u64, watermark: Time) {
        let promise = Promise { next_seq, watermark };
        self.issued = self.issued.max(next_seq);
        if self.start.is_none() || self.forgotten.is_some() {
            let said_twice = self.promises.0.is_some_and(|first| first.next_seq == next_seq);
            if let Some(first) = self.ahead.keys().next().copied() {
                self.start_at(first.min(next_seq));
            } else if next_seq == 0 || said_twice {
                self.start_at(next_seq);
            }
        }
        match self.promises.0 {
            Some(oldest) if oldest.next_seq < next_seq => self.promises.1 = Some(promise),
            _ => self.promises = (Some(promise), None),
        }
    }

    /// The next loss to hand on, if its turn has come; its numbers count as handed on.
    pub(crate) fn next_loss(&mut self) -> Option<Loss> {
        let start = self.start.as_mut()?;
        loop {
            let entry = self.ahead.first_entry().filter(|entry| *entry.key() <= start.next)?;
            let mut loss = entry.remove();
            let end = end_of(&loss);
            if end > start.next {
                loss.first_seq = start.next;
                loss.count = end - start.next;
                start.next = end;
                return Some(loss);
            }
        }
    }

    /// Keeps the promises that hold by now.
    pub(crate) fn keep_promises(&mut self) {
        let Some(next) = self.next() else { return };
        while let Some(oldest) = self.promises.0.filter(|promise| promise.next_seq <= next) {
            self.promise_now(oldest.watermark);
            self.promises = (self.promises.1, None);
        }
    }
}

/// What is known of events that arrive.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Arrival {
    /// How many of them, at the front, came before.
    pub(crate) repeated: u64,
}

fn end_of(loss: &Loss) -> u64 {
    loss.first_seq.saturating_add(loss.count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use counterfoil_judge::Interval;
    use counterfoil_proto::{BucketSet, LossReason};

    fn loss(first_seq: u64, count: u64) -> Loss {
        let during = Interval::new(Time(0), Time(1));
        Loss { first_seq, count, reason: LossReason::RingFull, during, buckets: BucketSet::All }
    }

    /// Takes events as the session does: losses whose turn has come go first.
    fn take(sequence: &mut Sequence, first_seq: u64, count: u64) -> Result<(Vec<(u64, u64)>, u64), Refused> {
        let repeated = sequence.events(first_seq, count)?.repeated;
        let losses =
            std::iter::from_fn(|| sequence.next_loss()).map(|loss| (loss.first_seq, loss.count)).collect();
        (repeated..count).for_each(|_| sequence.handed_on());
        sequence.keep_promises();
        Ok((losses, repeated))
    }

    #[test]
    fn events_come_in_order_and_once() {
        let mut sequence = Sequence::default();
        assert_eq!(take(&mut sequence, 40, 10), Ok((vec![], 0)));
        assert_eq!(take(&mut sequence, 45, 10), Ok((vec![], 5)), "five came again");
        assert_eq!(take(&mut sequence, 40, 3), Ok((vec![], 3)), "all came again");
        assert_eq!(take(&mut sequence, 56, 1), Err(Refused::Hole { first_seq: 56, next: 55 }));
        assert_eq!(take(&mut sequence, 39, 1), Err(Refused::BelowStart { first_seq: 39, floor: 40 }));
        assert_eq!(take(&mut sequence, u64::MAX, 1), Err(Refused::SequenceEnd(u64::MAX)));
        assert_eq!(sequence.next(), Some(55));
    }

    #[test]
    fn declared_losses_fill_holes_in_their_turn() {
        let mut sequence = Sequence::default();
        assert_eq!(take(&mut sequence, 0, 10), Ok((vec![], 0)));
        sequence.declare([loss(15, 5), loss(10, 2), loss(11, 3), loss(3, 4), loss(8, 2)]).unwrap();
        assert_eq!(take(&mut sequence, 15, 1), Err(Refused::Hole { first_seq: 15, next: 14 }));
        assert_eq!(take(&mut sequence, 14, 1), Ok((vec![(10, 2), (12, 2)], 0)));
        assert_eq!(sequence.next_loss().map(|loss| (loss.first_seq, loss.count)), Some((15, 5)));
        assert_eq!(sequence.next(), Some(20));
        assert!(sequence.ahead.is_empty());
    }

    #[test]
    fn an_unknown_source_starts_at_what_it_sends_first() {
        let mut with_loss = Sequence::default();
        with_loss.declare([loss(90, 10)]).unwrap();
        assert_eq!(take(&mut with_loss, 100, 1), Ok((vec![(90, 10)], 0)));

        let mut quiet = Sequence::default();
        quiet.promise(7, Time(1));
        assert_eq!(quiet.next(), None, "events below 7 may follow");
        quiet.promise(7, Time(2));
        quiet.keep_promises();
        assert_eq!((quiet.next(), quiet.watermark()), (Some(7), Some(Time(2))));

        let mut busy = Sequence::default();
        busy.promise(7, Time(1));
        assert_eq!(take(&mut busy, 5, 1), Ok((vec![], 0)));
        assert_eq!((busy.next(), busy.watermark()), (Some(6), None));
    }

    fn restored() -> Sequence {
        Sequence::restored(40, 45, Time(7), Time(9))
    }

    #[test]
    fn what_a_restored_source_has_forgotten_is_lost_exactly() {
        let mut ahead = restored();
        ahead.declare([loss(52, 3)]).unwrap();
        assert_eq!(take(&mut ahead, 55, 2), Ok((vec![(40, 12), (52, 3)], 0)));
        let mut lost = restored();
        assert_eq!((lost.next(), lost.issued()), (Some(40), 45));
        assert_eq!(lost.events(50, 1).unwrap().repeated, 0);
        let hole = lost.next_loss().unwrap();
        assert_eq!((hole.first_seq, hole.count, hole.reason), (40, 10, LossReason::Sidecar));
        assert_eq!((hole.during, hole.buckets), (Interval::new(Time(7), Time(9)), BucketSet::All));
        assert_eq!(take(&mut lost, 52, 1), Err(Refused::Hole { first_seq: 52, next: 50 }), "only once");

        let mut nothing = restored();
        assert_eq!(take(&mut nothing, 30, 15), Ok((vec![], 10)), "what came again is known");
        assert_eq!(take(&mut nothing, 46, 1), Err(Refused::Hole { first_seq: 46, next: 45 }));
    }

    #[test]
    fn a_restored_source_that_is_quiet_says_twice_where_it_stands() {
        let mut quiet = restored();
        quiet.promise(60, Time(20));
        assert!(quiet.next_loss().is_none(), "events below 60 may follow");
        quiet.keep_promises();
        assert_eq!(quiet.watermark(), Some(Time(7)));
        quiet.promise(60, Time(30));
        assert_eq!(quiet.next_loss().map(|loss| (loss.first_seq, loss.count)), Some((40, 20)));
        quiet.keep_promises();
        assert_eq!((quiet.next(), quiet.watermark(), quiet.issued()), (Some(60), Some(Time(30)), 60));
    }

    #[test]
    fn a_source_numbered_here_gives_one_number_to_what_may_be_forgotten() {
        let mut numbered = restored();
        numbered.start_numbering();
        assert_eq!(numbered.next_loss().map(|loss| (loss.first_seq, loss.count)), Some((40, 1)));
        numbered.start_numbering();
        assert!(numbered.next_loss().is_none());
    }

    #[test]
    fn a_watermark_holds_once_all_events_before_it_were_handed_on() {
        let mut sequence = Sequence::default();
        assert_eq!(take(&mut sequence, 0, 5), Ok((vec![], 0)));
        sequence.promise(5, Time(10));
        sequence.keep_promises();
        assert_eq!(sequence.watermark(), Some(Time(10)));
        sequence.promise(8, Time(20));
        sequence.promise(9, Time(30));
        sequence.promise(12, Time(40));
        assert_eq!(take(&mut sequence, 5, 3), Ok((vec![], 0)));
        assert_eq!(sequence.watermark(), Some(Time(20)), "the oldest promise is kept first");
        assert_eq!(take(&mut sequence, 8, 1), Ok((vec![], 0)));
        assert_eq!(
            sequence.watermark(),
            Some(Time(20)),
            "of the promises behind it only the newest is remembered"
        );
        assert_eq!(take(&mut sequence, 9, 3), Ok((vec![], 0)));
        assert_eq!(sequence.watermark(), Some(Time(40)));
        sequence.promise(12, Time(35));
        sequence.keep_promises();
        assert_eq!(sequence.watermark(), Some(Time(40)), "a watermark never goes back");
    }

    #[test]
    fn losses_far_ahead_are_bounded() {
        let mut sequence = Sequence::default();
        assert_eq!(take(&mut sequence, 0, 1), Ok((vec![], 0)));
        let refused = sequence.declare((0..2_000).map(|at| loss(10 + 2 * at, 1)));
        assert_eq!(refused, Err(Refused::LossesAhead { max: LOSSES_AHEAD_MAX }));
    }
}
