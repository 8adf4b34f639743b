//! Rows of a store that was gone through: which of them the table knows, and which nobody may have told of.

use super::{Calibration, Table, lock, shard_of};
use crate::contract::MapId;
use counterfoil_digest::key_hash;
use counterfoil_judge::{Time, WriteId};

/// Stands for whoever wrote what no source told of.
pub(crate) const NOBODY: WriteId = WriteId { source: u32::MAX, seq: 0 };

/// Why nothing can be said of a row that the table does not know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Unknown {
    /// Not every source of the map has told all that it holds.
    NoSnapshot,
    /// Something of its bucket was lost or forgotten since.
    Doubt,
    /// The two sides were not seen yet to write values, and so perhaps keys, in the same form.
    Representation,
    /// So many are looked at already that the table has no room for more.
    Room,
}

impl Unknown {
    /// Each of them, in the order of the metrics.
    pub const ALL: [Self; 4] = [Self::NoSnapshot, Self::Doubt, Self::Representation, Self::Room];

    /// As a metric label and in the API.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::NoSnapshot => "no_snapshot",
            Self::Doubt => "doubt",
            Self::Representation => "representation",
            Self::Room => "room",
        }
    }
}

/// What some rows of a store were to the table.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Rows {
    /// A source told of the key.
    pub known: u64,
    /// No map knows the key, as far as is known: it is looked at again, or is told as an orphan already.
    pub suspected: u64,
    /// Nothing can be said, in the order of [`Unknown::ALL`].
    pub unknown: [u64; Unknown::ALL.len()],
}

impl Rows {
    /// All of them.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.known + self.suspected + self.unknown.iter().sum::<u64>()
    }

    /// Counts more.
    pub fn add(&mut self, more: &Self) {
        self.known += more.known;
        self.suspected += more.suspected;
        self.unknown.iter_mut().zip(more.unknown).for_each(|(sum, more)| *sum += more);
    }

    fn found(&mut self, found: Found) {
        match found {
            Found::Known => self.known += 1,
            Found::Suspected => self.suspected += 1,
            Found::Unknown(why) => {
                let at = Unknown::ALL.iter().position(|other| *other == why);
                if let Some(count) = at.and_then(|at| self.unknown.get_mut(at)) {
                    *count += 1;
                }
            }
        }
    }
}

/// What one row is to the table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Found {
    Known,
    Suspected,
    Unknown(Unknown),
}

impl Table {
    /// Looks which of the `keys` of rows that the store of `map` has are known at `now`, but for those that the contract's
    /// sample leaves out. One that is not, and that the map cannot hold as far as is known, is read again when the deadline
    /// of a write that is on its way has passed.
    #[must_use]
    pub fn compare_rows(&self, map: MapId, keys: &[Vec<u8>], now: Time) -> Rows {
        let mut rows = Rows::default();
        let Some(contract) = self.rules.contracts.get(map) else { return rows };
        let whole = self.rules.wholes.of(map);
        let is_calibrated = self.rules.calibrations.of(map) == Calibration::Calibrated;
        for key in keys {
            let hash = key_hash(&contract.name, key);
            if !contract.sample.has(hash) {
                continue;
            }
            let Some(mut shard) = self.shards.get(shard_of(hash)).map(lock) else { continue };
            rows.found(match (shard.find_told(map, key, hash), whole) {
                (Some(found), _) => found,
                (None, None) => Found::Unknown(Unknown::NoSnapshot),
                (None, Some(_)) if !is_calibrated => Found::Unknown(Unknown::Representation),
                (None, Some(since)) => shard.suspect((map, key, hash), since, now, &self.rules),
            });
        }
        rows
    }
}
