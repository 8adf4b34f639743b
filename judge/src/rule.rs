//! The rule: what one observation proves.
//!
//! A key is a register that the application writes; a probe reads it once, within `R = [r0, r1]`.
//!
//! **Legality.** Let `M(r0)` be the latest begin of an acknowledged write that ended before `r0`. Reading the value of
//! write `j` is possible iff `j` began no later than `r1` and ended no earlier than `M(r0)`: otherwise some write lies
//! wholly between `j` and the read in every linearization (Herlihy & Wing 1990; for registers Gibbons & Korach 1997).
//! For one read this is exact. It needs no quiet: a key that is written all the time is judged all the same.
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

use crate::history::{History, Past, Seen};
use crate::time::Time;
use crate::verdict::{Divergence, Judgement, Kind, Legality, Observation, Reason, Verdict};
use crate::write::{Digest, Terms, Write, WriteId};

/// What `read` proves about the key of `history`.
#[must_use]
pub fn judge(history: &History, read: &Observation, terms: &Terms) -> Judgement {
    let case = Case::new(history, read, terms);
    let legality = case.legality();
    Judgement { legality, verdict: case.verdict(legality) }
}

/// Everything one judgement looks at.
struct Case<'a> {
    history: &'a History,
    read: &'a Observation,
    terms: &'a Terms,
    /// Begin of the newest acknowledged write that ended before the read; `MIN` if there is none.
    newest: Time,
    /// Writes one of which is the map's last, as of the end of the read.
    maximal: Vec<&'a Write>,
}

impl<'a> Case<'a> {
    fn new(history: &'a History, read: &'a Observation, terms: &'a Terms) -> Self {
        let newest = history.newest_settled(read.at.begin).map_or(Time::MIN, |mark| mark.begin);
        Self { history, read, terms, newest, maximal: maximal(history, read) }
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
    fn is_possible(&self, past: &Past) -> bool {
        past.store.begin <= self.read.at.end && past.store.end >= self.newest
    }

    fn verdict(&self, legality: Legality) -> Verdict {
        let quiet = self.is_quiet();
        if quiet && let Some(agreed) = self.agreed() {
            return match self.map_is_known() {
                true => Verdict::Consistent {
                    lag: self.read.at.end.since(agreed.map.map_or(Time::MIN, |leg| leg.end)),
                },
                false => Verdict::Undetermined(self.history.blind().reason),
            };
        }
        if let Some(write) = self.written_otherwise() {
            return Verdict::Divergent(Divergence {
                kind: Kind::Corrupt,
                confirmed: write.deadline < self.read.at.begin,
                named: write.id,
                expected: write.digest,
                ended: end_of_all(write),
            });
        }
        if self.terms.expires && self.read.digest.is_absent() && self.has_settled() {
            return Verdict::Undetermined(Reason::Expired);
        }
        let lasting = quiet && self.is_overdue() && self.map_is_known();
        match legality {
            Legality::Illegal => {
                self.divergent(self.illegal_kind(), lasting || self.is_illegal_past_deadlines())
            }
            Legality::Legal if lasting => self.divergent(self.legal_kind(), true),
            Legality::Unknowable if lasting => self.divergent(self.unknowable_kind(), true),
            Legality::Legal => Verdict::InFlight,
            Legality::Unknowable if self.read.digest.is_absent() && self.may_still_come(quiet) => {
                Verdict::InFlight
            }
            Legality::Unknowable => Verdict::Undetermined(self.history.blind().reason),
        }
    }

    /// No store leg overlaps the read and no write of unknown outcome is open.
    fn is_quiet(&self) -> bool {
        let legs = self.history.writes().iter().filter_map(|write| write.store);
        legs.into_iter().all(|leg| !leg.interval.overlaps(self.read.at))
    }

    fn agreed(&self) -> Option<&'a Write> {
        let agreeing = self.maximal.iter().copied().filter(|write| write.digest == self.read.digest);
        agreeing.max_by_key(|write| write.map.map(|leg| leg.end))
    }

    /// Some map leg began after every write that nobody reported had ended: the map's last write is a reported one.
    fn map_is_known(&self) -> bool {
        let until = self.history.blind().until;
        self.maximal.iter().any(|write| write.map.is_some_and(|leg| until == Time::MIN || leg.begin > until))
    }

