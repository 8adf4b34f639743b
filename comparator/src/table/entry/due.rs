//! When a key is to be read, why, and who goes first.

use super::Entry;
use crate::table::Rules;
use crate::table::class::Class;
use counterfoil_judge::{Observation, Time, Verdict, Write, judge};
use counterfoil_keys::KeyNumber;

/// How long after a deadline a probe is made that shall see whether it was kept, in nanoseconds.
pub(super) const PAST_DEADLINE: i64 = 1_000_000;

impl Entry {
    /// Why it is to be read.
    pub(in crate::table) fn class(&self) -> Class {
        if self.history.awaits_a_write() {
            Class::Fresh
        } else if self.has_divergence() {
            Class::Open
        } else {
            Class::Idle
        }
    }

    /// What it is in time for if it is read by then: the first deadline of an event that waits, or, where none does or that
    /// was over when a read became due, the instant at which it is due.
    pub(in crate::table) fn rank(&self) -> Time {
        let deadlines = self.history.writes().filter(|write| write.pending).map(|write| write.deadline);
        deadlines.min().map_or(self.due, |deadline| deadline.max(self.due))
    }

    /// Whether no source ever told of the key.
    pub(in crate::table) fn is_untold(&self) -> bool {
        self.history.is_untold()
    }

    /// Whether nothing waits for it to be read, and no write to it that is kept has begun after `since`. A copy whose
    /// process is gone is never at rest: nobody asks for it any more.
    pub(in crate::table) fn rests_since(&self, since: Time, rules: &Rules) -> bool {
        let last = self.history.writes().map(|write| write.begun()).max();
        self.due == Time::MAX
            && self.reading().is_none()
            && self.is_at_rest()
            && !self.is_untold()
            && !self.is_of_the_gone(rules)
            && last.is_some_and(|last| last <= since)
    }

    /// What is to be said of a key at rest by what a scan of its store saw. `None` if it is not at rest, was not when the scan saw
    /// it, or is known under another deployment key.
    ///
    /// A probe that was taken before a read keeps all writes that the read may have seen; a scan takes none. But where all that
    /// is kept had ended before the scan looked, whatever was dropped had been followed before that.
    pub(in crate::table) fn shown_by(&self, read: &Observation, rules: &Rules) -> Option<Verdict> {
        let contract = rules.contracts.get(self.map())?;
        let is_current = self.digested_under == KeyNumber::default();
        let is_at_rest = self.rests_since(read.at.begin, rules) && self.ended() < read.at.begin;
        (is_current && is_at_rest).then(|| judge(&self.history, read, &contract.terms).verdict)
    }

    /// Is to be read at `now` though nothing waits for it.
    pub(in crate::table) fn rouse(&mut self, now: Time) {
        self.attempts = 0;
        self.due = now;
    }

    /// Sets the next probe: after a gap that doubles from verdict to verdict, but right after a deadline that had not
    /// passed when the store was last `looked` at, and not before something can be learned.
    pub(super) fn schedule(&mut self, looked: Time, now: Time, rules: &Rules) {
        if self.is_at_rest() {
            self.due = Time::MAX;
            return;
        }
        let must_look = self.must_look();
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

    /// A write that could be expected in the store before the read has still to be waited for.
    pub(super) fn came_too_early(&self, read: &Observation) -> bool {
        let waits = |write: Write| {
            write.pending && !write.held && write.ended() < Time::MAX && expected_at(&write) < read.at.begin
        };
        self.history.writes().any(waits)
    }

    /// Nothing is left to be seen of it.
    pub(super) fn is_at_rest(&self) -> bool {
        self.history.pending() == 0 && !self.must_look()
    }

    /// Whether the two sides agree is still to be seen though no event waits for it.
    fn must_look(&self) -> bool {
        self.has_divergence() || self.owes
    }

    /// The first deadline from `looked` on of a write that waits for a verdict or for agreement.
    fn next_deadline(&self, looked: Time) -> Option<Time> {
        let must_look = self.must_look();
        let waiting = self.history.writes().filter(|write| write.pending || must_look);
        waiting.map(|write| write.deadline).filter(|deadline| *deadline >= looked).min()
    }

    /// When the first of the open events' writes may be expected in the store: before that nothing is to be learned.
    fn first_expected(&self) -> Option<Time> {
        self.history.writes().filter(|write| write.pending).map(|write| expected_at(&write)).min()
    }
}

/// When a write may be expected in the store: at the end of its call, or, where nobody watched that or knows how it went,
/// when the map had changed. Who wrote what the map held, and when, is not known: nothing is learned of it before it has to be
/// there.
pub(super) fn expected_at(write: &Write) -> Time {
    let is_watched = write.ended() < write.deadline;
    if is_watched || write.held {
        write.ended()
    } else {
        write.map.map_or_else(|| write.begun(), |leg| leg.end)
    }
}
