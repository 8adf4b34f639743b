//! What a map holds, told whole: so that keys which nobody writes to are compared too, and rows that the map does not have are
//! known to be too many.
//!
//! A snapshot is told in chunks, by the thread that asked for it. Between two chunks it waits until the ring is half empty, so
//! that writes have the other half at any time and lose nothing by it; the writer thread and the sidecar slow it down, it slows
//! nobody down. The values of a chunk are read while the caller holds what guards the map, and those that find no room in the
//! ring then wait outside of it: whoever writes to the map never waits longer than for the reading of one chunk.
//!
//! When all chunks are in the ring, the snapshot is posted; the writer thread empties the ring, and its heartbeats say from then
//! on that everything below its next number tells all that the map held since the snapshot began. They say it again and
//! again, so that no lost connection loses it.
//!
//! # Why a held value may be told late
//!
//! The watermark is a promise about writes, and that a map held a value is none. It is a fact about an instant: what is judged
//! without it is judged with less, never wrongly.

use crate::event::{Change, Event};
use crate::map::{MapEmitter, number};
use counterfoil_clock::now;
use counterfoil_judge::{Interval, Reported, Time};
use counterfoil_proto::Snapshot as Message;
use std::sync::atomic::Ordering;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

/// A snapshot of one map in the making; see [`MapEmitter::snapshot`].
#[must_use = "a snapshot counts once it is complete"]
pub struct Snapshot {
    map: MapEmitter,
    begin: Time,
    first_seq: u64,
    until: Time,
}

/// Values that are read together, while the caller holds what guards them.
pub struct Chunk<'a> {
    map: &'a MapEmitter,
    left: Vec<Event>,
}

/// A snapshot that is complete, and all of which is in the ring.
pub(crate) struct Told {
    map: Arc<str>,
    begin: Time,
    first_seq: u64,
}

impl Told {
    /// As heartbeats say it: all of it has a number below `end_seq`.
    pub(crate) fn message(self, end_seq: u64) -> Message {
        Message { map: self.map.to_string(), begin: self.begin, first_seq: self.first_seq, end_seq }
    }
}

impl Snapshot {
    pub(crate) fn begin(map: MapEmitter, timeout: Duration) -> Self {
        // Numbers are given later, and never one that was sent already.
        let first_seq = map.shared.counters.sent.load(Ordering::Relaxed);
        let begin = now();
        Self {
            map,
            begin,
            first_seq,
            until: begin.plus(i64::try_from(timeout.as_nanos()).unwrap_or(i64::MAX)),
        }
    }

    /// Waits until there is room, then calls `read`, which tells some of what the map holds; a few hundred values at a time suit
    /// best. Says whether there was room in time for all of them; if not, give the snapshot up.
    #[must_use = "what was not told leaves the snapshot incomplete"]
    pub fn tell(&self, read: impl FnOnce(&mut Chunk<'_>)) -> bool {
        if !self.wait_for_room() {
            return false;
        }
        let mut chunk = Chunk { map: &self.map, left: Vec::new() };
        read(&mut chunk);
        chunk.left.into_iter().all(|event| self.submit(Box::new(event)))
    }

    /// Everything that the map held at some instant since the snapshot began was told, here or by the event of a change since
    /// then. Rows of the store that the map does not know can be found out of that.
    pub fn complete(self) {
        let Self { map, begin, first_seq, .. } = self;
        let told = Told { map: map.name_shared(), begin, first_seq };
        map.shared.told.lock().unwrap_or_else(PoisonError::into_inner).push(told);
    }

    /// Puts the event into the ring once there is room; false if there is none in time.
    fn submit(&self, mut event: Box<Event>) -> bool {
        loop {
            match self.map.shared.submit_held(event) {
                Ok(()) => return true,
                Err(back) => event = back,
            }
            if !self.wait_for_room() {
                return false;
            }
        }
    }

    fn wait_for_room(&self) -> bool {
        let shared = &self.map.shared;
        while !shared.is_closed() {
            if shared.ring.is_roomy() {
                return true;
            }
            let left = u64::try_from(self.until.since(now())).unwrap_or_default();
            if left == 0 {
                return false;
            }
            shared.room.wait(Duration::from_nanos(left));
        }
        false
    }
}

impl Chunk<'_> {
    /// The map holds `value` for `key` now. Call it while holding what guards the key.
    pub fn held(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.add(key.as_ref(), value.as_ref(), None);
    }

    /// The same where changes carry the [map's order](crate::DualWrite::order): `order` is the next number of the same counter,
    /// taken under the lock that guards the key.
    pub fn held_in_order(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>, order: u64) {
        self.add(key.as_ref(), value.as_ref(), number(Some(order)));
    }

    fn add(&mut self, key: &[u8], value: &[u8], map_order: Option<u64>) {
        let at = now();
        let legs = Reported { map: Some(Interval::new(at, at)), store: None };
        let Some(event) = self.map.held(key, Change::Put(value), legs, map_order) else { return };
        // What came before waits already, and goes first.
        match self.left.is_empty() {
            true => self.left.extend(self.map.shared.submit_held(event).err().map(|event| *event)),
            false => self.left.push(*event),
        }
    }
}
