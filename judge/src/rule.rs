//! The rule: what one observation proves.
//!
//! A key is a register that the application writes; a probe reads it once, within `R = [r0, r1]`.
//!
//! **Legality.** Let `M(r0)` be the latest begin of an acknowledged write that ended before `r0`. Reading the value of
//! write `j` is possible iff `j` began no later than `r1` and ended no earlier than `M(r0)`: otherwise some write lies
//! wholly between `j` and the read in every linearization (Herlihy & Wing 1990). For one read this is exact. It needs no
//! quiet: a key that is written all the time is judged all the same.
//!
//! **Several reads.** A read whose value only one write explains proves that write to have happened by the end of the
//! read, and a read of another value that began after `j` had ended rules `j` out for good. With both, the rule is that
//! of Gibbons & Korach (1997, zones of a register whose written values are known): exact where each value is written
//! once. Where values repeat, deciding it exactly is NP-complete, and the rule only errs towards "possible".
//!
//! **Agreement.** When no store leg overlaps the read, the key is quiet, and what the map holds in the end is what one of
//! its *maximal* map legs wrote: one that no other map leg is certainly after. The store agrees iff it holds one of
//! those. A key that is quiet and does not agree after the deadline differs, whether the read was legal or not.
//!
//! **Versions.** Where the application and the store keep a version with each value, a version that was read names the
//! write that must be there; other bytes beside it are corrupt, whatever else is going on.
//!
//! **Doubt.** Whatever a write that nobody reported could explain is never called divergent; see
//! [`History::blind_until`](crate::History::blind_until).
//!
//! The caller judges an observation only when every live source has promised to have reported all writes begun before
//! its end (and the contract's lead after that).

use crate::history::{History, Still};
use crate::kept::Kept;
use crate::kind;
use crate::past::Past;
use crate::survey::{Lasts, Survey};
use crate::time::Time;
use crate::verdict::{Divergence, Judgement, Kind, Legality, Observation, Reason, Verdict};
use crate::write::{Digest, Scope, Terms, WriteId};
use std::cell::OnceCell;

/// What `read` proves about the key of `history`.
#[must_use]
pub fn judge(history: &History, read: &Observation, terms: &Terms) -> Judgement {
    let case = Case::new(history, read, terms);
    let legality = case.legality();
    Judgement { legality, verdict: case.verdict(legality) }
}

/// Everything one judgement looks at.
pub(crate) struct Case<'a> {
    pub(crate) history: &'a History,
    pub(crate) read: &'a Observation,
    pub(crate) terms: &'a Terms,
    pub(crate) survey: Survey,
    /// What explains the read ended no earlier than this: than the newest write, and than an earlier read of another value.
    newest: Time,
    /// Found out when it is asked for: a possible read of a key that is not at rest needs none of it.
    lasts: OnceCell<Lasts<'a>>,
}

impl<'a> Case<'a> {
    fn new(history: &'a History, read: &'a Observation, terms: &'a Terms) -> Self {
        let survey = Survey::of(history, read);
        let newest = survey.newest_write.max(history.other_value_read(read.digest));
        Self { history, read, terms, survey, newest, lasts: OnceCell::new() }
    }

    fn legality(&self) -> Legality {
        if self.survey.read_end.is_some_and(|end| end >= self.newest) {
            Legality::Legal
        } else if self.history.blind().until >= self.newest {
            Legality::Unknowable
        } else {
            Legality::Illegal
        }
    }

    /// Whether some linearization lets the read return what this write wrote.
    pub(crate) fn is_possible(&self, past: &Past) -> bool {
        past.store.begin <= self.read.at.end && past.store.end >= self.newest
    }

    fn verdict(&self, legality: Legality) -> Verdict {
        let quiet = self.survey.is_quiet;
        if quiet && let Some(agreed_since) = self.lasts().agreed_since {
            return match self.map_is_known() {
                true => Verdict::Consistent { lag: self.read.at.end.since(agreed_since).max(0) },
                false => Verdict::Undetermined(self.history.blind().reason),
            };
        }
        if let Some(write) = self.written_otherwise() {
            return Verdict::Divergent(Divergence {
                kind: Kind::Corrupt,
                confirmed: write.deadline < self.read.at.begin,
                named: write.id(),
                expected: write.digest,
                ended: write.ended_wholly(),
            });
        }
        let settled = quiet && self.is_overdue();
        let lasting = settled && self.map_is_known();
        let may_have_expired = self.terms.expires && self.read.digest.is_absent();
        if may_have_expired && (lasting || self.newest > Time::MIN) {
            return Verdict::Undetermined(Reason::Expired);
        }
        match legality {
            Legality::Illegal if self.is_of_another_copy() => Verdict::InFlight,
            Legality::Illegal => {
                let confirmed = lasting || self.is_illegal_past_deadlines();
                self.divergent(kind::of_illegal(self), confirmed)
            }
            Legality::Legal if lasting => self.divergent(kind::of_legal(self), true),
            Legality::Unknowable if lasting => self.divergent(kind::of_unknowable(self), true),
            Legality::Legal if settled => Verdict::Undetermined(self.history.blind().reason),
            Legality::Legal => Verdict::InFlight,
            // Some write has begun, and it is too early to ask where it is.
            Legality::Unknowable if self.read.digest.is_absent() && !settled && self.survey.has_begun => {
                Verdict::InFlight
            }
            Legality::Unknowable => Verdict::Undetermined(self.history.blind().reason),
        }
    }

