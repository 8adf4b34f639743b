//! What the judge concludes, and how an event ends.

use crate::time::{Interval, Time};
use crate::write::{Digest, WriteId};

/// What one probe saw.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Observation {
    /// `[r0, r1]`: the store was read within this interval, in the comparator's timeline.
    pub at: Interval,
    /// What it held.
    pub digest: Digest,
    /// The version that stood beside it, if the store keeps one.
    pub version: Option<u64>,
}

/// Whether reading a digest is possible at all, given the writes that are known: whether some linearization of them
/// explains the read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Legality {
    /// A reported write explains it.
    Legal,
    /// No reported write explains it, but one that nobody reported may: the baseline, or something in a gap.
    Unknowable,
    /// Nothing explains it.
    Illegal,
}

/// How the two sides differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Absent, though a put was acknowledged and no remove can follow it.
    Missing,
    /// The value of an older write that is no longer legal.
    Stale {
        /// Acknowledged writes strictly between that write and the read.
        versions: u32,
        /// For how long at least the value had been out of date when it was read, in nanoseconds.
        at_least: i64,
    },
    /// A value, although a remove is the only legal end.
    Resurrected,
    /// A legal write that is not the map's last: two writes landed in the other order, or the last one was lost.
    Inverted,
    /// A digest that no source reported.
    Foreign,
    /// The version of a reported write, but other bytes.
    Corrupt,
    /// The application itself reported one leg done and the other not, and the sides differ accordingly.
    Partial,
    /// A process's own copy is older than what another source wrote to the store.
    MapBehind,
    /// A newer value had been read before; the store went back to an older one.
    Reverted,
    /// A value under a key that no map knows: it is known that the map held none, and nobody reported a write.
    Orphan,
}

impl Kind {
    /// The labels of all kinds, in the order of the metrics.
    pub const LABELS: [&str; 10] = [
        "missing",
        "stale",
        "resurrected",
        "inverted",
        "foreign",
        "corrupt",
        "partial",
        "map_behind",
        "reverted",
        "orphan",
    ];

    /// The kind as a metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Stale { .. } => "stale",
            Self::Resurrected => "resurrected",
            Self::Inverted => "inverted",
            Self::Foreign => "foreign",
            Self::Corrupt => "corrupt",
            Self::Partial => "partial",
            Self::MapBehind => "map_behind",
            Self::Reverted => "reverted",
            Self::Orphan => "orphan",
        }
    }
}

/// Why nothing can be said.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Reason {
    /// The key's state before its first event is not known and may explain what was read.
    Baseline,
    /// Events of this key's bucket were lost.
    Gap,
    /// A source vanished; what it wrote last is not known.
    SourceLost,
    /// A source's clock cannot be compared with the comparator's.
    Clock,
    /// The store could not be read.
    Store,
    /// The store's read budget did not let the key be read in time.
    Budget,
    /// A write of unknown outcome blinds the key.
    Unresolved,
    /// The store may have dropped the value by itself.
    Expired,
    /// The key's history or the event was dropped to stay within bounds.
    Shed,
    /// The store and the map may write values in different forms: they were not seen to agree yet, or nearly never do.
    Representation,
    /// No contract names the event's map.
    NoContract,
}

impl Reason {
    /// Every reason, in the order of the metrics.
    pub const ALL: [Self; 11] = [
        Self::Baseline,
        Self::Gap,
        Self::SourceLost,
        Self::Clock,
        Self::Store,
        Self::Budget,
        Self::Unresolved,
        Self::Expired,
        Self::Shed,
        Self::Representation,
        Self::NoContract,
    ];

    /// The reason as a metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Baseline => "baseline",
            Self::Gap => "gap",
            Self::SourceLost => "source_lost",
            Self::Clock => "clock",
            Self::Store => "store",
            Self::Budget => "budget",
            Self::Unresolved => "unresolved",
            Self::Expired => "expired",
            Self::Shed => "shed",
            Self::Representation => "representation",
            Self::NoContract => "no_contract",
        }
    }
}

/// A disagreement.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Divergence {
    /// How the two sides differ.
    pub kind: Kind,
    /// Whether it outlived the deadline of the write that should have shown. Until then it is opened only: the contract
    /// allows the store to lag that long.
    pub confirmed: bool,
    /// The write that should have shown.
    pub named: WriteId,
    /// What that write wrote.
    pub expected: Digest,
    /// When its last leg had ended.
    pub ended: Time,
}

/// What one observation proves.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// The key was quiet and both sides agreed.
    Consistent {
        /// From the end of the map leg until it was seen to agree, in nanoseconds.
        lag: i64,
    },
    /// Possible, but the key was not quiet, or the two sides differ within the deadline: look again.
    InFlight,
    /// The two sides differ.
    Divergent(Divergence),
    /// Nothing can be said.
    Undetermined(Reason),
}

impl Verdict {
    /// The labels of all verdicts, in the order of the metrics.
    pub const LABELS: [&str; Kind::LABELS.len() + 3] = {
        let [a, b, c, d, e, f, g, h, i, j] = Kind::LABELS;
        ["consistent", "in_flight", a, b, c, d, e, f, g, h, i, j, "undetermined"]
    };

    /// The verdict as a metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Consistent { .. } => "consistent",
            Self::InFlight => "in_flight",
            Self::Divergent(Divergence { kind, .. }) => kind.label(),
            Self::Undetermined(_) => "undetermined",
        }
    }
}

/// A verdict together with whether the read was possible at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Judgement {
    /// Whether some linearization explains the read.
    pub legality: Legality,
    /// What it proves.
    pub verdict: Verdict,
}

/// How one event ended. Each accepted event ends once.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// An observation begun after its store leg agreed with it.
    Confirmed {
        /// From the end of its map leg until it was seen to agree, in nanoseconds.
        lag: i64,
    },
    /// A later write to the key began before that.
    Superseded,
    /// A confirmed divergence names it as the write that should have shown.
    Divergent,
    /// Nothing could be said in time.
    Undetermined(Reason),
    /// Left out, and why.
    Shed(Shed),
}

/// Why an event was left out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shed {
    /// There was no room for its key.
    Room,
    /// Its key is not in the sample that is to be checked.
    Sampled,
}

impl Shed {
    /// Every reason, in the order of the metrics.
    pub const ALL: [Self; 2] = [Self::Room, Self::Sampled];

    /// The reason as a metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Room => "room",
            Self::Sampled => "sampled",
        }
    }
}
