//! The history of a key as it stands in a bundle: the plain data of [`counterfoil_judge::HistoryImage`], and where a write happened.

use crate::text::{Digest, Hex, Instant, Number, Print};
use crate::verdict::WriteName;
use counterfoil_judge as judge;
use counterfoil_judge::{HistoryImage, Reason};
use serde::{Deserialize, Serialize};

/// From when to when.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Interval {
    /// Not earlier than this.
    pub begin_ns: Instant,
    /// Not later than this.
    pub end_ns: Instant,
}

/// When the store may have changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StoreLeg {
    /// Not earlier than this.
    pub begin_ns: Instant,
    /// Not later than this.
    pub end_ns: Instant,
    /// Whether the store acknowledged it.
    pub acknowledged: bool,
}

/// The span in which a write was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trace {
    /// W3C trace id.
    pub trace_id: Hex<16>,
    /// W3C span id.
    pub span_id: Hex<8>,
}

/// A write that is kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Write {
    /// Who reported it, and which it was.
    pub id: WriteName,
    /// What it wrote.
    pub digest: Digest,
    /// When the map changed, widened by the clock error; `null` if the application skipped it.
    pub map: Option<Interval>,
    /// Its place in the map's own order, where the source knows it.
    pub order: Option<Number>,
    /// When the store may have changed, widened by the clock error; `null` if it certainly did not.
    pub store: Option<StoreLeg>,
    /// The version that the application gave it.
    pub version: Option<Number>,
    /// From then on the two sides must agree on it, if nothing newer came.
    pub deadline_ns: Instant,
    /// Whether its event still waited for an outcome.
    pub pending: bool,
    /// Nobody saw it being made: the map held its value.
    pub held: bool,
    /// The span it was made in, where that is known. No verdict depends on it.
    pub trace: Option<Trace>,
}

/// The begin of an acknowledged write, with its name.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Mark {
    /// The write.
    pub id: WriteName,
    /// What it wrote.
    pub digest: Digest,
    /// The begin of its store leg.
    pub begin_ns: Instant,
    /// The end of its store leg.
    pub end_ns: Instant,
}

/// Merged writes.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Group {
    /// Fingerprints of what they wrote.
    pub digests: Vec<Print>,
    /// Holds all their store legs.
    pub store: Option<Interval>,
    /// Holds the map legs of those that may be the map's last.
    pub map: Option<Interval>,
    /// The last instant at which a store that is as late as the contract allows may take one of them.
    pub latest_ns: Instant,
    /// The last deadline.
    pub deadline_ns: Instant,
    /// The acknowledged one that began last.
    pub newest: Option<Mark>,
    /// How many were acknowledged.
    pub acknowledged: u32,
    /// The first end of an acknowledged one.
    pub first_end_ns: Instant,
}

/// What is remembered of a write that is not kept.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Past {
    /// The fingerprint of what it wrote.
    pub digest: Print,
    /// When it may have landed.
    pub store: Interval,
    /// Even a store that is as late as the contract allows has taken it by then.
    pub latest_ns: Instant,
    /// Whether the store acknowledged it.
    pub acknowledged: bool,
}

/// When a write that is not kept is due.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DueMark {
    /// When it began.
    pub begin_ns: Instant,
    /// When it is due.
    pub due_ns: Instant,
}

/// The value on which the store stands still.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Still {
    /// The value.
    pub digest: Digest,
    /// It was in the store by then.
    pub since_ns: Instant,
    /// Other writes of the same value may have landed until then.
    pub again_until_ns: Instant,
    /// The write behind it.
    pub past: Option<Past>,
}

/// The last possible read before the one that was judged.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LastRead {
    /// What it saw.
    pub digest: Digest,
    /// When it looked.
    pub at: Interval,
}

/// All that was known of a key when a read of it was judged.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct History {
    /// The writes that can explain a read or be the map's last, in the order in which they came.
    pub writes: Vec<Write>,
    /// Merged writes.
    pub groups: Vec<Group>,
    /// Writes that were followed, by the ends of their store legs.
    pub dropped: Vec<Past>,
    /// Writes that were followed and are not remembered may have been late within their deadlines until then.
    pub forgotten_until_ns: Instant,
    /// The latest begin of a write that is not kept and is due.
    pub due_ns: Instant,
    /// The next such ones.
    pub due_next: Vec<DueMark>,
    /// Writes that nobody reported may have landed until then.
    pub blind_until_ns: Instant,
    /// Why: a reason of the verdict `undetermined`.
    pub blind_for: String,
    /// The value on which the store stands still, once it was read.
    pub still: Option<Still>,
    /// The last possible read before.
    pub last_read: Option<LastRead>,
}

impl History {
    /// The history of an image, with the traces that are known of its writes.
    #[must_use]
    pub fn new(image: &HistoryImage, trace: impl Fn(judge::WriteId) -> Option<Trace>) -> Self {
        let write = |write: &judge::Write| Write { trace: trace(write.id), ..write.into() };
        Self {
            writes: image.writes.iter().map(write).collect(),
            groups: image.groups.iter().map(Group::from).collect(),
            dropped: image.dropped.iter().map(Past::from).collect(),
            forgotten_until_ns: Instant(image.forgotten_until),
            due_ns: Instant(image.due),
            due_next: image.due_next.iter().copied().map(DueMark::from).collect(),
            blind_until_ns: Instant(image.blind_until),
            blind_for: image.blind_for.label().to_owned(),
            still: image.still.as_ref().map(Still::from),
            last_read: image.last_read.as_ref().map(LastRead::from),
        }
    }

