//! The application's threads: they write to the map and to the store, and do it right.
//!
//! Most are fast. A few make store calls as real stores do: slow ones, and ones that time out and are tried again. None of
//! that is a divergence. A key that is being written is left alone: whoever finds it held draws another.

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
use std::thread::sleep;
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

/// What all threads share.
pub(super) struct Crew<'a> {
    pub(super) map: &'a DemoMap,
    pub(super) keys: &'a Zipf,
    pub(super) emitter: MapEmitter,
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
            let (rank, mut held) = hand.draw(|rng| self.keys.draw(rng));
            let value = hand.value(rank);
            let mut write = change_map(&self.emitter, &mut held, value.as_deref());
            write.store(|| change_store(hand.client.as_mut(), held.key, value.as_deref()))?;
        }
        Ok(())
    }

    /// Makes slow store calls, one after the other, until it is time to stop.
    pub(super) fn write_slowly(&self, number: u64) -> Result<(), StoreError> {
        let mut hand = self.hand(number)?;
        while self.goes_on() {
            let (rank, mut held) = hand.draw(|rng| rng.random_range(0..SLOW_RANKS));
            let value = hand.value(rank);
            let mut write = change_map(&self.emitter, &mut held, value.as_deref());
            if hand.rng.random_bool(RETRY_SHARE) {
                match hand.time_out(&mut write, held.key, value.as_deref()) {
                    Err(AttemptError::Store(error)) => return Err(error),
                    Err(AttemptError::TimedOut) | Ok(()) => {}
                }
            }
            hand.call_slowly(&mut write, held.key, value.as_deref())?;
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
    /// A key that nobody holds.
    fn draw(&mut self, rank: impl Fn(&mut SmallRng) -> usize) -> (usize, Held<'a>) {
        loop {
            let rank = rank(&mut self.rng);
            if let Some(held) = self.crew.map.try_hold(rank) {
                return (rank, held);
            }
        }
    }

    /// The next value for a key, or none for a remove.
    fn value(&mut self, rank: usize) -> Option<Vec<u8>> {
        self.writes += 1;
        if self.rng.random_bool(REMOVE_SHARE) {
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
        key: &str,
        value: Option<&[u8]>,
    ) -> Result<(), StoreError> {
        let [before, after] = self.waits();
        write.store(|| {
            sleep(before);
            let result = change_store(self.client.as_mut(), key, value);
            sleep(after);
            result
        })
    }

    /// A store call of which the application hears nothing: it may or may not have been carried out.
    fn time_out(
        &mut self,
        write: &mut DualWrite,
        key: &str,
        value: Option<&[u8]>,
    ) -> Result<(), AttemptError> {
        let [before, after] = self.waits();
        let applied = self.rng.random_bool(APPLIED_SHARE);
        write.store(|| {
            sleep(before);
            if applied {
                change_store(self.client.as_mut(), key, value)?;
            }
            sleep(after);
            Err(AttemptError::TimedOut)
        })
    }

    fn waits(&mut self) -> [Duration; 2] {
        std::array::from_fn(|_| Duration::from_millis(self.rng.random_range(SLOW_MS)))
    }
}
