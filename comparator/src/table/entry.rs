//! One key: its writes and its divergence. [`judging`] says what a read makes of it, [`due`] when to look next, [`fields`] what is known of
//! its value's fields.
//!
//! A table holds millions of these, most of them with one write that waits to be confirmed. So what only some keys have
//! (a probe under way, a divergence, marks) is kept elsewhere, and the hash is computed anew where it is needed.

mod due;
mod fields;
mod judging;

use super::{Arrival, Effects, Ended, Marks, Printed, Rules};
use crate::contract::MapId;
use counterfoil_judge::{Divergence, History, Interval, Outcome, Reason, Time, Write, WriteId};
use counterfoil_keys::KeyNumber;
use counterfoil_proto::TraceRef;
use due::{PAST_DEADLINE, expected_at};
use smallvec::SmallVec;
use std::sync::Arc;

/// A history with fewer writes is not worth pruning when another arrives.
const WORTH_PRUNING: usize = 4;

/// Keys up to this length take no allocation.
const INLINE_KEY_BYTES: usize = 16;

/// One key of one map.
pub(super) struct Entry {
    map: u16,
    /// Verdicts in a row that were not final.
    attempts: u8,
    /// Whether the two sides agree is still to be seen though no event waits for it: the store could not be read, or
    /// another source wrote what this copy has to follow.
    owes: bool,
    /// It stands in the shard's queue of settled keys.
    queued: bool,
    /// The deployment key that all digests of its history are under.
    digested_under: KeyNumber,
    /// The source whose copy this is, where the map's contract gives each its own.
    copy: Option<CopyOf>,
    key: SmallVec<[u8; INLINE_KEY_BYTES]>,
    history: History,
    /// When it is to be probed; `MAX` for never, or while a probe is under way.
    pub(super) due: Time,
    extra: Option<Box<Extra>>,
}

/// The source of a copy, never [`u32::MAX`], so that "none" takes no room.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct CopyOf(std::num::NonZeroU32);

impl CopyOf {
    pub(super) fn new(source: u32) -> Option<Self> {
        std::num::NonZeroU32::new(!source).map(Self)
    }

    pub(super) fn source(self) -> u32 {
        !self.0.get()
    }
}

/// Events that tell of what the map held: a key has one of them, if any.
type Held = SmallVec<[WriteId; 1]>;

/// What only some keys have.
#[derive(Default)]
struct Extra {
    /// The probe under way: from when it was taken, open at its end until the store was read.
    reading: Option<Interval>,
    open: Option<Box<Open>>,
    marks: SmallVec<[(WriteId, Marks); 1]>,
    /// Until when writes whose digests are under other deployment keys may land.
    doubted_until: Option<Time>,
    /// The write beside which a value was found that nobody reported, before the check was calibrated.
    unknown_beside: Option<WriteId>,
    /// The prints of the newest write's fields.
    fields: Option<Arc<Printed>>,
}

/// A divergence that was not resolved yet.
struct Open {
    divergence: Divergence,
    trace: Option<TraceRef>,
}

impl Entry {
    /// `None` for a map whose number is out of bounds.
    pub(super) fn new(
        map: MapId,
        key: &[u8],
        copy: Option<CopyOf>,
        digested_under: KeyNumber,
        history: History,
    ) -> Option<Self> {
        Some(Self {
            map: u16::try_from(map.0).ok()?,
            attempts: 0,
            owes: false,
            queued: false,
            digested_under,
            copy,
            key: SmallVec::from_slice(key),
            history,
            due: Time::MAX,
            extra: None,
        })
    }

    pub(super) fn map(&self) -> MapId {
        MapId(self.map.into())
    }

    pub(super) fn key(&self) -> &[u8] {
        &self.key
    }

    pub(super) fn copy(&self) -> Option<CopyOf> {
        self.copy
    }

    pub(super) fn digested_under(&self) -> KeyNumber {
        self.digested_under
    }

    pub(super) fn hash(&self, rules: &Rules) -> u64 {
        rules.hash(self.map(), &self.key)
    }

