//! Writes merged into one, to stay within bounds on a key that has very many at once.
//!
//! Keeping only the last digest of merged writes would be unsound: a value that toggles would be called stale. A group
//! keeps a fingerprint of every digest in it, and the smallest interval that holds all their legs. That is wider than
//! the legs were, and widening can lose a detection, never invent one.

use crate::kept::Kept;
use crate::past::{Fingerprint, Mark, Past, latest};
use crate::time::{Interval, Time};
use crate::write::Digest;

/// Merged writes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Group {
    /// What they wrote: sorted, each once.
    pub digests: Vec<Fingerprint>,
    /// Holds all store legs; `None` if there are none.
    pub store: Option<Interval>,
    /// Holds the map legs of those that may be the map's last; `None` if there are none.
    pub map: Option<Interval>,
    /// The last instant at which a store that is as late as the contract allows may take one of them.
    pub latest: Time,
    /// The last deadline.
    pub deadline: Time,
    /// The acknowledged one that began last.
    pub newest: Option<Mark>,
    /// How many were acknowledged.
    pub acknowledged: u32,
    /// The first end of an acknowledged one.
    pub first_end: Time,
}

impl Group {
    /// `write` alone. `is_followed` tells that the map certainly moved on from it to a write that is kept.
    pub(crate) fn of(write: &Kept, is_followed: bool) -> Self {
        let newest = Mark::of(write);
        let past = Past::of(write);
        Self {
            digests: vec![write.digest.into()],
            store: past.map(|past| past.store),
            map: write.map().filter(|_| !is_followed),
            latest: past.map_or(Time::MIN, |past| past.latest),
            deadline: write.deadline,
            newest,
            acknowledged: u32::from(newest.is_some()),
            first_end: newest.map_or(Time::MAX, |mark| mark.end),
        }
    }

    /// Both in one.
    pub(crate) fn merged(mut self, other: Self) -> Self {
        self.digests.extend(other.digests);
        self.digests.sort_unstable();
        self.digests.dedup();
        Self {
            digests: self.digests,
            store: hull(self.store, other.store),
            map: hull(self.map, other.map),
            latest: self.latest.max(other.latest),
            deadline: self.deadline.max(other.deadline),
            newest: latest(self.newest, other.newest),
            acknowledged: self.acknowledged.saturating_add(other.acknowledged),
            first_end: self.first_end.min(other.first_end),
        }
    }

    /// How many different digests are in it.
    pub(crate) fn len(&self) -> usize {
        self.digests.len()
    }

    pub(crate) fn holds(&self, digest: Fingerprint) -> bool {
        self.digests.binary_search(&digest).is_ok()
    }

    /// From when until when one of them may have landed.
    pub(crate) fn store(&self) -> Option<Interval> {
        self.store
    }

    /// When all that is known of it had ended.
    pub(crate) fn ended(&self) -> Time {
        self.store.or(self.map).map_or(Time::MIN, |leg| leg.end)
    }

    /// What it is to a read of `digest`; which of them wrote it, and what that one was told, is not known any more.
    pub(crate) fn as_past(&self, digest: Fingerprint) -> Option<Past> {
        let store = self.store.filter(|_| self.holds(digest))?;
        Some(Past { digest, store, latest: self.latest, acknowledged: false })
    }

    /// Whether one of them, the map's last maybe, wrote `digest`.
    pub(crate) fn may_be_last(&self, digest: Digest) -> bool {
        self.map.is_some() && self.holds(digest.into())
    }
}

fn hull(left: Option<Interval>, right: Option<Interval>) -> Option<Interval> {
    match (left, right) {
        (Some(left), Some(right)) => Some(left.hull(right)),
        (one, other) => one.or(other),
    }
}
