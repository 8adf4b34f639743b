//! A sidecar on a socket of its own, a comparator that writes down what it gets, and emitters that say what they like.
#![allow(dead_code, reason = "each test binary uses its part")]

use bytes::{Buf, BytesMut};
use counterfoil_keys::{DeploymentKey, Mac, Purpose, TenantKey, TenantName, verify};
use counterfoil_proto::wire::emit::{
    AckLevel, ClockDomain, Event, Events, Frame, Heartbeat, Hello, Op, Refusal, Welcome, frame::Body,
};
use counterfoil_proto::wire::intake_server::{Intake, IntakeServer};
use counterfoil_proto::wire::{self, IntakeAck, IntakeWelcome, Reply, Upload};
use counterfoil_proto::{Columns, NoValue, PROTOCOL, Recalled, Shown};
use counterfoil_settings::Sources;
use counterfoil_sidecar::config::{Settings, Written};
use counterfoil_sidecar::{BuildError, Sidecar};
use counterfoil_telemetry::Telemetry;
use prost::Message;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UnixStream};
use tokio::sync::{broadcast, mpsc, watch};
use tokio::task::JoinHandle;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_stream::{Stream, StreamExt};
use tokio_util::sync::CancellationToken;

/// Nothing here takes this long, unless it is broken.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// The key of the least configuration, with the id `k1`.
pub(crate) fn key() -> TenantKey {
    DeploymentKey::new("k1", [0x0f; 32]).tenant(&TenantName::default())
}

/// A sidecar and its surroundings.
pub(crate) struct House {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) comparator: Comparator,
    pub(crate) telemetry: Telemetry,
    pub(crate) stop: CancellationToken,
    pub(crate) sidecar: JoinHandle<()>,
    pub(crate) admin: Option<SocketAddr>,
}

impl House {
    /// Starts a sidecar with `overlays` over the least configuration.
    pub(crate) async fn start(overlays: &[&str]) -> Self {
        let comparator = Comparator::start().await;
        Self::with(comparator, overlays).await
    }

    pub(crate) async fn with(comparator: Comparator, overlays: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let telemetry = Telemetry::install("test", &counterfoil_telemetry::Written::default()).unwrap();
        let sidecar = build(folder.path(), comparator.address, overlays, &telemetry).await.unwrap();
        let admin = sidecar.admin_address();
        let stop = CancellationToken::new();
        let sidecar = tokio::spawn(sidecar.run(stop.clone()));
        Self { folder, comparator, telemetry, stop, sidecar, admin }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.folder.path().join("emit.sock")
    }

    pub(crate) async fn emitter(&self) -> Emitter {
        Emitter::connect(&self.socket()).await
    }

    /// An emitter that has said hello as `instance`.
    pub(crate) async fn greeted(&self, instance: &str) -> (Emitter, Welcome) {
        let mut emitter = self.emitter().await;
        emitter.say(Body::Hello(hello(instance))).await;
        match emitter.hear().await {
            Some(Body::Welcome(welcome)) => (emitter, welcome),
            other => panic!("no welcome: {other:?}"),
        }
    }

