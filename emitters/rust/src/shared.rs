//! What the application's threads and the writer thread share.

use crate::event::Event;
use crate::flush::Tickets;
use crate::limits::{Options, TellLimits};
use crate::losses::{Losses, Lost, Reason};
use crate::open::OpenWrites;
use crate::ring::Ring;
use crate::room::Room;
use crate::snapshot::Told;
use crate::stats::Counters;
use crate::trace::CohortKeys;
use crate::waker::Waker;
use counterfoil_judge::Time;
use std::io;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};

pub(crate) struct Shared {
    pub(crate) open: OpenWrites,
    pub(crate) ring: Ring,
    pub(crate) losses: Losses,
    pub(crate) counters: Counters,
    pub(crate) limits: TellLimits,
    pub(crate) cohorts: CohortKeys,
    pub(crate) waker: Waker,
    pub(crate) tickets: Tickets,
    /// Wakes those who wait until the ring is roomy.
    pub(crate) room: Room,
    /// Snapshots that are complete, and that no heartbeat has told of.
    pub(crate) told: Mutex<Vec<Told>>,
    /// The next map order, for maps that take it under their lock.
    pub(crate) order: AtomicU64,
    /// Nothing more is taken.
    closed: AtomicBool,
    /// The writer thread is to end, by this time at the latest.
    end_by: AtomicI64,
}

impl Shared {
    pub(crate) fn new(options: &Options) -> io::Result<Self> {
        Ok(Self {
            open: OpenWrites::new(options.open_writes),
            ring: Ring::new(options.ring_events, options.ring_bytes),
            losses: Losses::default(),
            counters: Counters::default(),
            limits: TellLimits::default(),
            cohorts: CohortKeys::default(),
            waker: Waker::new()?,
            tickets: Tickets::default(),
            room: Room::default(),
            told: Mutex::default(),
            order: AtomicU64::new(0),
            closed: AtomicBool::new(false),
            end_by: AtomicI64::new(Time::MAX.0),
        })
    }

    /// Takes the event of a write whose seat is still held, or counts it as lost.
    pub(crate) fn submit(&self, event: Event) {
        if !self.issue() {
            return;
        }
        match self.ring.push(Box::new(event)) {
            Ok(()) => self.waker.nudge(),
            Err(event) => self.lose(&event.lost(Reason::RingFull)),
        }
    }

    /// Takes the event of a value that the map held, if there is room that no write may need.
    ///
    /// # Errors
    ///
    /// The event, if there is none.
    pub(crate) fn submit_held(&self, event: Box<Event>) -> Result<(), Box<Event>> {
        if !self.ring.is_roomy() {
            return Err(event);
        }
        if !self.issue() {
            return Ok(());
        }
        let pushed = self.ring.push(event).inspect_err(|_| {
            self.counters.issued.fetch_sub(1, Ordering::Relaxed);
        });
        pushed.inspect(|()| self.waker.nudge())
    }

    /// Counts a write that has no event as lost; its seat is still held.
    pub(crate) fn submit_lost(&self, lost: &Lost) {
        if self.issue() {
            self.lose(lost);
        }
    }

    /// Counts an event that was issued as lost. The loss travels with the next heartbeat.
    pub(crate) fn lose(&self, lost: &Lost) {
        self.counters.lose(lost.reason, 1);
        self.losses.count(lost);
    }

    fn issue(&self) -> bool {
        self.counters.issued.fetch_add(1, Ordering::Relaxed);
        let closed = self.is_closed();
        if closed {
            self.counters.after_close.fetch_add(1, Ordering::Relaxed);
        }
        !closed
    }

    /// Whether nothing is taken any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::SeqCst)
    }

    /// From now on nothing is taken.
    pub(crate) fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
    }

    /// Tells the writer thread to take its leave, by `end_by` at the latest.
    pub(crate) fn end(&self, end_by: Time) {
        self.end_by.store(end_by.0, Ordering::SeqCst);
        self.waker.wake();
    }

    /// By when the writer thread is to end; `None` while it is to go on.
    pub(crate) fn ending(&self) -> Option<Time> {
        Some(Time(self.end_by.load(Ordering::SeqCst))).filter(|&end_by| end_by != Time::MAX)
    }
}
