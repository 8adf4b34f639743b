//! Rows of a store that was gone through: which of them the table knows and agree with it, and which nobody may have told of.

use super::{Calibration, Seen, Table, lock, shard_of};
use crate::contract::MapId;
use counterfoil_digest::key_hash;
use counterfoil_judge::{Interval, Reason, Time, WriteId};

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

/// A row of a store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scanned {
    /// Its key.
    pub key: Vec<u8>,
    /// What it holds, digested under the current deployment key, or why that is not known.
    pub seen: Result<Seen, Reason>,
}

/// What some rows of a store were to the table.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Rows {
    /// A source told of the key.
    pub known: u64,
    /// Of these, the key was at rest and the row is what it should be: it need not be looked up.
    pub agreeing: u64,
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
        self.agreeing += more.agreeing;
        self.suspected += more.suspected;
        self.unknown.iter_mut().zip(more.unknown).for_each(|(sum, more)| *sum += more);
    }

    fn found(&mut self, found: Found) {
        match found {
            Found::Known => self.known += 1,
            Found::Agreeing => {
                self.known += 1;
                self.agreeing += 1;
            }
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
    Agreeing,
    Suspected,
    Unknown(Unknown),
}

impl Table {
    /// Looks at `now` what the table knows of rows that the store of `map` was seen to have within `at`, but for those that the
    /// contract's sample leaves out. Of a key at rest a row that agrees stands for the sweep's next look; one that does not is
    /// looked up. A row whose key is not known, and that the map cannot hold as far as is known, is read again when the deadline
    /// of a write that is on its way has passed.
    #[must_use]
    pub fn compare_rows(&self, map: MapId, scanned: &[Scanned], at: Interval, now: Time) -> Rows {
        let mut rows = Rows::default();
        let Some(contract) = self.rules.contracts.get(map) else { return rows };
        let whole = self.rules.wholes.of(map);
        let is_calibrated = self.rules.calibrations.of(map) == Calibration::Calibrated;
        for row in scanned {
            let hash = key_hash(&contract.name, &row.key);
            if !contract.sample.has(hash) {
                continue;
            }
            let Some(mut shard) = self.shards.get(shard_of(hash)).map(lock) else { continue };
            let told = shard.meet((map, row, hash), at, now, &self.rules);
            rows.found(match (told, whole) {
                (Some(found), _) => found,
                (None, None) => Found::Unknown(Unknown::NoSnapshot),
                (None, Some(_)) if !is_calibrated => Found::Unknown(Unknown::Representation),
                (None, Some(since)) => shard.suspect((map, &row.key, hash), since, now, &self.rules),
            });
        }
        rows
    }
}
