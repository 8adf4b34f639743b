//! One key: what the map holds, what the store holds, and who may write it.

use super::{FaultRef, SourceRef, WriteRef};
use std::collections::{BTreeMap, VecDeque};

/// What the store holds for a key.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Cell {
    /// The value's number; 0 for absent.
    pub value: u64,
    /// The version of the write it came from.
    pub version: u64,
    /// Counts the changes of the cell.
    pub stamp: u64,
}

/// One key.
pub struct Key {
    /// Its map's place in the plan.
    pub map: usize,
    /// What the shared map holds; 0 for absent.
    pub map_value: u64,
    /// The last write that changed the map.
    pub last_mapped: Option<WriteRef>,
    /// What the copies of processes hold, where each has its own.
    pub copies: BTreeMap<SourceRef, (u64, u64)>,
    /// What the store holds.
    pub store: Cell,
    /// Faults that came into effect on it, the latest last.
    pub faults: Vec<FaultRef>,
    pub(super) holder: Option<WriteRef>,
    pub(super) waiting: VecDeque<WriteRef>,
    pub(super) versions: u64,
    pub(super) frozen_until: i64,
    /// The next write is followed by all processes but this many.
    pub(super) unfollowed: usize,
}

impl Key {
    pub(super) fn new(map: usize) -> Self {
        Self {
            map,
            map_value: 0,
            last_mapped: None,
            copies: BTreeMap::new(),
            store: Cell::default(),
            faults: Vec::new(),
            holder: None,
            waiting: VecDeque::new(),
            versions: 0,
            frozen_until: 0,
            unfollowed: 0,
        }
    }

    /// Whether map and store differ now.
    #[must_use]
    pub fn differs(&self) -> bool {
        match self.copies.is_empty() {
            true => self.map_value != self.store.value,
            false => self.copies.values().any(|(value, _)| *value != self.store.value),
        }
    }

    pub(super) fn next_version(&mut self) -> u64 {
        self.versions += 1;
        self.versions
    }
}
