//! The ledger of lost events: counted by the application's threads, declared by the writer thread.
//!
//! # No loss is lost or counted twice
//!
//! A thread that loses an event tries the stripes, each a tally of its own behind a lock that is held for a few
//! instructions, and adds to the first that it gets *without waiting*. Count, time and bucket change under the one lock,
//! and the writer thread takes the whole tally under the same lock: each loss is in exactly one taking, with its bucket.
//!
//! If every stripe is held at that moment, the thread adds one to a hurried count: an atomic that the writer thread
//! takes by a swap, so again in exactly one taking. What is not known then is which key it was about and when, so such
//! losses are declared as "any key", from the watermark of the last heartbeat until now. That is true: a write is
//! counted before it gives its slot back, so one that began before that watermark was counted before that heartbeat
//! was made, and was taken with it. Those whose store leg has not ended have a count of their own.

use counterfoil_judge::{Interval, Time};
use counterfoil_proto::{BucketSet, LossReason};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

const STRIPES: usize = 8;

/// Why an event is lost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reason {
    /// No room in the ring.
    RingFull,
    /// Key, value or frame too large.
    Limit,
    /// The sidecar does not know the map.
    UnknownMap,
    /// The emitter was closed while the write was open, or the sidecar would not take its frame.
    Abandoned,
}

impl Reason {
    pub(crate) const ALL: [Self; 4] = [Self::RingFull, Self::Limit, Self::UnknownMap, Self::Abandoned];

    pub(crate) fn wire(self) -> LossReason {
        match self {
            Self::RingFull => LossReason::RingFull,
            Self::Limit => LossReason::Limit,
            Self::UnknownMap | Self::Abandoned => LossReason::Unspecified,
        }
    }
}

/// One thing for each reason.
#[derive(Debug, Default)]
pub(crate) struct PerReason<T> {
    ring_full: T,
    limit: T,
    unknown_map: T,
    abandoned: T,
}

impl<T> PerReason<T> {
    pub(crate) fn of(&self, reason: Reason) -> &T {
        match reason {
            Reason::RingFull => &self.ring_full,
            Reason::Limit => &self.limit,
            Reason::UnknownMap => &self.unknown_map,
            Reason::Abandoned => &self.abandoned,
        }
    }

    fn of_mut(&mut self, reason: Reason) -> &mut T {
        match reason {
            Reason::RingFull => &mut self.ring_full,
            Reason::Limit => &mut self.limit,
            Reason::UnknownMap => &mut self.unknown_map,
            Reason::Abandoned => &mut self.abandoned,
        }
    }
}

/// One lost event.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lost {
    pub(crate) reason: Reason,
    pub(crate) bucket: usize,
    pub(crate) during: Interval,
}

/// Lost events of one reason, together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Tally {
    pub(crate) count: u64,
    pub(crate) during: Interval,
    pub(crate) buckets: BucketSet,
}

impl Tally {
    fn of(lost: &Lost) -> Self {
        let mut buckets = BucketSet::none();
        buckets.insert(lost.bucket);
        Self { count: 1, during: lost.during, buckets }
    }

    fn add(&mut self, lost: &Lost) {
        self.count += 1;
        self.during = self.during.hull(lost.during);
        self.buckets.insert(lost.bucket);
    }

    fn merge(&mut self, other: Self) {
        self.count += other.count;
        self.during = self.during.hull(other.during);
        self.buckets = match (std::mem::replace(&mut self.buckets, BucketSet::All), other.buckets) {
            (BucketSet::Some(mut own), BucketSet::Some(others)) => {
                own.iter_mut().zip(others.iter()).for_each(|(own, other)| *own |= other);
                BucketSet::Some(own)
            }
            _ => BucketSet::All,
        };
    }
}

type Tallies = PerReason<Option<Tally>>;

#[derive(Default)]
pub(crate) struct Losses {
    stripes: [Mutex<Tallies>; STRIPES],
    hurried: PerReason<Hurried>,
}

/// Losses of which only this much was noted.
#[derive(Default)]
struct Hurried {
    ended: AtomicU64,
    /// Their store leg may still land.
    unended: AtomicU64,
}

impl Hurried {
    fn count(&self, lost: &Lost) {
        let counter = if lost.during.end == Time::MAX { &self.unended } else { &self.ended };
        counter.fetch_add(1, Ordering::AcqRel);
    }

    fn take(&self, since: Time, until: Time) -> impl Iterator<Item = Tally> {
        let tally = |counter: &AtomicU64, until| Tally {
            count: counter.swap(0, Ordering::AcqRel),
            during: Interval::new(since, until),
            buckets: BucketSet::All,
        };
        let tallies = [tally(&self.ended, until), tally(&self.unended, Time::MAX)];
        tallies.into_iter().filter(|tally| tally.count > 0)
    }
}

