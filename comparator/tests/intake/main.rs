//! The intake over real gRPC, the store a real SQLite file, the answers over real HTTP.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod budget;
mod contracts;
mod dashboard;
mod divergences;
mod evidence;
mod fields;
mod forms;
mod gate;
mod noise;
mod notify;
mod orphans;
mod reader;
mod recall;
mod repairs;
mod restart;
mod stores;
#[path = "../support/mod.rs"]
mod support;
mod sweep;
mod trouble;

use bytes::Bytes;
use counterfoil_clock::{Domain, now};
use counterfoil_digest::{Codec, MapDigester};
use counterfoil_judge::{Interval, Reported, StoreOutcome, Time};
use counterfoil_proto::wire::{self, intake_client::IntakeClient, reply::Body};
use counterfoil_proto::{BatchBuilder, BucketSet, Header, Loss, LossReason, Row};
use prost::Message;
use serde_json::Value;
use std::time::Duration;
use support::{Answer, Running, seal, start};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Status, Streaming};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;
use tonic_reflection::pb::v1::server_reflection_response::MessageResponse;

/// Longest wait for something that must come.
const PATIENCE: Duration = Duration::from_secs(20);

impl Running {
    async fn get(&self, path: &str) -> (u16, Value) {
        self.asked("GET", path, "", "").await
    }

    /// Status and body of an answer in JSON, to a `caller` who sends his headers.
    async fn asked(&self, method: &str, path: &str, caller: &str, body: &str) -> (u16, Value) {
        let Answer { status, body, .. } = self.ask(method, path, caller, body).await;
        (status, serde_json::from_str(&body).unwrap_or(Value::Null))
    }

