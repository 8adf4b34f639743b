//! Names for a disagreement: how the two sides differ.

use crate::past::Past;
use crate::rule::Case;
use crate::time::Time;
use crate::verdict::Kind;
use crate::write::Scope;

/// Of a read that nothing explains.
pub(crate) fn of_illegal(case: &Case<'_>) -> Kind {
    let newest_write = case.survey.newest_write;
    if case.survey.read_end.is_some_and(|end| end >= newest_write) {
        return Kind::Reverted;
    }
    if case.read.digest.is_absent() {
        return Kind::Missing;
    }
    let mut legal_ends =
        case.history.kept().filter(|write| Past::of(write).is_some_and(|past| case.is_possible(&past)));
    let only_removes = legal_ends.next().is_some_and(|first| first.digest.is_absent())
        && legal_ends.all(|write| write.digest.is_absent())
        && case.history.groups().iter().all(|group| group.ended() < newest_write);
    if only_removes {
        return Kind::Resurrected;
    }
    case.survey.read_end.map_or(Kind::Foreign, |read_end| stale(case, read_end))
}

/// Counts the acknowledged writes that lie wholly between the end of the write that was read and the read.
fn stale(case: &Case<'_>, read_end: Time) -> Kind {
    let begin = case.read.at.begin;
    let between = |past: &Past| past.acknowledged && past.store.begin > read_end && past.store.end < begin;
    let ends = case.history.store_legs().filter(between).map(|past| (1, past.store.end));
    let merged = case
        .history
        .groups()
        .iter()
        .filter(|group| group.store().is_some_and(|leg| leg.begin > read_end && leg.end < begin));
    let ends = ends.chain(merged.map(|group| (group.acknowledged, group.first_end)));
    let (versions, first_end) =
        ends.fold((0u32, Time::MAX), |(n, first), (count, end)| (n.saturating_add(count), first.min(end)));
    Kind::Stale { versions, at_least: begin.since(first_end).max(0) }
}

/// Of a possible read of a quiet, overdue key that does not agree.
pub(crate) fn of_legal(case: &Case<'_>) -> Kind {
    let mut read_skipped_map = case
        .begun()
        .filter(|write| write.map().is_none() && write.store().is_some() && write.digest == case.read.digest);
    let last_in_store = case.lasts().in_store;
    match case.terms.scope {
        Scope::Shared if !last_in_store || read_skipped_map.next().is_some() => Kind::Partial,
        Scope::Process if !last_in_store => Kind::MapBehind,
        Scope::Process => match read_skipped_map.any(|write| Some(write.id().source) != case.copy()) {
            true => Kind::MapBehind,
            false => Kind::Inverted,
        },
        Scope::Shared => Kind::Inverted,
    }
}

/// Of a read that only the unknown past explains, though the map certainly moved on.
pub(crate) fn of_unknowable(case: &Case<'_>) -> Kind {
    match of_legal(case) {
        Kind::Inverted if case.read.digest.is_absent() => Kind::Missing,
        kind => kind,
    }
}
