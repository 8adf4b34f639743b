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

use crate::group::Group;
use crate::history::{History, Still};
use crate::kept::Kept;
use crate::kind;
use crate::past::Past;
use crate::set::Set;
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
    /// Begin of the newest acknowledged write that ended before the read; `MIN` if there is none.
    pub(crate) newest_write: Time,
    /// What explains the read ended no earlier than this: than `newest_write`, and than an earlier read of another value.
    newest: Time,
    /// The kept writes that may be the map's last as of the end of the read. Found out when it is asked for: a possible
    /// read of a key that is not at rest needs none of it.
    maximal: OnceCell<Set>,
}

impl<'a> Case<'a> {
    fn new(history: &'a History, read: &'a Observation, terms: &'a Terms) -> Self {
        let newest_write = history.newest_begin(read.at.begin);
        let newest = newest_write.max(history.other_value_read(read.digest));
        Self { history, read, terms, newest_write, newest, maximal: OnceCell::new() }
    }

    fn legality(&self) -> Legality {
        if self.history.matches(self.read.digest).any(|past| self.is_possible(&past)) {
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
        let quiet = self.is_quiet();
        if quiet && let Some(agreed_since) = self.agreed() {
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
            Legality::Unknowable
                if self.read.digest.is_absent() && !settled && self.begun().next().is_some() =>
            {
                Verdict::InFlight
            }
            Legality::Unknowable => Verdict::Undetermined(self.history.blind().reason),
        }
    }

    /// No store leg overlaps the read and no write of unknown outcome is open.
    fn is_quiet(&self) -> bool {
        let overlaps = |leg: crate::Interval| leg.overlaps(self.read.at);
        let mut legs = self.history.kept().filter_map(Kept::store);
        let mut merged = self.history.groups().iter().filter_map(Group::store);
        !legs.any(|leg| overlaps(leg.interval)) && !merged.any(overlaps)
    }

    /// The end of the map leg with which the read agrees.
    fn agreed(&self) -> Option<Time> {
        let dropped_from_copy = |write: &Kept| self.terms.scope == Scope::Process && write.is_eviction();
        let agreeing =
            self.maximal().filter(|write| write.digest == self.read.digest || dropped_from_copy(write));
        let merged = self.maximal_groups().filter(|group| group.may_be_last(self.read.digest));
        let kept_end = agreeing.filter_map(Kept::map).map(|leg| leg.end).max();
        kept_end.or_else(|| merged.filter_map(|group| group.map).map(|leg| leg.end).max())
    }

    /// Some map leg began after every write that nobody reported had ended: the map's last write is a reported one.
    fn map_is_known(&self) -> bool {
        let until = self.history.blind().until;
        let mut legs = self.maximal().filter_map(Kept::map);
        let mut merged = self.maximal_groups().filter_map(|group| group.map);
        let mut is_known = |leg: crate::Interval| until == Time::MIN || leg.begin > until;
        legs.any(&mut is_known) || merged.any(is_known)
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
        self.maximal().next().map(|write| write.id().source)
    }

    /// Every write that could be the map's last, or was made to the store alone, has passed its deadline.
    fn is_overdue(&self) -> bool {
        let store_only = self.begun().filter(|write| write.map().is_none() && write.store().is_some());
        let last = self.maximal().chain(store_only).map(|write| write.deadline);
        let merged = self.maximal_groups().map(|group| group.deadline);
        last.chain(merged).max().is_some_and(|deadline| deadline < self.read.at.begin)
    }

    /// Kept writes begun by the end of the read.
    pub(crate) fn begun(&self) -> impl Iterator<Item = &'a Kept> {
        let end = self.read.at.end;
        self.history.kept().filter(move |write| write.begun() <= end)
    }

    /// Kept writes one of which is the map's last, if it is not in one of the [`Case::maximal_groups`].
    pub(crate) fn maximal(&self) -> impl Iterator<Item = &'a Kept> {
        let maximal = self.maximal.get_or_init(|| maximal(self.history, self.read));
        self.history.kept().enumerate().filter(|(at, _)| maximal.has(*at)).map(|(_, write)| write)
    }

    /// Groups of merged writes one of which may be the map's last.
    pub(crate) fn maximal_groups(&self) -> impl Iterator<Item = &'a Group> {
        let (groups, end) = (self.history.groups(), self.read.at.end);
        let begins = || self.begun().filter_map(Kept::map).map(|leg| leg.begin);
        let last_begin = if groups.is_empty() { None } else { begins().max() };
        let is_last = move |leg: crate::Interval| leg.begin <= end && Some(leg.end) >= last_begin;
        groups.iter().filter(move |group| group.map.is_some_and(is_last))
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
        let (named, expected, ended) = self.should_have_shown();
        Verdict::Divergent(Divergence { kind, confirmed, named, expected, ended })
    }

    /// The map's last write that had ended before the read, else the newest acknowledged one.
    fn should_have_shown(&self) -> (WriteId, Digest, Time) {
        let of = |write: &Kept| (write.id(), write.digest, write.ended_wholly());
        let ended = self.maximal().filter(|write| write.ended() < self.read.at.begin);
        let last = ended.max_by_key(|write| (write.map().map(|leg| leg.begin), write.id())).map(of);
        let newest = || self.history.newest_settled(self.read.at.begin);
        let newest = || newest().map(|mark| (mark.id, mark.digest, mark.end));
        let any = || self.maximal().next().map(of);
        // An illegal read has a settled write and a lasting one a maximal one, so there is always one to name.
        let none = (WriteId { source: 0, seq: 0 }, Digest::ABSENT, Time::MIN);
        last.or_else(newest).or_else(any).unwrap_or(none)
    }
}

/// The kept writes with a map leg, begun by the end of the read, that no other such write's map leg is certainly after.
pub(crate) fn maximal(history: &History, read: &Observation) -> Set {
    let begun = || {
        let begun = |(_, write): &(usize, &Kept)| write.map().is_some() && write.begun() <= read.at.end;
        history.kept().enumerate().filter(begun)
    };
    let last = Last::of(begun().map(|(_, write)| write));
    let is_last = |write: &Kept| match last {
        Last::None => true,
        Last::ByOrder(last) => write.order() == Some(last),
        Last::ByInterval(last_begin) => write.map().is_some_and(|leg| leg.end >= last_begin),
        Last::Mixed => !begun().any(|(_, other)| write.is_map_before(other)),
    };
    begun().filter(|(_, write)| is_last(write)).map(|(at, _)| at).collect()
}

/// What tells the map's last write from the others. Where all are ordered in the same way, one look at each is enough.
#[derive(Clone, Copy)]
enum Last {
    /// There are no writes.
    None,
    /// All are of one source, which knows the map's own order: its greatest number.
    ByOrder(u64),
    /// Nothing but intervals orders them: the latest begin.
    ByInterval(Time),
    /// Each pair has to be looked at.
    Mixed,
}

impl Last {
    fn of<'a>(writes: impl Iterator<Item = &'a Kept>) -> Self {
        let mut source = None;
        writes.fold(Self::None, |last, write| {
            let same_source = *source.get_or_insert(write.id().source) == write.id().source;
            let begin = write.map().map_or(Time::MIN, |leg| leg.begin);
            match (last, write.version(), write.order()) {
                (Self::None, None, None) => Self::ByInterval(begin),
                (Self::None, None, Some(order)) => Self::ByOrder(order),
                (Self::ByInterval(last), None, None) => Self::ByInterval(last.max(begin)),
                (Self::ByOrder(last), None, Some(order)) if same_source => Self::ByOrder(last.max(order)),
                _ => Self::Mixed,
            }
        })
    }
}
