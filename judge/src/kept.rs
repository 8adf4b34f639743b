//! A write as a history keeps it: the same facts as [`Write`] in 88 bytes, because a table holds a million of them.

use crate::time::{Interval, Time};
use crate::write::{Digest, StoreLeg, Write, WriteId};

const MAP: u8 = 1;
const STORE: u8 = 1 << 1;
const ACKNOWLEDGED: u8 = 1 << 2;
const ORDER: u8 = 1 << 3;
const VERSION: u8 = 1 << 4;
const PENDING: u8 = 1 << 5;
const HELD: u8 = 1 << 6;

const NOTHING: Interval = Interval { begin: Time::MIN, end: Time::MIN };

/// A packed write. A field counts only where its flag is set.
#[derive(Clone, Debug)]
pub(crate) struct Kept {
    seq: u64,
    pub(crate) digest: Digest,
    map: Interval,
    store: Interval,
    order: u64,
    version: u64,
    pub(crate) deadline: Time,
    source: u32,
    flags: u8,
    /// Gives `Option<Kept>` the size of a `Kept`.
    _niche: bool,
}

const _: () = assert!(size_of::<Option<Kept>>() == 88);

impl From<Write> for Kept {
    fn from(write: Write) -> Self {
        let flag = |is: bool, flag: u8| if is { flag } else { 0 };
        Self {
            seq: write.id.seq,
            digest: write.digest,
            map: write.map.unwrap_or(NOTHING),
            store: write.store.map_or(NOTHING, |leg| leg.interval),
            order: write.order.unwrap_or(0),
            version: write.version.unwrap_or(0),
            deadline: write.deadline,
            source: write.id.source,
            flags: flag(write.map.is_some(), MAP)
                | flag(write.store.is_some(), STORE)
                | flag(write.store.is_some_and(|leg| leg.acknowledged), ACKNOWLEDGED)
                | flag(write.order.is_some(), ORDER)
                | flag(write.version.is_some(), VERSION)
                | flag(write.pending, PENDING)
                | flag(write.held, HELD),
            _niche: false,
        }
    }
}

impl Kept {
    #[inline]
    pub(crate) fn unpacked(&self) -> Write {
        Write {
            id: self.id(),
            digest: self.digest,
            map: self.map(),
            order: self.order(),
            store: self.store(),
            version: self.version(),
            deadline: self.deadline,
            pending: self.is_pending(),
            held: self.is_held(),
        }
    }

    #[inline]
    pub(crate) fn id(&self) -> WriteId {
        WriteId { source: self.source, seq: self.seq }
    }

    #[inline]
    pub(crate) fn map(&self) -> Option<Interval> {
        self.is(MAP).then_some(self.map)
    }

    #[inline]
    pub(crate) fn store(&self) -> Option<StoreLeg> {
        self.is(STORE).then_some(StoreLeg { interval: self.store, acknowledged: self.is(ACKNOWLEDGED) })
    }

    #[inline]
    pub(crate) fn version(&self) -> Option<u64> {
        self.is(VERSION).then_some(self.version)
    }

    #[inline]
    pub(crate) fn order(&self) -> Option<u64> {
        self.is(ORDER).then_some(self.order)
    }

    /// Whether the key was removed from the map alone: a copy that drops a value.
    #[inline]
    pub(crate) fn is_eviction(&self) -> bool {
        self.digest.is_absent() && self.is(MAP) && !self.is(STORE)
    }

    /// Whether its event still waits for an outcome.
    #[inline]
    pub(crate) fn is_pending(&self) -> bool {
        self.is(PENDING)
    }

    /// Whether nobody saw it being made: the map held its value.
    #[inline]
    pub(crate) fn is_held(&self) -> bool {
        self.is(HELD)
    }

    /// It is another copy's write; its event is that copy's.
    #[inline]
    pub(crate) fn drop_map_leg(&mut self) {
        self.flags &= !(MAP | ORDER | PENDING | HELD);
        self.map = NOTHING;
    }

    /// Its event has ended.
    #[inline]
    pub(crate) fn end_event(&mut self) {
        self.flags &= !PENDING;
    }

    /// Its value was read by `end`: it had happened by then.
    #[inline]
    pub(crate) fn happened_by(&mut self, end: Time) {
        self.store.end = self.store.end.min(end);
        self.flags |= ACKNOWLEDGED;
    }

    /// The instant after which a read can say something about this write: the end of its store leg, or of its map
    /// leg where there is no store leg. [`Time::MAX`] while the store leg is open.
    #[inline]
    pub(crate) fn ended(&self) -> Time {
        if self.is(STORE) { self.store.end } else { self.map.end }
    }

    /// When its last leg had ended.
    #[inline]
    pub(crate) fn ended_wholly(&self) -> Time {
        self.ended().max(self.map.end)
    }

    /// The earliest instant at which any leg may have begun.
    #[inline]
    pub(crate) fn begun(&self) -> Time {
        let map = self.map().map_or(Time::MAX, |leg| leg.begin);
        let store = self.store().map_or(Time::MAX, |leg| leg.interval.begin);
        map.min(store)
    }

    /// Whether the map certainly took `later` after this one: by version, by the map's own order within one source, or
    /// by intervals that do not touch.
    #[inline]
    pub(crate) fn is_map_before(&self, later: &Self) -> bool {
        let (Some(this_leg), Some(later_leg)) = (self.map(), later.map()) else { return false };
        if let (Some(this), Some(that)) = (self.version(), later.version())
            && this != that
        {
            return this < that;
        }
        if let (Some(this), Some(that)) = (self.order(), later.order())
            && self.source == later.source
        {
            return this < that;
        }
        this_leg.is_before(later_leg)
    }

    #[inline]
    fn is(&self, flag: u8) -> bool {
        self.flags & flag != 0
    }
}
