//! How a log is kept.

/// How a log is kept.
#[derive(Clone, Debug)]
pub struct Options {
    /// From how many bytes of entries on a new segment is begun.
    pub segment_bytes: u64,
    /// How many bytes all segments may have. Entries that are written again after a failed sync may go beyond it, by
    /// one segment.
    pub disk_bytes_max: u64,
    /// How many of them only reserved entries may use.
    pub reserve_bytes: u64,
    /// How many subjects' stamps are remembered. Beyond that, the subject stamped longest ago is forgotten.
    pub subjects_max: usize,
    /// Whether [`crate::Log::sync`] is used. Entries are then also kept in memory until the next sync, and each segment
    /// is synced when it is full.
    pub is_durable: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            segment_bytes: 16 << 20,
            disk_bytes_max: 1 << 30,
            reserve_bytes: 1 << 20,
            subjects_max: 4096,
            is_durable: false,
        }
    }
}

impl Options {
    /// How many bytes entries may use that are not reserved.
    pub(crate) fn ordinary_bytes_max(&self) -> u64 {
        self.disk_bytes_max.saturating_sub(self.reserve_bytes)
    }
}
