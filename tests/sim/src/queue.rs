//! What happens next: events in the order of their virtual time, those of one instant in the order they were planned.

use std::cmp::{Ordering, Reverse};
use std::collections::BinaryHeap;

/// Events that are still to come.
pub struct Queue<E> {
    coming: BinaryHeap<Reverse<Coming<E>>>,
    planned: u64,
}

struct Coming<E> {
    at: i64,
    order: u64,
    event: E,
}

impl<E> Queue<E> {
    /// Nothing is to come.
    #[must_use]
    pub fn new() -> Self {
        Self { coming: BinaryHeap::new(), planned: 0 }
    }

    /// Plans `event` for the instant `at`, in nanoseconds.
    pub fn plan(&mut self, at: i64, event: E) {
        self.planned += 1;
        self.coming.push(Reverse(Coming { at, order: self.planned, event }));
    }

    /// When the next event happens; `i64::MAX` if none is to come.
    #[must_use]
    pub fn next_at(&self) -> i64 {
        self.coming.peek().map_or(i64::MAX, |Reverse(coming)| coming.at)
    }

    /// Takes the next event and its instant.
    pub fn take(&mut self) -> Option<(i64, E)> {
        self.coming.pop().map(|Reverse(coming)| (coming.at, coming.event))
    }
}

impl<E> Default for Queue<E> {
    fn default() -> Self {
        Self::new()
    }
}

impl<E> Ord for Coming<E> {
    fn cmp(&self, other: &Self) -> Ordering {
        (self.at, self.order).cmp(&(other.at, other.order))
    }
}

impl<E> PartialOrd for Coming<E> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl<E> PartialEq for Coming<E> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl<E> Eq for Coming<E> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_come_by_time_and_then_in_the_order_they_were_planned() {
        let mut queue = Queue::new();
        for (at, name) in [(20, 'c'), (10, 'a'), (10, 'b'), (5, '0')] {
            queue.plan(at, name);
        }
        assert_eq!(queue.next_at(), 5);
        let taken: String = std::iter::from_fn(|| queue.take()).map(|(_, name)| name).collect();
        assert_eq!((taken.as_str(), queue.next_at()), ("0abc", i64::MAX));
    }
}
