//! The sweep, as a person writes it into the configuration.

use crate::sweep::Settings;
use schemars::JsonSchema;
use serde::Deserialize;

/// Nanoseconds in a second.
const S: i64 = 1_000_000_000;

/// Looks at what nobody wrote to, within `idle_percent` of each store's budget. Without this section nothing is swept.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct WrittenSweep {
    /// Each key of the table that nobody wrote to for so long is read again about as often, in seconds; more seldom where
    /// the budget does not allow it. Where rows are gone through as well, one that agreed meanwhile counts as read. 0 for never.
    #[schemars(range(max = 2_592_000))]
    pub keys_every_s: u32,
    /// Most rows a second that each store is gone through for those that no map knows, of the maps that say how (`scan`) and
    /// whose scope is `shared`. Such a row is told as `orphan` only if the map's sources have told all that the map holds. 0 for
    /// never.
    #[schemars(range(max = 1_000_000))]
    pub scan_keys_per_s: u32,
}

impl Default for WrittenSweep {
    fn default() -> Self {
        Self { keys_every_s: 3_600, scan_keys_per_s: 0 }
    }
}

impl WrittenSweep {
    /// As it is used.
    pub(super) fn settings(&self) -> Settings {
        Settings {
            keys_every: (self.keys_every_s > 0).then(|| i64::from(self.keys_every_s) * S),
            rows_per_s: Some(self.scan_keys_per_s).filter(|per_s| *per_s > 0),
        }
    }
}
