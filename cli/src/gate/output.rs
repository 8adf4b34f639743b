//! How the gate's answer is shown: a row for each check and a line for each reason, or the comparator's own JSON.

use crate::output::{Output, figure, plain_table};
use serde::Deserialize;
use serde_json::Value;
use std::io::{self, Write};

/// `GET /v1/gate`, as far as it is used here.
#[derive(Debug, Deserialize)]
pub(super) struct Gate {
    pub(super) result: Word,
    reasons: Vec<Reason>,
    checks: Vec<Check>,
}

/// What the gate says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Word {
    Pass,
    Insufficient,
    Fail,
}

impl Word {
    const fn label(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Insufficient => "insufficient",
            Self::Fail => "fail",
        }
    }
}

#[derive(Debug, Deserialize)]
struct Reason {
    map: String,
    store: String,
    reason: String,
    result: Word,
    message: String,
}

#[derive(Debug, Deserialize)]
struct Check {
    map: String,
    store: String,
    result: Word,
    samples: u64,
    divergent: u64,
    bad_ratio_upper: f64,
    coverage: Option<f64>,
    open_divergences: u64,
    older_divergences: u64,
    /// Told by a comparator that is not older than this.
    #[serde(default)]
    ignored_divergences: u64,
    verified_through_age_ms: Option<f64>,
}

impl Gate {
    /// The names of the reasons, each once.
    pub(super) fn reason_names(&self) -> String {
        let mut names: Vec<_> = self.reasons.iter().map(|reason| reason.reason.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        names.join(", ")
    }
}

/// Shows the answer, of which `told` is all.
pub(super) fn write(gate: &Gate, told: &Value, output: Output, out: &mut dyn Write) -> io::Result<()> {
    match output {
        Output::Json => writeln!(out, "{told}"),
        Output::Table => write_table(gate, out),
    }
}

fn write_table(gate: &Gate, out: &mut dyn Write) -> io::Result<()> {
    let header =
        ["map", "store", "result", "samples", "divergent", "at most", "coverage", "open", "verified through"];
    let mut table = plain_table(header);
    for check in &gate.checks {
        let age = check.verified_through_age_ms.map(|ms| format!("{:.1} s ago", ms / 1e3));
        table.add_row([
            check.map.as_str().into(),
            check.store.as_str().into(),
            check.result.label().into(),
            figure(check.samples),
            figure(check.divergent),
            figure(percent(check.bad_ratio_upper)),
            figure(check.coverage.map_or_else(unknown, percent)),
            figure(open(check)),
            figure(age.unwrap_or_else(unknown)),
        ]);
    }
    writeln!(out, "{table}\n")?;
    for Reason { map, store, reason, result, message } in &gate.reasons {
        writeln!(out, "{} {map}/{store} {reason}: {message}", result.label())?;
    }
    writeln!(out, "{}", gate.result.label())
}

/// How many divergences are open, and how many more that do not count.
fn open(check: &Check) -> String {
    let open = check.open_divergences + check.older_divergences;
    match check.ignored_divergences {
        0 => open.to_string(),
        ignored => format!("{open} (+{ignored} ignored)"),
    }
}

fn percent(share: f64) -> String {
    format!("{:.3}%", share * 100.0)
}

fn unknown() -> String {
    "-".to_owned()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use serde_json::json;

    #[test]
    fn an_answer_is_shown_with_its_figures_and_reasons_and_the_word_at_the_end() {
        let told = json!({
            "result": "insufficient",
            "reasons": [{"map": "cart", "store": "main", "reason": "samples", "result": "insufficient", "message": "wait"}],
            "checks": [{
                "map": "cart", "store": "main", "result": "insufficient", "samples": 12, "divergent": 1,
                "bad_ratio_upper": 0.25, "coverage": null, "open_divergences": 1, "older_divergences": 2,
                "verified_through_age_ms": 1500.0,
            }],
        });
        let gate: Gate = serde_json::from_value(told.clone()).unwrap();
        let shown = |output| {
            let mut out = Vec::new();
            write(&gate, &told, output, &mut out).unwrap();
            String::from_utf8(out).unwrap()
        };
        let table = shown(Output::Table);
        let row: Vec<_> = table.lines().nth(1).unwrap().split_whitespace().collect();
        assert_eq!(row, ["cart", "main", "insufficient", "12", "1", "25.000%", "-", "3", "1.5", "s", "ago"]);
        assert!(table.ends_with("insufficient cart/main samples: wait\ninsufficient\n"), "{table}");
        assert_eq!(serde_json::from_str::<Value>(&shown(Output::Json)).unwrap(), told);
        assert_eq!(gate.reason_names(), "samples");
        let check = Check { ignored_divergences: 4, ..gate.checks.into_iter().next().unwrap() };
        assert_eq!(open(&check), "3 (+4 ignored)");
    }
}
