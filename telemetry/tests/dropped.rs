//! A collector that is not there or does not answer: nobody waits for it, and what it did not get is counted.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use counterfoil_telemetry::{Telemetry, Written};
use opentelemetry::logs::{LogRecord, Logger};
use opentelemetry::trace::{Span, Tracer};
use std::net::TcpListener;

/// More than may wait for a collector: 8,192, and a batch on its way to it.
const SPANS: u64 = 20_000;

fn written(endpoint: String) -> Written {
    Written {
        otlp_endpoint: Some(endpoint),
        otlp_logs: true,
        otlp_metrics_every_s: Some(3600),
        ..Written::default()
    }
}

fn dropped(telemetry: &Telemetry, signal: &str, reason: &str) -> u64 {
    let series =
        format!("counterfoil_telemetry_dropped_items_total{{signal=\"{signal}\",reason=\"{reason}\"}} ");
    let text = telemetry.render_metrics();
    let value = text.lines().find_map(|line| line.strip_prefix(&series));
    value.unwrap_or_else(|| panic!("no {series}in:\n{text}")).parse().unwrap()
}

/// One test, as the recorder is one per process.
#[tokio::test]
async fn what_a_collector_does_not_get_is_counted_and_nobody_waits_for_it() {
    // Connections are taken by the system, and nobody ever answers.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let telemetry =
        Telemetry::install("test", &written(format!("http://{}", silent.local_addr().unwrap()))).unwrap();
    for signal in ["traces", "logs", "metrics"] {
        assert_eq!(
            dropped(&telemetry, signal, "full") + dropped(&telemetry, signal, "not_sent"),
            0,
            "{signal}"
        );
    }
    let tracer = telemetry.tracer().unwrap();
    (0..SPANS).for_each(|_| tracer.start("check").end());
    let full = dropped(&telemetry, "traces", "full");
    assert!(full > 0 && full <= SPANS - 8_192, "{full} spans had no room");
    assert_eq!(dropped(&telemetry, "traces", "not_sent"), 0, "the first export is not given up yet");
    drop(telemetry);

    let gone = {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    };
    let telemetry = Telemetry::install("test", &written(gone)).unwrap();
    let before = dropped(&telemetry, "logs", "not_sent");
    telemetry.tracer().unwrap().start("check").end();
    let logger = telemetry.logger().unwrap();
    let mut record = logger.create_log_record();
    record.set_body("a divergence".into());
    logger.emit(record);
    telemetry.shutdown().await;
    assert_eq!(dropped(&telemetry, "logs", "not_sent") - before, 1);
    assert!(dropped(&telemetry, "traces", "not_sent") >= 1);
    assert!(dropped(&telemetry, "metrics", "not_sent") >= 1);
    assert_eq!(dropped(&telemetry, "logs", "full"), 0);
}
