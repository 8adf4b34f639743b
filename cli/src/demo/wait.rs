//! After the last write: waiting until every event has its outcome and every bug was found, or time is up.

use super::api::{Api, ApiError, Summary};
use super::application::Deeds;
use super::tally::{Tally, sum, tally};
use crate::pace::since;
use counterfoil_clock::now;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::Duration;

/// How long it may take in all.
const PATIENCE: Duration = Duration::from_secs(30);
/// How long it may still take once every event has its outcome: nothing more will come.
const GRACE: Duration = Duration::from_secs(3);
/// How often the comparator is asked.
const LOOK: Duration = Duration::from_millis(200);

/// What the comparator said in the end.
pub(super) struct Findings {
    pub(super) summary: Summary,
    pub(super) tally: Tally,
}

/// Waits, but not for ever; a run that was interrupted is not waited for.
pub(super) fn wait(api: &Api, deeds: &Deeds, interrupted: &AtomicBool) -> Result<Findings, ApiError> {
    let (start, mut settled) = (now(), None);
    loop {
        let summary = api.summary()?;
        let tally = tally(&deeds.planted, &api.divergences()?);
        let findings = Findings { summary, tally };
        if findings.unsettled(deeds).is_empty() {
            settled = settled.or(Some(now()));
        }
        let all_found = settled.is_some() && sum(&findings.tally.missed) == 0;
        let too_long = since(start) > PATIENCE || settled.is_some_and(|at| since(at) > GRACE);
        if all_found || too_long || interrupted.load(Ordering::Relaxed) {
            return Ok(findings);
        }
        sleep(LOOK);
    }
}

impl Findings {
    /// What does not add up: each event is accepted or declared lost, and each accepted one has one outcome.
    pub(super) fn unsettled(&self, deeds: &Deeds) -> Vec<String> {
        let Summary { accepted, lost, .. } = self.summary;
        let outcomes = self.summary.outcomes();
        let mut problems = Vec::new();
        if !deeds.delivered {
            problems.push("the emitter could not deliver everything in time".to_owned());
        }
        if accepted + lost != deeds.events {
            problems.push(format!(
                "{} events were issued, but {accepted} accepted and {lost} lost",
                deeds.events
            ));
        }
        if outcomes.total() != accepted {
            problems
                .push(format!("{accepted} events were accepted, but {} have an outcome", outcomes.total()));
        }
        if outcomes.open > 0 {
            problems.push(format!("{} events are open", outcomes.open));
        }
        problems
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::api::{MapSummary, Outcomes};
    use crate::demo::stage::{HOT_MAP, MAP};

    fn problems(events: u64, accepted: u64, lost: u64, outcomes: Outcomes) -> usize {
        let deeds = Deeds { planted: Vec::new(), events, seconds: 1.0, delivered: true };
        let one_hot = Outcomes { confirmed: 1, ..Outcomes::default() };
        let maps = [(MAP, outcomes), (HOT_MAP, one_hot)];
        let maps =
            maps.map(|(name, outcomes)| (name.to_owned(), MapSummary { outcomes, ..MapSummary::default() }));
        let summary = Summary { maps: maps.into(), accepted, lost };
        Findings { summary, tally: tally(&[], &[]) }.unsettled(&deeds).len()
    }

    #[test]
    fn every_event_must_be_accepted_or_lost_and_end_exactly_once() {
        let outcomes = |confirmed, open| Outcomes { confirmed, open, ..Outcomes::default() };
        assert_eq!(problems(11, 10, 1, outcomes(9, 0)), 0, "and one on a hot key");
        assert_eq!(problems(11, 10, 0, outcomes(9, 0)), 1, "one event vanished on the way");
        assert_eq!(problems(11, 11, 0, outcomes(9, 0)), 1, "one event has no outcome");
        assert_eq!(problems(11, 11, 0, outcomes(9, 1)), 1, "one event is open");
        assert_eq!(problems(11, 11, 0, outcomes(11, 0)), 1, "one event ended twice");
    }
}
