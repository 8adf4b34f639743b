//! What is known of one write.

use crate::time::{Interval, Time};
use std::fmt;

/// The keyed digest of a canonical value, or [`Digest::ABSENT`] for no value.
///
/// The all-zero digest is reserved for absence; a keyed BLAKE3 digest takes that value with probability 2⁻¹²⁸.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(pub [u8; 16]);

impl Digest {
    /// No value: the key is not there.
    pub const ABSENT: Self = Self([0; 16]);

    /// Whether this stands for no value.
    #[must_use]
    pub fn is_absent(self) -> bool {
        self == Self::ABSENT
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_absent() {
            return f.write_str("absent");
        }
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Names a write among all writes of a run: the source that reported it and its number there.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct WriteId {
    /// The comparator's number for the source (service, instance, epoch).
    pub source: u32,
    /// The event's sequence number at that source.
    pub seq: u64,
}

/// What the application was told about its store call.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum StoreOutcome {
    /// The store acknowledged the write within the leg's interval.
    Ok,
    /// The write was certainly not applied, or there was no store call at all (a copy that follows the store, or drops
    /// a value); there is no store leg.
    Failed,
    /// Nobody knows (a time-out, a lost connection): it may be applied at any time after its begin, or never.
    Unknown,
}

/// The half of a dual write that went to the store.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct StoreLeg {
    /// `[i_w, c_w]`, widened. `Unknown` ends at [`Time::MAX`], or at the contract's give-up time.
    pub interval: Interval,
    /// Whether the store acknowledged it. `Failed` has no leg, so this is `Ok` or `Unknown`.
    pub acknowledged: bool,
}

/// One write to one key, as the judge sees it: every interval already in the comparator's timeline and widened by
/// the clock error of its source.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Write {
    /// Who reported it, and which it was.
    pub id: WriteId,
    /// What it wrote; [`Digest::ABSENT`] for a remove.
    pub digest: Digest,
    /// When the map changed; `None` if the application skipped the map leg.
    pub map: Option<Interval>,
    /// Position in the map's own order, where the source takes its numbers under the map's lock; else `None` and
    /// only disjoint intervals are ordered.
    pub order: Option<u64>,
    /// When the store may have changed; `None` if it certainly did not (`Failed`).
    pub store: Option<StoreLeg>,
    /// A version that grows with each write of the key, if the application keeps one.
    pub version: Option<u64>,
    /// From this instant on the two sides must agree on this write, if nothing newer came.
    pub deadline: Time,
    /// Whether its event still waits for an outcome.
    pub pending: bool,
    /// Nobody saw it being made: it is known because the map held its value at some instant within `map`. Of
    /// [`Digest::ABSENT`] that the map held no value then.
    pub held: bool,
}

impl Write {
    /// The instant after which a read can say something about this write: the end of its store leg, or of its map
    /// leg where there is no store leg. [`Time::MAX`] while the store leg is open.
    #[must_use]
    pub fn ended(&self) -> Time {
        match (self.store, self.map) {
            (Some(leg), _) => leg.interval.end,
            (None, Some(map)) => map.end,
            (None, None) => Time::MIN,
        }
    }

    /// When its last leg had ended.
    #[must_use]
    pub fn ended_wholly(&self) -> Time {
        self.ended().max(self.map.map_or(Time::MIN, |leg| leg.end))
    }

    /// The earliest instant at which any leg may have begun.
    #[must_use]
    pub fn begun(&self) -> Time {
        let map = self.map.map_or(Time::MAX, |map| map.begin);
        let store = self.store.map_or(Time::MAX, |leg| leg.interval.begin);
        map.min(store)
    }
}

/// Whose map a contract is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Scope {
    /// All sources share one logical map.
    #[default]
    Shared,
    /// Each source keeps a copy of its own, as caches do. A history is then that of one copy: it has the source's own
    /// writes, and the store legs alone of all others'.
    Process,
}

/// What a contract says, durations in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Terms {
    /// Within this time after a write the store must agree.
    pub deadline: i64,
    /// How long before its map leg a store write may have begun, where the store leg is not reported.
    pub lead: i64,
    /// How late after its map leg a write of unknown outcome may still land; `None` for no bound.
    pub give_up: Option<i64>,
    /// How long past its deadline an event may wait for a verdict before it ends undetermined.
    pub patience: i64,
    /// Whether the store may drop values by itself (a time to live, eviction): absence then proves nothing.
    pub expires: bool,
    /// Whose map it is.
    pub scope: Scope,
}

