//! How the stores are: told in metrics and, once when it changes, in the log.

use crate::budget::{State, Status};
use crate::metrics;
use crate::store::{Reader, StoreError};
use ::metrics::{Counter, Gauge, Histogram};
use counterfoil_clock::{Throttle, now};
use counterfoil_judge::Interval;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

/// What was told last of each store, in the order of the contracts' readers; for whoever asks.
pub(crate) struct Told<T>(Mutex<Vec<T>>);

impl<T> Default for Told<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T: Clone> Told<T> {
    /// That of each store; empty before anything was told.
    pub(crate) fn get(&self) -> Vec<T> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set(&self, told: Vec<T>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = told;
    }
}

/// Series of one store, and the state that was told last.
pub(super) struct StoreSeries {
    name: String,
    pub(super) reads: ReadSeries,
    delay: Histogram,
    allowed: Gauge,
    states: [(&'static str, Gauge); State::LABELS.len()],
    told: State,
}

/// Series of a store's reads.
#[derive(Clone)]
pub(super) struct ReadSeries {
    reads: Counter,
    keys: Counter,
    pub(super) key_errors: Counter,
    seconds: Histogram,
    errors: [(&'static str, Counter); StoreError::LABELS.len()],
    log: Arc<Throttle>,
}

impl ReadSeries {
    /// A read of `keys` keys was made within `at`.
    pub(super) fn read(&self, keys: usize, at: Interval) {
        self.reads.increment(1);
        self.keys.increment(keys as u64);
        self.seconds.record(seconds(at.end.since(at.begin)));
    }

    /// A read of `store` told nothing about `map`.
    pub(super) fn failed(&self, store: &str, map: &str, error: &StoreError) {
        if let Some(unsaid) = self.log.allows(now()) {
            tracing::warn!(store, map, %error, unsaid, "a read of the store told nothing");
        }
        let of_it = self.errors.iter().find(|(label, _)| *label == error.label());
        of_it.into_iter().for_each(|(_, count)| count.increment(1));
    }
}

impl StoreSeries {
    pub(super) fn new(reader: &Reader) -> Self {
        let store = [("store", reader.name())];
        let error =
            |label| (label, metrics::READ_ERRORS.counter(&[("store", reader.name()), ("reason", label)]));
        let state =
            |label| (label, metrics::STORE_STATE.gauge(&[("store", reader.name()), ("state", label)]));
        let series = Self {
            name: reader.name().to_owned(),
            reads: ReadSeries {
                reads: metrics::READS.counter(&store),
                keys: metrics::READ_KEYS.counter(&store),
                key_errors: metrics::KEY_ERRORS.counter(&store),
                seconds: metrics::READ_SECONDS.histogram(&store),
                errors: StoreError::LABELS.map(error),
                log: Arc::new(Throttle::new()),
            },
            delay: metrics::PROBE_DELAY.histogram(&store),
            allowed: metrics::ALLOWED.gauge(&store),
            states: State::LABELS.map(state),
            told: State::Healthy,
        };
        series.set_state(State::Healthy);
        series
    }

    /// A read is sent off whose first key was due `delay` nanoseconds ago.
    pub(super) fn sent(&self, delay: i64) {
        self.delay.record(seconds(delay));
    }

    /// Tells how the store is.
    pub(super) fn set(&mut self, status: &Status) {
        self.allowed.set(status.keys_per_s.unwrap_or(f64::INFINITY));
        if status.state != self.told {
            self.told = status.state;
            self.set_state(status.state);
            self.log(status);
        }
    }

    fn set_state(&self, state: State) {
        for (label, gauge) in &self.states {
            gauge.set(f64::from(u8::from(*label == state.label())));
        }
    }

    fn log(&self, status: &Status) {
        let store = &self.name;
        match status.state {
            State::Down(reason) => {
                tracing::warn!(store, reason, "the store does not answer and is left alone")
            }
            State::Refusing => {
                tracing::warn!(store, "the store refuses the query of a map, which cannot be checked")
            }
            State::Slow => {
                tracing::info!(
                    store,
                    keys_per_s = status.keys_per_s,
                    "the store is strained and is read less"
                );
            }
            State::Healthy => tracing::info!(store, "the store is read as fast as its budget allows"),
        }
    }
}

fn seconds(nanoseconds: i64) -> f64 {
    Duration::from_nanos(u64::try_from(nanoseconds).unwrap_or(0)).as_secs_f64()
}
