//! The phases of a source.
//!
//! ```text
//!          bye
//! Live ───────────▶ Ended
//!  │ ▲
//!  │ └─── heard of again ──────┬───────────┐
//!  │                           │           │
//!  └─ silent for `timeout` ─▶ Lost ────▶ Expired
//!                               silent for `timeout` + `expiry`, or started over
//! ```

/// Whether verdicts wait for a source, and whether it leaves doubt.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// Verdicts wait for it.
    Live,
    /// It said bye.
    Ended,
    /// It was silent for too long. It may only be cut off and go on writing, so every key is in doubt.
    Lost,
    /// It was lost for so long, or was started over, that it is taken for gone: it leaves no new doubt.
    Expired,
}

impl Phase {
    /// Every phase, in the order of the metrics.
    pub const ALL: [Self; 4] = [Self::Live, Self::Ended, Self::Lost, Self::Expired];

    /// The phase in the API and as a metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Ended => "ended",
            Self::Lost => "lost",
            Self::Expired => "expired",
        }
    }
}

/// When a silent source is given up, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Silence {
    /// Silent for this long, a source is lost.
    pub timeout: i64,
    /// Lost for this long, it is taken for gone.
    pub expiry: i64,
}
