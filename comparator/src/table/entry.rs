//! One key: its writes, its divergence, and when to look next.

use super::{Effects, Ended, Observed, Rules, Turn, Turned};
use crate::contract::MapId;
use bytes::Bytes;
use counterfoil_digest::bucket;
use counterfoil_judge::{
    Digest, Divergence, History, Interval, Observation, Outcome, Terms, Time, Verdict, Write, WriteId,
    give_up, judge, settle,
};
use counterfoil_proto::TraceRef;

/// A history with fewer writes is not worth pruning when another arrives.
const WORTH_PRUNING: usize = 4;

/// How long after a deadline a probe is made that shall see whether it was kept, in nanoseconds.
const PAST_DEADLINE: i64 = 1_000_000;

/// A divergence that was not resolved yet.
#[derive(Clone, Copy, Debug)]
struct Open {
    divergence: Divergence,
    trace: Option<TraceRef>,
}

/// One key of one map.
pub(super) struct Entry {
    pub(super) hash: u64,
    pub(super) map: MapId,
    pub(super) key: Bytes,
    history: History,
    /// When it is to be probed; `MAX` for never, or while a probe is under way.
    pub(super) due: Time,
    /// The probe under way: from when it was taken, open at its end until the store was read.
    reading: Option<Interval>,
    /// Verdicts in a row that were not final.
    attempts: u32,
    /// The store could not be read; whether the two sides agree is still to be seen.
    unanswered: bool,
    open: Option<Open>,
    /// It stands in the shard's queue of settled keys.
    queued: bool,
    traces: Vec<(WriteId, TraceRef)>,
}

impl Entry {
    pub(super) fn new(map: MapId, hash: u64, key: &[u8], watched_since: Time) -> Self {
        Self {
            hash,
            map,
            key: Bytes::copy_from_slice(key),
            history: History::watched_since(watched_since),
            due: Time::MAX,
            reading: None,
            attempts: 0,
            unanswered: false,
            open: None,
            queued: false,
            traces: Vec::new(),
        }
    }