    /// The history of another source's copy of the same key, which has nothing of its own yet.
    pub(super) fn history_for_another_copy(&self) -> History {
        self.history.for_another_copy()
    }

    /// Nothing is open: it may be forgotten. A write of unknown outcome could still land, and is not forgotten.
    pub(super) fn is_settled(&self) -> bool {
        let is_over = |write: Write| !write.pending && write.ended() < Time::MAX;
        self.reading().is_none()
            && self.due == Time::MAX
            && !self.has_divergence()
            && self.history.writes().all(is_over)
            && self.ended() < Time::MAX
    }

    /// Whether it is to be put into the queue of settled keys, because it does not stand there yet.
    pub(super) fn enqueue(&mut self) -> bool {
        !std::mem::replace(&mut self.queued, true)
    }

    /// Takes it out of the queue of settled keys; gives it if it may be forgotten.
    pub(super) fn dequeue(&mut self) -> Option<&mut Self> {
        self.queued = false;
        self.is_settled().then_some(self)
    }

    /// When the last of its writes had ended, those under other deployment keys among them.
    pub(super) fn ended(&self) -> Time {
        let doubted_until = self.extra.as_ref().and_then(|extra| extra.doubted_until);
        self.comparable_ended().max(doubted_until.unwrap_or(Time::MIN))
    }

    /// When the last of the writes in its history had ended.
    fn comparable_ended(&self) -> Time {
        self.history.writes().map(|write| write.ended_wholly()).max().unwrap_or(Time::MIN)
    }

    pub(super) fn open_events(&self) -> usize {
        self.history.pending()
    }

    /// When the oldest of its open events was begun. Nobody saw the begin of a write whose value the map held; its event begins
    /// where the map was looked at.
    pub(super) fn oldest_open(&self) -> Option<Time> {
        // Most keys wait for nothing, and unpacking their writes takes time.
        if self.open_events() == 0 {
            return None;
        }
        let begun = |write: Write| match write.map {
            Some(leg) if write.held => leg.begin,
            _ => write.begun(),
        };
        self.history.writes().filter(|write| write.pending).map(begun).min()
    }

    pub(super) fn has_divergence(&self) -> bool {
        self.open().is_some()
    }

    /// The write that a divergence names which is confirmed and open, and when it had ended; [`Time::MIN`] if that is not known.
    pub(super) fn confirmed(&self) -> Option<(WriteId, Time)> {
        let confirmed = self.open().map(|open| &open.divergence).filter(|divergence| divergence.confirmed)?;
        Some((confirmed.named, confirmed.ended))
    }

    /// Goes on under the deployment key of the next write. What was known under another one becomes doubt, as it does of
    /// a key that was forgotten: until the last of those writes has ended, anything may be theirs. `forgotten_until` covers
    /// what had been forgotten before.
    pub(super) fn take_key(&mut self, next: KeyNumber, forgotten_until: Time, effects: &mut Effects) {
        if next == self.digested_under {
            return;
        }
        let waiting = self.history.writes().filter(|write| write.pending);
        let ended = waiting.map(|write| (write.id, Outcome::Undetermined(Reason::Baseline))).collect();
        self.tell_ended(ended, &self.held(), effects);
        let until = self.ended().max(forgotten_until);
        self.history = History::watched_since(until);
        self.digested_under = next;
        self.doubt_until(until);
    }

    /// Writes whose digests cannot be compared with those of this history may land until `until`.
    pub(super) fn doubt_until(&mut self, until: Time) {
        self.history.blind_until(until, Reason::Baseline);
        let doubted_until = &mut self.extra_mut().doubted_until;
        *doubted_until = (*doubted_until).max(Some(until));
    }

    /// Takes a write that was reported for this key.
    pub(super) fn write(&mut self, arrival: Arrival<'_>, now: Time, rules: &Rules, effects: &mut Effects) {
        let Arrival { write, marks, prints, .. } = arrival;
        let wanted_at = now.plus(rules.probing.first_delay);
        let wanted_at = wanted_at.max(expected_at(&write).plus(rules.lags.delay(self.map())));
        if marks != Marks::default() {
            self.extra_mut().marks.push((write.id, marks));
        }
        self.keep_prints(&write, prints);
        let is_pending = write.pending;
        self.insert(write, now, effects);
        if is_pending && self.reading().is_none() {
            self.attempts = 0;
            self.due = self.due.min(wanted_at);
        }
    }

