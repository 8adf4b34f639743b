//! The application's threads: they write to the map and to the store, and do it right.
//!
//! Most are fast. A few make store calls as real stores do: slow ones, and ones that time out and are tried again. None of
//! that is a divergence. A key that is being written is left alone: whoever finds it held draws another. So each key has one
//! writer at a time, who lets go of it once the store has answered: the store takes the writes of a key in the map's order,
//! however many threads write to it in turn.

use super::hot::HOT_KEYS;
use super::map::{DemoMap, Held};
use super::write::{change_map, change_store};
use crate::app_store::{AppStore, Client, StoreError};
use crate::pace::Pace;
use crate::random::{Zipf, stream};
use counterfoil_clock::now;
use counterfoil_emitter::{DualWrite, MapEmitter};
use counterfoil_judge::Time;
use rand::Rng;
use rand::rngs::SmallRng;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::thread::{sleep, yield_now};
use std::time::Duration;
use thiserror::Error;

/// Of the writes, this share removes.
const REMOVE_SHARE: f64 = 0.1;
/// One key in so many goes back and forth between two values.
const TOGGLING: usize = 10;
/// Bytes of the other values.
const VALUE_BYTES: std::ops::Range<usize> = 60..250;
/// How long slow store calls take, before and after the store has carried them out.
const SLOW_MS: std::ops::Range<u64> = 10..150;
/// Slow calls go to the more popular keys, but to each as often.
const SLOW_RANKS: usize = 2_000;
/// Of the slow calls, this share times out and is tried again.
const RETRY_SHARE: f64 = 0.5;
/// Of the attempts that time out, this share was carried out all the same.
const APPLIED_SHARE: f64 = 0.5;

/// A map, and the handle that reports its writes.
pub(super) struct ReportedMap<'a> {
    pub(super) map: &'a DemoMap,
    pub(super) emitter: MapEmitter,
}

/// What all threads share.
pub(super) struct Crew<'a> {
    /// The keys of unequal popularity.
    pub(super) shared: ReportedMap<'a>,
    pub(super) keys: &'a Zipf,
    /// The keys that never rest.
    pub(super) hot: ReportedMap<'a>,
    /// The share of the fast threads' writes that goes to hot keys, from 0 to 1.
    pub(super) hot_share: f64,
    pub(super) store: &'a AppStore,
    pub(super) seed: u64,
    /// When to stop.
    pub(super) until: Time,
    /// Set to stop at once.
    pub(super) stop: &'a AtomicBool,
    /// When the last of the fast threads stopped, in nanoseconds of `CLOCK_BOOTTIME`.
    pub(super) ended: &'a AtomicI64,
}

/// Why an attempt did not return well.
#[derive(Debug, Error)]
enum AttemptError {
    #[error("timed out")]
    TimedOut,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// One thread's own things.
struct Hand<'a> {
    crew: &'a Crew<'a>,
    client: Box<dyn Client>,
    rng: SmallRng,
    number: u64,
    writes: u64,
}

