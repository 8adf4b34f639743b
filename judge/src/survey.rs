//! What one look at every write of a history tells about a read: the sums the rule is made of.

use crate::group::Group;
use crate::history::History;
use crate::kept::Kept;
use crate::set::Set;
use crate::time::{Interval, Time};
use crate::verdict::Observation;
use crate::write::{Scope, Terms};

/// What all writes together are to a read.
#[derive(Debug)]
pub(crate) struct Survey {
    /// Begin of the newest acknowledged write that ended before the read; `MIN` if there is none.
    pub(crate) newest_write: Time,
    /// No store leg overlaps the read and no write of unknown outcome is open.
    pub(crate) is_quiet: bool,
    /// The last end of a write, kept, merged or remembered, that began by the end of the read and wrote what was read.
    pub(crate) read_end: Option<Time>,
    /// Some kept write has begun by the end of the read.
    pub(crate) has_begun: bool,
    /// The last deadline of one that was made to the store alone.
    pub(crate) store_only_deadline: Option<Time>,
    /// The begin of the map leg that began last, of those.
    map_begin: Option<Time>,
    /// What tells the map's last write from the others.
    last: Last,
}

impl Survey {
    /// Looks at every write of `history` once.
    pub(crate) fn of(history: &History, read: &Observation) -> Self {
        let mut survey = Self {
            newest_write: history.newest_begin_of_unkept(read.at.begin),
            is_quiet: true,
            read_end: None,
            has_begun: false,
            store_only_deadline: None,
            map_begin: None,
            last: Last::None,
        };
        let mut source = None;
        history.kept().for_each(|write| {
            survey.add_store_leg(write, read);
            if write.begun() <= read.at.end {
                survey.has_begun = true;
                match write.map() {
                    Some(leg) => {
                        survey.map_begin = survey.map_begin.max(Some(leg.begin));
                        survey.last = survey.last.with(write, leg, &mut source);
                    }
                    None => survey.store_only_deadline = survey.store_only_deadline.max(Some(write.deadline)),
                }
            }
        });
        for group in history.groups() {
            survey.is_quiet &= group.store().is_none_or(|leg| !leg.overlaps(read.at));
        }
        let begun = history.unkept_matches(read.digest).filter(|past| past.store.begin <= read.at.end);
        survey.read_end = begun.map(|past| past.store.end).max().max(survey.read_end);
        survey
    }

    fn add_store_leg(&mut self, write: &Kept, read: &Observation) {
        let Some(leg) = write.store() else { return };
        let Interval { begin, end } = leg.interval;
        if leg.acknowledged && end < read.at.begin {
            self.newest_write = self.newest_write.max(begin);
        }
        let has_begun = begin <= read.at.end;
        self.is_quiet &= !has_begun || end < read.at.begin;
        if has_begun && write.digest == read.digest {
            self.read_end = self.read_end.max(Some(end));
        }
    }
}

/// The writes one of which is the map's last as of the end of a read.
#[derive(Debug)]
pub(crate) struct Lasts<'a> {
    /// One of them that is kept.
    pub(crate) first: Option<&'a Kept>,
    /// Of those that had ended before the read, the one whose map leg began last.
    pub(crate) ended: Option<&'a Kept>,
    /// The end of the map leg with which the read agrees.
    pub(crate) agreed_since: Option<Time>,
    /// The begin of the map leg that began last.
    pub(crate) begin: Option<Time>,
    /// The last deadline.
    pub(crate) deadline: Option<Time>,
    /// Some of them were made to the store too.
    pub(crate) in_store: bool,
}

