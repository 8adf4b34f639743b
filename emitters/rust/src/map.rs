//! The handle that reports the writes of one map.

use crate::event::{Change, Content, Event, Marks, Report, happened, span};
use crate::limits::MAP_NAME_BYTES_MAX;
use crate::losses::{Lost, Reason};
use crate::open::Seat;
use crate::shared::Shared;
use crate::snapshot::Snapshot;
use crate::write::DualWrite;
use counterfoil_digest::{bucket, key_hash};
use counterfoil_judge::{Interval, Reported, StoreOutcome};
use std::sync::Arc;
use std::time::Duration;

/// The version and the map order that stand for "none" on the wire.
const NO_NUMBER: u64 = u64::MAX;

/// What became of the store call of a change that is reported as an instant.
#[derive(Clone, Copy)]
enum StoreCall {
    /// Somebody makes it, at some time that the contract bounds.
    Unwatched,
    /// There is none. On the wire that is a call that was certainly not applied, at the instant of the change.
    None,
}

/// Reports the writes of one map. Cheap to clone; no call blocks, panics or fails.
#[derive(Clone)]
pub struct MapEmitter {
    pub(crate) shared: Arc<Shared>,
    name: Arc<str>,
}

impl MapEmitter {
    pub(crate) fn new(shared: Arc<Shared>, name: &str) -> Self {
        Self { shared, name: name.into() }
    }

    /// The map's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Reports that the map now has `value` for `key`; the store's part is not reported, the map's contract says when
    /// it may come.
    ///
    /// The instant of this call stands for the instant of the change, so make it while holding what guards the key.
    /// Where that cannot be, take the interval: [`MapEmitter::begin_put`] and [`DualWrite::map`].
    pub fn put(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.instant(key.as_ref(), Change::Put(value.as_ref()), StoreCall::Unwatched);
    }

    /// Reports that the map now has no value for `key`; see [`MapEmitter::put`].
    pub fn remove(&self, key: impl AsRef<[u8]>) {
        self.instant(key.as_ref(), Change::Remove, StoreCall::Unwatched);
    }

    /// Reports that this process's copy now has `value` for `key`, as it was read from the store: nothing was written
    /// there. For maps whose contract says `scope: process`; elsewhere a change that the store was not told of counts
    /// as one that is missing there.
    ///
    /// The instant of this call stands for the instant of the change, as in [`MapEmitter::put`]. Where that cannot be,
    /// take the interval: [`MapEmitter::begin_put`], [`DualWrite::map`], and [`DualWrite::store_ended`] with
    /// [`StoreOutcome::Failed`].
    pub fn fill(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.instant(key.as_ref(), Change::Put(value.as_ref()), StoreCall::None);
    }

    /// Reports that this process's copy no longer has a value for `key`, while the store keeps its own; see
    /// [`MapEmitter::fill`].
    pub fn evict(&self, key: impl AsRef<[u8]>) {
        self.instant(key.as_ref(), Change::Remove, StoreCall::None);
    }

    /// Begins a write of `value` to `key`. Its event is emitted when the guard goes.
    #[must_use = "the write ends when the guard is dropped"]
    pub fn begin_put(&self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) -> DualWrite {
        self.begin(key.as_ref(), Change::Put(value.as_ref()))
    }

    /// Begins a removal of `key`. Its event is emitted when the guard goes.
    #[must_use = "the write ends when the guard is dropped"]
    pub fn begin_remove(&self, key: impl AsRef<[u8]>) -> DualWrite {
        self.begin(key.as_ref(), Change::Remove)
    }

    /// Writes `value` to `key` on both sides: calls `map`, then `store`, and reports both as one event. An error of
    /// the store call leaves its outcome unknown; who can tell more uses [`DualWrite::store_with`].
    ///
    /// # Errors
    ///
    /// What `store` returned, untouched.
    pub fn dual_write_put<R, T, E>(
        &self,
        key: impl AsRef<[u8]>,
        value: impl AsRef<[u8]>,
        map: impl FnOnce() -> R,
        store: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let mut write = self.begin_put(key, value);
        write.map(map);
        write.store(store)
    }

    /// Removes `key` on both sides; see [`MapEmitter::dual_write_put`].
    ///
    /// # Errors
    ///
    /// What `store` returned, untouched.
    pub fn dual_write_remove<R, T, E>(
        &self,
        key: impl AsRef<[u8]>,
        map: impl FnOnce() -> R,
        store: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        let mut write = self.begin_remove(key);
        write.map(map);
        write.store(store)
    }

