//! What a read of the store makes of a key: which of its events end, and what becomes of a divergence.

use super::{Entry, Held, Open};
use crate::contract::Contract;
use crate::table::{Calibration, Captured, Effects, Observed, Rules, Turn, Turned};
use bytes::Bytes;
use counterfoil_digest::bucket;
use counterfoil_judge::{
    Divergence, Judgement, Kind, Observation, Outcome, Reason, Terms, Time, Verdict, Write, WriteId, give_up,
    judge, settle,
};
use counterfoil_proto::TraceRef;

impl Entry {
    /// Judges what a probe saw, and sets the next one.
    pub(in crate::table) fn observe(
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
        let held = self.held();
        let is_comparable = observed.probe.against.digested_under == self.digested_under;
        match observed.read() {
            Ok(read) if is_comparable => {
                let told_before = effects.turned.len();
                self.judge(&read, (observed, now), &contract.terms, rules, (&mut ended, &held), effects);
                let differs = |turned: &&mut Turned| !matches!(turned.turn, Turn::Resolved(_));
                for turned in effects.turned.iter_mut().skip(told_before).filter(differs) {
                    turned.fields = observed.fields_of(turned.divergence.named).cloned().map(Box::new);
                }
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
        self.tell_ended(ended, &held, effects);
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
        (observed, now): (&Observed, Time),
        terms: &Terms,
        rules: &Rules,
        (ended, held): (&mut Vec<(WriteId, Outcome)>, &Held),
        effects: &mut Effects,
    ) {
        let judgement = judge(&self.history, read, terms);
        let verdict = self.of_those_who_live(judgement, rules);
        let is_calibrated = rules.calibrations.of(self.map()) == Calibration::Calibrated;
        let is_known = is_calibrated || self.history.knows(read.digest);
        let verdict = match verdict {
            Verdict::Divergent(divergence) if divergence.kind == Kind::Orphan => {
                self.of_whole_map(verdict, rules, is_calibrated)
            }
            verdict if is_known => verdict,
            verdict => self.in_known_form(verdict, observed, rules, effects),
        };
        effects.verdicts.push((self.map(), verdict));
        let captured = self.captured(read, &Judgement { verdict, ..judgement }, now, rules);
        settle(&mut self.history, read, &Judgement { verdict, ..judgement }, terms, ended);
        let mut confirmed = ended.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Confirmed { .. }));
        let confirmed_write = confirmed.clone().any(|(id, _)| !held.contains(id));
        let confirmed_one = confirmed.next().is_some();
        // An evicted copy agrees with anything.
        if confirmed_one && !is_calibrated && is_known && !read.digest.is_absent() {
            effects.calibrated.extend(rules.calibrations.agreed(self.map()).map(|now| (self.map(), now)));
        }
        if self.attempts == 0 && (confirmed_write || self.came_too_early(read)) {
            rules.lags.learn(self.map(), confirmed_write, terms, &rules.probing);
        }
        let may_come = |write: Write| write.deadline.plus(terms.patience) >= read.at.begin;
        let came_since = |write: Write| write.map.is_none() && write.ended() >= read.at.begin;
        self.owes = self.owes
            && match verdict {
                Verdict::Consistent { .. } | Verdict::Divergent(_) => self.history.writes().any(came_since),
                Verdict::InFlight | Verdict::Undetermined(_) => self.history.writes().any(may_come),
            };
        match verdict {
            Verdict::Divergent(divergence) => self.diverge(divergence, read, captured, effects),
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

    /// Of a read of a value that nobody reported, before the check is calibrated: it may be one that somebody reported, in
    /// another form.
    fn in_known_form(
        &mut self,
        verdict: Verdict,
        observed: &Observed,
        rules: &Rules,
        effects: &mut Effects,
    ) -> Verdict {
        let map = self.map();
        let Verdict::Divergent(Divergence { named, .. }) = verdict else { return verdict };
        if observed.read().is_ok_and(|read| read.digest.is_absent()) {
            return verdict;
        }
        // The sweep comes to the same write again and again; what it finds counts once, when the write is checked.
        if !self.is_at_rest() && self.extra_mut().unknown_beside.replace(named) != Some(named) {
            let found = rules.calibrations.found_unknown(map, &self.key, observed.hints_of(named));
            effects.calibrated.extend(found.map(|now| (map, now)));
        }
        match rules.calibrations.of(map) {
            Calibration::Calibrated => verdict,
            Calibration::Calibrating | Calibration::Uncalibrated => {
                Verdict::Undetermined(Reason::Representation)
            }
        }
    }

    /// A row that no map knows is one only as long as it is known what the map holds; and where values may be of another form,
    /// so may keys.
    fn of_whole_map(&self, verdict: Verdict, rules: &Rules, is_calibrated: bool) -> Verdict {
        match rules.wholes.of(self.map()) {
            Some(_) if is_calibrated => verdict,
            Some(_) => Verdict::Undetermined(Reason::Representation),
            None => Verdict::Undetermined(Reason::Baseline),
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

    pub(super) fn is_of_the_gone(&self, rules: &Rules) -> bool {
        self.copy.is_some_and(|copy| !rules.live.has(copy.source()))
    }

    /// What the judgement was made from, if it confirms a divergence that was not confirmed before. To be called before the history
    /// learns from the read.
    fn captured(
        &self,
        read: &Observation,
        judgement: &Judgement,
        now: Time,
        rules: &Rules,
    ) -> Option<Box<Captured>> {
        let Verdict::Divergent(divergence) = judgement.verdict else { return None };
        let is_known = |open: &Open| open.divergence.confirmed && open.divergence.named == divergence.named;
        let confirms = divergence.confirmed && !self.open().is_some_and(is_known);
        let marks = || self.extra.iter().flat_map(|extra| &extra.marks);
        (rules.captures && confirms).then(|| {
            Box::new(Captured {
                history: self.history.image(),
                read: *read,
                legality: judgement.legality,
                at: now,
                digested_under: self.digested_under,
                calibration: rules.calibrations.of(self.map()),
                traces: marks().filter_map(|(id, marks)| Some((*id, marks.trace?))).collect(),
            })
        })
    }

    fn diverge(
        &mut self,
        divergence: Divergence,
        read: &Observation,
        captured: Option<Box<Captured>>,
        effects: &mut Effects,
    ) {
        if self.open().is_some_and(|open| open.divergence.named != divergence.named) {
            self.resolve("superseded", read, effects);
        }
        let (was_open, was_confirmed) =
            self.open().map_or((false, false), |before| (true, before.divergence.confirmed));
        let trace = self.open().map_or_else(|| self.trace(divergence.named), |before| before.trace);
        let confirmed = divergence.confirmed || was_confirmed;
        let divergence = Divergence { confirmed, ..divergence };
        self.extra_mut().open = Some(Box::new(Open { divergence, trace }));
        if !was_open {
            effects.turned.push(self.turned(divergence, trace, Turn::Opened, read));
        }
        if confirmed && !was_confirmed {
            let turned = self.turned(divergence, trace, Turn::Confirmed, read);
            effects.turned.push(Turned { captured, ..turned });
        }
    }

    fn resolve(&mut self, how: &'static str, read: &Observation, effects: &mut Effects) {
        let open = self.extra.as_mut().and_then(|extra| extra.open.take());
        if let Some(open) = open {
            effects.turned.push(self.turned(open.divergence, open.trace, Turn::Resolved(how), read));
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
        Turned {
            map: self.map(),
            key,
            divergence,
            found: read.digest,
            turn,
            trace,
            at: read.at,
            fields: None,
            captured: None,
        }
    }
}
