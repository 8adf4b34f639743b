//! What is told over OTLP of a divergence: its span, its records and its exemplars lead to the trace of the write. And what is told
//! of cohorts. A collector that is gone, silent or refuses changes no verdict.

use counterfoil_emitter::{Emitter, Identity};
use counterfoil_tests::otelcol::Otelcol;
use counterfoil_tests::otlp::{Collector, Received, text};
use counterfoil_tests::prometheus::Prometheus;
use counterfoil_tests::{Harness, Map, Setup, skipped, wait};
use opentelemetry::baggage::BaggageExt;
use opentelemetry::trace::{SpanContext, TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use opentelemetry_proto::tonic::logs::v1::LogRecord;
use opentelemetry_proto::tonic::metrics::v1::metric::Data;
use opentelemetry_proto::tonic::metrics::v1::number_data_point;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_sdk::trace::SdkTracerProvider;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::net::TcpListener;
use std::time::Duration;

const MAP: &str = "cart";

/// Neither may be found in anything that is sent.
const KEY: &str = "user-41c7";
const VALUE: &str = "2 ripe apples";

/// An application and what watches it.
struct Shop {
    harness: Harness,
    store: Connection,
    emitter: Emitter,
}

impl Shop {
    fn new(setup: Setup, telemetry: &Value, cohorts: &[&str]) -> Self {
        let path = setup.folder().join("app.db");
        let store = Connection::open(&path).expect("a file");
        store.execute_batch("CREATE TABLE cart (k TEXT PRIMARY KEY, v TEXT)").expect("a table");
        let query = "SELECT k, v FROM cart WHERE k IN rarray(?1)";
        let contract = json!({
            "name": MAP, "store": "main", "query": query, "deadline_ms": 500, "cohorts": cohorts,
        });
        let setup = setup
            .store("main", &format!("sqlite:{}", path.display()))
            .map(&Map::new(MAP, ("query", query.to_owned())))
            .comparator("/maps", json!([contract]))
            .comparator("/telemetry", telemetry.clone())
            .sidecar("/telemetry", telemetry.clone())
            .sidecar("/cohort_keys", json!(["deployment"]));
        let harness = setup.start();
        let emitter = Emitter::connect(harness.socket(), Identity::new("shop")).expect("an emitter");
        Self { harness, store, emitter }
    }

    /// A write in a span of its own, which it gives; one that does not reach the store says all the same that it did.
    fn write(&self, key: &str, reaches_store: bool) -> SpanContext {
        let application = SdkTracerProvider::default().tracer("application");
        let put = || -> rusqlite::Result<()> {
            if reaches_store {
                self.store.execute("INSERT OR REPLACE INTO cart VALUES (?1, ?2)", (key, VALUE))?;
            }
            Ok(())
        };
        application.in_span("add to cart", |context| {
            self.emitter
                .map(MAP)
                .dual_write_put(key, VALUE, || {}, put)
                .expect("the store call's own result");
            context.span().span_context().clone()
        })
    }

    fn finish(self) {
        assert!(self.emitter.close(Duration::from_secs(10)), "the sidecar took the events");
        self.harness.finish();
    }
}

/// Everything that can be sent.
fn everything(endpoint: &str) -> Value {
    json!({ "otlp_endpoint": endpoint, "trace_ratio": 1.0, "otlp_logs": true, "otlp_metrics_every_s": 1 })
}

/// The record of a turn.
fn record(received: &Received, turn: &str) -> Option<LogRecord> {
    let is_of_it = |it: &&LogRecord| text(&it.attributes, "counterfoil.divergence.turn") == Some(turn);
    received.records.iter().find(is_of_it).cloned()
}

/// Of the counted turns that were sent, those of the kind `missing`: the count of one turn and the traces of its exemplars.
fn counted(received: &Received, turn: &str) -> Option<(i64, Vec<Vec<u8>>)> {
    let metrics = &mut received.metrics.iter();
    let (_, metric) = metrics.find(|(_, it)| it.name == "counterfoil_divergence_turns_total")?;
    let Some(Data::Sum(sum)) = &metric.data else { return None };
    let labels = [("map", MAP), ("store", "main"), ("kind", "missing"), ("turn", turn)];
    let point = sum
        .data_points
        .iter()
        .find(|point| labels.iter().all(|(name, value)| text(&point.attributes, name) == Some(value)))?;
    let Some(number_data_point::Value::AsInt(count)) = point.value else { return None };
    Some((count, point.exemplars.iter().map(|it| it.trace_id.clone()).collect()))
}

/// A write is lost, found, and made good; `collector` is told everything about it.
fn assert_a_lost_write_is_told(shop: Shop, collector: &Collector) {
    let written = shop.write(KEY, false);
    let trace = written.trace_id().to_bytes().to_vec();

    let span = wait::until("the span of the check", || {
        let is_divergent = |it: &opentelemetry_proto::tonic::trace::v1::Span| {
            text(&it.attributes, "counterfoil.outcome") == Some("divergent")
        };
        collector.received().spans.into_iter().find(is_divergent)
    });
    let links: Vec<_> = span.links.iter().map(|it| (it.trace_id.clone(), it.span_id.clone())).collect();
    assert_eq!(links, [(trace.clone(), written.span_id().to_bytes().to_vec())]);
    assert_ne!(span.trace_id, trace, "a check is no part of the application's trace");
    let status = span.status.clone().expect("a status");
    assert_eq!((status.code(), &*status.message), (StatusCode::Error, "missing"));
    let id = text(&span.attributes, "counterfoil.divergence.id").expect("the divergence").to_owned();
    for (name, value) in [
        ("counterfoil.map", MAP),
        ("counterfoil.store", "main"),
        ("counterfoil.divergence.kind", "missing"),
        ("error.type", "missing"),
    ] {
        assert_eq!(text(&span.attributes, name), Some(value), "{name}");
    }

    shop.write(KEY, true);
    for turn in ["opened", "confirmed", "resolved"] {
        let record = wait::until(turn, || record(&collector.received(), turn));
        assert_eq!(record.trace_id, trace, "{record:?}");
        assert_eq!(record.event_name, "counterfoil.divergence");
        for (name, value) in [
            ("counterfoil.divergence.id", &*id),
            ("counterfoil.divergence.kind", "missing"),
            ("counterfoil.map", MAP),
            ("counterfoil.store", "main"),
            ("counterfoil.severity", "warning"),
        ] {
            assert_eq!(text(&record.attributes, name), Some(value), "{name}");
        }
        let counted = wait::until("its count", || counted(&collector.received(), turn).filter(|it| it.0 > 0));
        assert_eq!(counted, (1, vec![trace.clone()]), "{turn}");
    }
    wait::until("metrics of both processes", || {
        let received = collector.received();
        let of = |name: &str| {
            received.metrics.iter().any(|(service, it)| service.contains("sidecar") && it.name == name)
        };
        of("counterfoil_session_events_total").then_some(())
    });
    shop.finish();
    let sent = format!("{:?}", collector.received());
    assert!(!sent.contains(KEY) && !sent.contains(VALUE), "no key and no value leaves this way");
}

#[test]
fn a_lost_write_is_told_in_a_span_in_records_and_in_counts_with_its_trace() {
    let collector = Collector::start();
    let shop = Shop::new(Setup::new(), &everything(&collector.endpoint()), &[]);
    assert_a_lost_write_is_told(shop, &collector);
}

#[test]
fn the_opentelemetry_collector_takes_everything_and_hands_it_on() {
    let (collector, setup) = (Collector::start(), Setup::new());
    let endpoint = collector.endpoint();
    let address = endpoint.strip_prefix("http://").expect("plain text");
    let Some(otelcol) = Otelcol::handing_on_to(address, setup.folder()) else {
        skipped(
            "the OpenTelemetry Collector",
            "COUNTERFOIL_TEST_OTELCOL is not set; a receiver in the test took its place",
        );
        return;
    };
    let shop = Shop::new(setup, &everything(&otelcol.endpoint()), &[]);
    assert_a_lost_write_is_told(shop, &collector);
}

#[test]
fn prometheus_gives_the_trace_of_the_latest_divergence_back_as_an_exemplar() {
    let shop = Shop::new(Setup::new(), &json!({}), &[]);
    let prometheus =
        Prometheus::scraping(&[("comparator", shop.harness.http())], shop.harness.setup().folder());
    for key in ["first", "second"] {
        let trace_id = shop.write(key, false).trace_id().to_string();
        let series = wait::until("its exemplar", || {
            let all = prometheus.exemplars("counterfoil_divergence_turns_total{turn='confirmed'}");
            all.into_iter().find(|it| it.to_string().contains(&trace_id))
        });
        let labels = &series["seriesLabels"];
        assert_eq!(
            (&labels["map"], &labels["kind"], &labels["job"]),
            (&json!(MAP), &json!("missing"), &json!("comparator"))
        );
        let last = series["exemplars"].as_array().and_then(|all| all.last()).expect("an exemplar");
        assert_eq!(last["labels"], json!({ "trace_id": trace_id }), "{series}");
    }
    shop.finish();
}

#[test]
fn events_are_counted_by_the_cohorts_that_are_named_and_all_others_as_other() {
    let shop = Shop::new(Setup::new(), &json!({}), &["deployment=canary"]);
    let ended = |cohort: &str| {
        let labels = [&*format!("cohort=\"{cohort}\""), "outcome=\"confirmed\""];
        shop.harness.comparator_metric("counterfoil_outcome_cohort_events_total", &labels)
    };
    let mut written = 0;
    wait::until("an event of the cohort", || {
        // The sidecar tells the emitter which baggage may travel when it first answers.
        for deployment in ["canary", "blue", "green"] {
            let baggage = [KeyValue::new("deployment", deployment), KeyValue::new("user", KEY)];
            let _attached = Context::current_with_baggage(baggage).attach();
            shop.write(&format!("{deployment}-{written}"), true);
        }
        written += 1;
        (ended("deployment=canary") > 0.0).then_some(())
    });
    let total = f64::from(3 * written);
    wait::until("all outcomes", || (ended("deployment=canary") + ended("other") >= total).then_some(()));
    assert!(ended("deployment=canary") <= f64::from(written), "only its own");
    let metrics = shop.harness.comparator_metrics();
    for unnamed in ["blue", "green", KEY] {
        assert!(!metrics.contains(unnamed), "{unnamed} is no label");
    }
    shop.finish();
}

/// A few writes, one of them lost, have the outcomes that they have without a collector.
fn assert_nothing_depends_on(endpoint: &str) {
    const WRITES: u32 = 20;
    let shop = Shop::new(Setup::new(), &everything(endpoint), &[]);
    for number in 0..WRITES {
        shop.write(&format!("user-{number}"), number != 7);
    }
    let settled = shop.harness.settled(u64::from(WRITES));
    let outcomes = settled.outcomes(MAP);
    assert_eq!((outcomes.confirmed, outcomes.divergent), (u64::from(WRITES) - 1, 1), "{settled:#?}");
    for signal in ["traces", "logs", "metrics"] {
        wait::until(signal, || {
            let labels = [&*format!("signal=\"{signal}\""), "reason=\"not_sent\""];
            let dropped =
                shop.harness.comparator_metric("counterfoil_telemetry_dropped_items_total", &labels);
            (dropped > 0.0).then_some(())
        });
    }
    shop.finish();
}

#[test]
fn no_verdict_depends_on_a_collector_that_is_gone() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("its address");
    drop(listener);
    assert_nothing_depends_on(&format!("http://{address}"));
}

#[test]
fn no_verdict_depends_on_a_collector_that_never_answers() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    assert_nothing_depends_on(&format!("http://{}", listener.local_addr().expect("its address")));
}

#[test]
fn no_verdict_depends_on_a_collector_that_refuses() {
    assert_nothing_depends_on(&Collector::refusing().endpoint());
}
