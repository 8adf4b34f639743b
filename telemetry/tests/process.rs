//! Telemetry as a process uses it: endpoints over HTTP, spans over OTLP.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use counterfoil_telemetry::{Kind, Metric, Telemetry, TelemetryError, Written, serve_http};
use opentelemetry::trace::{Span, Tracer};
use opentelemetry_proto::tonic::collector::trace::v1::trace_service_server::{
    TraceService, TraceServiceServer,
};
use opentelemetry_proto::tonic::collector::trace::v1::{
    ExportTraceServiceRequest, ExportTraceServiceResponse,
};
use std::net::SocketAddr;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_util::sync::CancellationToken;

static EVENTS: Metric = Metric {
    name: "counterfoil_test_events_total",
    kind: Kind::Counter,
    unit: "events",
    labels: &["reason"],
    help: "Events of a test.",
};
static LAG: Metric = Metric {
    name: "counterfoil_test_lag_seconds",
    kind: Kind::Histogram,
    unit: "seconds",
    labels: &[],
    help: "Lag of a test.",
};

async fn get(address: SocketAddr, path: &str) -> String {
    get_as(address, path, "*/*").await
}

async fn get_as(address: SocketAddr, path: &str, accept: &str) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request =
        format!("GET {path} HTTP/1.1\r\nHost: test\r\nAccept: {accept}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).await.unwrap();
    response
}

#[tokio::test]
async fn the_admin_endpoints_tell_life_readiness_and_metrics_and_end_at_the_stop() {
    let telemetry = Telemetry::install("test", &Written::default()).unwrap();
    let again = Telemetry::install("test", &Written::default()).unwrap();
    EVENTS.describe();
    let _at_zero = EVENTS.counter(&[("reason", "other")]);
    EVENTS.counter(&[("reason", "limit")]).increment(3);
    LAG.histogram(&[]).record(0.02);
    let (ready, is_ready) = watch::channel(false);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let stop = CancellationToken::new();
    let server = tokio::spawn(serve_http(listener, again.admin_router(is_ready), stop.clone()));

    assert!(get(address, "/livez").await.starts_with("HTTP/1.1 200"));
    assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 503"));
    ready.send(true).unwrap();
    assert!(get(address, "/readyz").await.starts_with("HTTP/1.1 200"));
    let metrics = get(address, "/metrics").await;
    for expected in [
        "text/plain; version=0.0.4",
        "# HELP counterfoil_test_events_total Events of a test.",
        "counterfoil_test_events_total{reason=\"limit\"} 3",
        "counterfoil_test_events_total{reason=\"other\"} 0",
        "counterfoil_test_lag_seconds_bucket{le=\"0.01\"} 0",
        "counterfoil_test_lag_seconds_bucket{le=\"0.025\"} 1",
    ] {
        assert!(metrics.contains(expected), "{expected} in:\n{metrics}");
    }
    let openmetrics =
        get_as(address, "/metrics", "application/openmetrics-text;version=1.0.0,text/plain;q=0.5").await;
    for expected in
        ["application/openmetrics-text; version=1.0.0", "# TYPE counterfoil_test_events counter", "# EOF"]
    {
        assert!(openmetrics.contains(expected), "{expected} in:\n{openmetrics}");
    }
    let shared = "counterfoil_test_events_total{reason=\"limit\"} 3";
    assert!(telemetry.render_metrics().contains(shared), "both handles are of one recorder");
    stop.cancel();
    server.await.unwrap();
}

struct Collector(mpsc::Sender<ExportTraceServiceRequest>);

#[tonic::async_trait]
impl TraceService for Collector {
    async fn export(
        &self,
        request: tonic::Request<ExportTraceServiceRequest>,
    ) -> Result<tonic::Response<ExportTraceServiceResponse>, tonic::Status> {
        self.0.send(request.into_inner()).await.unwrap();
        Ok(tonic::Response::new(ExportTraceServiceResponse::default()))
    }
}

/// The test's runtime has one worker, which is what would deadlock an exporter that shares it.
#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn spans_arrive_from_a_process_with_one_worker() {
    let (sender, mut received) = mpsc::channel(8);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(
        tonic::transport::Server::builder()
            .add_service(TraceServiceServer::new(Collector(sender)))
            .serve_with_incoming(tokio_stream::wrappers::TcpListenerStream::new(listener)),
    );
    let written = Written { otlp_endpoint: Some(endpoint), ..Written::default() };
    let telemetry = Telemetry::install("tested", &written).unwrap();
    telemetry.tracer().unwrap().start("check").end();
    telemetry.shutdown().await;

    let request = received.recv().await.unwrap();
    let resource = &request.resource_spans.first().unwrap();
    let shown = format!("{resource:?}");
    assert!(shown.contains("\"check\"") && shown.contains("\"tested\""), "{shown}");
}

#[test]
fn settings_that_cannot_be_used_name_their_key() {
    let refused = |written| Telemetry::install("test", &written).err().unwrap();
    let no_scheme = Written { otlp_endpoint: Some("collector:4317".to_owned()), ..Written::default() };
    let error = refused(no_scheme);
    assert!(matches!(error, TelemetryError::Scheme(_)));
    assert!(error.to_string().contains("telemetry.otlp_endpoint"), "{error}");
    let nowhere = Written { otlp_logs: true, ..Written::default() };
    assert!(refused(nowhere).to_string().starts_with("telemetry.otlp_logs: "));
    let nowhere = Written { otlp_metrics_every_s: Some(1), ..Written::default() };
    assert!(refused(nowhere).to_string().starts_with("telemetry.otlp_metrics_every_s: "));
    let directives = Written { log: "counterfoil=loud".to_owned(), ..Written::default() };
    assert!(refused(directives).to_string().contains("telemetry.log"));
}
