//! Exemplars, as a scraper gets them.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use counterfoil_telemetry::{Kind, Metric, Telemetry, Written};

static TURNS: Metric = Metric {
    name: "counterfoil_test_turns_total",
    kind: Kind::Counter,
    unit: "turns",
    labels: &["map", "turn"],
    help: "Turns of a test.",
};

#[test]
fn the_latest_exemplar_stands_behind_its_series_in_openmetrics_and_nowhere_else() {
    let telemetry = Telemetry::install("test", &Written::default()).unwrap();
    let (odd, plain) = ([("map", "a \"b\" \\c"), ("turn", "opened")], [("map", "d"), ("turn", "opened")]);
    for labels in [&odd, &plain] {
        TURNS.counter(labels).increment(2);
    }
    TURNS.exemplify(&odd, [1; 16]);
    TURNS.exemplify(&odd, [0x2f; 16]);
    let openmetrics = telemetry.render_openmetrics();
    let line = |text: &str, labels: &str| {
        text.lines().find(|line| line.contains("turns_total{") && line.contains(labels)).unwrap().to_owned()
    };
    let exemplified = line(&openmetrics, "map=\"a \\\"b\\\"");
    let trace = "} 2 # {trace_id=\"2f2f2f2f2f2f2f2f2f2f2f2f2f2f2f2f\"} 1 ";
    assert!(exemplified.contains(trace), "{exemplified}");
    assert!(line(&openmetrics, "map=\"d\"").ends_with("} 2"), "{openmetrics}");
    assert!(!telemetry.render_metrics().contains("# {"), "the older format has no place for exemplars");
}
