//! What was planted against what was found.
//!
//! A planted bug is *found* when its key has a confirmed divergence of a kind that the bug may show as, opened after the
//! bug's write began; else it is *missed*. A *false alarm* is any divergence of a key without a bug, opened or confirmed, any
//! that was opened before the bug or when it was over, and a confirmed one of a kind that the bug cannot show as. A bug that
//! shows as several divergences is one bug found.

use super::api::Divergence;
use crate::plant::Plant;
use std::collections::{BTreeMap, HashMap};

/// Row of the false alarms on keys without a bug.
pub(super) const ELSEWHERE: &str = "elsewhere";

const MS: f64 = 1e6;

/// A bug that was planted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Planted {
    /// Which.
    pub(super) plant: Plant,
    /// Where.
    pub(super) key: String,
    /// When its write began and ended: wall-clock time, nanoseconds since 1970, as the ledger has it.
    pub(super) begin: i64,
    pub(super) end: i64,
    /// Until when a divergence may be its doing: `MAX` where the bug lasts.
    pub(super) until: i64,
}

impl Planted {
    /// Whether `divergence` was opened while the bug could be seen.
    fn covers(&self, divergence: &Divergence) -> bool {
        (self.begin..=self.until).contains(&divergence.opened_at_unix_ns)
    }
}

/// Counts per kind of bug; false alarms elsewhere have a row of their own.
#[derive(Clone, PartialEq, Debug, Default)]
pub(super) struct Tally {
    pub(super) planted: BTreeMap<&'static str, u64>,
    pub(super) found: BTreeMap<&'static str, u64>,
    pub(super) missed: BTreeMap<&'static str, u64>,
    pub(super) false_alarms: BTreeMap<&'static str, u64>,
    /// From the end of each found bug's write until it was confirmed, in milliseconds, ascending.
    pub(super) detection_ms: Vec<f64>,
    /// The keys of missed bugs and of false alarms, with what is wrong.
    pub(super) remarks: Vec<String>,
}

/// Compares what was planted with the ledger.
pub(super) fn tally(planted: &[Planted], divergences: &[Divergence]) -> Tally {
    let has_row =
        |plant: &Plant| Plant::OF_ONE_WRITE.contains(plant) || planted.iter().any(|bug| bug.plant == *plant);
    let names = || Plant::ALL.iter().filter(|plant| has_row(plant)).map(|plant| (plant.name(), 0));
    let mut tally = Tally {
        planted: names().collect(),
        found: names().collect(),
        missed: names().collect(),
        false_alarms: names().chain([(ELSEWHERE, 0)]).collect(),
        ..Tally::default()
    };
    let bugs = planted.iter().map(|bug| (bug.key.as_str(), bug)).collect::<HashMap<_, _>>();
    let mut by_key = HashMap::<&str, Vec<&Divergence>>::new();
    for divergence in divergences {
        by_key.entry(&divergence.key).or_default().push(divergence);
        tally.count_false_alarm(bugs.get(divergence.key.as_str()).copied(), divergence);
    }
    for bug in planted {
        tally.count_bug(bug, by_key.get(bug.key.as_str()).map_or(&[], Vec::as_slice));
    }
    tally.detection_ms.sort_by(f64::total_cmp);
    tally
}

impl Tally {
    /// Whether every bug was found, and nothing else.
    pub(super) fn is_clean(&self) -> bool {
        sum(&self.missed) == 0 && sum(&self.false_alarms) == 0
    }

    fn count_bug(&mut self, bug: &Planted, divergences: &[&Divergence]) {
        let name = bug.plant.name();
        count(&mut self.planted, name);
        let confirmed = divergences.iter().filter(|divergence| is_proof(bug, divergence));
        match confirmed.filter_map(|divergence| divergence.confirmed_at_unix_ns).min() {
            Some(at) => {
                count(&mut self.found, name);
                self.detection_ms.push(milliseconds(at.saturating_sub(bug.end)));
            }
            None => {
                count(&mut self.missed, name);
                let seen = divergences.iter().map(|divergence| divergence.to_string()).collect::<Vec<_>>();
                self.remarks.push(format!("missed: {name} at {} (ledger: {})", bug.key, seen.join("; ")));
            }
        }
    }

    fn count_false_alarm(&mut self, bug: Option<&Planted>, divergence: &Divergence) {
        let row = match bug {
            None => ELSEWHERE,
            Some(bug) if !bug.covers(divergence) => bug.plant.name(),
            Some(bug) if divergence.confirmed_at_unix_ns.is_some() && !is_proof(bug, divergence) => {
                bug.plant.name()
            }
            Some(_) => return,
        };
        count(&mut self.false_alarms, row);
        self.remarks.push(format!("false alarm: {row} at {}: {divergence}", divergence.key));
    }
}

