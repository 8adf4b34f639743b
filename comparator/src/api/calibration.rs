//! Where the two sides of an uncalibrated check differ, as the summary shows it. Names of fields stand here and in the ledger, in no
//! log and no metric.

use crate::table::{FieldHint, Hints};
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

/// All ways, in their order.
pub(super) fn summaries(hints: &Hints) -> Vec<HintSummary> {
    let summary = |FieldHint { hint, times }: &FieldHint| HintSummary {
        field: hint.field.to_string(),
        difference: hint.difference.between("the map", "the store"),
        rule: hint.rule.as_ref().map(ToString::to_string),
        of: hints.of,
        times: *times,
    };
    hints.fields.iter().map(summary).collect()
}