impl Crew<'_> {
    /// Writes at `rate` per second until it is time to stop.
    pub(super) fn write_fast(&self, number: u64, rate: f64) -> Result<(), StoreError> {
        let result = self.write_at(number, rate);
        self.ended.fetch_max(now().0, Ordering::Relaxed);
        result
    }

    fn write_at(&self, number: u64, rate: f64) -> Result<(), StoreError> {
        let mut hand = self.hand(number)?;
        let mut pace = Pace::new(rate);
        while self.goes_on() {
            pace.wait();
            let (emitter, rank, mut held) = hand.draw_any();
            let value = hand.value(rank, &held);
            let mut write = change_map(emitter, &mut held, value.as_deref());
            write.store(|| change_store(hand.client.as_mut(), &held, value.as_deref()))?;
        }
        Ok(())
    }

    /// Makes slow store calls, one after the other, until it is time to stop.
    pub(super) fn write_slowly(&self, number: u64) -> Result<(), StoreError> {
        let mut hand = self.hand(number)?;
        while self.goes_on() {
            let (rank, mut held) = hand.draw(self.shared.map, |rng| rng.random_range(0..SLOW_RANKS));
            let value = hand.value(rank, &held);
            let mut write = change_map(&self.shared.emitter, &mut held, value.as_deref());
            if hand.rng.random_bool(RETRY_SHARE) {
                match hand.time_out(&mut write, &held, value.as_deref()) {
                    Err(AttemptError::Store(error)) => return Err(error),
                    Err(AttemptError::TimedOut) | Ok(()) => {}
                }
            }
            hand.call_slowly(&mut write, &held, value.as_deref())?;
        }
        Ok(())
    }

    fn hand(&self, number: u64) -> Result<Hand<'_>, StoreError> {
        let rng = stream(self.seed, number);
        Ok(Hand { crew: self, client: self.store.client()?, rng, number, writes: 0 })
    }

    fn goes_on(&self) -> bool {
        now() < self.until && !self.stop.load(Ordering::Relaxed)
    }
}

impl<'a> Hand<'a> {
    /// A key that nobody holds, hot or not, and who reports its writes.
    fn draw_any(&mut self) -> (&'a MapEmitter, usize, Held<'a>) {
        let Crew { shared, keys, hot, hot_share, .. } = self.crew;
        if *hot_share > 0.0 && self.rng.random_bool(*hot_share) {
            let (number, held) = self.draw(hot.map, |rng| rng.random_range(0..HOT_KEYS));
            return (&hot.emitter, number, held);
        }
        let (rank, held) = self.draw(shared.map, |rng| keys.draw(rng));
        (&shared.emitter, rank, held)
    }

    /// A key of `map` that nobody holds.
    fn draw(&mut self, map: &'a DemoMap, rank: impl Fn(&mut SmallRng) -> usize) -> (usize, Held<'a>) {
        loop {
            let rank = rank(&mut self.rng);
            if let Some(held) = map.try_hold(rank) {
                return (rank, held);
            }
            // More threads than hot keys would find every one of them held.
            yield_now();
        }
    }

    /// The next value for a key, or none for a remove. A key that is frozen is not removed.
    fn value(&mut self, rank: usize, held: &Held<'_>) -> Option<Vec<u8>> {
        self.writes += 1;
        if self.rng.random_bool(REMOVE_SHARE) && !held.is_frozen() {
            return None;
        }
        if rank.is_multiple_of(TOGGLING) {
            return Some(if self.rng.random_bool(0.5) { b"on".to_vec() } else { b"off".to_vec() });
        }
        let length = self.rng.random_range(VALUE_BYTES);
        Some(format!("{:-<length$}", format!("writer {} write {} ", self.number, self.writes)).into_bytes())
    }

    /// A store call that takes its time before and after it is carried out.
    fn call_slowly(
        &mut self,
        write: &mut DualWrite,
        held: &Held<'_>,
        value: Option<&[u8]>,
    ) -> Result<(), StoreError> {
        let [before, after] = self.waits();
        write.store(|| {
            sleep(before);
            let result = change_store(self.client.as_mut(), held, value);
            sleep(after);
            result
        })
    }

    /// A store call of which the application hears nothing: it may or may not have been carried out.
    fn time_out(
        &mut self,
        write: &mut DualWrite,
        held: &Held<'_>,
        value: Option<&[u8]>,
    ) -> Result<(), AttemptError> {
        let [before, after] = self.waits();
        let applied = self.rng.random_bool(APPLIED_SHARE);
        write.store(|| {
            sleep(before);
            if applied {
                change_store(self.client.as_mut(), held, value)?;
            }
            sleep(after);
            Err(AttemptError::TimedOut)
        })
    }

    fn waits(&mut self) -> [Duration; 2] {
        std::array::from_fn(|_| Duration::from_millis(self.rng.random_range(SLOW_MS)))
    }
}
