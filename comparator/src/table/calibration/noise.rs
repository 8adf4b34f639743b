//! Whether a store says the same of a row twice.
//!
//! A query may give another value for the same row each time: by `now()` or `random()`, by an aggregate without an order, or
//! because the server writes a value as it likes. Then nothing ever agrees, whatever the form is. So some keys are read
//! twice in a row until their check is calibrated, and it is counted how many of them differ. A write may come between
//! the two reads of a key, so a few that differ mean nothing: the store is *noisy* once four in five differ, and
//! [`DIFFERING_MIN`] at least. Each key is read twice once, and [`KEYS_MAX`] of a check in all.
//!
//! What is judged is the first read, as if there were no second one.

use super::are_nearly_all;
use super::hints::{Hints, Tally};
use crate::contract::MapId;
use crate::table::{Observed, Probe, Table};
use bytes::Bytes;
use counterfoil_digest::Hint;
use std::collections::HashSet;

/// Most keys of a check that are read twice.
const KEYS_MAX: usize = 256;

/// As long as fewer differ, they may all have been written between the reads.
const DIFFERING_MIN: u32 = 5;

/// What a store said of the keys of a check that were read twice in a row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StoreNoise {
    /// Keys that were read twice, and had a value in one of the reads at least.
    pub keys_read_twice: u32,
    /// Those of them whose two answers differ.
    pub differing: u32,
    /// Whether so many differ that the store gives another value for the same row each time.
    pub is_noisy: bool,
    /// Where the answers differ: on the left the first one, on the right the second.
    pub hints: Hints,
}

impl Table {
    /// Whether more keys of `map` are to be read twice.
    #[must_use]
    pub fn reads_twice(&self, map: MapId) -> bool {
        let check = self.rules.calibrations.uncalibrated(map);
        check.is_some_and(|check| check.noise().room() > 0)
    }

    /// Chooses which of `probes` of `map` are to be read twice, `limit` of them at most. Gives how many.
    #[must_use]
    pub fn choose_twice(&self, map: MapId, probes: &mut [Probe], limit: usize) -> usize {
        let check = self.rules.calibrations.uncalibrated(map);
        check.map_or(0, |check| check.noise().choose(probes, limit))
    }

    /// Nothing was read of these keys of `map`: those that were to be read twice may be chosen again.
    pub fn release_twice(&self, map: MapId, unseen: &[Observed]) {
        let Some(check) = self.rules.calibrations.uncalibrated(map) else { return };
        let chosen = unseen.iter().map(|observed| &observed.probe).filter(|probe| probe.is_read_twice);
        chosen.for_each(|probe| check.noise().release(&probe.key));
    }

    /// Keys of `map` were read twice: where the two answers of each differ. Gives whether the store is found to be noisy by that,
    /// which is so once.
    #[must_use]
    pub fn read_twice(&self, map: MapId, keys: &[Vec<Hint>]) -> bool {
        let check = self.rules.calibrations.0.get(map.index());
        check.is_some_and(|check| check.noise().learn(keys))
    }

    /// What the store said of the keys of `map` that were read twice; `None` without a contract.
    #[must_use]
    pub fn store_noise(&self, map: MapId) -> Option<StoreNoise> {
        self.rules.calibrations.0.get(map.index()).map(|check| check.noise().told())
    }
}

/// What is known of the noise of one check's store.
#[derive(Default)]
pub(super) struct Noise {
    /// Keys that were read twice, or are about to be.
    chosen: HashSet<Bytes>,
    keys_read_twice: u32,
    differing: u32,
    tally: Tally,
    is_told: bool,
}

impl Noise {
    fn room(&self) -> usize {
        KEYS_MAX.saturating_sub(self.chosen.len())
    }

    fn choose(&mut self, probes: &mut [Probe], limit: usize) -> usize {
        let room = self.room().min(limit);
        let mut count = 0;
        for probe in probes {
            if count < room && self.chosen.insert(probe.key.clone()) {
                probe.is_read_twice = true;
                count += 1;
            }
        }
        count
    }

    fn release(&mut self, key: &[u8]) {
        self.chosen.remove(key);
    }

    fn learn(&mut self, keys: &[Vec<Hint>]) -> bool {
        for hints in keys {
            self.keys_read_twice += 1;
            if !hints.is_empty() {
                self.differing += 1;
                self.tally.add(hints);
            }
        }
        let is_news = self.is_noisy() && !self.is_told;
        self.is_told |= is_news;
        is_news
    }

    fn is_noisy(&self) -> bool {
        self.differing >= DIFFERING_MIN && are_nearly_all(self.differing, self.keys_read_twice)
    }

    fn told(&self) -> StoreNoise {
        StoreNoise {
            keys_read_twice: self.keys_read_twice,
            differing: self.differing,
            is_noisy: self.is_noisy(),
            hints: self.tally.hints(),
        }
    }
}

#[cfg(test)]
mod tests;
