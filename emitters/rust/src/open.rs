//! The registry of open writes, and the watermark that it allows.
//!
//! A heartbeat promises that everything begun before its watermark `W` was reported. The registry has a slot for each
//! open write. A write that begins
//!
//! 1. claims a free slot and marks it `OPENING`,
//! 2. then reads the clock,
//! 3. then stores what it read, its begin `b`, in the slot;
//!
//! and when it ends it
//!
//! 4. puts its event into the ring, or counts it as lost,
//! 5. then frees the slot.
//!
//! The writer thread
//!
//! 1. reads the clock, `t`,
//! 2. then looks at each slot: a begin holds `W` back to it, `OPENING` means that `W` does not advance this time,
//! 3. then takes everything out of the ring that is in it, and the losses counted so far,
//! 4. and only then sends the heartbeat, with `W = min(t, begins)`.
//!
//! # Why it holds
//!
//! Take a write with begin `b < W`. When the writer thread looked at the write's slot, it saw a value from
//!
//! - *before the claim*: then the claim came after that look, so the write read its clock after the writer thread read
//!   `t`, and `b ≥ t ≥ W`: a contradiction;
//! - *the claim*: then `W` did not advance, and `b < W` was already so for an earlier heartbeat;
//! - *the begin*: then `W ≤ b`: a contradiction;
//! - *the freeing, or later*: freeing releases and looking acquires, so the event was in the ring, or counted, before
//!   the writer thread emptied both.
//!
//! So it is reported in that heartbeat or before. The first case leans on the order of clock reads and memory accesses
//! between two processors. The fences give it for memory; a processor may still read its time-stamp counter a little
//! out of order with the accesses around it, so the watermark stays [`CLOCK_SLACK`] behind `t`, which is a thousand
//! times what a processor can run ahead.
//!
//! A write that finds no free slot counts itself in `overflow` in place of steps 1 and 3, and out of it in place of
//! step 5; `W` does not advance while that is not 0. Writes that are instants do all five steps as well.

use crate::limits::CLOCK_SLACK;
use counterfoil_clock::now;
use counterfoil_judge::Time;
use std::cell::Cell;
use std::sync::atomic::{AtomicI64, AtomicU32, AtomicUsize, Ordering, fence};

/// A slot that nobody holds. Later than every begin.
const FREE: i64 = i64::MAX;
/// A slot whose write has not read the clock yet.
const OPENING: i64 = i64::MIN;
/// Distance of the slots at which threads begin to look for a free one: two cache lines.
const SPREAD: usize = 16;
/// How often the writer thread looks again at a slot that is `OPENING`; a clock read is over by then, unless its thread
/// was interrupted.
const LOOKS_MAX: usize = 64;

thread_local! {
    /// Where this thread found its last free slot.
    static HINT: Cell<Option<usize>> = const { Cell::new(None) };
}

/// The slots.
pub(crate) struct OpenWrites {
    slots: Box<[AtomicI64]>,
    overflow: AtomicU32,
}

/// The place of one open write. It must go back by [`OpenWrites::leave`].
#[derive(Debug)]
pub(crate) struct Seat {
    slot: Option<usize>,
    /// Nothing about the write happened before this.
    pub(crate) begin: Time,
}

/// What the writer thread saw.
#[derive(Debug)]
pub(crate) struct Scan {
    /// Once the ring was emptied after the scan, everything begun before this is out of it. `None`: no telling yet.
    pub(crate) watermark: Option<Time>,
    /// Writes that are open.
    pub(crate) open: u32,
}

impl OpenWrites {
    pub(crate) fn new(slots: usize) -> Self {
        Self { slots: (0..slots.max(1)).map(|_| AtomicI64::new(FREE)).collect(), overflow: AtomicU32::new(0) }
    }

    /// Begins a write now.
    pub(crate) fn enter(&self) -> Seat {
        let slot = self.claim();
        if slot.is_none() {
            self.overflow.fetch_add(1, Ordering::SeqCst);
        }
        fence(Ordering::SeqCst);
        let begin = now();
        if let Some(slot) = slot.and_then(|at| self.slots.get(at)) {
            slot.store(begin.0, Ordering::SeqCst);
        }
        Seat { slot, begin }
    }

    /// Ends the write: its event is in the ring or was counted as lost.
    pub(crate) fn leave(&self, seat: &Seat) {
        match seat.slot.and_then(|at| self.slots.get(at)) {
            Some(slot) => slot.store(FREE, Ordering::Release),
            None => {
                self.overflow.fetch_sub(1, Ordering::Release);
            }
        }
    }

    /// What the watermark may be. Only the writer thread calls this, and empties the ring afterwards.
    pub(crate) fn scan(&self) -> Scan {
        let mut watermark = Some(now().minus(i64::try_from(CLOCK_SLACK.as_nanos()).unwrap_or(i64::MAX)));
        fence(Ordering::SeqCst);
        let overflow = self.overflow.load(Ordering::Acquire);
        if overflow > 0 {
            watermark = None;
        }
        let mut open = overflow;
        for slot in &self.slots {
            match settled(slot) {
                FREE => continue,
                OPENING => watermark = None,
                begin => watermark = watermark.map(|at| at.min(Time(begin))),
            }
            open = open.saturating_add(1);
        }
        Scan { watermark, open }
    }

