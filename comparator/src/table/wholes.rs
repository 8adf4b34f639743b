//! Maps of which everything is known that they hold.

use super::MapId;
use counterfoil_judge::{Interval, Time};
use std::sync::{Mutex, PoisonError};

/// For each check since when everything that its map held was told: what the table has not heard of since then, the map did
/// not hold at any instant since.
pub(super) struct Wholes(Box<[Mutex<Option<Interval>>]>);

impl Wholes {
    /// Of no map.
    pub(super) fn new(checks: usize) -> Self {
        Self((0..checks).map(|_| Mutex::default()).collect())
    }

    pub(super) fn set(&self, map: MapId, since: Option<Interval>) {
        if let Some(whole) = self.0.get(map.index()) {
            *whole.lock().unwrap_or_else(PoisonError::into_inner) = since;
        }
    }

    /// From when on the first source, and from when on the last one, told all; `None` if one did not. What was lost or
    /// forgotten after the first instant may have been of the map.
    pub(super) fn of(&self, map: MapId) -> Option<Interval> {
        let whole = self.0.get(map.index())?;
        let since = *whole.lock().unwrap_or_else(PoisonError::into_inner);
        since.filter(|since| since.end < Time::MAX)
    }
}
