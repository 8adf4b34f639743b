//! A process that is killed in the middle of the work takes what it had in memory along. That makes verdicts undetermined,
//! never wrong, and no event is lost silently.

use counterfoil_tests::stores::redis_url;
use counterfoil_tests::{Harness, Map, Setup, counterfoil, unique, wait};
use serde_json::Value;
use std::process::{Child, Command, Stdio};

/// Writes of the workload; the kill comes after a quarter of them.
const WRITES: u64 = 24_000;

/// About three seconds of work.
const RATE: &str = "8000";

/// The system under a workload that plants nothing.
fn under_load() -> (Harness, Child, String) {
    let name = unique("restarts");
    let harness = Setup::new()
        .store("main", &redis_url())
        .map(&Map::new(&name, ("prefix", format!("{name}:"))))
        .start();
    let mut command = Command::new(counterfoil());
    command.args(["load", "--output", "json", "--rate", RATE, "--map", &name, "--store", &redis_url()]);
    command.args(["--generate", &format!("ycsb:{WRITES}"), "--socket"]).arg(harness.socket());
    let load = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("the load starts");
    wait::until("a quarter of the events", || (harness.summary().accepted > WRITES / 4).then_some(()));
    (harness, load, name)
}

fn all_was_issued(load: Child) {
    let output = load.wait_with_output().expect("the load ends");
    let report: Value = serde_json::from_slice(&output.stdout).expect("load prints an object");
    assert_eq!(report.get("issued").and_then(Value::as_u64), Some(WRITES), "{report}");
    assert!(output.status.success(), "{report}");
}

#[test]
fn a_comparator_that_is_killed_and_comes_back_alarms_nothing() {
    let (mut harness, load, name) = under_load();
    harness.kill_comparator();
    harness.start_comparator();
    all_was_issued(load);
    let summary = harness.settled(1);
    assert_eq!(summary.divergences.opened, 0, "{:#?}", harness.divergences());
    let outcomes = summary.outcomes(&name);
    assert!(outcomes.confirmed > 0, "what came after the restart is judged again: {summary:#?}");
    assert_eq!(summary.lost, 0, "what was not acknowledged came again: {summary:#?}");
    harness.finish();
}

#[test]
fn a_sidecar_that_is_killed_loses_no_event_silently_and_alarms_nothing() {
    let (mut harness, load, name) = under_load();
    harness.kill_sidecar();
    harness.start_sidecar();
    all_was_issued(load);
    let all = wait::until("every number", || {
        let summary = harness.summary();
        (summary.accepted + summary.lost == WRITES).then_some(summary)
    });
    let summary = harness.settled(all.accepted);
    assert_eq!(summary.divergences.opened, 0, "{:#?}", harness.divergences());
    assert!(summary.outcomes(&name).confirmed > 0, "{summary:#?}");
    harness.finish();
}
