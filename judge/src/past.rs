//! What is left of writes that are not kept any more.

use crate::kept::Kept;
use crate::time::{Interval, Time};
use crate::write::{Digest, WriteId};

/// A fingerprint of a digest: its first eight bytes. Digests are keyed hashes, so two different ones share a
/// fingerprint with probability 2⁻⁶⁴; what that costs is a divergence not seen, never a false one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Fingerprint(pub u64);

impl From<Digest> for Fingerprint {
    #[inline]
    fn from(Digest([a, b, c, d, e, f, g, h, ..]): Digest) -> Self {
        Self(u64::from_le_bytes([a, b, c, d, e, f, g, h]))
    }
}

/// The store leg of a write, kept or remembered, as far as explaining a read goes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Past {
    /// What it wrote.
    pub digest: Fingerprint,
    /// When it may have landed.
    pub store: Interval,
    /// Even a store that is as late as the contract allows has taken it by then.
    pub latest: Time,
    /// Whether the store acknowledged it.
    pub acknowledged: bool,
}

impl Past {
    #[inline]
    pub(crate) fn of(write: &Kept) -> Option<Self> {
        let leg = write.store()?;
        let latest = leg.interval.end.max(write.deadline);
        let digest = write.digest.into();
        Some(Self { digest, store: leg.interval, latest, acknowledged: leg.acknowledged })
    }

    /// Whether the other is of the same write, however much of its end is known.
    pub(crate) fn is_same_write(&self, other: &Self) -> bool {
        other.digest == self.digest && other.store.begin == self.store.begin
    }
}

/// The begin of an acknowledged write, with its name.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mark {
    /// The begin of its store leg.
    pub begin: Time,
    /// Its name.
    pub id: WriteId,
    /// What it wrote.
    pub digest: Digest,
    /// The end of its store leg.
    pub end: Time,
}

impl Mark {
    #[inline]
    pub(crate) fn of(write: &Kept) -> Option<Self> {
        let leg = write.store().filter(|leg| leg.acknowledged)?.interval;
        Some(Self { begin: leg.begin, id: write.id(), digest: write.digest, end: leg.end })
    }
}

/// The mark that began later, if there is any.
pub(crate) fn latest(left: Option<Mark>, right: Option<Mark>) -> Option<Mark> {
    match (left, right) {
        (Some(left), Some(right)) => Some(if right.begin > left.begin { right } else { left }),
        (one, other) => one.or(other),
    }
}