    /// Nothing is open: it may be forgotten. A write of unknown outcome could still land, and is not forgotten.
    pub(super) fn is_settled(&self) -> bool {
        self.reading.is_none()
            && self.due == Time::MAX
            && self.open.is_none()
            && self.history.writes().iter().all(|write| !write.pending && write.ended() < Time::MAX)
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

    /// When the last of its writes had ended.
    pub(super) fn ended(&self) -> Time {
        self.history.writes().iter().map(Write::ended).max().unwrap_or(Time::MIN)
    }

    pub(super) fn open_events(&self) -> usize {
        self.history.pending()
    }

    pub(super) fn has_divergence(&self) -> bool {
        self.open.is_some()
    }

    pub(super) fn write(
        &mut self,
        write: Write,
        trace: Option<TraceRef>,
        now: Time,
        rules: &Rules,
        effects: &mut Effects,
    ) {
        let ends = write.ended();
        self.traces.extend(trace.map(|trace| (write.id, trace)));
        let mut ended = Vec::new();
        self.history.insert(write, &mut ended);
        if self.history.writes().len() >= WORTH_PRUNING {
            self.history.prune(now, self.reading, &mut ended);
        }
        self.tell_ended(ended, effects);
        if self.reading.is_none() {
            self.attempts = 0;
            let known_at = if ends == Time::MAX { now } else { ends.max(now) };
            self.due = self.due.min(known_at.plus(rules.probing.first_delay));
        }
    }

    /// Takes the key for a probe.
    pub(super) fn probe(&mut self, now: Time) {
        self.due = Time::MAX;
        self.reading = Some(Interval { begin: now, end: Time::MAX });
    }

    /// The store was read; what it held is judged later.
    pub(super) fn looked(&mut self, at: Interval) {
        self.reading = self.reading.map(|reading| Interval { end: at.end, ..reading });
    }

    pub(super) fn observe(
        &mut self,
        observed: &Observed,
        now: Time,
        terms: &Terms,
        rules: &Rules,
        effects: &mut Effects,
    ) {
        self.reading = None;
        let (until, reason) = rules.taints.of(bucket(self.hash));
        self.history.blind_until(until, reason);
        let mut ended = Vec::new();
        match observed.seen {
            Ok(seen) => {
                let read = Observation { at: observed.at, digest: seen.digest, version: seen.version };
                self.judge(&read, terms, &mut ended, effects);
            }
            Err(reason) => {
                self.unanswered = true;
                give_up(&mut self.history, now, reason, terms, &mut ended);
                effects.verdicts.push((self.map, Verdict::Undetermined(reason)));
            }
        }
        self.attempts = if ended.is_empty() { self.attempts.saturating_add(1) } else { 0 };
        self.history.prune(now, None, &mut ended);
        self.tell_ended(ended, effects);
        self.schedule(observed.at.begin, now, rules);
    }

    fn judge(
        &mut self,
        read: &Observation,
        terms: &Terms,
        ended: &mut Vec<(WriteId, Outcome)>,
        effects: &mut Effects,
    ) {
        self.unanswered = false;
        let verdict = judge(&self.history, read, terms).verdict;
        effects.verdicts.push((self.map, verdict));
        settle(&mut self.history, read, &verdict, terms, ended);
        self.history.resolve_unknown(read);
        self.history.note_seen(read);
        let confirmed_one = ended.iter().any(|(_, outcome)| matches!(outcome, Outcome::Confirmed { .. }));
        match verdict {
            Verdict::Divergent(divergence) => self.diverge(divergence, read, effects),
            Verdict::Consistent { .. } => self.resolve("agreed", read, effects),
            Verdict::InFlight if confirmed_one => self.resolve("superseded", read, effects),
            Verdict::InFlight | Verdict::Undetermined(_) => {}
        }
    }

    fn diverge(&mut self, divergence: Divergence, read: &Observation, effects: &mut Effects) {
        let other = self.open.is_some_and(|open| open.divergence.named != divergence.named);
        if other {
            self.resolve("superseded", read, effects);
        }
        let before = self.open.map(|open| open.divergence);
        let trace = self.open.map_or_else(|| self.trace(divergence.named), |open| open.trace);
        let was_confirmed = before.is_some_and(|before| before.confirmed);
        let confirmed = divergence.confirmed || was_confirmed;
        let divergence = Divergence { confirmed, ..divergence };
        self.open = Some(Open { divergence, trace });
        if before.is_none() {
            effects.turned.push(self.turned(divergence, trace, Turn::Opened, read));
        }
        if confirmed && !was_confirmed {
            effects.turned.push(self.turned(divergence, trace, Turn::Confirmed, read));
        }
    }

    fn resolve(&mut self, how: &'static str, read: &Observation, effects: &mut Effects) {
        if let Some(Open { divergence, trace }) = self.open.take() {
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
        let (found, at): (Digest, _) = (read.digest, read.at);
        Turned { map: self.map, key: self.key.clone(), divergence, found, turn, trace, at }
    }

    fn trace(&self, id: WriteId) -> Option<TraceRef> {
        self.traces.iter().find(|(of, _)| *of == id).map(|(_, trace)| *trace)
    }

    fn tell_ended(&mut self, ended: Vec<(WriteId, Outcome)>, effects: &mut Effects) {
        for (id, outcome) in ended {
            let at = self.traces.iter().position(|(of, _)| *of == id);
            let trace = at.map(|at| self.traces.swap_remove(at).1);
            effects.ended.push(Ended { map: self.map, id, outcome, trace });
        }
    }

    /// Sets the next probe: after a gap that doubles from verdict to verdict, but right after a deadline that had not
    /// passed when the store was last `looked` at, and not before something can be learned.
    fn schedule(&mut self, looked: Time, now: Time, rules: &Rules) {
        let open_events = self.history.writes().iter().any(|write| write.pending);
        if !open_events && self.open.is_none() && !self.unanswered {
            self.due = Time::MAX;
            return;
        }
        let probing = rules.probing;
        let doubled =
            probing.gap_min.saturating_mul(1i64.checked_shl(self.attempts.min(30)).unwrap_or(i64::MAX));
        let due = now.plus(doubled.min(probing.gap_max));
        let after_deadline = self.next_deadline(looked).map(|deadline| deadline.plus(PAST_DEADLINE).max(now));
        let due = after_deadline.map_or(due, |after| due.min(after));
        self.due = match self.first_end() {
            Some(end) if self.open.is_none() && !self.unanswered && end > now => {
                due.max(end.plus(probing.first_delay))
            }
            _ => due,
        };
    }

    /// The first deadline from `looked` on of a write that waits for a verdict or for agreement.
    fn next_deadline(&self, looked: Time) -> Option<Time> {
        let waiting = self.history.writes().iter().filter(|write| write.pending || self.open.is_some());
        waiting.map(|write| write.deadline).filter(|deadline| *deadline >= looked).min()
    }

    /// When the first open event's write ends, as far as that is known: before that nothing is to be learned.
    fn first_end(&self) -> Option<Time> {
        let open = self.history.writes().iter().filter(|write| write.pending);
        open.map(|write| if write.ended() == Time::MAX { write.begun() } else { write.ended() }).min()
    }
}
