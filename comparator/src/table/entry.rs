//! One key: its writes, its divergence, and when to look next.
//!
//! A table holds millions of these, most of them with one write that waits to be confirmed. So what only some keys have
//! (a probe under way, a divergence, traces) is kept elsewhere, and the hash is computed anew where it is needed.

use super::class::Class;
use super::{Calibration, Effects, Ended, Observed, Rules, Turn, Turned};
use crate::contract::{Contract, MapId};
use bytes::Bytes;
use counterfoil_digest::bucket;
use counterfoil_judge::{
    Divergence, History, Interval, Judgement, Kind, Observation, Outcome, Reason, Terms, Time, Verdict,
    Write, WriteId, give_up, judge, settle,
};
use counterfoil_keys::KeyNumber;
use counterfoil_proto::TraceRef;
use smallvec::SmallVec;

/// A history with fewer writes is not worth pruning when another arrives.
const WORTH_PRUNING: usize = 4;

/// Keys up to this length take no allocation.
const INLINE_KEY_BYTES: usize = 16;

/// How long after a deadline a probe is made that shall see whether it was kept, in nanoseconds.
const PAST_DEADLINE: i64 = 1_000_000;

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

/// What only some keys have.
#[derive(Default)]
struct Extra {
    /// The probe under way: from when it was taken, open at its end until the store was read.
    reading: Option<Interval>,
    open: Option<Open>,
    traces: SmallVec<[(WriteId, TraceRef); 1]>,
    /// Until when writes whose digests are under other deployment keys may land.
    doubted_until: Option<Time>,
    /// The write beside which a value was found that nobody reported, before the check was calibrated.
    unknown_beside: Option<WriteId>,
}

