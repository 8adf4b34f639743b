//! What was planted and found, and how events ended.

use crate::faults::FaultKind;
use counterfoil_judge::Outcome;
use std::collections::BTreeMap;

/// How the faults of one kind fared.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Found {
    /// They came into effect.
    pub planted: u64,
    /// They were confirmed.
    pub found: u64,
    /// They lasted and were not confirmed, but their key was called undetermined, or its event never arrived.
    pub undetermined: u64,
    /// They were made up for before anyone had to notice.
    pub passed: u64,
    /// They lasted and nothing was said.
    pub missed: u64,
}

/// What came of a run, or of many.
#[derive(Clone, Default, Debug, serde::Serialize)]
pub struct Score {
    /// By kind of fault.
    pub faults: BTreeMap<&'static str, Found>,
    /// Divergences told where there was none.
    pub false_alarms: u64,
    /// Events by outcome.
    pub outcomes: BTreeMap<String, u64>,
    /// The longest time from the deadline of a fault until it was confirmed, in nanoseconds.
    pub confirmed_after_max_ns: i64,
}

impl Score {
    /// The row of a kind.
    pub fn of(&mut self, kind: FaultKind) -> &mut Found {
        self.faults.entry(kind.label()).or_default()
    }

    /// An event ended.
    pub fn ended(&mut self, outcome: Outcome) {
        let label = match outcome {
            Outcome::Confirmed { .. } => "confirmed".to_owned(),
            Outcome::Superseded => "superseded".to_owned(),
            Outcome::Divergent => "divergent".to_owned(),
            Outcome::Undetermined(reason) => format!("undetermined: {}", reason.label()),
            Outcome::Shed(_) => "shed".to_owned(),
        };
        *self.outcomes.entry(label).or_default() += 1;
    }

    /// Adds what came of another run.
    pub fn merge(&mut self, other: &Self) {
        for (kind, found) in &other.faults {
            let sum = self.faults.entry(kind).or_default();
            sum.planted += found.planted;
            sum.found += found.found;
            sum.undetermined += found.undetermined;
            sum.passed += found.passed;
            sum.missed += found.missed;
        }
        for (outcome, count) in &other.outcomes {
            *self.outcomes.entry(outcome.clone()).or_default() += count;
        }
        self.false_alarms += other.false_alarms;
        self.confirmed_after_max_ns = self.confirmed_after_max_ns.max(other.confirmed_after_max_ns);
    }
}
