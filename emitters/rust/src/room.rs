//! Waiting until the ring has room: for those who are not in a hurry.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Condvar, Mutex, PoisonError};
use std::time::Duration;

/// How long a wait lasts at most, before its caller looks again: the writer thread need not be exact about whom it wakes.
const LOOK_EVERY: Duration = Duration::from_millis(10);

/// Wakes who waits for room.
#[derive(Default)]
pub(crate) struct Room {
    waiting: AtomicUsize,
    lock: Mutex<()>,
    freed: Condvar,
}

impl Room {
    /// Waits a moment, or until the writer thread has made room.
    pub(crate) fn wait(&self, timeout: Duration) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        let guard = self.lock.lock().unwrap_or_else(PoisonError::into_inner);
        drop(self.freed.wait_timeout(guard, timeout.min(LOOK_EVERY)));
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    /// The writer thread has taken something out of the ring. Costs one look at a number while nobody waits.
    pub(crate) fn freed(&self) {
        if self.waiting.load(Ordering::Relaxed) > 0 {
            self.freed.notify_all();
        }
    }
}