    /// Begins to tell what the map holds, now that somebody watches it: keys that were written before are compared too then, and
    /// once the snapshot is [complete](Snapshot::complete), rows of the store that the map does not know can be found. It is
    /// told in the thread that calls [`Snapshot::tell`], which waits for the sidecar up to `timeout` from now; see `snapshot`
    /// for what it costs others. [`WatchedMap::snapshot`](crate::WatchedMap::snapshot) does all of it.
    pub fn snapshot(&self, timeout: Duration) -> Snapshot {
        Snapshot::begin(self.clone(), timeout)
    }

    /// The event of a value that the map held at an instant; `None` if it breaks a limit: then it is counted as lost.
    pub(crate) fn held(
        &self,
        key: &[u8],
        value: Change<'_>,
        legs: Reported,
        map_order: Option<u64>,
    ) -> Option<Box<Event>> {
        match self.content(key, value) {
            Ok(content) => {
                let marks = Marks { map_order, held: true, ..Marks::default() };
                Some(Box::new(Event { map: Arc::clone(&self.name), content, legs, marks }))
            }
            Err(bucket) => {
                let seat = self.shared.open.enter();
                let during = Interval::new(seat.begin, seat.begin);
                self.shared.submit_lost(&Lost { reason: Reason::Limit, bucket, during });
                self.shared.open.leave(&seat);
                None
            }
        }
    }

    pub(crate) fn name_shared(&self) -> Arc<str> {
        Arc::clone(&self.name)
    }

    /// Keeps the watermark from passing the present until the guard goes. Hold it around a write whose intervals you
    /// take by yourself, from before its begin until after [`MapEmitter::emit`].
    #[must_use = "the watermark is held back for as long as the guard lives"]
    pub fn open_write(&self) -> OpenWrite {
        OpenWrite { seat: self.shared.open.enter(), shared: Arc::clone(&self.shared) }
    }

    /// Reports a write with intervals that the caller took.
    ///
    /// A leg may begin in the past only if an [`OpenWrite`] has been held since before that: without one, the emitter
    /// may already have promised that everything from back then was reported, and a verdict may rest on it.
    pub fn emit(&self, report: Report<'_>) {
        if !happened(&report.legs) {
            return;
        }
        let seat = self.shared.open.enter();
        let mut marks = self.marks();
        marks.map_order = number(report.map_order);
        marks.version = number(report.version);
        self.finish(self.content(report.key, report.change), report.legs, marks);
        self.shared.open.leave(&seat);
    }

    fn instant(&self, key: &[u8], change: Change<'_>, call: StoreCall) {
        let seat = self.shared.open.enter();
        let leg = Interval::new(seat.begin, seat.begin);
        let store = match call {
            StoreCall::Unwatched => None,
            StoreCall::None => Some((leg, StoreOutcome::Failed)),
        };
        let legs = Reported { map: Some(leg), store };
        self.finish(self.content(key, change), legs, self.marks());
        self.shared.open.leave(&seat);
    }

    fn begin(&self, key: &[u8], change: Change<'_>) -> DualWrite {
        let seat = self.shared.open.enter();
        DualWrite::new(self.clone(), seat, self.content(key, change), self.marks())
    }

    fn marks(&self) -> Marks {
        let origin = self.shared.cohorts.origin();
        Marks { trace: origin.trace, cohort: origin.cohort, ..Marks::default() }
    }

    /// A copy of key and value; where they break a limit nothing is copied and the key's bucket is all that is kept.
    fn content(&self, key: &[u8], change: Change<'_>) -> Result<Content, usize> {
        let (value, bytes) = match change {
            Change::Put(value) => (Some(value), value),
            Change::Remove => (None, &[][..]),
        };
        if self.name.is_empty()
            || self.name.len() > MAP_NAME_BYTES_MAX
            || !self.shared.limits.admit(key, bytes)
        {
            return Err(bucket(key_hash(&self.name, key)));
        }
        Ok(Content { key: key.to_vec(), value: value.map(<[u8]>::to_vec) })
    }

    /// Hands over a write that is over and whose seat is still held.
    pub(crate) fn finish(&self, content: Result<Content, usize>, legs: Reported, marks: Marks) {
        match content {
            Ok(content) => self.shared.submit(Event { map: Arc::clone(&self.name), content, legs, marks }),
            Err(bucket) => {
                self.shared.submit_lost(&Lost { reason: Reason::Limit, bucket, during: span(&legs) });
            }
        }
    }
}

/// A number that may travel.
pub(crate) fn number(number: Option<u64>) -> Option<u64> {
    number.filter(|&number| number != NO_NUMBER)
}

/// Holds the watermark back while it lives; see [`MapEmitter::open_write`]. One that is leaked holds it for ever.
pub struct OpenWrite {
    shared: Arc<Shared>,
    seat: Seat,
}

impl Drop for OpenWrite {
    fn drop(&mut self) {
        self.shared.open.leave(&self.seat);
    }
}