    /// The value of a metric.
    pub(crate) fn metric(&self, series: &str) -> f64 {
        let text = self.telemetry.render_metrics();
        let line =
            text.lines().find(|line| line.strip_prefix(series).is_some_and(|rest| rest.starts_with(' ')));
        let line = line.unwrap_or_else(|| panic!("{series} is not in:\n{text}"));
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    pub(crate) async fn stopped(self) -> Comparator {
        self.stop.cancel();
        tokio::time::timeout(PATIENCE, self.sidecar).await.expect("the sidecar stops").unwrap();
        self.comparator
    }
}

/// The settings of the least configuration in `folder`, with `overlays`.
pub(crate) async fn build(
    folder: &Path,
    comparator: SocketAddr,
    overlays: &[&str],
    telemetry: &Telemetry,
) -> Result<Sidecar, BuildError> {
    let key = folder.join("key");
    if !key.exists() {
        counterfoil_keys::create_file(&key, &"0f".repeat(32)).unwrap();
    }
    let yaml = format!(
        "kind: sidecar\nsocket: {{path: '{}'}}\nkeys: [{{id: k1, file: '{}'}}]\n\
         maps: [{{name: cart}}, {{name: notes, codec: text}}]\n\
         uplink: {{endpoint: 'http://{comparator}', insecure: true, backoff_ms_min: 5, backoff_ms_max: 50}}\n",
        folder.join("emit.sock").display(),
        key.display(),
    );
    let overlays = overlays.iter().map(|&overlay| overlay.to_owned()).collect();
    let written = Sources { yaml, overlays }.written::<Written>().unwrap();
    Sidecar::build(Settings::try_from_written(written).unwrap(), telemetry).await
}

pub(crate) fn hello(instance: &str) -> Hello {
    Hello {
        protocol: PROTOCOL,
        service: "cart".to_owned(),
        instance: instance.to_owned(),
        epoch: 1,
        clock: Some(ClockDomain { boot_id: "boot".to_owned(), offset_ns: 0 }),
        ..Default::default()
    }
}

/// A put of `key` into the map `cart` (0) or `notes` (1), at its sequence number as the time.
pub(crate) fn event(map: u32, key: &str, value: &[u8]) -> Event {
    Event {
        map,
        op: Op::Put.into(),
        key: key.to_owned().into(),
        value: value.to_vec().into(),
        map_begin_ns: 1_000,
        map_end_ns: 2_000,
        ..Default::default()
    }
}

pub(crate) fn events(first_seq: u64, events: Vec<Event>) -> Body {
    let maps = ["cart", "notes", "unknown"].map(str::to_owned).to_vec();
    Body::Events(Events { first_seq, maps, cohorts: Vec::new(), events })
}

/// `count` plain events.
pub(crate) fn plain(first_seq: u64, count: u64) -> Body {
    let end = first_seq + count;
    events(first_seq, (first_seq..end).map(|seq| event(0, &format!("key-{seq}"), b"value")).collect())
}

pub(crate) fn heartbeat(next_seq: u64, watermark_ns: u64) -> Body {
    Body::Heartbeat(Heartbeat { next_seq, watermark_ns, ..Default::default() })
}

/// A connection of an emitter.
pub(crate) struct Emitter {
    pub(crate) stream: UnixStream,
    buffer: BytesMut,
}

impl Emitter {
    pub(crate) async fn connect(socket: &Path) -> Self {
        Self { stream: UnixStream::connect(socket).await.unwrap(), buffer: BytesMut::new() }
    }

    /// One that has said `hello`, and the answer.
    pub(crate) async fn greeted(socket: &Path, hello: Hello) -> (Self, Welcome) {
        let mut emitter = Self::connect(socket).await;
        emitter.say(Body::Hello(hello)).await;
        match emitter.hear().await {
            Some(Body::Welcome(welcome)) => (emitter, welcome),
            other => panic!("no welcome: {other:?}"),
        }
    }

    pub(crate) async fn say(&mut self, body: Body) {
        self.say_bytes(&Frame { body: Some(body) }.encode_length_delimited_to_vec()).await;
    }

    pub(crate) async fn say_bytes(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).await.unwrap();
    }

    /// The next frame; `None` at the end of the connection.
    pub(crate) async fn hear(&mut self) -> Option<Body> {
        loop {
            let mut rest = &self.buffer[..];
            if let Ok(length) = prost::decode_length_delimiter(&mut rest)
                && rest.len() >= length
            {
                let body = Frame::decode(&rest[..length]).unwrap().body.unwrap();
                let taken = self.buffer.len() - rest.len() + length;
                self.buffer.advance(taken);
                return Some(body);
            }
            if !self.read().await {
                return None;
            }
        }
    }

    /// The next line; `None` at the end of the connection.
    pub(crate) async fn hear_line(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.iter().position(|&byte| byte == b'\n') {
                let line = self.buffer.split_to(end + 1);
                return Some(String::from_utf8(line[..end].to_vec()).unwrap());
            }
            if !self.read().await {
                return None;
            }
        }
    }

    async fn read(&mut self) -> bool {
        let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.buffer)).await;
        read.expect("the sidecar says something").is_ok_and(|read| read > 0)
    }

    /// Waits for the ack of everything below `seq`; gives its level.
    pub(crate) async fn acked(&mut self, seq: u64) -> AckLevel {
        loop {
            match self.hear().await {
                Some(Body::Ack(ack)) if ack.through_seq >= seq => return ack.level(),
                Some(Body::Ack(_)) => {}
                other => panic!("no ack of {seq}: {other:?}"),
            }
        }
    }

    /// Waits for the refusal and the end.
    pub(crate) async fn refused(&mut self) -> String {
        loop {
            match self.hear().await {
                Some(Body::Refusal(Refusal { message })) => {
                    assert_eq!(self.hear().await, None, "a refusal is the last word");
                    return message;
                }
                Some(Body::Ack(_) | Body::Welcome(_)) => {}
                other => panic!("no refusal: {other:?}"),
            }
        }
    }
}

