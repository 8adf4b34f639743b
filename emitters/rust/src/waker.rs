//! How the application's threads wake the writer thread: only when it has said that it sleeps, so that under load no
//! emitter call makes a system call.

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

pub(crate) struct Waker {
    signal: OwnedFd,
    parked: AtomicBool,
}

impl Waker {
    /// # Errors
    ///
    /// If the process has no descriptor left.
    pub(crate) fn new() -> io::Result<Self> {
        let signal = eventfd(0, EventfdFlags::NONBLOCK | EventfdFlags::CLOEXEC)?;
        Ok(Self { signal, parked: AtomicBool::new(false) })
    }

    /// Wakes the writer thread if it sleeps; called after each push.
    ///
    /// Either the writer thread sees the push when it looks at the ring after [`Waker::arm`], or this sees that it is
    /// armed. Should both ever miss, the next heartbeat is when the event leaves.
    pub(crate) fn nudge(&self) {
        if self.parked.load(Ordering::SeqCst) && self.parked.swap(false, Ordering::SeqCst) {
            self.wake();
        }
    }

    /// Wakes the writer thread whatever it does.
    pub(crate) fn wake(&self) {
        // It does not block: the only error is that the signal is set already.
        rustix::io::write(&self.signal, &1_u64.to_ne_bytes()).ok();
    }

    /// The writer thread is about to sleep. It must look at the ring once more before it does.
    pub(crate) fn arm(&self) {
        self.parked.store(true, Ordering::SeqCst);
    }

    pub(crate) fn disarm(&self) {
        self.parked.store(false, Ordering::SeqCst);
    }

    /// Sleeps until the signal, `timeout`, or `socket` can be read (or, if `writable`, written).
    pub(crate) fn sleep(&self, socket: Option<(BorrowedFd<'_>, bool)>, timeout: Duration) {
        let timeout = Timespec::try_from(timeout).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        let signal = PollFd::from_borrowed_fd(self.signal.as_fd(), PollFlags::IN);
        let signalled = |signal: &PollFd<'_>| signal.revents().contains(PollFlags::IN);
        // An interrupted poll is an early wake-up, which costs one more round.
        let woken = match socket {
            None => {
                let mut files = [signal];
                poll(&mut files, Some(&timeout)).is_ok() && signalled(&files[0])
            }
            Some((socket, writable)) => {
                let interest = if writable { PollFlags::IN | PollFlags::OUT } else { PollFlags::IN };
                let mut files = [signal, PollFd::from_borrowed_fd(socket, interest)];
                poll(&mut files, Some(&timeout)).is_ok() && signalled(&files[0])
            }
        };
        if woken {
            rustix::io::read(&self.signal, &mut [0; 8]).ok();
        }
    }
}
