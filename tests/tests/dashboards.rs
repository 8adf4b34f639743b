//! The dashboards that ship show something: a real Prometheus scrapes a run and answers every panel.

use counterfoil_emitter::{Emitter, Identity};
use counterfoil_tests::prometheus::{Prometheus, metrics_in};
use counterfoil_tests::stores::{Redis, redis_url};
use counterfoil_tests::{Map, Setup, dashboards, unique, wait};
use serde_json::json;
use std::collections::BTreeSet;
use std::time::Duration;

#[test]
fn every_panel_of_every_dashboard_has_series() {
    let mut store = Redis::connect(&redis_url());
    let map = Map::new(&unique("cart"), store.place());
    let budget = json!({ "keys_per_s": 1_000 });
    let setup = Setup::new().store("main", &redis_url()).map(&map).comparator("/stores/main/budget", budget);
    let harness = setup.comparator("/sweep", json!({ "keys_every_s": 60 })).start();
    let ports = [("comparator", harness.http()), ("sidecar", harness.setup().admin())];
    let prometheus = Prometheus::scraping(&ports, harness.setup().folder());
    let emitter = Emitter::connect(harness.socket(), Identity::new("cart")).expect("an emitter");
    let carts = emitter.map(&map.name);

    let mut missing: Vec<_> = dashboards::all().into_iter().flat_map(|it| it.expressions()).collect();
    assert!(missing.len() > 40, "{} expressions", missing.len());
    let mut written = 0_u32;
    let answered = wait::within(wait::PATIENCE, || {
        let key = format!("user-{written}");
        written += 1;
        let put = || -> Result<(), std::io::Error> {
            store.put(&key, b"2 apples");
            Ok(())
        };
        carts.dual_write_put(&key, "2 apples", || {}, put).expect("the store call's own result");
        missing.retain(|expression| prometheus.query(&filled_in(expression)).is_empty());
        missing.is_empty().then_some(())
    });
    assert!(answered.is_some(), "no series for {missing:#?}");
    assert!(emitter.close(Duration::from_secs(10)), "the sidecar took the events");
    harness.finish();
}

/// The expression as Grafana asks it, for everything that can be chosen.
fn filled_in(expression: &str) -> String {
    let variables = [("$map", ".*"), ("$store", ".*"), ("$instance", ".*"), ("$__rate_interval", "1m")];
    variables.iter().fold(expression.to_owned(), |text, (name, value)| text.replace(name, value))
}

#[test]
fn dashboards_name_metrics_that_there_are() {
    let catalogue = [counterfoil_sidecar::METRICS, counterfoil_comparator::METRICS].concat();
    let known: BTreeSet<_> = catalogue.iter().map(|metric| metric.name).collect();
    let expressions = dashboards::all().into_iter().flat_map(|it| it.expressions());
    let named: BTreeSet<_> = expressions.flat_map(metrics_in).collect();
    let unknown: Vec<_> = named.difference(&known).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
}