/// A comparator that writes down what it gets.
pub(crate) struct Comparator {
    pub(crate) address: SocketAddr,
    pub(crate) got: Arc<Got>,
    server: JoinHandle<()>,
}

/// What a comparator got, over all its lives.
pub(crate) struct Got {
    uploads: Mutex<Vec<Upload>>,
    changed: watch::Sender<usize>,
    /// How often it has died.
    lives: watch::Sender<u64>,
    /// Whether uploads are acknowledged.
    pub(crate) acknowledges: watch::Sender<bool>,
    /// The level at which they are.
    pub(crate) level: AtomicI32,
    /// What the sidecar is asked for its values.
    pub(crate) asks: broadcast::Sender<wire::Recall>,
    /// What it answered.
    pub(crate) recalled: watch::Sender<Vec<wire::Recalled>>,
    /// Whether batches that name one before them are refused, as if that were not known here.
    pub(crate) misses: AtomicBool,
}

impl Comparator {
    pub(crate) async fn start() -> Self {
        let got = Got {
            uploads: Mutex::default(),
            changed: watch::channel(0).0,
            lives: watch::channel(0).0,
            acknowledges: watch::channel(true).0,
            level: AtomicI32::new(AckLevel::Received.into()),
            asks: broadcast::channel(64).0,
            recalled: watch::channel(Vec::new()).0,
            misses: AtomicBool::new(false),
        };
        Self::on("127.0.0.1:0".parse().unwrap(), Arc::new(got)).await
    }

    async fn on(address: SocketAddr, got: Arc<Got>) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let service = IntakeServer::new(Service(Arc::clone(&got)));
        let serve = tonic::transport::Server::builder()
            .add_service(service)
            .serve_with_incoming(TcpListenerStream::new(listener));
        let server = tokio::spawn(async move { serve.await.unwrap() });
        Self { address, got, server }
    }

    /// Goes away, connections and all.
    pub(crate) async fn dies(&mut self) {
        self.server.abort();
        assert!((&mut self.server).await.is_err(), "it was aborted");
        // The connections' tasks are not the server's.
        self.got.lives.send_modify(|lives| *lives += 1);
    }

    /// Comes back at the same address.
    pub(crate) async fn comes_back(&mut self) {
        let got = Arc::clone(&self.got);
        *self = Self::on(self.address, got).await;
    }

    /// All uploads, as they came, once `enough` of them say so.
    pub(crate) async fn uploads(&self, enough: impl Fn(&[Upload]) -> bool) -> Vec<Upload> {
        let mut changed = self.got.changed.subscribe();
        let wait = async {
            loop {
                changed.borrow_and_update();
                let uploads = self.got.uploads.lock().unwrap().clone();
                if enough(&uploads) {
                    return uploads;
                }
                changed.changed().await.unwrap();
            }
        };
        match tokio::time::timeout(PATIENCE, wait).await {
            Ok(uploads) => uploads,
            Err(_) => panic!("only {} uploads came", self.got.uploads.lock().unwrap().len()),
        }
    }

    /// The batches of `instance`, each once, once `enough` of them say so.
    pub(crate) async fn batches(&self, instance: &str, enough: impl Fn(&[Columns]) -> bool) -> Vec<Columns> {
        let uploads = self.uploads(|uploads| enough(&batches(uploads, instance))).await;
        batches(&uploads, instance)
    }
}

impl Comparator {
    /// Asks for the values of these writes to `cart` by the source `a`, and waits for `enough` answers in all.
    pub(crate) async fn recalled(
        &self,
        seqs: impl IntoIterator<Item = u64>,
        enough: usize,
    ) -> Vec<Result<Shown, NoValue>> {
        for seq in seqs {
            let recall = wire::Recall {
                id: seq,
                service: "cart".to_owned(),
                instance: "a".to_owned(),
                epoch: 1,
                seq,
                map: "cart".to_owned(),
                value_bytes_max: 1 << 20,
            };
            self.got.asks.send(recall).expect("a stream is open");
        }
        let mut recalled = self.got.recalled.subscribe();
        let came = tokio::time::timeout(PATIENCE, recalled.wait_for(|all| all.len() >= enough)).await;
        let all = came.expect("the sidecar answers").unwrap().clone();
        all.into_iter().map(|recalled| Recalled::try_from(recalled).unwrap().shown).collect()
    }
}

