//! The uploads that are not acknowledged, in order. Pure.

use crate::batcher::Sealed;
use metrics::Gauge;
use std::collections::VecDeque;
use tokio::sync::OwnedSemaphorePermit;

/// A batch and the room it takes until it is acknowledged.
pub(crate) struct Waiting {
    pub(crate) sealed: Sealed,
    _room: Room,
}

impl Waiting {
    pub(crate) fn new(sealed: Sealed, room: Room) -> Self {
        Self { sealed, _room: room }
    }
}

/// Bytes that a batch takes of those that may wait for an acknowledgement. Dropping it gives them back.
pub(crate) struct Room {
    _permit: OwnedSemaphorePermit,
    bytes: u32,
    shown: Gauge,
}

impl Room {
    /// Room of as many bytes as `permit` has, counted in the gauge `shown`.
    pub(crate) fn new(permit: OwnedSemaphorePermit, shown: Gauge) -> Self {
        let bytes = u32::try_from(permit.num_permits()).unwrap_or(u32::MAX);
        shown.increment(bytes);
        Self { _permit: permit, bytes, shown }
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        self.shown.decrement(self.bytes);
    }
}

/// A batch with its number, ready for the stream.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Numbered {
    pub(crate) number: u64,
    pub(crate) sealed: Sealed,
}

/// What is not acknowledged.
pub(crate) struct Backlog {
    waiting: VecDeque<Waiting>,
    /// Number of the first one.
    first: u64,
    /// How many of them, at the front, went into the present stream.
    sent: usize,
}

impl Default for Backlog {
    fn default() -> Self {
        Self { waiting: VecDeque::new(), first: 1, sent: 0 }
    }
}

impl Backlog {
    pub(crate) fn push(&mut self, waiting: Waiting) {
        self.waiting.push_back(waiting);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty()
    }

    pub(crate) fn has_unsent(&self) -> bool {
        self.sent < self.waiting.len()
    }

    /// The next upload for the present stream.
    pub(crate) fn next_unsent(&mut self) -> Option<Numbered> {
        let sealed = self.waiting.get(self.sent)?.sealed.clone();
        let number = self.first + self.sent as u64;
        self.sent += 1;
        Some(Numbered { number, sealed })
    }

    /// A new stream: everything is sent again.
    pub(crate) fn rewind(&mut self) {
        self.sent = 0;
    }

    /// Drops the uploads up to number `through`, of those that were sent; tells how many.
    pub(crate) fn acknowledge(&mut self, through: u64) -> u64 {
        let up_to =
            usize::try_from(through.saturating_add(1).saturating_sub(self.first)).unwrap_or(usize::MAX);
        let dropped = up_to.min(self.sent);
        self.waiting.drain(..dropped);
        self.sent -= dropped;
        self.first += dropped as u64;
        dropped as u64
    }

    /// How many events wait.
    pub(crate) fn events(&self) -> u64 {
        self.waiting.iter().map(|waiting| waiting.sealed.events).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;
    use std::sync::Arc;
    use tokio::sync::Semaphore;

    fn backlog(room: &Arc<Semaphore>) -> Backlog {
        let mut backlog = Backlog::default();
        for at in 1..=4u8 {
            let sealed = Sealed { batch: Bytes::from(vec![at]), mac: Bytes::new(), events: 10 };
            let permit = Arc::clone(room).try_acquire_many_owned(5).unwrap();
            backlog.push(Waiting::new(sealed, Room::new(permit, Gauge::noop())));
        }
        backlog
    }

    fn numbers(backlog: &mut Backlog) -> Vec<(u64, u8)> {
        std::iter::from_fn(|| backlog.next_unsent())
            .map(|upload| (upload.number, upload.sealed.batch[0]))
            .collect()
    }

    #[test]
    fn a_new_stream_sends_again_what_was_not_acknowledged() {
        let room = Arc::new(Semaphore::new(20));
        let mut backlog = backlog(&room);
        assert_eq!(numbers(&mut backlog), [(1, 1), (2, 2), (3, 3), (4, 4)]);
        assert_eq!(backlog.acknowledge(2), 2);
        assert_eq!((room.available_permits(), backlog.events()), (10, 20));
        assert!(!backlog.has_unsent());
        backlog.rewind();
        assert_eq!(numbers(&mut backlog), [(3, 3), (4, 4)]);
        assert_eq!(backlog.acknowledge(1), 0, "an old ack changes nothing");
        assert_eq!(backlog.acknowledge(4), 2);
        assert!(backlog.is_empty());
    }

    #[test]
    fn what_was_not_sent_cannot_be_acknowledged() {
        let room = Arc::new(Semaphore::new(20));
        let mut backlog = backlog(&room);
        backlog.next_unsent();
        assert_eq!(backlog.acknowledge(u64::MAX), 1);
        assert_eq!(numbers(&mut backlog), [(2, 2), (3, 3), (4, 4)]);
    }
}
