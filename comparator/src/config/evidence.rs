//! Evidence, as a person writes it into the configuration.

use super::DAY;
use crate::evidence::Settings;
use counterfoil_keys::SigningKey;
use counterfoil_settings::Problems;
use schemars::JsonSchema;
use serde::Deserialize;
use std::path::PathBuf;

/// A signed bundle for each divergence that is confirmed, from which anyone can judge it again (`counterfoil verify`). Without this
/// section none are written.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenEvidence {
    /// A directory; made if it is not there. One comparator alone uses it. The keys of the application stand in its files, values do not.
    pub path: PathBuf,
    /// A file of 64 hexadecimal digits (`counterfoil key new`) that others may not read (mode 0400): the seed of the key that bundles are
    /// signed under. `counterfoil key public` prints its public half, for those who verify them.
    pub signing_key: PathBuf,
    /// How long a bundle is kept, in days.
    #[serde(default = "retention_days")]
    #[schemars(range(min = 1, max = 3_650))]
    pub retention_days: u32,
    /// How many bytes all bundles may take; beyond it the oldest ones are deleted.
    #[serde(default = "bytes_max")]
    #[schemars(range(min = 16_777_216))]
    pub bytes_max: u64,
}

const fn retention_days() -> u32 {
    90
}

const fn bytes_max() -> u64 {
    1 << 30
}

impl WrittenEvidence {
    /// As it is used. Reads the key's file.
    pub(super) fn settings(&self, problems: &mut Problems) -> Option<Settings> {
        let signing_key = SigningKey::from_file(&self.signing_key)
            .map_err(|error| problems.add("evidence.signing_key", error.to_string()))
            .ok()?;
        Some(Settings {
            path: self.path.clone(),
            signing_key,
            retention_ns: i64::from(self.retention_days) * DAY,
            bytes_max: self.bytes_max,
        })
    }
}
