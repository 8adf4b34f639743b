//! Where the two sides of an uncalibrated check differ, and where a store differs from itself, as the summary shows it. Names of fields stand here and in the ledger, in no
//! log and no metric.

use crate::table::{FieldHint, Hints, StoreNoise};
use serde::Serialize;

/// One way in which one field differs.
#[derive(Serialize)]
pub(super) struct HintSummary {
    /// The field, as a path of rules; `.` for the value itself.
    field: String,
    /// How it differs.
    difference: String,
    /// The rule under which it would not, as a line of the section `rules`; `null` if there is none.
    rule: Option<String>,
    /// So many values were looked at,
    of: u32,
    /// and so many of them differ there in this way.
    times: u32,
}

/// What a store said of keys that were read twice in a row.
#[derive(Serialize)]
pub(super) struct NoiseSummary {
    /// Keys that were read twice, each once, until the check was calibrated.
    keys_read_twice: u32,
    /// Those of them whose two answers differ.
    differing: u32,
    /// Whether so many differ that the store gives another value for the same row each time.
    is_noisy: bool,
    /// Where the answers differ: what always does first.
    fields: Vec<HintSummary>,
}

impl From<StoreNoise> for NoiseSummary {
    fn from(noise: StoreNoise) -> Self {
        let StoreNoise { keys_read_twice, differing, is_noisy, hints } = noise;
        let fields = summaries(&hints, ["the first read", "the second read"]);
        Self { keys_read_twice, differing, is_noisy, fields }
    }
}

/// All ways in which the two sides differ, in their order.
pub(super) fn of_sides(hints: &Hints) -> Vec<HintSummary> {
    summaries(hints, ["the map", "the store"])
}

fn summaries(hints: &Hints, [left, right]: [&str; 2]) -> Vec<HintSummary> {
    let summary = |FieldHint { hint, times }: &FieldHint| HintSummary {
        field: hint.field.to_string(),
        difference: hint.difference.between(left, right),
        rule: hint.rule.as_ref().map(ToString::to_string),
        of: hints.of,
        times: *times,
    };
    hints.fields.iter().map(summary).collect()
}
