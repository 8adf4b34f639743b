//! The book: what the application knows of a round. It is the truth that a round is measured by.

use serde::{Deserialize, Serialize};

/// Nanoseconds in a millisecond.
pub(crate) const MS: i64 = 1_000_000;

/// A bug between map and store, planted on a key of its own that is not written again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Bug {
    /// The store was told nothing of a key's first put.
    Missing,
    /// The store was told nothing of a key's second put.
    Stale,
    /// Somebody else wrote over the value.
    Foreign,
    /// A remove was acknowledged and not carried out.
    Resurrected,
}

impl Bug {
    /// Every bug, in the order in which they are planted.
    pub(crate) const ALL: [Self; 4] = [Self::Missing, Self::Stale, Self::Foreign, Self::Resurrected];

    /// The kind of divergence that it is.
    pub(crate) const fn kind(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Stale => "stale",
            Self::Foreign => "foreign",
            Self::Resurrected => "resurrected",
        }
    }

    /// Whether its key holds an older value, written correctly a while before.
    pub(crate) const fn has_older_value(self) -> bool {
        !matches!(self, Self::Missing)
    }
}

/// A bug that was planted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct Planted {
    pub(crate) key: String,
    pub(crate) bug: Bug,
    /// When its write was over: nanoseconds of `CLOCK_BOOTTIME`.
    pub(crate) at_ns: i64,
    /// The same by the wall clock.
    pub(crate) at_unix_ns: i64,
}

/// What is known of one source.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct SourceBook {
    /// Service, instance and epoch, separated by `/`.
    pub(crate) name: String,
    /// Sequence numbers used; `None` where the application was killed before it could say.
    pub(crate) issued: Option<u64>,
    /// Every number below this was acknowledged.
    pub(crate) acknowledged: u64,
    /// Of the numbers, those that the emitter itself declared lost.
    pub(crate) own_losses: u64,
}

/// All that the application did in a round.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Book {
    pub(crate) sources: Vec<SourceBook>,
    pub(crate) planted: Vec<Planted>,
}

impl Book {
    /// Sequence numbers that the sources are known to have used.
    pub(crate) fn issued(&self) -> u64 {
        self.sources.iter().map(|source| source.issued.unwrap_or(source.acknowledged)).sum()
    }
}
