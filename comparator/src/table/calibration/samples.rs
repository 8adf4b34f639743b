//! Writes of which it is told how else their values may be spelled, until a read has found another value beside them.

use crate::table::{Arrival, Printed};
use bytes::Bytes;
use counterfoil_keys::KeyNumber;
use std::collections::VecDeque;
use std::sync::Arc;

/// Most writes kept of a check, each with some kilobytes of spellings; with more, the first goes.
const SAMPLES_MAX: usize = 32;

/// Writes of one check, one of a key at most.
#[derive(Default)]
pub(super) struct Samples(VecDeque<Sample>);

struct Sample {
    key: Bytes,
    digested_under: KeyNumber,
    spellings: Arc<Printed>,
}

impl Samples {
    /// Keeps a write, in place of an earlier one to the same key.
    pub(super) fn keep(&mut self, arrival: &Arrival<'_>) {
        self.forget(arrival.key);
        if self.0.len() >= SAMPLES_MAX {
            self.0.pop_front();
        }
        let printed =
            Printed { id: arrival.write.id, digest: arrival.write.digest, prints: arrival.spellings.into() };
        self.0.push_back(Sample {
            key: Bytes::copy_from_slice(arrival.key),
            digested_under: arrival.digested_under,
            spellings: Arc::new(printed),
        });
    }

    /// The spellings of the write to `key`, if they are under that deployment key.
    pub(super) fn of(&self, key: &[u8], digested_under: KeyNumber) -> Option<Arc<Printed>> {
        let is_it = |sample: &&Sample| sample.key == key && sample.digested_under == digested_under;
        self.0.iter().find(is_it).map(|sample| sample.spellings.clone())
    }

    /// The write to `key` is of no more use.
    pub(super) fn forget(&mut self, key: &[u8]) {
        self.0.retain(|sample| sample.key != key);
    }
}
