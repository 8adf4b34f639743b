//! Which batches of a source have events without an outcome: what the journal must not let go of.

use std::collections::BTreeMap;

/// The batches of one source with open events. There are no more of them than open events in the table.
#[derive(Debug, Default)]
pub struct OpenBatches {
    /// By the sequence number of their first event.
    batches: BTreeMap<u64, Batch>,
    /// The batch that came last, while its place is not known.
    unplaced: Option<u64>,
}

/// Events that came together.
#[derive(Clone, Copy, Debug)]
struct Batch {
    /// The number after the last event's.
    end: u64,
    /// How many outcomes they wait for.
    open: u64,
    /// Its number in the journal, once it has one.
    place: Option<u64>,
}

impl OpenBatches {
    /// The events from number `first` up to `end` came, and wait for as many `outcomes`.
    pub(super) fn came(&mut self, first: u64, end: u64, outcomes: u64) {
        self.unplaced = (first < end).then_some(first);
        if let Some(first) = self.unplaced {
            self.batches.insert(first, Batch { end, open: outcomes, place: None });
        }
    }

    /// What came last stands in the journal under the number `place`.
    pub(super) fn placed(&mut self, place: u64) {
        if let Some(batch) = self.unplaced.take().and_then(|first| self.batches.get_mut(&first)) {
            batch.place = Some(place);
        }
    }

    /// The event with this number has an outcome.
    pub(super) fn ended(&mut self, seq: u64) {
        let Some((&first, batch)) = self.batches.range_mut(..=seq).next_back() else { return };
        if seq < batch.end {
            batch.open = batch.open.saturating_sub(1);
            if batch.open == 0 {
                self.batches.remove(&first);
            }
        }
    }

    /// How many outcomes are waited for.
    #[must_use]
    pub fn outcomes(&self) -> u64 {
        self.batches.values().map(|batch| batch.open).sum()
    }

    /// What stands in the journal below the number `below` is not kept any longer. Gives how many outcomes were open there.
    pub(super) fn uncover(&mut self, below: u64) -> u64 {
        let uncovered =
            self.batches.values_mut().filter(|batch| batch.place.is_some_and(|place| place < below));
        uncovered
            .map(|batch| {
                batch.place = None;
                batch.open
            })
            .sum()
    }

    /// The numbers in the journal of the batches with open events.
    pub fn places(&self) -> impl Iterator<Item = u64> {
        self.batches.values().filter_map(|batch| batch.place)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_kept_until_the_last_of_its_events_has_an_outcome() {
        let mut open = OpenBatches::default();
        for (first, end, place) in [(0, 3, 10), (3, 3, 11), (3, 5, 12), (8, 9, 13)] {
            open.came(first, end, end - first);
            open.placed(place);
        }
        let places = |open: &OpenBatches| open.places().collect::<Vec<_>>();
        assert_eq!((open.outcomes(), places(&open)), (6, vec![10, 12, 13]), "one had no events");
        for seq in [4, 1, 3, 2, 6, 100] {
            open.ended(seq);
        }
        assert_eq!((open.outcomes(), places(&open)), (2, vec![10, 13]));
        open.ended(0);
        open.ended(8);
        assert_eq!((open.outcomes(), places(&open)), (0, vec![]));
    }

    #[test]
    fn a_batch_is_kept_until_each_of_several_stores_has_given_an_outcome() {
        let mut open = OpenBatches::default();
        open.came(0, 2, 3);
        open.placed(7);
        open.ended(0);
        open.ended(1);
        assert_eq!((open.outcomes(), open.places().collect::<Vec<_>>()), (1, vec![7]));
        open.ended(1);
        assert_eq!((open.outcomes(), open.places().count()), (0, 0));
    }

    #[test]
    fn what_ended_before_it_had_a_place_gives_it_to_no_other() {
        let mut open = OpenBatches::default();
        open.came(0, 2, 2);
        open.placed(1);
        open.came(2, 3, 1);
        open.ended(2);
        open.placed(2);
        assert_eq!(open.places().collect::<Vec<_>>(), [1]);
    }
}
