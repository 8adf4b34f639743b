//! Bugs planted on purpose, and what each must be found as.

use serde::Serialize;
use std::fmt;
use std::str::FromStr;
use thiserror::Error;

/// A bug between an application's map and its store.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Plant {
    /// The store was told nothing, the application was told that all is well.
    Dropped,
    /// The store was told long after the application was told that all is well.
    Late,
    /// Two puts reached the store in the other order.
    Reordered,
    /// A remove was acknowledged and not carried out.
    RemoveLost,
    /// Another value reached the store.
    Corrupted,
    /// Somebody else wrote over the value.
    ForeignWriter,
    /// For a while the store takes no put of a key that is written all the time, and says each time that it did.
    Frozen,
}

/// A name of no bug.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
#[error("`{0}` is no bug that can be planted; there are {names}", names = Plant::ALL.map(Plant::name).join(", "))]
pub(crate) struct UnknownPlant(String);

impl Plant {
    /// Every bug, in the order of the tables.
    pub(crate) const ALL: [Self; 7] = [
        Self::Dropped,
        Self::Late,
        Self::Reordered,
        Self::RemoveLost,
        Self::Corrupted,
        Self::ForeignWriter,
        Self::Frozen,
    ];

    /// Those that go wrong with one write, and last only if nothing is written to the key afterwards.
    pub(crate) const OF_ONE_WRITE: [Self; 6] =
        [Self::Dropped, Self::Late, Self::Reordered, Self::RemoveLost, Self::Corrupted, Self::ForeignWriter];

    /// Its name on the command line and in results.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Dropped => "dropped",
            Self::Late => "late",
            Self::Reordered => "reordered",
            Self::RemoveLost => "remove_lost",
            Self::Corrupted => "corrupted",
            Self::ForeignWriter => "foreign_writer",
            Self::Frozen => "frozen",
        }
    }

    /// The kinds of divergence that it may show as.
    pub(crate) const fn shows_as(self) -> &'static [&'static str] {
        match self {
            Self::Dropped | Self::Late | Self::Frozen => &["missing", "stale"],
            Self::Reordered => &["inverted"],
            Self::RemoveLost => &["resurrected"],
            Self::Corrupted | Self::ForeignWriter => &["foreign"],
        }
    }
}

impl fmt::Display for Plant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Plant {
    type Err = UnknownPlant;

    fn from_str(text: &str) -> Result<Self, UnknownPlant> {
        let known = Self::ALL.into_iter().find(|plant| plant.name() == text);
        known.ok_or_else(|| UnknownPlant(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use counterfoil_judge::Kind;

    #[test]
    fn names_are_read_back_and_others_are_refused_with_the_list() {
        for plant in Plant::ALL {
            assert_eq!(plant.name().parse(), Ok(plant));
        }
        let refused = "drop".parse::<Plant>().err().map(|error| error.to_string()).unwrap_or_default();
        assert!(refused.contains("dropped, late, reordered"), "{refused}");
    }

    #[test]
    fn every_bug_shows_as_kinds_that_the_judge_knows() {
        assert!(Plant::OF_ONE_WRITE.iter().all(|plant| Plant::ALL.contains(plant)));
        for plant in Plant::ALL {
            assert!(!plant.shows_as().is_empty());
            assert!(plant.shows_as().iter().all(|kind| Kind::LABELS.contains(kind)), "{plant}");
        }
    }
}