/// Opens the batches of one source, each once, checking their codes and their chain.
pub(crate) fn batches(uploads: &[Upload], instance: &str) -> Vec<Columns> {
    let key = key().mac_key();
    let (mut previous, mut seen, mut batches) = (Vec::new(), 0, Vec::new());
    for upload in uploads.iter().filter(|upload| {
        let fresh = upload.number > seen;
        seen = seen.max(upload.number);
        fresh
    }) {
        assert_eq!((upload.key_id.as_str(), upload.tenant.as_str()), ("k1", "default"));
        assert!(verify(&upload.signer, Purpose::Batch, &upload.mac, &upload.signature));
        assert_eq!(Mac::from_wire(&upload.mac), Some(key.mac(&upload.batch)));
        let columns = Columns::try_from(wire::Batch::decode(&upload.batch[..]).unwrap()).unwrap();
        if columns.header().instance == instance {
            assert_eq!(columns.header().previous_mac, previous, "the chain is whole");
            previous = upload.mac.to_vec();
            batches.push(columns);
        }
    }
    batches
}

/// The sequence numbers of all events in `batches`.
pub(crate) fn seqs(batches: &[Columns]) -> Vec<u64> {
    batches.iter().flat_map(|columns| columns.rows().map(|(seq, _)| seq).collect::<Vec<_>>()).collect()
}

struct Service(Arc<Got>);

#[tonic::async_trait]
impl Intake for Service {
    type StreamStream = Pin<Box<dyn Stream<Item = Result<Reply, tonic::Status>> + Send>>;

    async fn stream(
        &self,
        request: tonic::Request<tonic::Streaming<Upload>>,
    ) -> Result<tonic::Response<Self::StreamStream>, tonic::Status> {
        let (sender, receiver) = mpsc::channel(64);
        let dead = self.0.lives.subscribe();
        tokio::spawn(take(Arc::clone(&self.0), request.into_inner(), sender, dead));
        Ok(tonic::Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

async fn take(
    got: Arc<Got>,
    mut uploads: tonic::Streaming<Upload>,
    replies: mpsc::Sender<Result<Reply, tonic::Status>>,
    mut dead: watch::Receiver<u64>,
) {
    let reply = |body| Ok(Reply { sent_ns: 7, body: Some(body) });
    let welcome = IntakeWelcome {
        protocol: PROTOCOL,
        batch_bytes_max: 1 << 20,
        batch_events_max: 4_096,
        maps: vec!["cart".to_owned(), "notes".to_owned()],
        key_ids: vec!["k1".to_owned()],
        forms: vec!["bytes/1".to_owned(), "json/1".to_owned()],
    };
    let mut acknowledges = got.acknowledges.subscribe();
    let mut asks = got.asks.subscribe();
    let life = *dead.borrow_and_update();
    if replies.send(reply(wire::reply::Body::Welcome(welcome))).await.is_err() {
        return;
    }
    loop {
        let next = tokio::select! {
            biased;
            _ = dead.wait_for(|&now| now != life) => return,
            Ok(recall) = asks.recv() => Err(recall),
            upload = uploads.next() => Ok(upload),
        };
        let mut upload = match next {
            Ok(Some(Ok(upload))) => upload,
            Ok(_) => return,
            Err(recall) => {
                replies.send(reply(wire::reply::Body::Recall(recall))).await.ok();
                continue;
            }
        };
        if let Some(recalled) = upload.recalled.take() {
            assert!(upload.batch.is_empty() && upload.number == 0, "an answer is no batch");
            got.recalled.send_modify(|all| all.push(recalled));
            continue;
        }
        let batch = wire::Batch::decode(upload.batch.clone()).unwrap();
        if got.misses.load(Ordering::Relaxed) && !batch.previous_mac.is_empty() {
            let missing =
                tonic::Status::failed_precondition("a batch of this source is missing before this one");
            replies.send(Err(missing)).await.ok();
            return;
        }
        if batch.previous_mac.is_empty() {
            got.misses.store(false, Ordering::Relaxed);
        }
        let through_number = upload.number;
        let count = {
            let mut all = got.uploads.lock().unwrap();
            all.push(upload);
            all.len()
        };
        got.changed.send_replace(count);
        tokio::select! {
            biased;
            _ = dead.wait_for(|&now| now != life) => return,
            _ = acknowledges.wait_for(|&yes| yes) => {}
        }
        let ack = IntakeAck { level: got.level.load(Ordering::Relaxed), through_number };
        if replies.send(reply(wire::reply::Body::Ack(ack))).await.is_err() {
            return;
        }
    }
}