/// A divergence that was not resolved yet.
#[derive(Clone, Copy)]
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

    pub(super) fn has_divergence(&self) -> bool {
        self.open().is_some()
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
        self.tell_ended(ended, effects);
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

    /// Why it is to be read.
    pub(super) fn class(&self) -> Class {
        if self.history.writes().any(|write| write.pending) {
            Class::Fresh
        } else if self.has_divergence() {
            Class::Open
        } else {
            Class::Idle
        }
    }

    /// What it is in time for if it is read by then: the first deadline of an event that waits, or, where none does or that
    /// was over when a read became due, the instant at which it is due.
    pub(super) fn rank(&self) -> Time {
        let deadlines = self.history.writes().filter(|write| write.pending).map(|write| write.deadline);
        deadlines.min().map_or(self.due, |deadline| deadline.max(self.due))
    }

    /// Whether nothing waits for it to be read, and no write to it that is kept has begun after `since`. A copy whose
    /// process is gone is never at rest: nobody asks for it any more.
    pub(super) fn rests_since(&self, since: Time, rules: &Rules) -> bool {
        let last = self.history.writes().map(|write| write.begun()).max();
        self.due == Time::MAX
            && self.reading().is_none()
            && self.is_at_rest()
            && !self.is_of_the_gone(rules)
            && last.is_some_and(|last| last <= since)
    }

    /// Is to be read at `now` though nothing waits for it.
    pub(super) fn rouse(&mut self, now: Time) {
        self.attempts = 0;
        self.due = now;
    }

    /// Nothing is left to be seen of it.
    fn is_at_rest(&self) -> bool {
        self.history.pending() == 0 && !self.has_divergence() && !self.owes
    }

    /// Takes a write that was reported for this key.
    pub(super) fn write(
        &mut self,
        write: Write,
        trace: Option<TraceRef>,
        now: Time,
        rules: &Rules,
        effects: &mut Effects,
    ) {
        let wanted_at = now.plus(rules.probing.first_delay);
        let wanted_at = wanted_at.max(expected_at(&write).plus(rules.lags.delay(self.map())));
        if let Some(trace) = trace {
            self.extra_mut().traces.push((write.id, trace));
        }
        let is_pending = write.pending;
        self.insert(write, now, effects);
        if is_pending && self.reading().is_none() {
            self.attempts = 0;
            self.due = self.due.min(wanted_at);
        }
    }

    /// Takes up a divergence that was open before the comparator was started over, and looks whether it still is.
    pub(super) fn reopen(&mut self, divergence: Divergence, now: Time) {
        self.extra_mut().open.get_or_insert(Open { divergence, trace: None });
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
        effects.merged += u64::from(self.history.insert(write, &mut ended));
        if self.history.live() >= WORTH_PRUNING {
            self.history.prune(now, self.reading(), &mut ended);
        }
        self.tell_ended(ended, effects);
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

    /// Judges what a probe saw, and sets the next one.
    pub(super) fn observe(
        &mut self,
        observed: &Observed,
        now: Time,
        contract: &Contract,
        rules: &Rules,
        effects: &mut Effects,
    ) {
        self.extra_mut().reading = None;
        if let Some(taints) = rules.taints(self.map()) {
            let (until, reason) = taints.of(bucket(self.hash(rules)));
            self.history.blind_until(until, reason);
        }
        let mut ended = Vec::new();
        let is_comparable = observed.probe.digested_under() == self.digested_under;
        match observed.seen {
            Ok(seen) if is_comparable => {
                let read = Observation { at: observed.at, digest: seen.digest, version: seen.version };
                self.judge(&read, &contract.terms, rules, &mut ended, effects);
            }
            unseen => {
                let reason = unseen.err().unwrap_or(Reason::Baseline);
                // What there was no time to read is not made up for: that would take the time of what is fresh.
                self.owes = reason != Reason::Budget;
                give_up(&mut self.history, now, reason, &contract.terms, &mut ended);
                effects.verdicts.push((self.map(), Verdict::Undetermined(reason)));
            }
        }
        self.attempts = if ended.is_empty() { self.attempts.saturating_add(1) } else { 0 };
        self.history.prune(now, None, &mut ended);
        self.tell_ended(ended, effects);
        self.schedule(observed.at.begin, now, rules);
        let ended = self.comparable_ended();
        if let Some(extra) = &mut self.extra {
            // What the history knows to end later says as much.
            _ = extra.doubted_until.take_if(|until| *until <= ended);
            // It is looked at again only after another write.
            _ = extra.unknown_beside.take_if(|_| self.due == Time::MAX);
        }
        if self.extra.as_ref().is_some_and(|extra| extra.is_void()) {
            self.extra = None;
        }
    }

    fn judge(
        &mut self,
        read: &Observation,
        terms: &Terms,
        rules: &Rules,
        ended: &mut Vec<(WriteId, Outcome)>,
        effects: &mut Effects,
    ) {
        let judgement = judge(&self.history, read, terms);
        let verdict = self.of_those_who_live(judgement, rules);
        let is_calibrated = rules.calibrations.of(self.map()) == Calibration::Calibrated;
        let is_known = is_calibrated || self.history.knows(read.digest);
        let verdict = if is_known { verdict } else { self.in_known_form(verdict, read, rules, effects) };
        effects.verdicts.push((self.map(), verdict));
        settle(&mut self.history, read, &Judgement { verdict, ..judgement }, terms, ended);
        let confirmed_one = ended.iter().any(|(_, outcome)| matches!(outcome, Outcome::Confirmed { .. }));
        // An evicted copy agrees with anything.
        if confirmed_one && !is_calibrated && is_known && !read.digest.is_absent() {
            effects.calibrated.extend(rules.calibrations.agreed(self.map()).map(|now| (self.map(), now)));
        }
        if self.attempts == 0 && (confirmed_one || self.came_too_early(read)) {
            rules.lags.learn(self.map(), confirmed_one, terms, &rules.probing);
        }
        let may_come = |write: Write| write.deadline.plus(terms.patience) >= read.at.begin;
        let came_since = |write: Write| write.map.is_none() && write.ended() >= read.at.begin;
        self.owes = self.owes
            && match verdict {
                Verdict::Consistent { .. } | Verdict::Divergent(_) => self.history.writes().any(came_since),
                Verdict::InFlight | Verdict::Undetermined(_) => self.history.writes().any(may_come),
            };
        match verdict {
            Verdict::Divergent(divergence) => self.diverge(divergence, read, effects),
            Verdict::Consistent { .. } => self.resolve("agreed", read, effects),
            Verdict::InFlight if confirmed_one => self.resolve("superseded", read, effects),
            Verdict::InFlight if self.is_of_the_gone(rules) => self.resolve("source ended", read, effects),
            Verdict::Undetermined(_) if self.shows_at_last(read) => self.resolve("agreed", read, effects),
            Verdict::InFlight | Verdict::Undetermined(_) => {}
        }
    }

    /// The store holds what the open divergence said it should, whatever else is in doubt.
    fn shows_at_last(&self, read: &Observation) -> bool {
        self.open().is_some_and(|open| open.divergence.expected == read.digest)
    }

    /// A write that could be expected in the store before the read has still to be waited for.
    fn came_too_early(&self, read: &Observation) -> bool {
        let waits =
            |write: Write| write.pending && write.ended() < Time::MAX && expected_at(&write) < read.at.begin;
        self.history.writes().any(waits)
    }

    /// Of a read of a value that nobody reported, before the check is calibrated: it may be one that somebody reported, in
    /// another form.
    fn in_known_form(
        &mut self,
        verdict: Verdict,
        read: &Observation,
        rules: &Rules,
        effects: &mut Effects,
    ) -> Verdict {
        let map = self.map();
        let Verdict::Divergent(Divergence { named, .. }) = verdict else { return verdict };
        if read.digest.is_absent() {
            return verdict;
        }
        // The sweep comes to the same write again and again; what it finds counts once, when the write is checked.
        if !self.is_at_rest() && self.extra_mut().unknown_beside.replace(named) != Some(named) {
            let found = rules.calibrations.found_unknown(map, &self.key);
            effects.calibrated.extend(found.map(|now| (map, now)));
        }
        match rules.calibrations.of(map) {
            Calibration::Calibrated => verdict,
            Calibration::Calibrating | Calibration::Uncalibrated => {
                Verdict::Undetermined(Reason::Representation)
            }
        }
    }

    /// A copy whose process is gone need not follow the store any more.
    fn of_those_who_live(&self, judgement: Judgement, rules: &Rules) -> Verdict {
        match judgement.verdict {
            Verdict::Divergent(divergence)
                if divergence.kind == Kind::MapBehind && self.is_of_the_gone(rules) =>
            {
                Verdict::InFlight
            }
            verdict => verdict,
        }
    }

    fn is_of_the_gone(&self, rules: &Rules) -> bool {
        self.copy.is_some_and(|copy| !rules.live.has(copy.source()))
    }

    fn diverge(&mut self, divergence: Divergence, read: &Observation, effects: &mut Effects) {
        if self.open().is_some_and(|open| open.divergence.named != divergence.named) {
            self.resolve("superseded", read, effects);
        }
        let before = self.open();
        let trace = before.map_or_else(|| self.trace(divergence.named), |open| open.trace);
        let was_confirmed = before.is_some_and(|before| before.divergence.confirmed);
        let confirmed = divergence.confirmed || was_confirmed;
        let divergence = Divergence { confirmed, ..divergence };
        self.extra_mut().open = Some(Open { divergence, trace });
        if before.is_none() {
            effects.turned.push(self.turned(divergence, trace, Turn::Opened, read));
        }
        if confirmed && !was_confirmed {
            effects.turned.push(self.turned(divergence, trace, Turn::Confirmed, read));
        }
    }

    fn resolve(&mut self, how: &'static str, read: &Observation, effects: &mut Effects) {
        let open = self.extra.as_mut().and_then(|extra| extra.open.take());
        if let Some(Open { divergence, trace }) = open {
            effects.turned.push(self.turned(divergence, trace, Turn::Resolved(how), read));
        }
    }

    fn turned(
        &self,
        divergence: Divergence,
        trace: Option<TraceRef>,
        turn: Turn,
        read: &Observation,
    ) -> Turned {
        let key = Bytes::copy_from_slice(&self.key);
        Turned { map: self.map(), key, divergence, found: read.digest, turn, trace, at: read.at }
    }

    fn trace(&self, id: WriteId) -> Option<TraceRef> {
        self.extra.as_ref()?.traces.iter().find(|(of, _)| *of == id).map(|(_, trace)| *trace)
    }

    fn tell_ended(&mut self, ended: Vec<(WriteId, Outcome)>, effects: &mut Effects) {
        let map = self.map();
        let mut traces = self.extra.as_mut().map(|extra| &mut extra.traces);
        for (id, outcome) in ended {
            let at = traces.as_ref().and_then(|traces| traces.iter().position(|(of, _)| *of == id));
            let trace = traces.as_mut().zip(at).map(|(traces, at)| traces.swap_remove(at).1);
            effects.ended.push(Ended { map, id, outcome, trace });
        }
    }

    /// Sets the next probe: after a gap that doubles from verdict to verdict, but right after a deadline that had not
    /// passed when the store was last `looked` at, and not before something can be learned.
    fn schedule(&mut self, looked: Time, now: Time, rules: &Rules) {
        if self.is_at_rest() {
            self.due = Time::MAX;
            return;
        }
        let must_look = self.has_divergence() || self.owes;
        let probing = rules.probing;
        let factor = 1i64.checked_shl(u32::from(self.attempts).min(30)).unwrap_or(i64::MAX);
        let due = now.plus(probing.gap_min.saturating_mul(factor).min(probing.gap_max));
        let after_deadline = self.next_deadline(looked).map(|deadline| deadline.plus(PAST_DEADLINE).max(now));
        let due = after_deadline.map_or(due, |after| due.min(after));
        self.due = match self.first_expected() {
            Some(expected) if !must_look && expected > now => due.max(expected.plus(probing.first_delay)),
            _ => due,
        };
    }

    /// The first deadline from `looked` on of a write that waits for a verdict or for agreement.
    fn next_deadline(&self, looked: Time) -> Option<Time> {
        let must_look = self.has_divergence() || self.owes;
        let waiting = self.history.writes().filter(|write| write.pending || must_look);
        waiting.map(|write| write.deadline).filter(|deadline| *deadline >= looked).min()
    }

    /// When the first of the open events' writes may be expected in the store: before that nothing is to be learned.
    fn first_expected(&self) -> Option<Time> {
        self.history.writes().filter(|write| write.pending).map(|write| expected_at(&write)).min()
    }

    fn reading(&self) -> Option<Interval> {
        self.extra.as_ref().and_then(|extra| extra.reading)
    }

    fn open(&self) -> Option<Open> {
        self.extra.as_ref().and_then(|extra| extra.open)
    }

    fn extra_mut(&mut self) -> &mut Extra {
        self.extra.get_or_insert_default()
    }
}

impl Extra {
    fn is_void(&self) -> bool {
        self.reading.is_none()
            && self.open.is_none()
            && self.traces.is_empty()
            && self.doubted_until.is_none()
            && self.unknown_beside.is_none()
    }
}

/// When a write may be expected in the store: at the end of its call, or, where nobody watched that or knows how it went,
/// when the map had changed.
fn expected_at(write: &Write) -> Time {
    let is_watched = write.ended() < write.deadline;
    if is_watched { write.ended() } else { write.map.map_or_else(|| write.begun(), |leg| leg.end) }
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Option<Entry>>() == 160, "a million of them are kept");
