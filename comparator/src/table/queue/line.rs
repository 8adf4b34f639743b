//! Slots in the order of their times, cheap where they come nearly in order: what is due comes at a few distances from now, and
//! at each of them time after time goes up. So each distance finds a run of its own, in which a slot is put at the end and taken
//! from the front. What fits no run goes into a heap.

use crate::table::shard::Slot;
use counterfoil_judge::Time;
use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

/// More runs catch more distances, and each is looked at for each slot.
const RUNS: usize = 4;

/// Slots that leave in the order of their times.
#[derive(Default)]
pub(super) struct Line {
    /// Each in order.
    runs: [VecDeque<(Time, Slot)>; RUNS],
    strays: BinaryHeap<Reverse<(Time, Slot)>>,
}

impl Line {
    pub(super) fn push(&mut self, at: Time, slot: Slot) {
        // Behind the latest that it can follow, so that the others stay open for earlier ones.
        let fits = self.runs.iter_mut().filter(|run| run.back().is_none_or(|(last, _)| *last <= at));
        match fits.max_by_key(|run| run.back().map(|(last, _)| *last)) {
            Some(run) => run.push_back((at, slot)),
            None => self.strays.push(Reverse((at, slot))),
        }
    }

    /// Takes the first out, if its time is wanted.
    pub(super) fn pop_if(&mut self, is_wanted: impl FnOnce(Time) -> bool) -> Option<(Time, Slot)> {
        let waiting = self.runs.iter_mut().filter(|run| !run.is_empty());
        let run = waiting.min_by_key(|run| run.front().copied());
        let of_run = run.as_ref().and_then(|run| run.front().copied());
        let of_strays = self.strays.peek().map(|Reverse(first)| *first);
        let first = match (of_run, of_strays) {
            (Some(one), Some(other)) => one.min(other),
            (one, other) => one.or(other)?,
        };
        if !is_wanted(first.0) {
            return None;
        }
        match run {
            Some(run) if of_run == Some(first) => run.pop_front(),
            _ => self.strays.pop().map(|Reverse(first)| first),
        }
    }

    pub(super) fn len(&self) -> usize {
        self.runs.iter().map(VecDeque::len).sum::<usize>() + self.strays.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn drained(line: &mut Line) -> Vec<i64> {
        std::iter::from_fn(|| line.pop_if(|_| true)).map(|(at, _)| at.0).collect()
    }

    proptest! {
        #[test]
        fn whatever_the_order_they_come_in_they_leave_by_time_and_none_is_lost(
            mut pushed in prop::collection::vec(0_i64..50, 0..200),
            taken in 0_usize..50,
        ) {
            let mut line = Line::default();
            for (slot, at) in pushed.iter().enumerate() {
                line.push(Time(*at), Slot::try_from(slot).unwrap());
            }
            prop_assert_eq!(line.len(), pushed.len());
            pushed.sort_unstable();
            let mut left: Vec<i64> =
                (0..taken).filter_map(|_| line.pop_if(|_| true)).map(|(at, _)| at.0).collect();
            left.extend(drained(&mut line));
            prop_assert_eq!(left, pushed);
        }
    }

    #[test]
    fn what_comes_at_a_few_distances_needs_no_heap() {
        let mut line = Line::default();
        for now in 0..1_000 {
            for distance in [10, 500, 90] {
                line.push(Time(now + distance), 0);
            }
            while line.pop_if(|at| at <= Time(now)).is_some() {}
        }
        assert!(line.strays.is_empty());
        assert!(line.pop_if(|at| at < Time(1_000)).is_none(), "it is not wanted, and stays");
        assert_eq!(line.len(), 10 + 90 + 500);
    }
}
