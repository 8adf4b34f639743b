//! What the system tells about itself: traces that link to the application's, and metrics that exist from the start.

use counterfoil_emitter::{Emitter, Identity};
use counterfoil_judge::{Kind, Verdict};
use counterfoil_tests::otlp::Collector;
use counterfoil_tests::stores::{Redis, redis_url};
use counterfoil_tests::{Map, Setup, unique, wait};
use opentelemetry::trace::{TraceContextExt, Tracer, TracerProvider};
use opentelemetry_sdk::trace::SdkTracerProvider;
use serde_json::json;
use std::time::Duration;

#[test]
fn the_span_of_a_check_is_linked_to_the_span_of_the_write() {
    let (collector, mut store) = (Collector::start(), Redis::connect(&redis_url()));
    let map = Map::new(&unique("cart"), store.place());
    let setup = Setup::new().store("main", &redis_url()).map(&map);
    let telemetry = json!({ "otlp_endpoint": collector.endpoint(), "trace_ratio": 1.0 });
    let harness = setup.comparator("/telemetry", telemetry).start();

    let application = SdkTracerProvider::default().tracer("application");
    let emitter = Emitter::connect(harness.socket(), Identity::new("cart")).expect("an emitter");
    let carts = emitter.map(&map.name);
    let span = application.in_span("add to cart", |context| {
        let put = || -> Result<(), std::io::Error> {
            store.put("user-7", b"2 apples");
            Ok(())
        };
        carts.dual_write_put("user-7", "2 apples", || {}, put).expect("the store call's own result");
        context.span().span_context().clone()
    });
    assert!(emitter.close(Duration::from_secs(10)), "the sidecar took the event");

    let link = wait::until("a span with a link to the write", || {
        let spans = collector.received().spans;
        let mut links = spans.iter().filter(|it| it.name == "counterfoil check").flat_map(|it| &it.links);
        links.find(|link| link.trace_id == span.trace_id().to_bytes()).cloned()
    });
    assert_eq!(link.span_id, span.span_id().to_bytes());
    assert!(
        collector.received().spans.iter().all(|it| it.trace_id != span.trace_id().to_bytes()),
        "a check is no part of the application's trace"
    );
    assert_eq!(harness.finish().outcomes(&map.name).confirmed, 1);
}

#[test]
fn every_series_of_every_map_is_there_at_zero_before_the_first_event() {
    let maps = ["cart", "stock"].map(|name| Map::new(name, ("prefix", format!("{name}:"))));
    let setup = Setup::new().store("main", &redis_url());
    let harness = maps.iter().fold(setup, Setup::map).start();
    let metrics = harness.comparator_metrics();
    let outcomes = ["confirmed", "superseded", "divergent", "undetermined", "shed"];
    let store = ("store", "main");
    for map in ["cart", "stock"] {
        for verdict in Verdict::LABELS {
            assert_zero(
                &metrics,
                "counterfoil_judge_verdicts_total",
                &[("map", map), store, ("verdict", verdict)],
            );
        }
        for outcome in outcomes {
            assert_zero(
                &metrics,
                "counterfoil_outcome_events_total",
                &[("map", map), store, ("outcome", outcome)],
            );
        }
        for kind in Kind::LABELS {
            let labels =
                [("map", map), store, ("kind", kind), ("turn", "confirmed"), ("severity", "warning")];
            assert_zero(&metrics, "counterfoil_divergence_turns_total", &labels);
        }
    }
    harness.finish();
}

/// The series is there, with these labels in this order, and its value is 0.
fn assert_zero(metrics: &str, name: &str, labels: &[(&str, &str)]) {
    let labels: Vec<_> = labels.iter().map(|(name, value)| format!("{name}=\"{value}\"")).collect();
    let line = format!("{name}{{{}}} 0", labels.join(","));
    assert!(metrics.lines().any(|it| it == line), "no line `{line}` in:\n{metrics}");
}