    /// The write whose version was read with other bytes. A version names one write of the key, so no order of writes,
    /// known or not, explains that.
    fn written_otherwise(&self) -> Option<&'a Write> {
        let version = self.read.version?;
        self.begun().find(|write| write.version == Some(version) && write.digest != self.read.digest)
    }

    fn has_settled(&self) -> bool {
        self.newest > Time::MIN
    }

    /// Every write that could be the map's last, or was made to the store alone, has passed its deadline.
    fn is_overdue(&self) -> bool {
        let store_only = self.begun().filter(|write| write.map.is_none() && write.store.is_some());
        let mut last = self.maximal.iter().copied().chain(store_only).peekable();
        last.peek().is_some() && last.all(|write| write.deadline < self.read.at.begin)
    }

    /// Some write has begun, and it is too early to ask where it is.
    fn may_still_come(&self, quiet: bool) -> bool {
        self.begun().next().is_some() && !(quiet && self.is_overdue())
    }

    fn begun(&self) -> impl Iterator<Item = &'a Write> {
        let end = self.read.at.end;
        self.history.writes().iter().filter(move |write| write.begun() <= end)
    }

    /// Illegal even if every store leg is stretched to its deadline: the disagreement outlived the deadline on a key
    /// that never rests. A value that was seen before was in the store by then, whatever wrote it.
    fn is_illegal_past_deadlines(&self) -> bool {
        let Some(due) = self.history.newest_due(self.read.at.begin) else { return false };
        if self.history.blind().until >= due.begin {
            return false;
        }
        let stood_still = |seen: Seen| seen.digest == self.read.digest && seen.since < due.begin;
        let stretched = |past: Past| past.store.end.max(past.deadline) < due.begin;
        self.history.seen().is_some_and(stood_still)
            || (self.history.forgotten_until() < due.begin
                && self.history.matches(self.read.digest).all(stretched))
    }

    fn illegal_kind(&self) -> Kind {
        if self.read.digest.is_absent() {
            return Kind::Missing;
        }
        let mut legal_ends = self.history.store_legs().filter(|past| self.is_possible(past)).peekable();
        if legal_ends.peek().is_some() && legal_ends.all(|past| past.digest.is_absent()) {
            return Kind::Resurrected;
        }
        match self.history.matches(self.read.digest).max_by_key(|past| past.store.end) {
            Some(read) => self.stale(read.store.end),
            None => Kind::Foreign,
        }
    }

    /// Counts the acknowledged writes that lie wholly between the end of the write that was read and the read.
    fn stale(&self, read_end: Time) -> Kind {
        let between = |past: &Past| {
            past.acknowledged && past.store.begin > read_end && past.store.end < self.read.at.begin
        };
        let ends = self.history.store_legs().filter(between).map(|past| past.store.end);
        let (versions, first_end) = ends.fold((0u32, Time::MAX), |(n, first), end| (n + 1, first.min(end)));
        Kind::Stale { versions, at_least: self.read.at.begin.since(first_end).max(0) }
    }

    /// A possible read of a quiet, overdue key that does not agree.
    fn legal_kind(&self) -> Kind {
        let store_leg_failed = self.maximal.iter().all(|write| write.store.is_none());
        let read_skipped_map = self
            .begun()
            .any(|write| write.map.is_none() && write.store.is_some() && write.digest == self.read.digest);
        if store_leg_failed || read_skipped_map { Kind::Partial } else { Kind::Inverted }
    }

    /// Only the unknown past explains the read, yet the map certainly moved on.
    fn unknowable_kind(&self) -> Kind {
        match self.legal_kind() {
            Kind::Inverted if self.read.digest.is_absent() => Kind::Missing,
            kind => kind,
        }
    }

    fn divergent(&self, kind: Kind, confirmed: bool) -> Verdict {
        let (named, expected, ended) = self.should_have_shown();
        Verdict::Divergent(Divergence { kind, confirmed, named, expected, ended })
    }

    /// The map's last write that had ended before the read, else the newest acknowledged one.
    fn should_have_shown(&self) -> (WriteId, Digest, Time) {
        let ended = self.maximal.iter().filter(|write| write.ended() < self.read.at.begin);
        let last = ended.max_by_key(|write| (write.map.map(|leg| leg.begin), write.id));
        let last = last.map(|write| (write.id, write.digest, end_of_all(write)));
        let newest =
            || self.history.newest_settled(self.read.at.begin).map(|mark| (mark.id, mark.digest, mark.end));
        let any = || self.maximal.first().map(|write| (write.id, write.digest, end_of_all(write)));
        // An illegal read has a settled write and a lasting one a maximal one, so there is always one to name.
        last.or_else(newest).or_else(any).unwrap_or((
            WriteId { source: 0, seq: 0 },
            Digest::ABSENT,
            Time::MIN,
        ))
    }
}

fn end_of_all(write: &Write) -> Time {
    write.ended().max(write.map.map_or(Time::MIN, |leg| leg.end))
}

/// The writes begun by the end of the read that no other such write's map leg is certainly after.
fn maximal<'a>(history: &'a History, read: &Observation) -> Vec<&'a Write> {
    let begun =
        || history.writes().iter().filter(|write| write.map.is_some() && write.begun() <= read.at.end);
    begun().filter(|write| !begun().any(|other| write.is_map_before(other))).collect()
}
