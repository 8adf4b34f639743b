//! What the sweep has done, in the summary.

use super::ms;
use crate::Parts;
use crate::sweep::keys::Progress;
use serde::Serialize;
use std::collections::BTreeMap;

/// What the sweep has done in one store.
#[derive(Serialize)]
pub(super) struct SweepSummary {
    /// Over the keys of the table that nobody wrote to; `null` if they are not swept.
    keys: Option<KeysSummary>,
}

#[derive(Serialize)]
struct KeysSummary {
    /// Read again, or about to be.
    keys: u64,
    /// Which part of this round is done, from 0 to 1.
    done: f64,
    rounds: u64,
    /// How long the last round took; `null` before there was one.
    last_round_ms: Option<f64>,
}

/// By the store's name.
pub(super) fn summaries(parts: &Parts) -> BTreeMap<String, SweepSummary> {
    let readers = parts.engine.contracts().readers().iter();
    let summary = |keys: Option<Progress>| SweepSummary { keys: keys.map(KeysSummary::from) };
    let swept = parts.swept.get().into_iter().map(summary);
    readers.map(|reader| reader.name().to_owned()).zip(swept).collect()
}

impl From<Progress> for KeysSummary {
    fn from(progress: Progress) -> Self {
        let Progress { keys, rounds, last_round, done } = progress;
        Self { keys, done, rounds, last_round_ms: last_round.map(ms) }
    }
}
