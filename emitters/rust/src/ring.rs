//! The bounded ring between the application's threads and the writer thread: bounded in events and in bytes.

use crate::event::Event;
use crossbeam_queue::ArrayQueue;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Bytes that an event takes besides its own: its box and the allocator's share.
const OVERHEAD_BYTES: usize = 64;

pub(crate) struct Ring {
    events: ArrayQueue<Box<Event>>,
    bytes: AtomicUsize,
    bytes_max: usize,
}

impl Ring {
    pub(crate) fn new(events: usize, bytes_max: usize) -> Self {
        Self { events: ArrayQueue::new(events.max(1)), bytes: AtomicUsize::new(0), bytes_max }
    }

    /// Takes the event, or gives it back if there is no room.
    pub(crate) fn push(&self, event: Box<Event>) -> Result<(), Box<Event>> {
        if self.events.is_full() {
            return Err(event);
        }
        let bytes = event.bytes() + OVERHEAD_BYTES;
        let before = self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) > self.bytes_max {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Err(event);
        }
        self.events.push(event).inspect_err(|_| {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        })
    }

    /// Whether there is room for what is not urgent: half of it is left to events of writes.
    pub(crate) fn is_roomy(&self) -> bool {
        self.len() < self.events.capacity().div_ceil(2) && self.bytes() < self.bytes_max.div_ceil(2)
    }

    /// The oldest event. Only the writer thread calls this.
    pub(crate) fn pop(&self) -> Option<Box<Event>> {
        let event = self.events.pop()?;
        self.bytes.fetch_sub(event.bytes() + OVERHEAD_BYTES, Ordering::Relaxed);
        Some(event)
    }

    /// How many wait. Each event whose push was over before this call began is among them.
    pub(crate) fn len(&self) -> usize {
        self.events.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.events.is_empty()
    }

    /// About how many bytes wait.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crate::event::{Content, Marks};
    use counterfoil_judge::Reported;

    fn event(value: usize) -> Box<Event> {
        let content = Content { key: b"k".to_vec(), value: Some(vec![0; value]) };
        let legs = Reported { map: None, store: None };
        Box::new(Event { map: "m".into(), content, legs, marks: Marks::default() })
    }

    #[test]
    fn the_ring_is_bounded_in_events_and_in_bytes_and_takes_more_after_a_pop() {
        let one = event(1_000).bytes() + OVERHEAD_BYTES;
        for ring in [Ring::new(2, usize::MAX), Ring::new(100, 2 * one)] {
            assert!(ring.push(event(1_000)).is_ok() && ring.push(event(1_000)).is_ok());
            assert!(ring.push(event(1_000)).is_err());
            assert_eq!((ring.len(), ring.bytes()), (2, 2 * one));
            ring.pop().unwrap();
            assert!(ring.push(event(1_000)).is_ok());
            assert_eq!(ring.bytes(), 2 * one);
        }
    }
}
