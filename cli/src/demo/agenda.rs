//! What a thread is to do and when: steps that wait for their time.

use counterfoil_clock::now;
use counterfoil_judge::Time;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

/// How often it is looked whether to stop.
const NAP: Duration = Duration::from_millis(50);

/// Steps and when they are due; among those due at one instant the lesser comes first.
pub(super) struct Agenda<Step> {
    steps: BinaryHeap<Reverse<(Time, Step)>>,
}

impl<Step: Ord> Agenda<Step> {
    /// Nothing to do.
    pub(super) fn new() -> Self {
        Self { steps: BinaryHeap::new() }
    }

    /// Adds a step.
    pub(super) fn add(&mut self, due: Time, step: Step) {
        self.steps.push(Reverse((due, step)));
    }

    /// Waits until the next step is due, and gives it. `None` when nothing is left to do, or once `stop` is set.
    pub(super) fn next(&mut self, stop: &AtomicBool) -> Option<Step> {
        let Reverse((due, step)) = self.steps.pop()?;
        while now() < due && !stop.load(Ordering::Relaxed) {
            let left = u64::try_from(due.since(now())).unwrap_or(0);
            sleep(Duration::from_nanos(left).min(NAP));
        }
        (!stop.load(Ordering::Relaxed)).then_some(step)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn steps_come_in_the_order_of_their_times_and_none_comes_after_a_stop() {
        let (mut agenda, stop) = (Agenda::new(), AtomicBool::new(false));
        for (due, step) in [(3, 'c'), (1, 'b'), (1, 'a'), (4, 'd')] {
            agenda.add(Time(due), step);
        }
        assert_eq!([(); 3].map(|()| agenda.next(&stop)), [Some('a'), Some('b'), Some('c')]);
        stop.store(true, Ordering::Relaxed);
        assert_eq!(agenda.next(&stop), None);
    }

    #[test]
    fn a_step_is_not_given_before_it_is_due() {
        let (mut agenda, due) = (Agenda::new(), now().plus(20_000_000));
        agenda.add(due, ());
        assert_eq!(agenda.next(&AtomicBool::new(false)), Some(()));
        assert!(now() >= due);
        assert_eq!(agenda.next(&AtomicBool::new(false)), None, "nothing is left");
    }
}
