//! A real comparator as a process, fed with batches over gRPC. Probes are put off by an hour, so that what is measured is
//! taking in: checking, opening, de-duplicating, putting into the key table, setting timers.

use crate::usage::CpuTime;
use bytes::Bytes;
use counterfoil_clock::{Domain, now};
use counterfoil_judge::{Digest, Interval, Reported, StoreOutcome};
use counterfoil_keys::{DeploymentKey, MacKey, Purpose, Signer, SigningKey, TenantName};
use counterfoil_proto::wire::intake_client::IntakeClient;
use counterfoil_proto::wire::{Upload, reply};
use counterfoil_proto::{BatchBuilder, Header, Row};
use counterfoil_tests::emit::now_ns;
use counterfoil_tests::{Harness, Map, Setup};
use prost::Message;
use serde_json::json;
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

const MAP: &str = "cart";
/// Events in a batch: what a busy sidecar sends.
const EVENTS_PER_BATCH: u64 = 4_096;
/// Batches sent before anything is measured.
const WARM_UP_BATCHES: u64 = 20;
/// Batches under measurement.
const BATCHES: u64 = 250;
/// Keys among which the events go around, in an order that is not theirs.
const KEYS: u64 = 250_000;
/// A step that is coprime to the number of keys.
const KEY_STEP: u64 = 104_729;
/// Uploads on their way.
const UPLOADS_MAX: usize = 16;

/// CPU time of the comparator per event, in nanoseconds.
pub(crate) fn cpu_ns_per_event() -> f64 {
    let hour = json!(3_600_000);
    let map = Map { deadline_ms: 86_400_000, ..Map::new(MAP, ("prefix", String::new())) };
    let setup = Setup::new().store("main", "redis://127.0.0.1:1").map(&map);
    let setup =
        setup.comparator("/probe", json!({ "first_delay_ms": hour, "gap_ms_min": hour, "gap_ms_max": hour }));
    let mut harness = Harness::prepared(setup);
    harness.start_comparator();
    let pid = harness.comparator_id().expect("the comparator runs");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let mut feed = Feed::open(harness.grpc()).await;
        feed.send(WARM_UP_BATCHES).await;
        let cpu = CpuTime::of(pid);
        feed.send(BATCHES).await;
        cpu.spent_ns() / (BATCHES * EVENTS_PER_BATCH) as f64
    })
}

/// A stream to the comparator, as a sidecar opens it.
struct Feed {
    uploads: mpsc::Sender<Upload>,
    replies: tonic::Streaming<counterfoil_proto::wire::Reply>,
    mac: MacKey,
    signing: SigningKey,
    previous_mac: Bytes,
    number: u64,
}

impl Feed {
    async fn open(endpoint: String) -> Self {
        let mut client = IntakeClient::connect(endpoint).await.expect("the comparator listens");
        let (uploads, receiver) = mpsc::channel(UPLOADS_MAX);
        let replies = client.stream(ReceiverStream::new(receiver)).await.expect("a stream").into_inner();
        // The key that every test's configuration names.
        let mac = DeploymentKey::new("k1", [7; 32]).tenant(&TenantName::default()).mac_key();
        let signing = SigningKey::new([9; 32]);
        Self { uploads, replies, mac, signing, previous_mac: Bytes::new(), number: 0 }
    }

    /// Sends batches, and waits until the comparator acknowledged them all.
    async fn send(&mut self, batches: u64) {
        let last = self.number + batches;
        let mut acknowledged = self.number;
        while acknowledged < last {
            // A few at a time, so that neither side waits for the other.
            while self.number < last && self.number < acknowledged + UPLOADS_MAX as u64 {
                let upload = self.next();
                self.uploads.send(upload).await.expect("the comparator takes uploads");
            }
            let reply = self.replies.message().await.expect("the stream lives").expect("a reply");
            if let Some(reply::Body::Ack(ack)) = reply.body {
                acknowledged = ack.through_number;
            }
        }
    }

    fn next(&mut self) -> Upload {
        let first_seq = self.number * EVENTS_PER_BATCH;
        let batch = Bytes::from(batch(first_seq, self.previous_mac.clone()));
        let mac = self.mac.mac(&batch);
        let signature = self.signing.sign(Purpose::Batch, mac.as_bytes());
        let mac = Bytes::copy_from_slice(mac.as_bytes());
        self.previous_mac = mac.clone();
        self.number += 1;
        let clock = Some((&Domain::of_this_process()).into());
        Upload {
            number: self.number,
            batch,
            mac,
            key_id: "k1".to_owned(),
            tenant: TenantName::default().to_string(),
            signature: Bytes::copy_from_slice(&signature),
            signer: Bytes::copy_from_slice(&self.signing.public()),
            sent_ns: now_ns(),
            clock,
            ..Default::default()
        }
    }
}

fn batch(first_seq: u64, previous_mac: Bytes) -> Vec<u8> {
    let mut builder = BatchBuilder::default();
    let map = builder.map(MAP);
    for seq in first_seq..first_seq + EVENTS_PER_BATCH {
        let leg = Interval::new(now(), now());
        let mut digest = [0; 16];
        digest.fill(u8::try_from(seq % 255).unwrap_or_default() + 1);
        builder.push(&Row {
            map,
            key: format!("user-{:014}", seq * KEY_STEP % KEYS).as_bytes(),
            digest: Digest(digest),
            legs: Reported { map: Some(leg), store: Some((leg, StoreOutcome::Ok)) },
            held: false,
            map_order: None,
            version: None,
            trace: None,
            cohort: None,
        });
    }
    let header = Header {
        service: "bench".to_owned(),
        instance: "bench".to_owned(),
        epoch: 1,
        clock: Domain::of_this_process(),
        first_seq,
        watermark: now(),
        losses: Vec::new(),
        snapshots: Vec::new(),
        bye: false,
        previous_mac,
        issued: 0,
    };
    builder.finish(header).encode_to_vec()
}
