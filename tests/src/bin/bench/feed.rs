//! A stream of batches to a comparator over gRPC, as a sidecar opens it.

use bytes::Bytes;
use counterfoil_clock::{Domain, now};
use counterfoil_digest::{Codec, MapDigester};
use counterfoil_judge::{Interval, Reported, StoreOutcome, Time};
use counterfoil_keys::{DeploymentKey, MacKey, Purpose, Signer, SigningKey, TenantKey, TenantName};
use counterfoil_proto::wire::intake_client::IntakeClient;
use counterfoil_proto::wire::{Reply, Upload, reply};
use counterfoil_proto::{BatchBuilder, Header, Row, Snapshot};
use counterfoil_tests::emit::now_ns;
use prost::Message;
use std::iter;
use std::thread;
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::time::{MissedTickBehavior, interval};
use tokio_stream::wrappers::ReceiverStream;

/// Events in a batch: what a busy sidecar sends.
pub(crate) const EVENTS_PER_BATCH: usize = 4_096;

/// Uploads on their way.
const UPLOADS_MAX: usize = 16;

/// From one promise of the source to the next: what a source does that is as busy as this many reads need.
const PROMISE_EVERY: Duration = Duration::from_millis(10);

/// As many threads as a comparator has.
pub(crate) fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime")
}

/// What batches are authenticated and values digested under: the key that every test's configuration names.
fn tenant_key() -> TenantKey {
    DeploymentKey::new("k1", [7; 32]).tenant(&TenantName::default())
}

/// A row of a store, and when it was written: to map and store, in an instant.
pub(crate) struct Written {
    pub(crate) at: Time,
    pub(crate) key: String,
    pub(crate) value: Vec<u8>,
}

/// The events of writes to the map `name`.
pub(crate) fn batches(name: &str, rows: impl Iterator<Item = Written>) -> impl Iterator<Item = BatchBuilder> {
    let digester = MapDigester::new(&tenant_key(), name, Codec::Bytes);
    let mut rows = rows.peekable();
    iter::from_fn(move || {
        rows.peek()?;
        let mut builder = BatchBuilder::default();
        let map = builder.map(name);
        for Written { at, key, value } in rows.by_ref().take(EVENTS_PER_BATCH) {
            let leg = Interval::new(at, at);
            builder.push(&Row::new(
                map,
                key.as_bytes(),
                digester.digest(Some(&value)).expect("bytes are bytes"),
                Reported { map: Some(leg), store: Some((leg, StoreOutcome::Ok)) },
            ));
        }
        Some(builder)
    })
}

/// The stream, and how far it is.
pub(crate) struct Feed {
    uploads: mpsc::Sender<Upload>,
    replies: tonic::Streaming<Reply>,
    mac: MacKey,
    signing: SigningKey,
    previous_mac: Bytes,
    /// Of the last upload.
    number: u64,
    /// Of the next event.
    next_seq: u64,
    /// What is said of maps that were told wholly, until it is said.
    snapshots: Vec<Snapshot>,
}

impl Feed {
    pub(crate) async fn open(endpoint: String) -> Self {
        let mut client = IntakeClient::connect(endpoint).await.expect("the comparator listens");
        let (uploads, receiver) = mpsc::channel(UPLOADS_MAX);
        let replies = client.stream(ReceiverStream::new(receiver)).await.expect("a stream").into_inner();
        let (mac, signing) = (tenant_key().mac_key(), SigningKey::new([9; 32]));
        Self {
            uploads,
            replies,
            mac,
            signing,
            previous_mac: Bytes::new(),
            number: 0,
            next_seq: 0,
            snapshots: Vec::new(),
        }
    }

    /// Sends batches, a few at a time so that neither side waits for the other, and waits until the comparator acknowledged
    /// them all.
    pub(crate) async fn send(&mut self, batches: impl IntoIterator<Item = BatchBuilder>) {
        let mut batches = batches.into_iter().fuse();
        let mut acknowledged = self.number;
        loop {
            while self.number < acknowledged + UPLOADS_MAX as u64
                && let Some(batch) = batches.next()
            {
                let upload = self.upload(batch);
                self.uploads.send(upload).await.expect("the comparator takes uploads");
            }
            if acknowledged == self.number {
                return;
            }
            let reply = self.replies.message().await.expect("the stream lives").expect("a reply");
            if let Some(reply::Body::Ack(ack)) = reply.body {
                acknowledged = ack.through_number;
            }
        }
    }

    /// Says with the next batch that all that the map `name` held at `begin` or since has been told.
    pub(crate) fn told_all(&mut self, name: &str, begin: Time) {
        let map = name.to_owned();
        self.snapshots.push(Snapshot { map, begin, first_seq: 0, end_seq: self.next_seq });
    }

    /// Promises again and again that everything begun before was reported, while `run` runs in a thread of its own.
    pub(crate) fn promise_while<T: Send>(&mut self, runtime: &Runtime, run: impl FnOnce() -> T + Send) -> T {
        thread::scope(|threads| {
            let running = threads.spawn(run);
            runtime.block_on(async {
                let mut ticks = interval(PROMISE_EVERY);
                ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
                while !running.is_finished() {
                    self.send([BatchBuilder::default()]).await;
                    ticks.tick().await;
                }
            });
            running.join().expect("it came to its end")
        })
    }

    fn upload(&mut self, mut events: BatchBuilder) -> Upload {
        let count = events.len() as u64;
        let batch = Bytes::from(events.finish(self.header()).encode_to_vec());
        self.snapshots.clear();
        let mac = self.mac.mac(&batch);
        let signature = self.signing.sign(Purpose::Batch, mac.as_bytes());
        let mac = Bytes::copy_from_slice(mac.as_bytes());
        self.previous_mac = mac.clone();
        (self.number, self.next_seq) = (self.number + 1, self.next_seq + count);
        Upload {
            number: self.number,
            batch,
            mac,
            key_id: "k1".to_owned(),
            tenant: TenantName::default().to_string(),
            signature: Bytes::copy_from_slice(&signature),
            signer: Bytes::copy_from_slice(&self.signing.public()),
            sent_ns: now_ns(),
            clock: Some((&Domain::of_this_process()).into()),
            ..Default::default()
        }
    }

    fn header(&self) -> Header {
        Header {
            service: "bench".to_owned(),
            instance: "bench".to_owned(),
            epoch: 1,
            clock: Domain::of_this_process(),
            first_seq: self.next_seq,
            watermark: now(),
            snapshots: self.snapshots.clone(),
            losses: Vec::new(),
            bye: false,
            previous_mac: self.previous_mac.clone(),
            issued: 0,
        }
    }
}