    /// How many writes are open.
    pub(crate) fn count(&self) -> u64 {
        let held = self.slots.iter().filter(|slot| slot.load(Ordering::Relaxed) != FREE).count();
        u64::try_from(held).unwrap_or(u64::MAX).saturating_add(self.overflow.load(Ordering::Relaxed).into())
    }

    fn claim(&self) -> Option<usize> {
        let start = hint() % self.slots.len();
        let from_start = self.slots.iter().enumerate().skip(start);
        let (at, _) = from_start.chain(self.slots.iter().enumerate().take(start)).find(|(_, slot)| {
            slot.load(Ordering::Relaxed) == FREE
                && slot.compare_exchange(FREE, OPENING, Ordering::SeqCst, Ordering::Relaxed).is_ok()
        })?;
        // A thread on its way out has no hint any more; the next search only takes longer.
        HINT.try_with(|hint| hint.set(Some(at))).ok();
        Some(at)
    }
}

/// The slot's value once it is not `OPENING`, if that comes soon. Looking later than the clock was read is sound.
fn settled(slot: &AtomicI64) -> i64 {
    for _ in 1..LOOKS_MAX {
        match slot.load(Ordering::SeqCst) {
            OPENING => std::hint::spin_loop(),
            value => return value,
        }
    }
    slot.load(Ordering::SeqCst)
}

fn hint() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    HINT.try_with(|hint| {
        hint.get().unwrap_or_else(|| {
            let start = THREADS.fetch_add(1, Ordering::Relaxed).wrapping_mul(SPREAD);
            hint.set(Some(start));
            start
        })
    })
    .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crossbeam_queue::ArrayQueue;

    #[test]
    fn the_watermark_stops_at_the_oldest_open_write_and_goes_on_when_it_ends() {
        let open = OpenWrites::new(8);
        let oldest = open.enter();
        let newer = open.enter();
        let scan = open.scan();
        assert!(scan.watermark.unwrap() <= oldest.begin);
        assert_eq!((scan.open, open.count()), (2, 2));
        open.leave(&oldest);
        while open.scan().watermark.unwrap() < newer.begin {}
        assert_eq!(open.scan().watermark.unwrap(), newer.begin);
        open.leave(&newer);
        while open.scan().watermark.unwrap() <= newer.begin {}
        assert_eq!(open.count(), 0);
    }

    #[test]
    fn a_full_registry_holds_the_watermark() {
        let open = OpenWrites::new(2);
        let seats: Vec<_> = (0..3).map(|_| open.enter()).collect();
        assert!(open.scan().watermark.is_none());
        assert_eq!(open.scan().open, 3);
        seats.iter().for_each(|seat| open.leave(seat));
        assert!(open.scan().watermark.is_some());
    }

    #[test]
    fn a_write_that_has_not_read_the_clock_holds_the_watermark() {
        let open = OpenWrites::new(2);
        let slot = open.claim().unwrap();
        assert!(open.scan().watermark.is_none());
        open.leave(&Seat { slot: Some(slot), begin: Time(0) });
        assert!(open.scan().watermark.is_some());
    }

    /// More threads than slots, so that the overflow is exercised too. After each round the writers wait for the
    /// watermark to advance, so that every run has promises to break.
    #[test]
    fn nothing_comes_out_of_the_ring_that_began_before_an_earlier_watermark() {
        const THREADS: usize = 6;
        const ROUNDS: usize = 50;
        const WRITES: usize = 500;
        let (open, ring) = (OpenWrites::new(4), ArrayQueue::<Time>::new(THREADS * WRITES * ROUNDS));
        let (advances, writing) = (AtomicUsize::new(0), AtomicUsize::new(THREADS));
        let write = || {
            for round in 1..=ROUNDS {
                for _ in 0..WRITES {
                    let seat = open.enter();
                    ring.push(seat.begin).unwrap();
                    open.leave(&seat);
                }
                while advances.load(Ordering::Acquire) < round {
                    std::thread::yield_now();
                }
            }
            writing.fetch_sub(1, Ordering::AcqRel);
        };
        let mut late = Vec::new();
        std::thread::scope(|scope| {
            (0..THREADS).for_each(|_| drop(scope.spawn(write)));
            let mut promised = Time::MIN;
            while writing.load(Ordering::Acquire) > 0 || !ring.is_empty() {
                let scan = open.scan();
                for _ in 0..ring.len() {
                    let begin = ring.pop().unwrap();
                    if begin < promised {
                        late.push((begin, promised));
                    }
                }
                if let Some(watermark) = scan.watermark.filter(|&watermark| watermark > promised) {
                    promised = watermark;
                    advances.fetch_add(1, Ordering::Release);
                }
            }
        });
        assert_eq!(late, [], "began before what was promised");
    }
}
