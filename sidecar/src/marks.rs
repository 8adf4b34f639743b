//! What of a source waits to be acknowledged: up to which number it reaches once which batch is safe. Pure.
//!
//! # Invariants
//!
//! - A number is acknowledged only when every batch up to the one that tells of it has reached the level.
//! - Marks are bounded. Beyond the bound the last one stands for those after it too, so that acks come later, never early.

use counterfoil_proto::wire::emit::AckLevel;
use std::collections::VecDeque;

/// Marks kept of one source. With a comparator that is away for hours, acks at `accepted` become coarse beyond that.
const MARKS_MAX: usize = 4_096;

/// Where a batch is kept until the comparator has accepted it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Place {
    /// Its number as an upload.
    pub(crate) upload: u64,
    /// Its number in the spool, if it is there.
    pub(crate) entry: Option<u64>,
}

/// How far batches are safe.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Reach {
    /// Entries of the spool up to this number are written.
    pub(crate) written: u64,
    /// Entries of the spool up to this number are on disk.
    pub(crate) durable: u64,
    /// Uploads up to this number were acknowledged by the comparator.
    pub(crate) accepted: u64,
    /// What that acknowledgement means there.
    pub(crate) accepted_level: AckLevel,
}

impl Reach {
    /// The level that a batch at `place` has reached on behalf of a connection that was granted `granted`; `None`: not yet.
    fn of(&self, place: Place, granted: AckLevel) -> Option<AckLevel> {
        let is_kept_to = |number: u64| place.entry.is_some_and(|entry| entry <= number);
        let is_reached = match granted {
            AckLevel::Unspecified | AckLevel::Received => true,
            AckLevel::Spooled => is_kept_to(self.written),
            AckLevel::Durable => is_kept_to(self.durable),
            AckLevel::Accepted => false,
        };
        let is_accepted = place.upload <= self.accepted;
        // A comparator without a journal has it in memory only: what is or will be on disk here waits for that.
        let counts = self.accepted_level == AckLevel::Accepted
            || granted == AckLevel::Accepted
            || place.entry.is_none();
        match is_accepted && counts {
            _ if is_reached => Some(granted),
            true => Some(self.accepted_level),
            false => None,
        }
    }
}

#[derive(Clone, Copy)]
struct Mark {
    through_seq: u64,
    place: Place,
}

/// The marks of one source.
#[derive(Default)]
pub(crate) struct Marks {
    waiting: VecDeque<Mark>,
    safe: Option<(u64, AckLevel)>,
}

impl Marks {
    /// Notes that every number below `through_seq` is told of by the batch at `place` or one before it.
    pub(crate) fn push(&mut self, through_seq: u64, place: Place) {
        if self.waiting.len() >= MARKS_MAX {
            self.waiting.pop_back();
        }
        self.waiting.push_back(Mark { through_seq, place });
    }

    /// Forgets all but the last mark: nobody waits for one in between.
    pub(crate) fn merge(&mut self) {
        let last = self.waiting.pop_back();
        self.waiting.clear();
        self.waiting.extend(last);
    }

    /// How far the source is safe by now: every number below this, at this level.
    pub(crate) fn safe(&mut self, granted: AckLevel, reach: &Reach) -> Option<(u64, AckLevel)> {
        while let Some(mark) = self.waiting.front().copied()
            && let Some(level) = reach.of(mark.place, granted)
        {
            self.waiting.pop_front();
            self.safe = Some((mark.through_seq, level));
        }
        self.safe
    }

    /// Whether something is not safe yet.
    pub(crate) fn are_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(written: u64, durable: u64, accepted: u64) -> Reach {
        Reach { written, durable, accepted, accepted_level: AckLevel::Accepted }
    }

    fn marks() -> Marks {
        let mut marks = Marks::default();
        for (through_seq, upload, entry) in [(10, 1, Some(1)), (20, 2, None), (30, 4, Some(3))] {
            marks.push(through_seq, Place { upload, entry });
        }
        marks
    }

    #[test]
    fn each_level_is_reached_by_what_it_names_and_by_acceptance() {
        use AckLevel::{Accepted, Durable, Spooled};
        for (granted, reach, expected) in [
            (Spooled, reach(0, 0, 0), None),
            (Spooled, reach(1, 0, 0), Some((10, Spooled))),
            (Spooled, reach(9, 9, 1), Some((10, Spooled))),
            (Spooled, reach(9, 0, 2), Some((30, Spooled))),
            (Durable, reach(9, 0, 0), None),
            (Durable, reach(9, 1, 0), Some((10, Durable))),
            (Durable, reach(9, 1, 3), Some((20, Accepted))),
            (Accepted, reach(9, 9, 0), None),
            (Accepted, reach(0, 0, 2), Some((20, Accepted))),
            (Accepted, reach(0, 0, 4), Some((30, Accepted))),
        ] {
            assert_eq!(marks().safe(granted, &reach), expected, "{granted:?} {reach:?}");
        }
    }

    #[test]
    fn a_comparator_without_a_journal_does_not_make_an_ack_sound_safer_than_it_is() {
        let reach = Reach { accepted_level: AckLevel::Received, ..reach(0, 0, 4) };
        assert_eq!(marks().safe(AckLevel::Accepted, &reach), Some((30, AckLevel::Received)));
        assert_eq!(marks().safe(AckLevel::Spooled, &reach), None, "the disk is waited for");
        let written = Reach { written: 2, ..reach };
        let mut marks = marks();
        assert_eq!(
            marks.safe(AckLevel::Spooled, &written),
            Some((20, AckLevel::Received)),
            "what is not in the spool"
        );
    }

    #[test]
    fn marks_are_bounded_and_what_is_beyond_waits_for_the_last() {
        let mut marks = Marks::default();
        for at in 1..=2 * MARKS_MAX as u64 {
            marks.push(at * 10, Place { upload: at, entry: Some(at) });
        }
        assert_eq!(marks.waiting.len(), MARKS_MAX);
        let most = 2 * MARKS_MAX as u64;
        assert_eq!(marks.safe(AckLevel::Spooled, &reach(most - 1, 0, 0)).map(|safe| safe.0), Some(40_950));
        assert_eq!(marks.safe(AckLevel::Spooled, &reach(most, 0, 0)).map(|safe| safe.0), Some(most * 10));
        assert!(!marks.are_waiting());
    }
}
