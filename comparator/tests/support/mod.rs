//! A comparator of one map over an SQLite file, or whatever else a test writes, in this process, and questions to it over HTTP.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use bytes::Bytes;
use counterfoil_comparator::Comparator;
use counterfoil_comparator::config::{Settings, Written};
use counterfoil_keys::{DeploymentKey, Purpose, Signer, SigningKey, TenantKey, TenantName};
use counterfoil_proto::wire;
use counterfoil_settings::Sources;
use counterfoil_telemetry::Telemetry;
use std::net::SocketAddr;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_util::sync::CancellationToken;

pub(crate) struct Running {
    pub(crate) grpc: SocketAddr,
    pub(crate) http: SocketAddr,
    stop: CancellationToken,
    task: tokio::task::JoinHandle<()>,
    pub(crate) key: TenantKey,
    pub(crate) directory: TempDir,
}

/// What came back.
pub(crate) struct Answer {
    pub(crate) status: u16,
    /// Status line and headers, in small letters.
    #[allow(dead_code, reason = "not every suite looks at headers")]
    pub(crate) head: String,
    pub(crate) body: String,
}

/// With an empty store and ledger, and no journal.
pub(crate) async fn start() -> Running {
    start_in(prepared(), "").await
}

/// A folder with a key and an empty store.
pub(crate) fn prepared() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    counterfoil_keys::create_file(&directory.path().join("key"), &"0f".repeat(32)).unwrap();
    let store = rusqlite::Connection::open(directory.path().join("store.db")).unwrap();
    store
        .execute_batch(
            "PRAGMA journal_mode=WAL; CREATE TABLE cart (k TEXT PRIMARY KEY, v BLOB, version INTEGER)",
        )
        .unwrap();
    directory
}

/// One map in one store.
const CART: &str = "stores: {main: {url: 'sqlite://DIR/store.db'}}
maps: [{name: cart, store: main, query: 'SELECT k, v, version FROM cart WHERE k IN rarray(?1)', deadline_ms: 300}]
";

/// On what is in `directory`, with `more` in its configuration, where `DIR` stands for the folder.
pub(crate) async fn start_in(directory: TempDir, more: &str) -> Running {
    start_with(directory, more, Vec::new()).await
}

/// The same, with keys of the configuration set by `overlays`.
pub(crate) async fn start_with(directory: TempDir, more: &str, overlays: Vec<String>) -> Running {
    start_of(directory, &format!("{CART}{more}"), overlays).await
}

/// The same with stores and maps of its own.
pub(crate) async fn start_of(directory: TempDir, stores_and_maps: &str, overlays: Vec<String>) -> Running {
    let path = |name: &str| directory.path().join(name).display().to_string();
    let yaml = format!(
        "kind: comparator
listen: {{grpc: '127.0.0.1:0', http: '127.0.0.1:0', insecure: true}}
keys: [{{id: k1, file: {}}}]
ledger: {{path: {}}}
limits: {{batch_bytes_max: 8192, batch_events_max: 100}}
{}
",
        path("key"),
        path("ledger.db"),
        stores_and_maps.replace("DIR", &directory.path().display().to_string())
    );
    let written = Sources { yaml, overlays }.written::<Written>().unwrap();
    let settings = Settings::try_from_written(written).unwrap();
    let telemetry = Telemetry::install("test", &settings.telemetry).unwrap();
    let comparator = Comparator::build(settings, &telemetry).await.unwrap();
    let (grpc, http) = (comparator.grpc_address(), comparator.http_address());
    let stop = CancellationToken::new();
    let task = tokio::spawn(comparator.run(stop.clone()));
    let key_file = directory.path().join("key");
    let key = DeploymentKey::from_file("k1", &key_file).unwrap().tenant(&TenantName::default());
    Running { grpc, http, stop, task, key, directory }
}

/// An upload of an encoded batch, without number and clock readings.
pub(crate) fn seal(key: &TenantKey, batch: Bytes) -> wire::Upload {
    let signing = SigningKey::new([9; 32]);
    let mac = key.mac_key().mac(&batch);
    wire::Upload {
        batch,
        mac: Bytes::copy_from_slice(mac.as_bytes()),
        key_id: key.id().into(),
        tenant: key.name().to_string(),
        signature: Bytes::copy_from_slice(&signing.sign(Purpose::Batch, mac.as_bytes())),
        signer: Bytes::copy_from_slice(&signing.public()),
        ..Default::default()
    }
}

impl Running {
    /// Status and body of the answer.
    pub(crate) async fn get_text(&self, path: &str) -> (u16, String) {
        let Answer { status, body, .. } = self.ask("GET", path, "", "").await;
        (status, body)
    }

    /// The answer to a request with more `headers`, each a line.
    pub(crate) async fn ask(&self, method: &str, path: &str, headers: &str, body: &str) -> Answer {
        let mut stream = TcpStream::connect(self.http).await.unwrap();
        let length = body.len();
        // Of the older HTTP, so that a body is not sent in pieces.
        let head =
            format!("{method} {path} HTTP/1.0\r\nHost: test\r\nContent-Length: {length}\r\n{headers}\r\n");
        stream.write_all(format!("{head}{body}").as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        let (head, body) = response.split_once("\r\n\r\n").unwrap();
        let status = head.split(' ').nth(1).unwrap().parse().unwrap();
        Answer { status, head: head.to_ascii_lowercase(), body: body.to_owned() }
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
        drop(self.directory);
    }
}
