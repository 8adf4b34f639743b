//! What the comparator wants to see of the values that are kept, and when it may be sent: after every batch that waits, and no
//! faster than `values.bytes_per_s_max`.

use crate::rate::Rate;
use crate::values::Values;
use counterfoil_judge::Time;
use counterfoil_proto::{NoValue, RECALLS_MAX, Recalled, Shown, wire};
use prost::Message;
use std::collections::VecDeque;
use std::sync::Arc;

/// What an answer costs besides its value, in bytes.
const ANSWER_BYTES: u64 = 64;

/// Longest recall in bytes, three names among them: a longer one names nothing that is here.
const RECALL_BYTES_MAX: usize = 4_096;

/// When an answer may be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Turn {
    /// None is wanted.
    Never,
    /// Not before then.
    At(Time),
    /// At once.
    Now,
}

/// The recalls of the present stream.
pub(super) struct Recalls {
    /// Nothing where no values are kept.
    kept: Option<(Arc<Values>, Rate)>,
    asked: VecDeque<wire::Recall>,
}

impl Recalls {
    /// Answers from `values`, from `now` on.
    pub(super) fn new(values: Option<Arc<Values>>, now: Time) -> Self {
        let kept = values.map(|values| {
            let rate = Rate::new(values.bytes_per_s_max, now);
            (values, rate)
        });
        Self { kept, asked: VecDeque::new() }
    }

    /// Whether the comparator may ask.
    pub(super) fn are_answered(&self) -> bool {
        self.kept.is_some()
    }

    /// Notes what the comparator wants; what it may not ask for, or not at the same time, is left out.
    pub(super) fn ask(&mut self, recall: wire::Recall) {
        if self.asked.len() < RECALLS_MAX && recall.encoded_len() <= RECALL_BYTES_MAX {
            self.asked.push_back(recall);
        } else {
            tracing::debug!(
                "the comparator recalls more values at a time than it may, or by too long a name"
            );
        }
    }

    /// A new stream: what was asked for on the one before is not wanted any more.
    pub(super) fn rewind(&mut self) {
        self.asked.clear();
    }

    /// When the next answer may be sent, as seen at `now`.
    pub(super) fn turn(&mut self, now: Time) -> Turn {
        if self.asked.is_empty() {
            return Turn::Never;
        }
        match self.kept.as_mut().and_then(|(_, rate)| rate.wait(now)) {
            Some(then) => Turn::At(then),
            None => Turn::Now,
        }
    }

    /// The next answer, made at `now`.
    pub(super) fn next(&mut self, now: Time) -> Option<wire::Upload> {
        let recall = self.asked.pop_front()?;
        let recalled = match &mut self.kept {
            Some((values, rate)) => {
                let recalled = values.recall(&recall, now);
                rate.count(ANSWER_BYTES + size(&recalled));
                recalled
            }
            None => Recalled { id: recall.id, shown: Err(NoValue::Off) },
        };
        Some(wire::Upload { recalled: Some(recalled.into()), ..Default::default() })
    }
}

fn size(recalled: &Recalled) -> u64 {
    recalled.shown.as_ref().map_or(0, |Shown { value, .. }| value.len() as u64)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crate::values::trial::{kept, recall};

    const SECOND: i64 = 1_000_000_000;

    #[test]
    fn answers_go_no_faster_than_their_bytes_may() {
        let mut recalls = Recalls::new(Some(kept(1_024, &[vec![7; 1_500], vec![8; 10]])), Time(0));
        assert_eq!(recalls.turn(Time(0)), Turn::Never);
        for seq in 0..2 {
            recalls.ask(recall(seq));
        }
        assert_eq!(recalls.turn(Time(0)), Turn::Now);
        let first = recalls.next(Time(0)).unwrap().recalled.unwrap();
        assert_eq!((first.id, first.value.len()), (0, 1_500));
        let debt_ns = (1_500 + 64 - 1_024) * SECOND / 1_024;
        assert_eq!(recalls.turn(Time(0)), Turn::At(Time(debt_ns)));
        assert_eq!(recalls.turn(Time(SECOND)), Turn::Now);
        let second = recalls.next(Time(SECOND)).unwrap();
        assert_eq!((second.number, second.batch.len()), (0, 0), "it is no batch");
        assert_eq!(second.recalled.unwrap().value.len(), 10);
        assert_eq!(recalls.turn(Time(SECOND)), Turn::Never);
    }

    #[test]
    fn what_is_asked_for_is_bounded_and_ends_with_its_stream() {
        let mut recalls = Recalls::new(Some(kept(1 << 20, &[vec![7]])), Time(0));
        for _ in 0..2 * RECALLS_MAX {
            recalls.ask(recall(0));
        }
        assert_eq!(std::iter::from_fn(|| recalls.next(Time(0))).count(), RECALLS_MAX);
        recalls.ask(wire::Recall { map: "m".repeat(RECALL_BYTES_MAX), ..recall(0) });
        assert_eq!(recalls.turn(Time(0)), Turn::Never, "no map has such a name");
        recalls.ask(recall(0));
        recalls.rewind();
        assert_eq!((recalls.turn(Time(0)), recalls.next(Time(0))), (Turn::Never, None));
    }

    #[test]
    fn a_comparator_that_asks_where_no_values_are_kept_is_told_so() {
        let mut recalls = Recalls::new(None, Time(0));
        assert!(!recalls.are_answered());
        recalls.ask(recall(3));
        let recalled = recalls.next(Time(0)).unwrap().recalled.unwrap();
        assert_eq!(Recalled::try_from(recalled), Ok(Recalled { id: 3, shown: Err(NoValue::Off) }));
    }
}
