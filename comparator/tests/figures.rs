//! Figures of lag and clocks as the API tells them: over real gRPC and real HTTP.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod support;

use bytes::Bytes;
use counterfoil_clock::{Domain, now};
use counterfoil_judge::Time;
use counterfoil_keys::TenantKey;
use counterfoil_proto::wire::{self, intake_client::IntakeClient};
use counterfoil_proto::{BatchBuilder, Header};
use prost::Message;
use serde_json::Value;
use std::net::SocketAddr;
use support::{Running, seal, start};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Streaming;

/// The other machine's clock is ahead by an hour and some.
const AHEAD_NS: i64 = 3_601_234_567_890;

/// How far the gRPC stream has come, as seen from the other machine.
struct Sidecar {
    key: TenantKey,
    uploads: mpsc::Sender<wire::Upload>,
    replies: Streaming<wire::Reply>,
    /// When the last reply left (comparator's clock) and arrived (own clock), in nanoseconds.
    echo: (u64, u64),
}

fn far() -> Domain {
    Domain { boot_id: "far".into(), offset_ns: -5 }
}

fn far_now() -> Time {
    now().plus(AHEAD_NS)
}

fn far_now_ns() -> u64 {
    u64::try_from(far_now().0).unwrap()
}

impl Sidecar {
    async fn connect(grpc: SocketAddr, key: TenantKey) -> Self {
        let mut client = IntakeClient::connect(format!("http://{grpc}")).await.unwrap();
        let (uploads, outgoing) = mpsc::channel(16);
        let replies = client.stream(ReceiverStream::new(outgoing)).await.unwrap().into_inner();
        let mut sidecar = Self { key, uploads, replies, echo: (0, 0) };
        sidecar.receive().await;
        sidecar
    }

    async fn receive(&mut self) {
        let reply = self.replies.message().await.unwrap().unwrap();
        self.echo = (reply.sent_ns, far_now_ns());
    }

    /// Uploads an empty batch that echoes `echo`, and waits for the acknowledgement.
    async fn beat(&mut self, number: u64, echo: (u64, u64)) {
        let header = Header {
            service: "cart".into(),
            instance: "a".into(),
            epoch: 1,
            clock: far(),
            first_seq: 0,
            watermark: far_now(),
            losses: Vec::new(),
            snapshots: Vec::new(),
            bye: false,
            previous_mac: Bytes::new(),
            issued: 0,
        };
        let batch = Bytes::from(BatchBuilder::default().finish(header).encode_to_vec());
        let upload = wire::Upload {
            number,
            clock: Some((&far()).into()),
            echo_ns: echo.0,
            echo_received_ns: echo.1,
            sent_ns: far_now_ns(),
            ..seal(&self.key, batch)
        };
        self.uploads.send(upload).await.unwrap();
        self.receive().await;
    }
}

async fn json(running: &Running, path: &str) -> Value {
    let (status, body) = running.get_text(path).await;
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}

#[tokio::test]
async fn the_ages_are_told_from_the_start_and_a_clock_is_unbounded_until_an_exchange_bounds_it() {
    let running = start().await;
    let summary = json(&running, "/v1/summary").await;
    let map = &summary["maps"]["cart"];
    let ages: Vec<_> = map["within"].as_array().unwrap().iter().map(|it| it["age_ms"].as_i64()).collect();
    assert_eq!(ages, [1_000, 10_000, 60_000, 300_000, 300].map(Some), "the last is the contract's deadline");
    assert_eq!((&map["within"][4]["age"], &map["reads_per_confirmed"]), (&"deadline".into(), &Value::Null));
    let metrics = running.get_text("/metrics").await.1;
    assert!(metrics.contains("counterfoil_receiver_clock_domains{state=\"unbounded\"} 0\n"), "{metrics}");
    assert!(metrics.contains("counterfoil_receiver_clock_error_seconds{quantile=\"1\"} NaN\n"), "{metrics}");

    let mut sidecar = Sidecar::connect(running.grpc, running.key.clone()).await;
    let welcome = sidecar.echo;
    sidecar.beat(0, (0, 0)).await;
    let clocks = json(&running, "/v1/clocks").await;
    assert_eq!(clocks["own"]["boot_id"], Domain::of_this_process().boot_id);
    let row = &clocks["clocks"][0];
    assert_eq!(
        (&row["boot_id"], &row["offset_ns"], &row["epochs"]),
        (&"far".into(), &(-5).into(), &1.into())
    );
    assert_eq!((&row["shift_ns"], &row["error_ns"]), (&Value::Null, &Value::Null), "nothing was echoed");
    assert_eq!(json(&running, "/v1/sources").await["sources"][0]["clock_error_ns"], Value::Null);

    sidecar.beat(1, welcome).await;
    let clocks = json(&running, "/v1/clocks?limit=1").await;
    let row = &clocks["clocks"][0];
    let (shift, error) = (row["shift_ns"].as_i64().unwrap(), row["error_ns"].as_i64().unwrap());
    assert!((shift + AHEAD_NS).abs() <= error, "{row}");
    assert_eq!((clocks["clocks"].as_array().map(Vec::len), &clocks["next"]), (Some(1), &Value::Null));
    assert!(json(&running, "/v1/sources").await["sources"][0]["clock_error_ns"].as_i64().unwrap() >= error);
    assert_eq!(json(&running, "/v1/clocks?after=-5@far").await["clocks"], Value::Array(Vec::new()));
    for refused in ["limit=0", "limit=1001", "after=far"] {
        assert_eq!(running.get_text(&format!("/v1/clocks?{refused}")).await.0, 400, "{refused}");
    }
    running.stop().await;
}
