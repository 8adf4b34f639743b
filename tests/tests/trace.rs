//! A recorded workload through a separately started sidecar and comparator into real stores: nothing is alarmed falsely,
//! and each planted bug is found.
//!
//! The recording is the file that COUNTERFOIL_TRACE names, a block trace (`version,time,op,size,lbn`). Without it, a
//! generated workload takes its place, and the test run says so at its end.

use counterfoil_tests::stores::{postgres_url, query, redis_url};
use counterfoil_tests::{Harness, Map, Setup, counterfoil, environment, skipped, unique};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::process::Command;

/// Bugs that are planted.
const DROPPED: usize = 50;

/// Writes of the workload that takes the recording's place.
const GENERATED_WRITES: u32 = 66_898;

/// The workload, as arguments of `counterfoil load`.
fn workload() -> Vec<String> {
    match environment("COUNTERFOIL_TRACE") {
        Some(file) => ["--trace", &file, "--format", "cloudphysics"].map(str::to_owned).to_vec(),
        None => {
            skipped(
                "the recorded block trace",
                "COUNTERFOIL_TRACE is not set; a generated YCSB workload ran in its place",
            );
            vec!["--generate".to_owned(), format!("ycsb:{GENERATED_WRITES}")]
        }
    }
}

/// Drives the workload into the store; gives what `counterfoil load` says and the system as it is afterwards.
fn load(url: &str, place: fn(&str) -> (&'static str, String), plant: &[&str]) -> (Harness, Value, String) {
    let name = unique("trace");
    let setup = Setup::new().store("main", url).map(&Map::new(&name, place(&name)));
    // Four tests, each at full speed, share a machine with the servers: a store that is slow is to be expected, and is read all
    // the same, so that each write is judged.
    let harness = setup.comparator("/stores/main/budget", json!({ "latency_ms_target": 10_000 })).start();
    let mut command = Command::new(counterfoil());
    command.args(["load", "--output", "json", "--map", &name, "--store", url]).args(workload());
    command.arg("--socket").arg(harness.socket()).args(plant);
    let output = command.output().expect("the load runs");
    let progress = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "load ended with {}: {progress}", output.status);
    let report = serde_json::from_slice(&output.stdout).expect("load prints an object");
    (harness, report, name)
}

fn number(object: &Value, key: &str) -> u64 {
    object.get(key).and_then(Value::as_u64).unwrap_or_else(|| panic!("no {key} in {object}"))
}

fn text(object: &Value, key: &str) -> String {
    object.get(key).and_then(Value::as_str).unwrap_or_else(|| panic!("no {key} in {object}")).to_owned()
}

fn redis_place(name: &str) -> (&'static str, String) {
    ("prefix", format!("{name}:"))
}

fn postgres_place(name: &str) -> (&'static str, String) {
    ("query", query(name))
}

fn assert_silent(url: &str, place: fn(&str) -> (&'static str, String)) {
    let (harness, report, name) = load(url, place, &[]);
    let writes = number(&report, "writes");
    assert!(writes >= u64::from(GENERATED_WRITES), "the whole recording: {report}");
    let summary = harness.settled(writes);
    assert_eq!((summary.accepted, summary.lost), (writes, 0), "{summary:#?}");
    let outcomes = summary.outcomes(&name);
    assert_eq!((outcomes.divergent, outcomes.undetermined, outcomes.shed), (0, 0, 0), "{summary:#?}");
    assert_eq!(summary.divergences.opened, 0, "{:#?}", harness.divergences());
    harness.finish();
}

fn assert_all_found(url: &str, place: fn(&str) -> (&'static str, String)) {
    let (harness, report, name) = load(url, place, &["--plant-count", &format!("dropped={DROPPED}")]);
    let planted = report.get("planted").and_then(Value::as_array).expect("what was planted");
    let planted: BTreeSet<_> = planted.iter().map(|bug| text(bug, "key")).collect();
    assert_eq!(planted.len(), DROPPED, "{report}");
    let summary = harness.settled(number(&report, "writes"));
    let divergences = harness.divergences();
    let found: BTreeSet<_> = divergences.iter().map(|it| text(it, "key")).collect();
    assert_eq!(found, planted, "found beside planted; {summary:#?}");
    for divergence in &divergences {
        assert_eq!(text(divergence, "state"), "confirmed", "{divergence}");
        assert!(["missing", "stale"].contains(&text(divergence, "kind").as_str()), "{divergence}");
    }
    assert_eq!(summary.outcomes(&name).divergent, DROPPED as u64, "{summary:#?}");
    harness.finish();
}

#[test]
fn a_recorded_workload_into_redis_alarms_nothing() {
    assert_silent(&redis_url(), redis_place);
}

#[test]
fn a_recorded_workload_into_postgres_alarms_nothing() {
    assert_silent(&postgres_url(), postgres_place);
}

#[test]
fn each_dropped_write_of_a_recorded_workload_into_redis_is_found_and_nothing_else() {
    assert_all_found(&redis_url(), redis_place);
}

#[test]
fn each_dropped_write_of_a_recorded_workload_into_postgres_is_found_and_nothing_else() {
    assert_all_found(&postgres_url(), postgres_place);
}
