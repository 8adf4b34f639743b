//! The demo as anybody runs it.

use serde_json::Value;
use std::process::Command;

/// Events per second of `counterfoil demo --seconds 20` with SQLite.
pub(crate) fn events_per_second() -> f64 {
    let mut command = Command::new(counterfoil_tests::counterfoil());
    let output =
        command.args(["demo", "--seconds", "20", "--output", "json"]).output().expect("the demo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let report: Value = serde_json::from_slice(&output.stdout).expect("the demo prints an object");
    report.get("events_per_second").and_then(Value::as_f64).expect("a rate")
}