    /// Takes up a divergence that was open before the comparator was started over, and looks whether it still is.
    pub(super) fn reopen(&mut self, divergence: Divergence, now: Time) {
        self.extra_mut().open.get_or_insert(Box::new(Open { divergence, trace: None }));
        if self.reading().is_none() {
            self.due = self.due.min(now);
        }
    }

    /// Takes a write that another source made to the store, and that this copy has to follow within the deadline.
    pub(super) fn follow(&mut self, write: &Write, now: Time, effects: &mut Effects) {
        let followed = Write { map: None, order: None, pending: false, ..write.clone() };
        self.insert(followed, now, effects);
        self.owes = true;
        if self.reading().is_none() {
            self.due = self.due.min(write.deadline.plus(PAST_DEADLINE).max(now));
        }
    }

    fn insert(&mut self, write: Write, now: Time, effects: &mut Effects) {
        let mut ended = Vec::new();
        let held = self.held();
        effects.merged += u64::from(self.history.insert(write, &mut ended));
        if self.history.live() >= WORTH_PRUNING {
            self.history.prune(now, self.reading(), &mut ended);
        }
        self.tell_ended(ended, &held, effects);
    }

    /// Takes the key for a probe.
    pub(super) fn probe(&mut self, now: Time) {
        self.due = Time::MAX;
        self.extra_mut().reading = Some(Interval { begin: now, end: Time::MAX });
    }

    /// The store was read; what it held is judged later.
    pub(super) fn looked(&mut self, at: Interval) {
        if let Some(reading) = self.extra.as_mut().and_then(|extra| extra.reading.as_mut()) {
            reading.end = at.end;
        }
    }

    /// Says that the map held no value for the key, of which nothing else is known, and lets it be read at `due`.
    pub(super) fn suspect(&mut self, nothing: Write, doubted_until: Time, due: Time) {
        self.history = History::watched_since(doubted_until);
        self.history.insert(nothing, &mut Vec::new());
        self.attempts = 0;
        self.owes = true;
        self.due = due;
    }

    /// The events that tell of what the map held.
    fn held(&self) -> Held {
        self.history.writes().filter(|write| write.held && write.pending).map(|write| write.id).collect()
    }

    fn trace(&self, id: WriteId) -> Option<TraceRef> {
        self.extra.as_ref()?.marks.iter().find(|(of, _)| *of == id)?.1.trace
    }

    fn tell_ended(&mut self, ended: Vec<(WriteId, Outcome)>, held: &Held, effects: &mut Effects) {
        let map = self.map();
        let mut marked = self.extra.as_mut().map(|extra| &mut extra.marks);
        for (id, outcome) in ended {
            let at = marked.as_ref().and_then(|marked| marked.iter().position(|(of, _)| *of == id));
            let marks = marked.as_mut().zip(at).map(|(marked, at)| marked.swap_remove(at).1);
            let (held, marks) = (held.contains(&id), marks.unwrap_or_default());
            effects.ended.push(Ended { map, id, outcome, held, marks });
        }
    }

    fn reading(&self) -> Option<Interval> {
        self.extra.as_ref().and_then(|extra| extra.reading)
    }

    fn open(&self) -> Option<&Open> {
        self.extra.as_ref()?.open.as_deref()
    }

    fn extra_mut(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }
}

impl Extra {
    fn is_void(&self) -> bool {
        self.reading.is_none()
            && self.open.is_none()
            && self.marks.is_empty()
            && self.doubted_until.is_none()
            && self.unknown_beside.is_none()
            && self.fields.is_none()
    }
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Option<Entry>>() == 160, "a million of them are kept");
#[cfg(target_pointer_width = "64")]
const _: () =
    assert!(size_of::<Extra>() <= 160, "each key that is read has one, and each whose fields are told");