fn is_proof(bug: &Planted, divergence: &Divergence) -> bool {
    divergence.confirmed_at_unix_ns.is_some()
        && bug.covers(divergence)
        && bug.plant.shows_as().contains(&divergence.kind.as_str())
}

fn count(counts: &mut BTreeMap<&'static str, u64>, name: &'static str) {
    *counts.entry(name).or_default() += 1;
}

/// The total over all rows.
pub(super) fn sum(counts: &BTreeMap<&'static str, u64>) -> u64 {
    counts.values().sum()
}

fn milliseconds(nanoseconds: i64) -> f64 {
    // A detection delay has far fewer than 53 bits.
    #[allow(clippy::cast_precision_loss, reason = "a delay of a run is far below 2^53 ns")]
    let nanoseconds = nanoseconds as f64;
    nanoseconds / MS
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bug(plant: Plant, key: &str) -> Planted {
        Planted { plant, key: key.to_owned(), begin: 900, end: 1_000, until: i64::MAX }
    }

    fn divergence(key: &str, kind: &str, opened: i64, confirmed: Option<i64>) -> Divergence {
        Divergence {
            key: key.to_owned(),
            kind: kind.to_owned(),
            opened_at_unix_ns: opened,
            confirmed_at_unix_ns: confirmed,
            ..Divergence::default()
        }
    }

    #[test]
    fn a_confirmed_divergence_of_a_fitting_kind_finds_a_bug() {
        let planted = [bug(Plant::Dropped, "a"), bug(Plant::Late, "b"), bug(Plant::Reordered, "c")];
        let ledger = [
            divergence("a", "missing", 1_500, Some(3_001_000)),
            divergence("b", "stale", 1_500, Some(1_001_000)),
            divergence("c", "inverted", 1_500, Some(2_001_000)),
        ];
        let tally = tally(&planted, &ledger);
        assert!(tally.is_clean(), "{:?}", tally.remarks);
        assert_eq!(sum(&tally.found), 3);
        assert_eq!(tally.detection_ms, [1.0, 2.0, 3.0]);
    }

    #[test]
    fn what_is_not_confirmed_not_fitting_or_too_early_does_not_find_a_bug() {
        for (ledger, false_alarms) in [
            (vec![], 0),
            (vec![divergence("a", "missing", 1_500, None)], 0),
            (vec![divergence("a", "foreign", 1_500, Some(2_000))], 1),
            (vec![divergence("a", "missing", 100, Some(2_000))], 1),
            (vec![divergence("b", "missing", 1_500, Some(2_000))], 1),
            (vec![divergence("b", "missing", 1_500, None)], 1),
        ] {
            let tally = tally(&[bug(Plant::Dropped, "a")], &ledger);
            assert_eq!((sum(&tally.missed), sum(&tally.found)), (1, 0), "{ledger:?}");
            assert_eq!(sum(&tally.false_alarms), false_alarms, "{ledger:?}");
            assert!(!tally.is_clean());
        }
    }

    #[test]
    fn a_false_alarm_spoils_a_run_in_which_everything_was_found() {
        let ledger = [divergence("a", "foreign", 1_500, Some(2_000)), divergence("x", "stale", 5, None)];
        let tally = tally(&[bug(Plant::Corrupted, "a")], &ledger);
        assert_eq!((sum(&tally.found), tally.false_alarms.get(ELSEWHERE)), (1, Some(&1)));
        assert!(!tally.is_clean());
    }

    #[test]
    fn a_bug_that_is_over_is_found_once_while_it_lasts_and_alarms_before_and_after_are_false() {
        let frozen = Planted { until: 9_000, ..bug(Plant::Frozen, "hot") };
        let during = [
            divergence("hot", "stale", 1_500, None),
            divergence("hot", "stale", 2_500, Some(3_001_000)),
            divergence("hot", "missing", 9_000, Some(4_001_000)),
        ];
        let found = tally(std::slice::from_ref(&frozen), &during);
        assert!(found.is_clean(), "{:?}", found.remarks);
        assert_eq!((found.found.get("frozen"), sum(&found.found)), (Some(&1), 1));
        assert_eq!(found.detection_ms, [3.0], "the first of them counts");
        for (opened, confirmed) in [(899, None), (899, Some(3_000)), (9_001, None), (9_001, Some(9_500))] {
            let outside = [divergence("hot", "stale", opened, confirmed)];
            let tally = tally(std::slice::from_ref(&frozen), &outside);
            assert_eq!((sum(&tally.missed), tally.false_alarms.get("frozen")), (1, Some(&1)), "{outside:?}");
        }
    }

    #[test]
    fn there_is_no_row_for_frozen_keys_where_none_were_planted() {
        assert_eq!(tally(&[], &[]).planted.len(), Plant::OF_ONE_WRITE.len());
        assert!(!tally(&[], &[]).found.contains_key("frozen"));
    }
}
