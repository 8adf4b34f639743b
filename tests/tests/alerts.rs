//! The alerting rules that ship fire when they should and are silent when they should, and somebody can look up what to do.

use counterfoil_tests::prometheus::metrics_in;
use counterfoil_tests::{environment, text_of};
use serde::Deserialize;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

#[derive(Deserialize)]
struct Rules {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

#[derive(Deserialize)]
struct Rule {
    alert: Option<String>,
    expr: String,
}

#[derive(Deserialize)]
struct Scenarios {
    tests: Vec<Scenario>,
}

#[derive(Deserialize)]
struct Scenario {
    input_series: Vec<Series>,
    alert_rule_test: Vec<Expected>,
}

#[derive(Deserialize)]
struct Series {
    series: String,
}

#[derive(Deserialize)]
struct Expected {
    alertname: String,
    exp_alerts: Vec<serde_json::Value>,
}

fn file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

fn rules() -> Vec<Rule> {
    let rules: Rules =
        serde_saphyr::from_str(&text_of("deploy/alerts/rules.yaml")).expect("the rules are YAML");
    rules.groups.into_iter().flat_map(|group| group.rules).collect()
}

fn scenarios() -> Vec<Scenario> {
    let scenarios: Scenarios =
        serde_saphyr::from_str(&text_of("deploy/alerts/rules.test.yaml")).expect("the scenarios are YAML");
    scenarios.tests
}

#[test]
fn each_alert_does_in_its_scenarios_what_they_say() {
    let promtool = environment("COUNTERFOIL_TEST_PROMTOOL")
        .expect("COUNTERFOIL_TEST_PROMTOOL is not set; run `cargo xtask test`, which finds or installs one");
    let tested = Command::new(promtool)
        .args(["test", "rules"])
        .arg(file("deploy/alerts/rules.test.yaml"))
        .output()
        .expect("promtool runs");
    let said = [tested.stdout, tested.stderr].concat();
    assert!(tested.status.success(), "{}", String::from_utf8_lossy(&said));
}

#[test]
fn each_alert_has_a_scenario_in_which_it_fires_and_series_for_which_it_is_silent() {
    let scenarios = scenarios();
    for alert in rules().into_iter().filter_map(|rule| rule.alert) {
        let of_it = |scenario: &&Scenario| scenario.alert_rule_test.iter().any(|it| it.alertname == alert);
        let (mut fires, mut is_silent) = (false, false);
        for scenario in scenarios.iter().filter(of_it) {
            let alerts: usize =
                scenario.alert_rule_test.iter().map(|expected| expected.exp_alerts.len()).sum();
            fires |= alerts > 0;
            is_silent |= alerts < scenario.input_series.len();
        }
        assert!(fires && is_silent, "{alert}: fires {fires}, is silent {is_silent}");
    }
}

#[test]
fn each_alert_has_a_section_in_the_runbook_and_the_runbook_has_no_other() {
    let alerts: BTreeSet<_> = rules().into_iter().filter_map(|rule| rule.alert).collect();
    let runbook = text_of("docs/runbook.md");
    let sections = runbook.lines().filter_map(|line| line.strip_prefix("### ")).map(str::to_owned).collect();
    assert_eq!(alerts, sections);
}

#[test]
fn rules_and_scenarios_name_metrics_that_there_are() {
    let catalogue = [counterfoil_sidecar::METRICS, counterfoil_comparator::METRICS].concat();
    let known: BTreeSet<_> = catalogue.iter().map(|metric| metric.name).collect();
    let (rules, scenarios) = (rules(), scenarios());
    let series = scenarios.iter().flat_map(|scenario| &scenario.input_series).map(|series| &series.series);
    let named: BTreeSet<_> =
        rules.iter().map(|rule| &rule.expr).chain(series).flat_map(|it| metrics_in(it)).collect();
    assert!(named.len() > 20, "{named:?}");
    let unknown: Vec<_> = named.difference(&known).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