    /// The image that the judge takes up; `None` if `blind_for` is no reason.
    #[must_use]
    pub fn image(&self) -> Option<HistoryImage> {
        let blind_for = Reason::ALL.into_iter().find(|reason| reason.label() == self.blind_for)?;
        Some(HistoryImage {
            writes: self.writes.iter().map(judge::Write::from).collect(),
            groups: self.groups.iter().map(judge::Group::from).collect(),
            dropped: self.dropped.iter().map(judge::Past::from).collect(),
            forgotten_until: self.forgotten_until_ns.0,
            due: self.due_ns.0,
            due_next: self.due_next.iter().map(|mark| (mark.begin_ns.0, mark.due_ns.0)).collect(),
            blind_until: self.blind_until_ns.0,
            blind_for,
            still: self.still.as_ref().map(judge::Still::from),
            last_read: self.last_read.as_ref().map(judge::LastRead::from),
            is_bounded: true,
        })
    }
}

impl From<judge::Interval> for Interval {
    fn from(at: judge::Interval) -> Self {
        Self { begin_ns: Instant(at.begin), end_ns: Instant(at.end) }
    }
}

impl From<Interval> for judge::Interval {
    fn from(at: Interval) -> Self {
        Self { begin: at.begin_ns.0, end: at.end_ns.0 }
    }
}

impl From<judge::StoreLeg> for StoreLeg {
    fn from(leg: judge::StoreLeg) -> Self {
        let Interval { begin_ns, end_ns } = leg.interval.into();
        Self { begin_ns, end_ns, acknowledged: leg.acknowledged }
    }
}

impl From<StoreLeg> for judge::StoreLeg {
    fn from(leg: StoreLeg) -> Self {
        let StoreLeg { begin_ns, end_ns, acknowledged } = leg;
        Self { interval: Interval { begin_ns, end_ns }.into(), acknowledged }
    }
}

impl From<&judge::Write> for Write {
    fn from(write: &judge::Write) -> Self {
        Self {
            id: write.id.into(),
            digest: Digest(write.digest),
            map: write.map.map(Interval::from),
            order: write.order.map(Number),
            store: write.store.map(StoreLeg::from),
            version: write.version.map(Number),
            deadline_ns: Instant(write.deadline),
            pending: write.pending,
            held: write.held,
            trace: None,
        }
    }
}

impl From<&Write> for judge::Write {
    fn from(write: &Write) -> Self {
        Self {
            id: write.id.into(),
            digest: write.digest.0,
            map: write.map.map(judge::Interval::from),
            order: write.order.map(|order| order.0),
            store: write.store.map(judge::StoreLeg::from),
            version: write.version.map(|version| version.0),
            deadline: write.deadline_ns.0,
            pending: write.pending,
            held: write.held,
        }
    }
}

impl From<judge::Mark> for Mark {
    fn from(mark: judge::Mark) -> Self {
        Self {
            id: mark.id.into(),
            digest: Digest(mark.digest),
            begin_ns: Instant(mark.begin),
            end_ns: Instant(mark.end),
        }
    }
}

impl From<&Mark> for judge::Mark {
    fn from(mark: &Mark) -> Self {
        Self { begin: mark.begin_ns.0, id: mark.id.into(), digest: mark.digest.0, end: mark.end_ns.0 }
    }
}

impl From<&judge::Group> for Group {
    fn from(group: &judge::Group) -> Self {
        Self {
            digests: group.digests.iter().copied().map(Print).collect(),
            store: group.store.map(Interval::from),
            map: group.map.map(Interval::from),
            latest_ns: Instant(group.latest),
            deadline_ns: Instant(group.deadline),
            newest: group.newest.map(Mark::from),
            acknowledged: group.acknowledged,
            first_end_ns: Instant(group.first_end),
        }
    }
}

impl From<&Group> for judge::Group {
    fn from(group: &Group) -> Self {
        Self {
            digests: group.digests.iter().map(|print| print.0).collect(),
            store: group.store.map(judge::Interval::from),
            map: group.map.map(judge::Interval::from),
            latest: group.latest_ns.0,
            deadline: group.deadline_ns.0,
            newest: group.newest.as_ref().map(judge::Mark::from),
            acknowledged: group.acknowledged,
            first_end: group.first_end_ns.0,
        }
    }
}

impl From<&judge::Past> for Past {
    fn from(past: &judge::Past) -> Self {
        Self {
            digest: Print(past.digest),
            store: past.store.into(),
            latest_ns: Instant(past.latest),
            acknowledged: past.acknowledged,
        }
    }
}

impl From<&Past> for judge::Past {
    fn from(past: &Past) -> Self {
        Self {
            digest: past.digest.0,
            store: past.store.into(),
            latest: past.latest_ns.0,
            acknowledged: past.acknowledged,
        }
    }
}

impl From<(judge::Time, judge::Time)> for DueMark {
    fn from((begin, due): (judge::Time, judge::Time)) -> Self {
        Self { begin_ns: Instant(begin), due_ns: Instant(due) }
    }
}

impl From<&judge::Still> for Still {
    fn from(still: &judge::Still) -> Self {
        Self {
            digest: Digest(still.digest),
            since_ns: Instant(still.since),
            again_until_ns: Instant(still.again_until),
            past: still.past.as_ref().map(Past::from),
        }
    }
}

impl From<&Still> for judge::Still {
    fn from(still: &Still) -> Self {
        Self {
            digest: still.digest.0,
            since: still.since_ns.0,
            again_until: still.again_until_ns.0,
            past: still.past.as_ref().map(judge::Past::from),
        }
    }
}

impl From<&judge::LastRead> for LastRead {
    fn from(read: &judge::LastRead) -> Self {
        Self { digest: Digest(read.digest), at: read.at.into() }
    }
}

impl From<&LastRead> for judge::LastRead {
    fn from(read: &LastRead) -> Self {
        Self { digest: read.digest.0, at: read.at.into() }
    }
}