/// The legs of a write as they were reported, before the contract and the clock error are applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reported {
    /// The map leg; `None` if it was skipped.
    pub map: Option<Interval>,
    /// The store leg and what the application was told; `None` if nobody watched the store call.
    pub store: Option<(Interval, StoreOutcome)>,
}

impl Reported {
    /// The earliest instant at which a leg may have begun; [`Time::MAX`] without any.
    #[must_use]
    pub fn begun(&self) -> Time {
        let map = self.map.map_or(Time::MAX, |leg| leg.begin);
        self.store.map_or(map, |(leg, _)| leg.begin.min(map))
    }

    /// The same for a value that the map *held* at some instant within the map leg: who wrote it, and when before that, is
    /// not known. So the store leg may have begun at any time, and raises no lower bound on what else may be read; but
    /// the contract has it in the store, or something newer, by the deadline after that instant. A copy of a process of its
    /// own was perhaps read from the store: there is no store leg then.
    #[must_use]
    pub fn held_under(&self, terms: &Terms, error: i64) -> (Option<Interval>, Option<StoreLeg>, Time) {
        let (map, store, deadline) = Self { store: None, ..*self }.under(terms, error);
        let any_time = |leg: StoreLeg| {
            let interval = Interval { begin: Time::MIN, end: leg.interval.end };
            StoreLeg { interval, ..leg }
        };
        match terms.scope {
            Scope::Shared => (map, store.map(any_time), deadline),
            Scope::Process => (map, None, deadline),
        }
    }

    /// The same for another store than the one that the report is about, which the application writes as well: nobody
    /// watched that call, so the contract supplies the leg. A write that left the map alone may have been made there, by
    /// the deadline after the call that was reported. Where each process has a copy of its own, `Failed` means that there
    /// was no call at all, for any store.
    #[must_use]
    pub fn elsewhere_under(&self, terms: &Terms, error: i64) -> (Option<Interval>, Option<StoreLeg>, Time) {
        match (self.store, self.map) {
            (Some((_, StoreOutcome::Failed)), _) if terms.scope == Scope::Process => self.under(terms, error),
            (Some((leg, _)), None) => {
                let leg = leg.widened(error);
                let end = leg.end.plus(terms.deadline);
                let interval = Interval { begin: leg.begin.minus(terms.lead), end };
                (None, Some(StoreLeg { interval, acknowledged: false }), end)
            }
            _ => Self { store: None, ..*self }.under(terms, error),
        }
    }

    /// Applies the contract and widens by `error` nanoseconds: gives the map leg, the store leg and the deadline.
    ///
    /// A store leg that was not reported is supplied by the contract: `[map.begin − lead, map.end + deadline]`,
    /// acknowledged. `Failed` drops the leg; `Unknown` ends at `give_up` after the map leg (or the begin of the
    /// store leg), or never.
    #[must_use]
    pub fn under(&self, terms: &Terms, error: i64) -> (Option<Interval>, Option<StoreLeg>, Time) {
        let map = self.map.map(|leg| leg.widened(error));
        let last_end = |store: Interval| map.map_or(store.end, |leg| leg.end.max(store.end));
        match (self.store, map) {
            (Some((leg, StoreOutcome::Ok)), _) => {
                let interval = leg.widened(error);
                let leg = StoreLeg { interval, acknowledged: true };
                (map, Some(leg), last_end(interval).plus(terms.deadline))
            }
            (Some((leg, StoreOutcome::Unknown)), _) => {
                let begin = leg.widened(error).begin;
                let reported_end = map.map_or(begin, |map| map.end.max(begin));
                let end = terms.give_up.map_or(Time::MAX, |bound| reported_end.plus(bound).plus(error));
                let leg = StoreLeg { interval: Interval { begin, end }, acknowledged: false };
                (map, Some(leg), reported_end.plus(terms.deadline))
            }
            (Some((leg, StoreOutcome::Failed)), _) => (map, None, last_end(leg).plus(terms.deadline)),
            (None, Some(leg)) => {
                let end = leg.end.plus(terms.deadline);
                let interval = Interval { begin: leg.begin.minus(terms.lead), end };
                (map, Some(StoreLeg { interval, acknowledged: true }), end)
            }
            (None, None) => (None, None, Time::MIN),
        }
    }
}
