//! Rare paths: a range of seeds shows something only if it went there.

use counterfoil_judge::{Kind, Reason};
use std::collections::BTreeMap;

/// The paths that every long range of seeds must take, besides each reason to be undetermined and each kind of verdict.
pub const REQUIRED: [&str; 24] = [
    "writes merged",
    "gap tainted",
    "undeclared gap",
    "comparator started over",
    "source lost",
    "source expired",
    "clock epoch",
    "key shed",
    "shed key admitted again",
    "unknown outcome resolved",
    "hot key confirmed divergent",
    "map legs out of order",
    "partition longer than the timeout",
    "event delivered again",
    "map told whole",
    "map told anew in the middle of it",
    "process gone in the middle of telling",
    "held value told",
    "held value lost",
    "row known",
    "row suspected",
    "row unknown: no_snapshot",
    "row unknown: doubt",
    "row unknown: representation",
];

/// How often each path was taken.
#[derive(Clone, Default, Debug, serde::Serialize)]
pub struct Paths(BTreeMap<String, u64>);

impl Paths {
    /// A path was taken.
    pub fn hit(&mut self, path: &str) {
        self.add(path, 1);
    }

    /// A path was taken so many times.
    pub fn add(&mut self, path: &str, times: u64) {
        if times > 0 {
            *self.0.entry(path.to_owned()).or_default() += times;
        }
    }

    /// Adds what another run counted.
    pub fn merge(&mut self, other: &Self) {
        other.0.iter().for_each(|(path, times)| self.add(path, *times));
    }

    /// Every path that was taken, and how often.
    pub fn iter(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(path, times)| (path.as_str(), *times))
    }

    /// The paths that must be taken and were not.
    #[must_use]
    pub fn missing(&self) -> Vec<String> {
        let reasons = Reason::ALL.iter().map(|reason| format!("undetermined: {}", reason.label()));
        let kinds = Kind::LABELS.iter().map(|kind| format!("verdict: {kind}"));
        let required = REQUIRED.iter().map(|&path| path.to_owned()).chain(reasons).chain(kinds);
        required.filter(|path| !self.0.contains_key(path)).collect()
    }
}
