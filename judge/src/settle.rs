//! Outcomes: which events an observation ends, and how.

use crate::history::History;
use crate::kept::Kept;
use crate::survey::{agrees, may_be_last};
use crate::time::Time;
use crate::verdict::{Judgement, Legality, Observation, Outcome, Reason, Verdict};
use crate::write::{Terms, WriteId};

/// Ends the events that `read`, judged as `judgement`, says something final about; appends them to `ended`. Remembers
/// what the read proves for later ones.
///
/// A read that began before a write ended proves nothing about it, unless nothing else explains what was read and the
/// application's calls had returned: the contract says only by when such a write has landed. An event for which no verdict
/// came within the contract's patience ends undetermined.
pub fn settle(
    history: &mut History,
    read: &Observation,
    judgement: &Judgement,
    terms: &Terms,
    ended: &mut Vec<(WriteId, Outcome)>,
) {
    // That a value is gone by itself is an explanation too, of a write that nobody reports.
    let may_have_expired = terms.expires && read.digest.is_absent();
    let shown = match judgement.legality {
        Legality::Legal if may_have_expired => history.learn(read, Legality::Unknowable),
        legality => history.learn(read, legality),
    };
    let last = may_be_last(history, read);
    for (at, write) in history.kept_mut().enumerate().filter(|(_, write)| write.is_pending()) {
        // What was read before is not what the application's calls left behind: they may still have changed it.
        let had_returned = write.deadline.minus(terms.deadline) <= read.at.begin;
        let fact = Fact {
            agrees: agrees(write, read, terms),
            is_over: had_returned && write.ended() < read.at.begin,
            is_shown: had_returned && shown == Some(write.id()),
            is_followed: write.map().is_some() && write.begun() <= read.at.end && !last.has(at),
        };
        let outcome = concluded(write, read, &judgement.verdict, fact);
        if let Some(outcome) =
            outcome.or_else(|| out_of_patience(write, read.at.begin, &judgement.verdict, terms))
        {
            write.end_event();
            ended.push((write.id(), outcome));
        }
    }
}

/// Ends the events whose patience has run out at `now`, where the store could not be read or the read could not be
/// judged: nothing was observed. Appends them to `ended`.
pub fn give_up(
    history: &mut History,
    now: Time,
    reason: Reason,
    terms: &Terms,
    ended: &mut Vec<(WriteId, Outcome)>,
) {
    for write in history.kept_mut().filter(|write| write.is_pending()) {
        if let Some(outcome) = out_of_patience(write, now, &Verdict::Undetermined(reason), terms) {
            write.end_event();
            ended.push((write.id(), outcome));
        }
    }
}

/// What a read is to a write.
#[derive(Clone, Copy)]
struct Fact {
    /// It saw what the write wrote.
    agrees: bool,
    /// It began after the write's store leg had ended.
    is_over: bool,
    /// Nothing but this write explains it, and it began after the calls that were reported.
    is_shown: bool,
    /// The map certainly took another write after this one.
    is_followed: bool,
}

fn concluded(write: &Kept, read: &Observation, verdict: &Verdict, fact: Fact) -> Option<Outcome> {
    if !fact.is_over && !fact.is_shown {
        return None;
    }
    match verdict {
        Verdict::Divergent(divergence) if !divergence.confirmed => None,
        Verdict::Divergent(_) if fact.is_followed => Some(Outcome::Superseded),
        Verdict::Divergent(_) => Some(Outcome::Divergent),
        _ if fact.agrees => Some(confirmed(write, read)),
        Verdict::Consistent { .. } => Some(Outcome::Superseded),
        Verdict::InFlight if fact.is_followed || write.map().is_none() => Some(Outcome::Superseded),
        Verdict::InFlight | Verdict::Undetermined(_) => None,
    }
}

fn confirmed(write: &Kept, read: &Observation) -> Outcome {
    let end = write.map().map_or_else(|| write.ended(), |leg| leg.end);
    Outcome::Confirmed { lag: read.at.end.since(end).max(0) }
}

fn out_of_patience(write: &Kept, now: Time, verdict: &Verdict, terms: &Terms) -> Option<Outcome> {
    let reason = match verdict {
        Verdict::Undetermined(reason) => *reason,
        // What is divergent beside a write that may still land says nothing about that one.
        Verdict::InFlight | Verdict::Divergent(_) => Reason::Unresolved,
        Verdict::Consistent { .. } => return None,
    };
    (write.deadline.plus(terms.patience) < now).then_some(Outcome::Undetermined(reason))
}
