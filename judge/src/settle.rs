//! Outcomes: which events an observation ends, and how.

use crate::history::History;
use crate::time::Time;
use crate::verdict::{Observation, Outcome, Reason, Verdict};
use crate::write::{Terms, Write, WriteId};

/// Ends the events that `read`, judged as `verdict`, says something final about; appends them to `ended`.
///
/// Only events that ended before the read began are looked at: a read that began before a write ended proves nothing
/// about it. An event for which no verdict came within the contract's patience ends undetermined.
pub fn settle(
    history: &mut History,
    read: &Observation,
    verdict: &Verdict,
    terms: &Terms,
    ended: &mut Vec<(WriteId, Outcome)>,
) {
    let followed = followed(history, read);
    for (write, followed) in history.live_mut().iter_mut().zip(followed).filter(|(write, _)| write.pending) {
        let outcome = match write.ended() < read.at.begin {
            true => concluded(write, read, verdict, followed),
            false => None,
        };
        if let Some(outcome) = outcome.or_else(|| out_of_patience(write, read.at.begin, verdict, terms)) {
            write.pending = false;
            ended.push((write.id, outcome));
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
    for write in history.live_mut().iter_mut().filter(|write| write.pending) {
        if let Some(outcome) = out_of_patience(write, now, &Verdict::Undetermined(reason), terms) {
            write.pending = false;
            ended.push((write.id, outcome));
        }
    }
}

fn concluded(write: &Write, read: &Observation, verdict: &Verdict, followed: bool) -> Option<Outcome> {
    let agrees = write.digest == read.digest;
    match verdict {
        Verdict::Consistent { .. } if agrees => Some(confirmed(write, read)),
        Verdict::Consistent { .. } => Some(Outcome::Superseded),
        Verdict::InFlight if agrees => Some(confirmed(write, read)),
        Verdict::InFlight if followed || write.map.is_none() => Some(Outcome::Superseded),
        Verdict::Divergent(divergence) if divergence.confirmed => {
            Some(if followed { Outcome::Superseded } else { Outcome::Divergent })
        }
        Verdict::InFlight | Verdict::Divergent(_) | Verdict::Undetermined(_) => None,
    }
}

fn confirmed(write: &Write, read: &Observation) -> Outcome {
    let end = write.map.map_or_else(|| write.ended(), |leg| leg.end);
    Outcome::Confirmed { lag: read.at.end.since(end).max(0) }
}

fn out_of_patience(write: &Write, now: Time, verdict: &Verdict, terms: &Terms) -> Option<Outcome> {
    let reason = match verdict {
        Verdict::Undetermined(reason) => *reason,
        Verdict::InFlight => Reason::Unresolved,
        Verdict::Consistent { .. } | Verdict::Divergent(_) => return None,
    };
    (write.deadline.plus(terms.patience) < now).then_some(Outcome::Undetermined(reason))
}

/// For each write whether the map certainly took another write, begun by the end of the read, after it.
fn followed(history: &History, read: &Observation) -> Vec<bool> {
    let begun = || history.writes().iter().filter(|other| other.begun() <= read.at.end);
    history
        .writes()
        .iter()
        .map(|write| write.pending && begun().any(|other| write.is_map_before(other)))
        .collect()
}
