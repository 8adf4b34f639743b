//! Tickets of those who wait for the writer thread.
//!
//! A flush draws a ticket. The writer thread, at a heartbeat that emptied ring and ledger after it saw the ticket, notes
//! the next sequence number for it; when everything below that number is acknowledged, the ticket is fulfilled. Tickets
//! drawn meanwhile wait for the next such heartbeat, so that no stream of newcomers keeps the first ones waiting.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

#[derive(Default)]
pub(crate) struct Tickets {
    drawn: AtomicU64,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    fulfilled: u64,
    finished: bool,
}

/// The writer thread's side: the tickets that a heartbeat covers.
#[derive(Default)]
pub(crate) struct Covered {
    ticket: u64,
    through: u64,
    fulfilled: u64,
}

impl Tickets {
    pub(crate) fn draw(&self) -> u64 {
        self.drawn.fetch_add(1, Ordering::AcqRel).saturating_add(1)
    }

    /// The last ticket drawn.
    pub(crate) fn drawn(&self) -> u64 {
        self.drawn.load(Ordering::Acquire)
    }

    /// Waits until `ticket` is fulfilled, the writer thread has ended, or `timeout` has passed; says whether it was
    /// fulfilled.
    pub(crate) fn wait(&self, ticket: u64, timeout: Duration) -> bool {
        let waits = |state: &mut State| state.fulfilled < ticket && !state.finished;
        let waited = self.changed.wait_timeout_while(self.lock(), timeout, waits);
        waited.unwrap_or_else(PoisonError::into_inner).0.fulfilled >= ticket
    }

    /// Waits until the writer thread has ended or `timeout` has passed; says whether it has ended.
    pub(crate) fn wait_end(&self, timeout: Duration) -> bool {
        let waited = self.changed.wait_timeout_while(self.lock(), timeout, |state| !state.finished);
        waited.unwrap_or_else(PoisonError::into_inner).0.finished
    }

    /// The writer thread ends.
    pub(crate) fn finish(&self) {
        self.lock().finished = true;
        self.changed.notify_all();
    }

    fn fulfil(&self, ticket: u64) {
        self.lock().fulfilled = ticket;
        self.changed.notify_all();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Covered {
    /// Whether a heartbeat should be made for a ticket at once.
    pub(crate) fn wanting(&self, tickets: &Tickets) -> bool {
        !self.is_waiting() && tickets.drawn() > self.ticket
    }

    /// Whether somebody waits for an acknowledgement.
    pub(crate) fn is_waiting(&self) -> bool {
        self.ticket > self.fulfilled
    }

    /// A heartbeat emptied everything after `ticket` was drawn; `through` is the next sequence number.
    pub(crate) fn cover(&mut self, ticket: u64, through: u64) {
        if !self.is_waiting() && ticket > self.ticket {
            (self.ticket, self.through) = (ticket, through);
        }
    }

    /// Everything below `acknowledged` is safe.
    pub(crate) fn settle(&mut self, tickets: &Tickets, acknowledged: u64) {
        if self.is_waiting() && acknowledged >= self.through {
            self.fulfilled = self.ticket;
            tickets.fulfil(self.ticket);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ticket_is_fulfilled_by_the_acknowledgement_of_what_its_heartbeat_covered() {
        let (tickets, mut covered) = (Tickets::default(), Covered::default());
        let first = tickets.draw();
        assert!(covered.wanting(&tickets));
        covered.cover(tickets.drawn(), 10);
        let second = tickets.draw();
        covered.cover(tickets.drawn(), 20);
        covered.settle(&tickets, 9);
        assert!(!tickets.wait(first, Duration::ZERO));
        covered.settle(&tickets, 10);
        assert!(tickets.wait(first, Duration::ZERO));
        assert!(!tickets.wait(second, Duration::ZERO), "its heartbeat has not been made");
        assert!(covered.wanting(&tickets));
        covered.cover(tickets.drawn(), 20);
        covered.settle(&tickets, 20);
        assert!(tickets.wait(second, Duration::ZERO));
    }

    #[test]
    fn nobody_waits_for_a_writer_thread_that_has_ended() {
        let tickets = Tickets::default();
        tickets.finish();
        assert!(!tickets.wait(tickets.draw(), Duration::from_secs(600)));
        assert!(tickets.wait_end(Duration::from_secs(600)));
    }
}