    /// The summary of the map, once nothing is open and each event is counted by its outcome.
    async fn settled(&self) -> Value {
        let settled = async {
            loop {
                let summary = self.get("/v1/summary").await.1;
                let map = summary["maps"]["cart"].clone();
                let outcomes = map["outcomes"].as_object().unwrap().values();
                let sum: u64 = outcomes.map(|count| count.as_u64().unwrap()).sum();
                let are_balanced = Some(sum) == map["events"].as_u64();
                if map["outcomes"]["open"] == 0 && sum > 0 && are_balanced {
                    return summary;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, settled).await.expect("every event ends, once")
    }

    async fn stream(&self) -> (mpsc::Sender<wire::Upload>, Streaming<wire::Reply>) {
        let (uploads, replies, welcome) = self.welcomed().await;
        assert_eq!((&welcome.maps[..], &welcome.forms[..]), (&["cart".into()][..], &["bytes/1".into()][..]));
        (uploads, replies)
    }

    async fn welcomed(&self) -> (mpsc::Sender<wire::Upload>, Streaming<wire::Reply>, wire::IntakeWelcome) {
        let mut client = IntakeClient::connect(format!("http://{}", self.grpc)).await.unwrap();
        let (uploads, outgoing) = mpsc::channel(16);
        let mut replies = client.stream(ReceiverStream::new(outgoing)).await.unwrap().into_inner();
        let welcome = replies.message().await.unwrap().unwrap();
        let Some(Body::Welcome(welcome)) = welcome.body else { panic!("{welcome:?}") };
        (uploads, replies, welcome)
    }

    fn upload(&self, number: u64, batch: &wire::Batch) -> wire::Upload {
        let sealed = seal(&self.key, batch.encode_to_vec().into());
        let clock = Some((&Domain::of_this_process()).into());
        let sent_ns = u64::try_from(now().0).unwrap();
        wire::Upload { number, sent_ns, clock, ..sealed }
    }
}

fn header(first_seq: u64, watermark: Time) -> Header {
    Header {
        service: "cart".into(),
        instance: "a".into(),
        epoch: 1,
        clock: Domain::of_this_process(),
        first_seq,
        watermark,
        losses: Vec::new(),
        snapshots: Vec::new(),
        bye: false,
        previous_mac: Bytes::new(),
        issued: 0,
    }
}

/// The version of every write here.
const VERSION: u32 = 7;

/// A batch of puts to `keys`, each with the value `v`, that ended just now.
fn batch(running: &Running, map: &str, first_seq: u64, keys: &[&str]) -> wire::Batch {
    let digester = MapDigester::new(&running.key, map, Codec::Bytes);
    let mut builder = BatchBuilder::default();
    let map = builder.map(map);
    let leg = Interval::new(now(), now());
    let legs = Reported { map: Some(leg), store: Some((leg, StoreOutcome::Ok)) };
    for key in keys {
        builder.push(&Row {
            version: Some(VERSION.into()),
            ..Row::new(map, key.as_bytes(), digester.digest(Some(b"v")).unwrap(), legs)
        });
    }
    builder.finish(header(first_seq, now()))
}

/// A promise that nothing is open, and that nothing more comes.
fn bye(first_seq: u64) -> wire::Batch {
    BatchBuilder::default().finish(Header { bye: true, ..header(first_seq, now()) })
}

fn store(running: &Running, key: &str) {
    store_value(running, key, b"v");
}

fn store_value(running: &Running, key: &str, value: &[u8]) {
    store_version(running, key, value, VERSION);
}

fn store_version(running: &Running, key: &str, value: &[u8], version: u32) {
    let store = rusqlite::Connection::open(running.directory.path().join("store.db")).unwrap();
    store.execute("INSERT INTO cart VALUES (?1, ?2, ?3)", (key, value, version)).unwrap();
}

async fn acknowledged(replies: &mut Streaming<wire::Reply>, number: u64) {
    let reply = replies.message().await.unwrap().unwrap();
    let Some(Body::Ack(ack)) = reply.body else { panic!("{reply:?}") };
    assert_eq!(ack.through_number, number);
}

/// The summary once all events of `batch` have ended.
async fn ended(running: &Running, batch: &wire::Batch) -> Value {
    let (uploads, mut replies, _) = running.welcomed().await;
    uploads.send(running.upload(1, batch)).await.unwrap();
    acknowledged(&mut replies, 1).await;
    uploads.send(running.upload(2, &bye(batch.count.into()))).await.unwrap();
    acknowledged(&mut replies, 2).await;
    running.settled().await
}

async fn refused(running: &Running, upload: wire::Upload) -> Status {
    let (uploads, mut replies) = running.stream().await;
    uploads.send(upload).await.unwrap();
    replies.message().await.expect_err("the upload must be refused")
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_confirmed_or_divergent_and_the_sums_balance() {
    let running = start().await;
    store(&running, "kept");
    let summary = ended(&running, &batch(&running, "cart", 0, &["kept", "lost"])).await;
    let outcomes = &summary["maps"]["cart"]["outcomes"];
    assert_eq!((&outcomes["confirmed"], &outcomes["divergent"]), (&1.into(), &1.into()), "{outcomes}");
    let (status, page) = running.get("/v1/divergences?state=confirmed").await;
    assert_eq!(status, 200);
    let found = &page["divergences"][0];
    assert_eq!((&found["key"], &found["kind"]), (&"lost".into(), &"missing".into()), "{page}");
    let (status, one) = running.get(&format!("/v1/divergences/{}", found["id"].as_str().unwrap())).await;
    assert_eq!((status, &one["id"]), (200, &found["id"]));
    store(&running, "lost");
    let resolved = async {
        while running.get("/v1/divergences?state=resolved").await.1["divergences"][0]["key"] != "lost" {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, resolved)
        .await
        .expect("a divergence whose row was mended resolves by itself");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn other_bytes_beside_the_version_of_a_write_are_corrupt() {
    let running = start().await;
    store_value(&running, "k", b"w");
    let agreeing = ["a", "b", "c", "d", "e", "f", "g"];
    agreeing.iter().for_each(|key| store(&running, key));
    let keys: Vec<_> = agreeing.into_iter().chain(["k"]).collect();
    let summary = ended(&running, &batch(&running, "cart", 0, &keys)).await;
    assert_eq!(summary["maps"]["cart"]["outcomes"]["divergent"], 1, "{summary}");
    let page = running.get("/v1/divergences?kind=corrupt&state=confirmed").await.1;
    assert_eq!(page["divergences"][0]["key"], "k", "{page}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_in_another_form_are_one_alert_and_no_divergence_and_a_missing_one_is_still_told() {
    let running = start().await;
    let padded: Vec<_> = (0..25).map(|n| format!("k{n}")).collect();
    padded.iter().for_each(|key| store_version(&running, key, b"v ", VERSION));
    let keys: Vec<_> = padded.iter().map(String::as_str).chain(["lost"]).collect();
    let (uploads, mut replies) = running.stream().await;
    uploads.send(running.upload(1, &batch(&running, "cart", 0, &keys))).await.unwrap();
    acknowledged(&mut replies, 1).await;
    assert_eq!(running.get("/v1/summary").await.1["maps"]["cart"]["calibration"], "calibrating");
    uploads.send(running.upload(2, &bye(26))).await.unwrap();
    acknowledged(&mut replies, 2).await;
    let summary = running.settled().await;
    let map = &summary["maps"]["cart"];
    assert_eq!(
        (&map["calibration"], &map["undetermined"]["representation"]),
        (&"uncalibrated".into(), &25.into())
    );
    assert!(map["calibration_sample"].as_str().is_some_and(|key| keys.contains(&key)), "{map}");
    assert_eq!((&map["outcomes"]["divergent"], &map["verdicts"]["corrupt"]), (&1.into(), &0.into()), "{map}");
    assert_eq!(summary["maps"]["other"]["calibration"], Value::Null);
    let page = running.get("/v1/divergences").await.1;
    let found: Vec<_> = page["divergences"].as_array().unwrap().iter().map(|it| &it["key"]).collect();
    assert_eq!(found, ["lost"], "{page}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_batch_that_comes_twice_is_applied_once() {
    let running = start().await;
    store(&running, "k");
    let upload = running.upload(1, &batch(&running, "cart", 0, &["k"]));
    for _ in 0..2 {
        let (uploads, mut replies) = running.stream().await;
        uploads.send(upload.clone()).await.unwrap();
        acknowledged(&mut replies, 1).await;
    }
    let (uploads, mut replies) = running.stream().await;
    uploads.send(running.upload(1, &bye(1))).await.unwrap();
    acknowledged(&mut replies, 1).await;
    let summary = running.settled().await;
    assert_eq!(summary["accepted"], 1, "{summary}");
    assert_eq!(summary["sources"][0]["duplicates"], 1);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_wrong_with_a_batch_ends_its_stream_with_a_reason_and_no_other() {
    let running = start().await;
    let (healthy, mut replies) = running.stream().await;
    let good = || running.upload(1, &batch(&running, "cart", 0, &["k"]));
    let tampered = wire::Upload { batch: Bytes::from_static(b"other"), ..good() };
    let other_key = wire::Upload { key_id: "k2".into(), ..good() };
    let garbage = {
        let sealed = seal(&running.key, Bytes::from_static(b"\xff\xff\xff"));
        wire::Upload { number: 1, clock: good().clock, ..sealed }
    };
    let forged = wire::Upload { signature: vec![7; 64].into(), ..good() };
    let stranger = wire::Upload { tenant: "acme".into(), ..good() };
    let mut uneven = batch(&running, "cart", 0, &["k"]);
    uneven.count = 2;
    let many: Vec<_> = (0..101).map(|n| n.to_string()).collect();
    let many = batch(&running, "cart", 0, &many.iter().map(String::as_str).collect::<Vec<_>>());
    let large = batch(&running, "cart", 0, &["k".repeat(9_000).as_str()]);
    for (upload, code, message) in [
        (tampered, Code::Unauthenticated, "keys[].file"),
        (other_key, Code::Unauthenticated, "the comparator's `keys` are: k1"),
        (forged, Code::Unauthenticated, "signature"),
        (stranger, Code::PermissionDenied, "tenant is not one"),
        (garbage, Code::InvalidArgument, ""),
        (running.upload(1, &uneven), Code::InvalidArgument, "key_lengths has 1 entries for 2 events"),
        (running.upload(1, &many), Code::ResourceExhausted, "limits.batch_events_max is 100"),
        (running.upload(1, &large), Code::ResourceExhausted, "limits.batch_bytes_max is 8192"),
    ] {
        let status = refused(&running, upload).await;
        assert_eq!(status.code(), code, "{status}");
        assert!(status.message().contains(message), "{status} should say {message}");
    }
    healthy.send(good()).await.unwrap();
    acknowledged(&mut replies, 1).await;
    let unchained = Header { previous_mac: vec![7; 32].into(), ..header(1, now()) };
    let missing = refused(&running, running.upload(2, &BatchBuilder::default().finish(unchained))).await;
    assert_eq!(missing.code(), Code::FailedPrecondition, "{missing}");
    assert!(missing.message().contains("a batch of this source is missing before this one"), "{missing}");
    let metrics = running.get_text("/metrics").await.1;
    assert!(
        metrics.contains("counterfoil_receiver_refused_batches_total{reason=\"order\"} 1\n"),
        "{metrics}"
    );
    assert_eq!(
        running.get("/v1/summary").await.1["accepted"],
        1,
        "nothing of the refused batches was applied"
    );
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn losses_make_their_keys_undetermined_and_are_counted() {
    let running = start().await;
    let (uploads, mut replies) = running.stream().await;
    let later = now().plus(200_000_000);
    let during = Interval::new(now(), later);
    let loss = Loss { first_seq: 1, count: 3, reason: LossReason::RingFull, during, buckets: BucketSet::All };
    uploads.send(running.upload(1, &batch(&running, "cart", 0, &["k"]))).await.unwrap();
    acknowledged(&mut replies, 1).await;
    let declared = Header { losses: vec![loss], bye: true, ..header(6, now()) };
    uploads.send(running.upload(2, &BatchBuilder::default().finish(declared))).await.unwrap();
    acknowledged(&mut replies, 2).await;
    let summary = running.settled().await;
    assert_eq!(summary["maps"]["cart"]["undetermined"]["gap"], 1, "{summary}");
    let source = &summary["sources"][0];
    assert_eq!((&source["lost"]["ring_full"], &source["undeclared"]), (&3.into(), &2.into()), "{source}");
    assert_eq!((&summary["lost"], &source["next_seq"]), (&5.into(), &6.into()));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn events_of_a_map_without_a_contract_end_undetermined() {
    let running = start().await;
    let (uploads, mut replies) = running.stream().await;
    uploads.send(running.upload(1, &batch(&running, "basket", 0, &["k"]))).await.unwrap();
    acknowledged(&mut replies, 1).await;
    let other = running.get("/v1/summary").await.1["maps"]["other"].clone();
    assert_eq!((&other["events"], &other["undetermined"]["no_contract"]), (&1.into(), &1.into()), "{other}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn grpc_health_and_reflection_answer() {
    let running = start().await;
    let channel = tonic::transport::Endpoint::from_shared(format!("http://{}", running.grpc)).unwrap();
    let channel = channel.connect().await.unwrap();
    let mut health = HealthClient::new(channel.clone());
    for service in ["", "counterfoil.v1.Intake"] {
        let asked = HealthCheckRequest { service: service.into() };
        let answer = health.check(asked).await.unwrap().into_inner();
        assert_eq!(answer.status(), ServingStatus::Serving, "{service:?}");
    }
    let asked = ServerReflectionRequest {
        host: String::new(),
        message_request: Some(MessageRequest::ListServices(String::new())),
    };
    let mut reflection = ServerReflectionClient::new(channel);
    let mut answers =
        reflection.server_reflection_info(tokio_stream::iter([asked])).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap();
    let Some(MessageResponse::ListServicesResponse(services)) = answer.message_response else {
        panic!("{answer:?}")
    };
    assert!(services.service.iter().any(|service| service.name == "counterfoil.v1.Intake"), "{services:?}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_that_ask_for_nonsense_are_told_so() {
    let running = start().await;
    for (path, status, message) in [
        ("/v1/divergences?limit=0", 400, "1 to 1000"),
        ("/v1/divergences?state=odd", 400, "state: is `odd`; write opened, confirmed, resolved"),
        ("/v1/divergences?severity=odd", 400, "severity: is `odd`; write critical, warning or info"),
        ("/v1/divergences?kind=odd", 400, "kind: is `odd`; write one of missing, stale"),
        ("/v1/divergences?acted=odd", 400, "acted: is `odd`; write none, acknowledged or ignored"),
        ("/v1/divergences?key=base64:%3F", 400, "key: is `base64:?`; write a key as it is shown"),
        ("/v1/divergences?opened_since=now", 400, "opened_since: is `now`; write a time as in RFC 3339"),
        ("/v1/divergences?after=odd", 400, "after: is `odd`; write the `next`"),
        ("/v1/divergences?stat=opened", 400, "stat: is no parameter of this path; there is: severity, map"),
        ("/v1/divergences/export?format=xml", 400, "format: is `xml`; write jsonl or csv"),
        ("/v1/divergences/export?limit=1", 400, "limit: is no parameter of this path"),
        ("/v1/divergences/abc", 404, "32 hex digits"),
        ("/v1/clocks?after=odd", 400, "after: is `odd`"),
        ("/v1/clocks?page=2", 400, "page: is no parameter of this path; there is: limit, after"),
        ("/v1/divergence", 404, "nothing is at this path"),
        ("/v1/divergences/abc/acknowledge", 405, "other methods"),
    ] {
        let (got, body) = running.get(path).await;
        assert_eq!(got, status, "{path}");
        assert!(body["error"].as_str().unwrap_or_default().contains(message), "{path} {body}");
    }
    running.stop().await;
}
