//! One write to both sides, from its begin to its event.

use crate::event::{Content, Marks, happened};
use crate::map::{MapEmitter, number};
use crate::open::Seat;
use counterfoil_clock::now;
use counterfoil_judge::{Interval, Reported, StoreOutcome, Time};

/// One write to both sides. When it goes, by [`DualWrite::finish`] or any other way, the one event that carries both
/// legs is emitted:
///
/// - a leg that never began is not in it; without a store leg, the map's contract supplies one,
/// - a store leg that began and was not told an outcome (the call panicked, the future was cancelled) is `Unknown`,
/// - a map leg whose closure panicked lasted until now; whether the map changed nobody knows, so if there is no store
///   leg yet, there is one that is `Unknown`: doubt, not a verdict,
/// - if neither side changed (no map leg, and a store leg that is missing or `Failed`), there is no event.
///
/// A guard that is leaked (`mem::forget`) holds the emitter's watermark for ever.
pub struct DualWrite {
    map: MapEmitter,
    seat: Seat,
    content: Option<Result<Content, usize>>,
    marks: Marks,
    map_leg: Leg,
    store_leg: Leg,
    outcome: Option<StoreOutcome>,
}

/// How far a leg has come.
#[derive(Clone, Copy)]
enum Leg {
    NotBegun,
    Begun(Time),
    Over(Interval),
}

impl Leg {
    /// Begins, or goes on if it began before: a leg that is tried again keeps its first begin.
    fn begin(&mut self) {
        *self = Self::Begun(match *self {
            Self::NotBegun => now(),
            Self::Begun(begin) => begin,
            Self::Over(leg) => leg.begin,
        });
    }

    /// Ends now, or a second time and later. A leg that is only known to have ended began when the write did.
    fn end(&mut self, write_begin: Time) {
        let begin = match *self {
            Self::NotBegun => write_begin,
            Self::Begun(begin) => begin,
            Self::Over(leg) => leg.begin,
        };
        *self = Self::Over(Interval::new(begin, now()));
    }

    /// Its interval when the write is over.
    fn close(self) -> Option<Interval> {
        match self {
            Self::NotBegun => None,
            Self::Begun(begin) => Some(Interval::new(begin, now())),
            Self::Over(leg) => Some(leg),
        }
    }
}

impl DualWrite {
    pub(crate) fn new(map: MapEmitter, seat: Seat, content: Result<Content, usize>, marks: Marks) -> Self {
        let (map_leg, store_leg) = (Leg::NotBegun, Leg::NotBegun);
        Self { map, seat, content: Some(content), marks, map_leg, store_leg, outcome: None }
    }

    /// Calls `change`, which changes the map, and takes the map leg's interval.
    pub fn map<R>(&mut self, change: impl FnOnce() -> R) -> R {
        self.map_began();
        let result = change();
        self.map_ended();
        result
    }

    /// The map is about to change; for code that cannot use a closure.
    pub fn map_began(&mut self) {
        self.map_leg.begin();
    }

    /// The map has changed.
    pub fn map_ended(&mut self) {
        self.map_leg.end(self.seat.begin);
    }

    /// Calls `write`, which writes to the store, and takes the store leg's interval and outcome: an error leaves the
    /// outcome unknown, as the write may have reached the store or may still reach it.
    ///
    /// # Errors
    ///
    /// What `write` returned, untouched.
    pub fn store<T, E>(&mut self, write: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        self.store_with(write, |_| StoreOutcome::Unknown)
    }

    /// As [`DualWrite::store`], where `outcome_of` tells errors after which the write was certainly not applied
    /// ([`StoreOutcome::Failed`], such as a refused connection or a broken constraint) from those after which nobody
    /// knows ([`StoreOutcome::Unknown`], such as a time-out).
    ///
    /// # Errors
    ///
    /// What `write` returned, untouched.
    pub fn store_with<T, E>(
        &mut self,
        write: impl FnOnce() -> Result<T, E>,
        outcome_of: impl FnOnce(&E) -> StoreOutcome,
    ) -> Result<T, E> {
        self.store_began();
        let result = write();
        // The classifier is no part of the call; should it panic, the outcome is unknown.
        self.store_leg.end(self.seat.begin);
        let before = self.outcome.take();
        let outcome = result.as_ref().map_or_else(outcome_of, |_| StoreOutcome::Ok);
        self.outcome = before;
        self.settle(outcome);
        result
    }

    /// The store call is about to be made; for asynchronous code.
    pub fn store_began(&mut self) {
        self.store_leg.begin();
    }

    /// The store call has returned, or was given up. After several calls the leg lasts from the first begin to the
    /// last end, and the last outcome counts, except that a call that certainly did nothing leaves what was so before.
    pub fn store_ended(&mut self, outcome: StoreOutcome) {
        self.store_leg.end(self.seat.begin);
        self.settle(outcome);
    }

    /// The write's position in the map's own order. It must come from a counter that is read under the lock that
    /// guards the change; the comparator then orders the map's changes by it, within this process. 2^64 - 1 is taken
    /// as none.
    pub fn order(&mut self, order: u64) {
        self.marks.map_order = number(Some(order));
    }

    /// A version that the application stores along and that grows with each write of the key. 2^64 - 1 is taken as
    /// none.
    pub fn version(&mut self, version: u64) {
        self.marks.version = number(Some(version));
    }

    /// Ends the write and emits its event.
    pub fn finish(self) {}

    /// There is no store call: the map, which has changed, follows the store or drops a value. On the wire that is a
    /// call that was certainly not applied, at the instants of the map leg.
    pub(crate) fn without_store_call(&mut self) {
        self.store_leg = self.map_leg;
        self.outcome = Some(StoreOutcome::Failed);
    }

    fn settle(&mut self, outcome: StoreOutcome) {
        self.outcome = match (self.outcome, outcome) {
            (Some(before), StoreOutcome::Failed) => Some(before),
            (_, outcome) => Some(outcome),
        };
    }

    fn legs(&self) -> Reported {
        let map = self.map_leg.close();
        let in_doubt = matches!(self.map_leg, Leg::Begun(_));
        let store = match (self.store_leg, self.outcome) {
            (Leg::NotBegun, _) => map.filter(|_| in_doubt).map(|leg| (leg, StoreOutcome::Unknown)),
            (Leg::Begun(_), _) => self.store_leg.close().map(|leg| (leg, StoreOutcome::Unknown)),
            (Leg::Over(leg), outcome) => Some((leg, outcome.unwrap_or(StoreOutcome::Unknown))),
        };
        Reported { map, store }
    }
}

impl Drop for DualWrite {
    fn drop(&mut self) {
        let legs = self.legs();
        if happened(&legs)
            && let Some(content) = self.content.take()
        {
            self.map.finish(content, legs, std::mem::take(&mut self.marks));
        }
        self.map.shared.open.leave(&self.seat);
    }
}
