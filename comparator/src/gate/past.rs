//! What had been counted at instants of the past: often for the last hour, seldom for the last day.
//!
//! Counts only grow, so what came within a window is the present count less the one that was noted when the window began, or
//! last before that: a window is up to [`FINE_EVERY`] longer than was asked for ([`COARSE_EVERY`] where it began more than an
//! hour ago), never shorter. Counts that did not change are not noted again: a cohort of four counts takes 40 bytes a note, 60
//! KiB at most, and next to nothing while nothing ends.

use super::{COARSE_EVERY, COARSE_SPAN, FINE_EVERY, FINE_SPAN};
use counterfoil_judge::Time;
use std::collections::VecDeque;
use std::ops::Sub;

/// Notes of one count.
pub(super) struct Past<C> {
    fine: Notes<C>,
    coarse: Notes<C>,
}

struct Notes<C> {
    /// Nanoseconds from one note to the next, at least.
    every: i64,
    /// Notes go back so many nanoseconds, and one more before that.
    span: i64,
    /// The oldest in front.
    notes: VecDeque<(Time, C)>,
}

impl<C: Copy + Default + PartialEq + Sub<Output = C>> Past<C> {
    pub(super) fn new() -> Self {
        let notes = |every, span| Notes { every, span, notes: VecDeque::new() };
        Self { fine: notes(FINE_EVERY, FINE_SPAN), coarse: notes(COARSE_EVERY, COARSE_SPAN) }
    }

    /// Notes the count as it is at `now`.
    pub(super) fn note(&mut self, now: Time, count: C) {
        self.fine.note(now, count);
        self.coarse.note(now, count);
    }

    /// How much came since `instant`, of a count that is `present` now; all of it if nothing was noted before.
    pub(super) fn since(&self, instant: Time, present: C) -> C {
        let noted = self.fine.at(instant).or_else(|| self.coarse.at(instant));
        present - noted.unwrap_or_default()
    }
}

impl<C: Copy + PartialEq> Notes<C> {
    fn note(&mut self, now: Time, count: C) {
        let is_told = |(at, noted): &(Time, C)| now < at.plus(self.every) || *noted == count;
        if !self.notes.back().is_some_and(is_told) {
            self.notes.push_back((now, count));
        }
        let begin = now.minus(self.span);
        while self.notes.get(1).is_some_and(|(at, _)| *at <= begin) {
            self.notes.pop_front();
        }
    }

    /// The last note up to `instant`.
    fn at(&self, instant: Time) -> Option<C> {
        let later = self.notes.partition_point(|(at, _)| *at <= instant);
        self.notes.get(later.checked_sub(1)?).map(|(_, count)| *count)
    }
}

#[cfg(test)]
mod tests {
    use super::super::S;
    use super::*;
    use proptest::prelude::*;

    const DAY_S: i64 = 86_400;

    fn at(s: i64) -> Time {
        Time(s * S)
    }

    /// One event a second, noted every five.
    fn day() -> Past<u64> {
        let mut past = Past::new();
        (0..=DAY_S / 5).map(|step| step * 5).for_each(|s| past.note(at(s), s.unsigned_abs()));
        past
    }

    #[test]
    fn a_window_is_as_long_as_was_asked_for_or_a_note_longer() {
        let past = day();
        for (window_s, longest_s) in
            [(10, 15), (13, 18), (600, 605), (3_600, 3_605), (3_601, 3_901), (80_000, 80_300)]
        {
            let came = past.since(at(DAY_S - window_s), DAY_S.unsigned_abs());
            let window_s = window_s.unsigned_abs();
            assert!((window_s..longest_s).contains(&came), "{window_s}: {came}");
        }
        assert_eq!(past.since(at(-1), 90_000), 90_000, "nothing was noted before");
    }

    #[test]
    fn notes_are_bounded_and_what_does_not_change_is_noted_once() {
        let mut past = day();
        (1..20_000).for_each(|step| past.note(at(DAY_S + step * 5), (DAY_S + step * 5).unsigned_abs()));
        assert_eq!((past.fine.notes.len(), past.coarse.notes.len()), (721, 289));
        let mut still = Past::new();
        (0..1_000).for_each(|step| still.note(at(step * 5), 7_u64));
        assert_eq!((still.fine.notes.len(), still.coarse.notes.len()), (1, 1));
        assert_eq!(still.since(at(4_000), 9), 2);
    }

    proptest! {
        #[test]
        fn nothing_that_came_within_the_window_is_left_out(
            steps in prop::collection::vec((0_i64..400, 0_u64..50), 1..200),
            window_s in 10_i64..DAY_S,
        ) {
            let (mut past, mut now_s, mut count, mut came) = (Past::new(), 0, 0, Vec::new());
            past.note(at(0), 0_u64);
            for (seconds, more) in steps {
                now_s += seconds;
                count += more;
                came.push((now_s, more));
                past.note(at(now_s), count);
            }
            let within = |longer_s: i64| -> u64 {
                let begin = now_s - window_s - longer_s;
                came.iter().filter(|(s, _)| *s > begin).map(|(_, more)| *more).sum()
            };
            let counted = past.since(at(now_s - window_s), count);
            prop_assert!(within(0) <= counted);
            // Steps are up to 400 seconds, notes up to 300 seconds apart.
            prop_assert!(counted <= within(700), "{} {}", counted, within(700));
        }
    }
}
