//! What came of a range of seeds.

use crate::oracle::{Breach, Paths, Score};
use crate::plan::{BEGIN, Options};
use crate::run::{Outcome, run};
use serde::Serialize;
use std::fmt;

/// A range with so many seeds must take every rare path.
const LONG: u64 = 500;

/// Failing seeds that are kept with what was wrong.
const FAILED_MAX: usize = 20;

/// A seed that failed.
#[derive(Clone, Debug, Serialize)]
pub struct Failed {
    /// The seed.
    pub seed: u64,
    /// What was wrong, with the virtual milliseconds since the run began.
    pub breaches: Vec<(f64, String)>,
    /// What runs it again.
    pub replay: String,
}

/// What came of a range of seeds.
#[derive(Clone, Default, Debug, Serialize)]
pub struct Report {
    /// How many seeds were run.
    pub seeds: u64,
    /// How many of them failed.
    pub seeds_failed: u64,
    /// Virtual events.
    pub events: u64,
    /// What was planted and found, and how events ended.
    pub score: Score,
    /// How often each rare path was taken.
    pub paths: Paths,
    /// The first seeds that failed.
    pub failed: Vec<Failed>,
}

impl Report {
    /// Runs seeds one after the other, for as long as there are any.
    #[must_use]
    pub fn of(seeds: impl Iterator<Item = u64>, options: &Options) -> Self {
        let mut report = Self::default();
        for seed in seeds {
            report.add(&run(seed, options, false), options);
        }
        report
    }

    /// Adds a run.
    pub fn add(&mut self, outcome: &Outcome, options: &Options) {
        self.seeds += 1;
        self.events += outcome.events;
        self.score.merge(&outcome.score);
        self.paths.merge(&outcome.paths);
        if outcome.breaches.is_empty() {
            return;
        }
        self.seeds_failed += 1;
        if self.failed.len() < FAILED_MAX {
            let told = |breach: &Breach| ((breach.at - BEGIN) as f64 / 1e6, breach.what.clone());
            let breaches = outcome.breaches.iter().map(told).collect();
            let replay = format!("cargo xtask sim --seed {}{}", outcome.seed, options.flags());
            self.failed.push(Failed { seed: outcome.seed, breaches, replay });
        }
    }

    /// Adds another report.
    pub fn merge(&mut self, other: Self) {
        self.seeds += other.seeds;
        self.seeds_failed += other.seeds_failed;
        self.events += other.events;
        self.score.merge(&other.score);
        self.paths.merge(&other.paths);
        self.failed.extend(other.failed);
        self.failed.truncate(FAILED_MAX);
    }

    /// Rare paths that were never taken, though there were seeds enough.
    #[must_use]
    pub fn paths_missing(&self) -> Vec<String> {
        if self.seeds >= LONG { self.paths.missing() } else { Vec::new() }
    }

    /// Whether nothing was wrong.
    #[must_use]
    pub fn is_good(&self) -> bool {
        self.seeds_failed == 0 && self.paths_missing().is_empty()
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for failed in &self.failed {
            writeln!(f, "seed {} failed:", failed.seed)?;
            for (at_ms, what) in &failed.breaches {
                writeln!(f, "  at {at_ms:.3} ms: {what}")?;
            }
            writeln!(f, "replay: {}", failed.replay)?;
        }
        writeln!(
            f,
            "{:<12} {:>8} {:>8} {:>13} {:>8} {:>8}",
            "fault", "planted", "found", "undetermined", "passed", "missed"
        )?;
        for (kind, it) in &self.score.faults {
            let (planted, found, undetermined) = (it.planted, it.found, it.undetermined);
            writeln!(
                f,
                "{kind:<12} {planted:>8} {found:>8} {undetermined:>13} {:>8} {:>8}",
                it.passed, it.missed
            )?;
        }
        writeln!(f, "false alarms {}", self.score.false_alarms)?;
        let ended: u64 = self.score.outcomes.values().sum();
        for (outcome, count) in &self.score.outcomes {
            let share = *count as f64 * 100.0 / ended.max(1) as f64;
            writeln!(f, "events {outcome:<28} {count:>10} {share:>8.3} %")?;
        }
        for (path, times) in self.paths.iter() {
            writeln!(f, "path {path:<42} {times:>10}")?;
        }
        for path in self.paths_missing() {
            writeln!(f, "path never taken: {path}")?;
        }
        write!(f, "seeds {}, of which {} failed; {} events", self.seeds, self.seeds_failed, self.events)
    }
}
