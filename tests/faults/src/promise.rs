//! What an acknowledgement promises under which fault.

use counterfoil_emitter::AckLevel;
use serde::{Deserialize, Serialize};
use std::fmt;

/// How safe the application wants its events. The names are those of the protocol.
#[derive(
    Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, clap::ValueEnum, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Level {
    /// In the sidecar's memory.
    #[default]
    Received,
    /// Written in the pod.
    Spooled,
    /// Synced to disk.
    Durable,
    /// Journaled at the comparator.
    Accepted,
}

impl Level {
    /// Every level, the weakest first.
    pub(crate) const ALL: [Self; 4] = [Self::Received, Self::Spooled, Self::Durable, Self::Accepted];

    /// Its name.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Received => "received",
            Self::Spooled => "spooled",
            Self::Durable => "durable",
            Self::Accepted => "accepted",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<Level> for AckLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Received => Self::Received,
            Level::Spooled => Self::Spooled,
            Level::Durable => Self::Durable,
            Level::Accepted => Self::Accepted,
        }
    }
}

/// What a fault takes away.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Takes {
    /// Time only: processes, memory and disks stay.
    Time,
    /// The memory of the sidecar.
    Sidecar,
    /// The memory of the comparator.
    Comparator,
    /// The memory of both.
    Both,
    /// The memory of the application.
    Application,
    /// The sidecar's memory, and what it had not synced.
    Power,
    /// The sidecar's memory, and a part of what it had written, which is declared lost before it is acknowledged as accepted.
    Disk,
    /// Room to keep things: what finds none is shed, and declared before it is acknowledged.
    Room,
}

/// What a round is held to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Promise {
    /// No acknowledged number may be missing.
    pub(crate) keeps_acknowledged: bool,
    /// Every number that is missing was declared lost by somebody.
    pub(crate) declares_losses: bool,
    /// A comparator that is started again goes on where it was.
    pub(crate) resumes: bool,
}

impl Promise {
    /// What `level` promises when a fault `takes` something, with or without a spool in the sidecar and a journal in the
    /// comparator.
    pub(crate) fn of(level: Level, takes: Takes, has_spool: bool, has_journal: bool) -> Self {
        let spooled = has_spool && level >= Level::Spooled;
        let accepted = level == Level::Accepted;
        let keeps_acknowledged = match takes {
            Takes::Time | Takes::Application => true,
            Takes::Sidecar => spooled || accepted,
            Takes::Power => (has_spool && level >= Level::Durable) || accepted,
            // Whether an event was declared lost before it was acknowledged, the counts do not tell.
            Takes::Disk | Takes::Room => false,
            Takes::Comparator => has_journal,
            Takes::Both => has_journal && (spooled || accepted),
        };
        // What was acknowledged and went with the sidecar's memory, nobody is left to declare.
        let declares_losses = match takes {
            Takes::Sidecar | Takes::Both => spooled || accepted,
            Takes::Power => keeps_acknowledged,
            Takes::Time | Takes::Comparator | Takes::Application | Takes::Disk | Takes::Room => true,
        };
        Self { keeps_acknowledged, declares_losses, resumes: has_journal }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_level_is_held_to_what_it_says_and_to_no_more() {
        let keeps =
            |level, takes, spool, journal| Promise::of(level, takes, spool, journal).keeps_acknowledged;
        for (level, takes, expected) in [
            (Level::Received, Takes::Time, true),
            (Level::Received, Takes::Sidecar, false),
            (Level::Spooled, Takes::Sidecar, true),
            (Level::Spooled, Takes::Power, false),
            (Level::Durable, Takes::Power, true),
            (Level::Durable, Takes::Disk, false),
            (Level::Accepted, Takes::Disk, false),
            (Level::Accepted, Takes::Power, true),
            (Level::Received, Takes::Both, false),
            (Level::Spooled, Takes::Both, true),
        ] {
            assert_eq!(keeps(level, takes, true, true), expected, "{level} {takes:?}");
        }
        assert!(!keeps(Level::Spooled, Takes::Sidecar, false, true), "nothing was spooled");
        assert!(!keeps(Level::Durable, Takes::Comparator, true, false), "nothing was journaled");
    }

    #[test]
    fn who_keeps_nothing_on_disk_cannot_declare_what_went_with_its_memory() {
        assert!(!Promise::of(Level::Received, Takes::Sidecar, false, false).declares_losses);
        assert!(Promise::of(Level::Received, Takes::Time, false, false).declares_losses);
        assert!(Promise::of(Level::Durable, Takes::Disk, true, true).declares_losses, "rot is told exactly");
    }
}
