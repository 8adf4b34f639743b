//! The faults that are planted, and what a checker may call each.

use counterfoil_judge::Kind;

/// What is done to a key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum FaultKind {
    /// A store write is acknowledged and never applied.
    Lost,
    /// The same, of a remove.
    LostRemove,
    /// A value is written to the store behind the application's back.
    Foreign,
    /// The store holds other bytes beside the version of the last write.
    Corrupt,
    /// Two concurrent writes reach the store in the other order than the map.
    Inverted,
    /// The store write failed, was reported so, and is never made up for.
    Partial,
    /// A store write of unknown outcome never lands and is never made up for.
    Unlanded,
    /// The store goes back to an older one of two concurrent writes after the newer was there.
    Reverted,
    /// For a while the store acknowledges every write of a key that never rests, and applies none.
    Frozen,
    /// One process's copy of the map does not follow the write of another.
    MapBehind,
    /// A process died between the two legs of a write. Nobody planted this; it follows from a crash.
    Orphan,
    /// The store held something else than the map before anybody watched.
    Baseline,
    /// The store still has a row whose remove was lost before anybody watched: no map holds its key.
    LeftBehind,
    /// A row is put into the store under a key that no map knows.
    Stranger,
    /// The store changes while nobody writes the key.
    Drifted,
}

impl FaultKind {
    /// Those that can be planted by a write and what becomes of it.
    pub const PLANTED: [Self; 10] = [
        Self::Lost,
        Self::LostRemove,
        Self::Foreign,
        Self::Corrupt,
        Self::Inverted,
        Self::Partial,
        Self::Unlanded,
        Self::Reverted,
        Self::Frozen,
        Self::MapBehind,
    ];

    /// Those that no write has a part in: only who is told what maps hold, or looks at what nobody writes, can find them.
    pub const AT_REST: [Self; 4] = [Self::Baseline, Self::LeftBehind, Self::Stranger, Self::Drifted];

    /// All that a plan can plant.
    pub fn all_planted() -> impl Iterator<Item = Self> {
        Self::PLANTED.into_iter().chain(Self::AT_REST)
    }

    /// Whether no write has a part in it.
    #[must_use]
    pub fn is_at_rest(self) -> bool {
        Self::AT_REST.contains(&self)
    }

    /// Whether it was there before anything happened.
    #[must_use]
    pub const fn is_from_before(self) -> bool {
        matches!(self, Self::Baseline | Self::LeftBehind)
    }

    /// Whether it is a row of the store that no map knows.
    #[must_use]
    pub const fn is_unknown_row(self) -> bool {
        matches!(self, Self::LeftBehind | Self::Stranger)
    }

    /// The kind in reports.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::LostRemove => "lost_remove",
            Self::Foreign => "foreign",
            Self::Corrupt => "corrupt",
            Self::Inverted => "inverted",
            Self::Partial => "partial",
            Self::Unlanded => "unlanded",
            Self::Reverted => "reverted",
            Self::Frozen => "frozen",
            Self::MapBehind => "map_behind",
            Self::Orphan => "orphan",
            Self::Baseline => "baseline",
            Self::LeftBehind => "left_behind",
            Self::Stranger => "stranger",
            Self::Drifted => "drifted",
        }
    }

    /// The labels of the divergences that such a fault can look like.
    #[must_use]
    pub const fn looks_like(self) -> &'static [&'static str] {
        match self {
            // The value before may be absent, still possible, or no longer possible.
            Self::Lost => &["missing", "stale", "inverted"],
            Self::LostRemove => &["resurrected", "stale", "inverted"],
            // Where the past is not known, a value that nobody reported may be one of it: it only does not agree.
            Self::Foreign => &["foreign", "inverted", "resurrected"],
            Self::Corrupt => &["corrupt"],
            Self::Inverted => &["inverted", "reverted"],
            Self::Partial => &["partial"],
            Self::Unlanded => &["inverted", "missing"],
            Self::Reverted => &["reverted", "inverted", "stale"],
            // The value on which a busy key stands still may be one of a write that was forgotten.
            Self::Frozen => &["missing", "stale", "resurrected", "inverted", "reverted", "foreign"],
            Self::MapBehind => &["map_behind"],
            Self::Orphan => &Kind::LABELS,
            // What the store held before is not known to be nobody's: it only does not agree.
            Self::Baseline => &["inverted", "missing"],
            Self::LeftBehind | Self::Stranger => &["orphan"],
            // Beside the version of the last write, where the store keeps it, it is corrupt.
            Self::Drifted => &["foreign", "inverted", "resurrected", "corrupt"],
        }
    }
}

/// A fault that came into effect.
#[derive(Clone, Debug)]
pub struct Fault<K, W> {
    /// What was done.
    pub kind: FaultKind,
    /// To which key.
    pub key: K,
    /// The write that should have shown; `None` if the key was not written.
    pub harmed: Option<W>,
    /// The newest version that was harmed.
    pub version: u64,
    /// From when the two sides differ.
    pub since: i64,
    /// Until when they may, by the contract.
    pub deadline: i64,
    /// When an honest write brought them together again.
    pub until: Option<i64>,
}

impl<K, W> Fault<K, W> {
    /// Whether the two sides differ because of it at `at`.
    #[must_use]
    pub fn is_in_effect(&self, at: i64) -> bool {
        self.since <= at && self.until.is_none_or(|until| at < until)
    }
}