impl Losses {
    /// Counts one loss, without waiting.
    pub(crate) fn count(&self, lost: &Lost) {
        match self.stripes.iter().find_map(try_lock) {
            Some(mut tallies) => match tallies.of_mut(lost.reason) {
                Some(tally) => tally.add(lost),
                none => *none = Some(Tally::of(lost)),
            },
            None => self.hurried.of(lost.reason).count(lost),
        }
    }

    /// Takes everything counted so far, by reason. `since` is the watermark of the last heartbeat, `until` the present.
    pub(crate) fn take(&self, since: Time, until: Time) -> Vec<(Reason, Tally)> {
        let mut taken: Vec<Tallies> =
            self.stripes.iter().map(|stripe| std::mem::take(&mut *lock(stripe))).collect();
        let of_reason = |reason| {
            let hurried = self.hurried.of(reason).take(since, until);
            let tallies = taken.iter_mut().filter_map(|tallies| tallies.of_mut(reason).take()).chain(hurried);
            let sum = tallies.reduce(|mut sum, tally| {
                sum.merge(tally);
                sum
            })?;
            Some((reason, sum))
        };
        Reason::ALL.into_iter().filter_map(of_reason).collect()
    }
}

/// A thread that panicked under the lock (an allocation that failed) left a tally that is whole or was not begun.
fn try_lock(stripe: &Mutex<Tallies>) -> Option<MutexGuard<'_, Tallies>> {
    match stripe.try_lock() {
        Ok(tallies) => Some(tallies),
        Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => None,
    }
}

fn lock(stripe: &Mutex<Tallies>) -> MutexGuard<'_, Tallies> {
    stripe.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use std::sync::atomic::AtomicBool;

    fn lost(reason: Reason, bucket: usize, begin: i64) -> Lost {
        Lost { reason, bucket, during: Interval::new(Time(begin), Time(begin + 1)) }
    }

    #[test]
    fn losses_are_taken_once_by_reason_with_their_time_and_their_buckets() {
        let losses = Losses::default();
        losses.count(&lost(Reason::RingFull, 3, 10));
        losses.count(&lost(Reason::RingFull, 1023, 5));
        losses.count(&lost(Reason::Limit, 7, 20));
        let taken = losses.take(Time(0), Time(99));
        let [(Reason::RingFull, full), (Reason::Limit, limit)] = &taken[..] else { panic!("{taken:?}") };
        assert_eq!((full.count, full.during), (2, Interval::new(Time(5), Time(11))));
        let set: Vec<_> = (0..1024).filter(|&bucket| full.buckets.contains(bucket)).collect();
        assert_eq!(set, [3, 1023]);
        assert_eq!((limit.count, limit.buckets.contains(7)), (1, true));
        assert_eq!(losses.take(Time(0), Time(99)), []);
    }

    #[test]
    fn a_thread_that_gets_no_stripe_declares_any_key_since_the_last_watermark() {
        let losses = Losses::default();
        losses.count(&lost(Reason::RingFull, 3, 50));
        {
            let held: Vec<_> = losses.stripes.iter().map(lock).collect();
            losses.count(&lost(Reason::RingFull, 4, 60));
            let during = Interval::new(Time(61), Time::MAX);
            losses.count(&Lost { reason: Reason::Limit, bucket: 5, during });
            drop(held);
        }
        let during = Interval::new(Time(40), Time(70));
        let expected = Tally { count: 2, during, buckets: BucketSet::All };
        let during = Interval::new(Time(40), Time::MAX);
        let unended = Tally { count: 1, during, buckets: BucketSet::All };
        let expected = [(Reason::RingFull, expected), (Reason::Limit, unended)];
        assert_eq!(losses.take(Time(40), Time(70)), expected);
    }

    #[test]
    fn counting_while_taking_neither_loses_nor_doubles() {
        const THREADS: u64 = 12;
        const EACH: u64 = 20_000;
        let (losses, counting) = (Losses::default(), AtomicBool::new(true));
        let taken: u64 = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS)
                .map(|_| scope.spawn(|| (0..EACH).for_each(|_| losses.count(&lost(Reason::RingFull, 1, 1)))))
                .collect();
            let taker = scope.spawn(|| {
                let mut sum = 0;
                loop {
                    let last = !counting.load(Ordering::Acquire);
                    sum += losses.take(Time(0), Time(1)).iter().map(|(_, tally)| tally.count).sum::<u64>();
                    if last {
                        return sum;
                    }
                }
            });
            threads.into_iter().for_each(|thread| thread.join().unwrap());
            counting.store(false, Ordering::Release);
            taker.join().unwrap()
        });
        assert_eq!(taken, THREADS * EACH);
    }
}