impl<'a> Lasts<'a> {
    /// Looks at them once.
    pub(crate) fn of(history: &'a History, read: &Observation, terms: &Terms, survey: &Survey) -> Self {
        let mut lasts = Self {
            first: None,
            ended: None,
            agreed_since: None,
            begin: None,
            deadline: None,
            in_store: false,
        };
        let is_last = |write: &Kept| write.begun() <= read.at.end && survey.last.may_be(write, history, read);
        history.kept().for_each(|write| {
            if let Some(leg) = write.map().filter(|_| is_last(write)) {
                lasts.add(write, leg, read, terms);
            }
        });
        let end = read.at.end;
        let may_be_last = |leg: Interval| leg.begin <= end && Some(leg.end) >= survey.map_begin;
        let agreed = lasts.agreed_since;
        for group in history.groups() {
            if let Some(leg) = group.map.filter(|leg| may_be_last(*leg)) {
                lasts.add_group(group, leg, read, agreed.is_some());
            }
        }
        lasts
    }

    fn add(&mut self, write: &'a Kept, leg: Interval, read: &Observation, terms: &Terms) {
        self.first = self.first.or(Some(write));
        self.begin = self.begin.max(Some(leg.begin));
        self.deadline = self.deadline.max(Some(write.deadline));
        self.in_store |= write.store().is_some();
        if agrees(write, read, terms) {
            self.agreed_since = self.agreed_since.max(Some(leg.end));
        }
        let later =
            |other: &Kept| (other.map().map(|leg| leg.begin), other.id()) < (Some(leg.begin), write.id());
        if write.ended() < read.at.begin && self.ended.is_none_or(later) {
            self.ended = Some(write);
        }
    }

    fn add_group(&mut self, group: &Group, leg: Interval, read: &Observation, kept_agrees: bool) {
        self.begin = self.begin.max(Some(leg.begin));
        self.deadline = self.deadline.max(Some(group.deadline));
        self.in_store = true;
        if !kept_agrees && group.may_be_last(read.digest) {
            self.agreed_since = self.agreed_since.max(Some(leg.end));
        }
    }
}

/// Whether the store was seen to hold what `write` left in the map. A copy that dropped a value agrees with anything.
pub(crate) fn agrees(write: &Kept, read: &Observation, terms: &Terms) -> bool {
    write.digest == read.digest || (terms.scope == Scope::Process && write.is_eviction())
}

/// The places of the kept writes with a map leg, begun by the end of the read, that no other such write's map leg is
/// certainly after.
pub(crate) fn may_be_last(history: &History, read: &Observation) -> Set {
    let (mut last, mut source) = (Last::None, None);
    let begun = |write: &Kept| write.map().filter(|_| write.begun() <= read.at.end);
    history.kept().for_each(|write| {
        if let Some(leg) = begun(write) {
            last = last.with(write, leg, &mut source);
        }
    });
    let places = history.kept().enumerate();
    places
        .filter(|(_, write)| begun(write).is_some() && last.may_be(write, history, read))
        .map(|(at, _)| at)
        .collect()
}

/// What tells the map's last write from the others. Where all are ordered in the same way, one look at each is enough.
#[derive(Clone, Copy, Debug)]
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
    /// The same with one more write. `source` is that of the first one.
    fn with(self, write: &Kept, leg: Interval, source: &mut Option<u32>) -> Self {
        let is_of_same = *source.get_or_insert(write.id().source) == write.id().source;
        match (self, write.version(), write.order()) {
            (Self::None, None, None) => Self::ByInterval(leg.begin),
            (Self::None, None, Some(order)) => Self::ByOrder(order),
            (Self::ByInterval(last), None, None) => Self::ByInterval(last.max(leg.begin)),
            (Self::ByOrder(last), None, Some(order)) if is_of_same => Self::ByOrder(last.max(order)),
            _ => Self::Mixed,
        }
    }

    /// Whether `write`, one of them, may be the last.
    fn may_be(self, write: &Kept, history: &History, read: &Observation) -> bool {
        match self {
            Self::None => true,
            Self::ByOrder(last) => write.order() == Some(last),
            Self::ByInterval(last_begin) => write.map().is_some_and(|leg| leg.end >= last_begin),
            Self::Mixed => {
                !history.kept().any(|other| other.begun() <= read.at.end && write.is_map_before(other))
            }
        }
    }
}