    /// The writes one of which is the map's last.
    pub(crate) fn lasts(&self) -> &Lasts<'a> {
        self.lasts.get_or_init(|| Lasts::of(self.history, self.read, self.terms, &self.survey))
    }

    /// Some map leg began after every write that nobody reported had ended: the map's last write is a reported one.
    fn map_is_known(&self) -> bool {
        let until = self.history.blind().until;
        self.lasts().begin.is_some_and(|begin| begin > until)
    }

    /// The write whose version was read with other bytes. A version names one write of the key, so no order of writes,
    /// known or not, explains that.
    fn written_otherwise(&self) -> Option<&'a Kept> {
        let version = self.read.version?;
        let own = |write: &Kept| self.terms.scope == Scope::Shared || write.map().is_some();
        self.begun()
            .find(|write| write.version() == Some(version) && write.digest != self.read.digest && own(write))
    }

    /// What is wrong is the store beside another source's write: the check of that source's own copy tells of it.
    fn is_of_another_copy(&self) -> bool {
        let newest = || self.history.newest_settled(self.read.at.begin);
        self.terms.scope == Scope::Process
            && newest().is_some_and(|newest| self.copy().is_none_or(|source| source != newest.id.source))
    }

    /// The source whose copy this is, under [`Scope::Process`].
    pub(crate) fn copy(&self) -> Option<u32> {
        self.lasts().first.map(|write| write.id().source)
    }

    /// Every write that could be the map's last, or was made to the store alone, has passed its deadline.
    fn is_overdue(&self) -> bool {
        self.lasts().deadline.max(self.survey.store_only_deadline).is_some_and(|due| due < self.read.at.begin)
    }

    /// Kept writes begun by the end of the read.
    pub(crate) fn begun(&self) -> impl Iterator<Item = &'a Kept> {
        let end = self.read.at.end;
        self.history.kept().filter(move |write| write.begun() <= end)
    }

    /// Illegal even if every store leg is stretched to its deadline: the disagreement outlived the deadline on a key
    /// that never rests.
    fn is_illegal_past_deadlines(&self) -> bool {
        let due = self.history.newest_due(self.read.at.begin);
        let other_value_read = self.history.other_value_read(self.read.digest);
        let has_outlasted = other_value_read.plus(self.terms.deadline) < self.read.at.begin;
        let due = if has_outlasted { due.max(other_value_read) } else { due };
        if self.history.blind().until >= due {
            return false;
        }
        let stood_still =
            |still: Still| still.digest == self.read.digest && still.since < due && still.again_until < due;
        // A value nobody is known to have written may be that of a process not heard of yet: it has to stand still.
        let mut matches = self.history.matches(self.read.digest).peekable();
        self.history.still().is_some_and(stood_still)
            || (self.history.forgotten_until() < due
                && matches.peek().is_some()
                && matches.all(|past| past.latest < due))
    }

    fn divergent(&self, kind: Kind, confirmed: bool) -> Verdict {
        let is_untold = self.history.is_untold_by(self.read.at.end);
        let kind = if is_untold { Kind::Orphan } else { kind };
        let (named, expected, ended) = self.should_have_shown();
        Verdict::Divergent(Divergence { kind, confirmed, named, expected, ended })
    }

    /// The map's last write that had ended before the read, else the newest acknowledged one.
    fn should_have_shown(&self) -> (WriteId, Digest, Time) {
        let of = |write: &Kept| (write.id(), write.digest, write.ended_wholly());
        let newest = || self.history.newest_settled(self.read.at.begin);
        let newest = || newest().map(|mark| (mark.id, mark.digest, mark.end));
        // An illegal read has a settled write and a lasting one a last one, so there is always one to name.
        let none = (WriteId { source: 0, seq: 0 }, Digest::ABSENT, Time::MIN);
        let Lasts { first, ended, .. } = self.lasts();
        ended.map(of).or_else(newest).or_else(|| first.map(of)).unwrap_or(none)
    }
}
