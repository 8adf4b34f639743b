//! A comparator of one map over an SQLite file, in this process, and questions to it over HTTP.
#![allow(clippy::unwrap_used, reason = "a test may panic")]

use counterfoil_comparator::Comparator;
use counterfoil_comparator::config::{Settings, Written};
use counterfoil_digest::DeploymentKey;
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
    pub(crate) key: DeploymentKey,
    pub(crate) directory: TempDir,
}

pub(crate) async fn start() -> Running {
    let directory = tempfile::tempdir().unwrap();
    let key_file = directory.path().join("key");
    std::fs::write(&key_file, "0f".repeat(32)).unwrap();
    let path = |name: &str| directory.path().join(name).display().to_string();
    let store = rusqlite::Connection::open(path("store.db")).unwrap();
    store
        .execute_batch(
            "PRAGMA journal_mode=WAL; CREATE TABLE cart (k TEXT PRIMARY KEY, v BLOB, version INTEGER)",
        )
        .unwrap();
    let yaml = format!(
        "kind: comparator
listen: {{grpc: '127.0.0.1:0', http: '127.0.0.1:0', insecure: true}}
key: {{id: k1, file: {}}}
stores: {{main: {{url: 'sqlite://{}'}}}}
maps: [{{name: cart, store: main, query: 'SELECT k, v, version FROM cart WHERE k IN rarray(?1)', deadline_ms: 300}}]
ledger: {{path: {}}}
limits: {{batch_bytes_max: 8192, batch_events_max: 100}}
",
        path("key"),
        path("store.db"),
        path("ledger.db")
    );
    let written = Sources { yaml, overlays: Vec::new() }.written::<Written>().unwrap();
    let settings = Settings::try_from_written(written).unwrap();
    let telemetry = Telemetry::install("test", &settings.telemetry).unwrap();
    let comparator = Comparator::build(settings, &telemetry).await.unwrap();
    let (grpc, http) = (comparator.grpc_address(), comparator.http_address());
    let stop = CancellationToken::new();
    let task = tokio::spawn(comparator.run(stop.clone()));
    let key = DeploymentKey::from_file("k1", &key_file).unwrap();
    Running { grpc, http, stop, task, key, directory }
}

impl Running {
    /// Status and body of the answer.
    pub(crate) async fn get_text(&self, path: &str) -> (u16, String) {
        let mut stream = TcpStream::connect(self.http).await.unwrap();
        let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut response = String::new();
        stream.read_to_string(&mut response).await.unwrap();
        let status = response.split(' ').nth(1).unwrap().parse().unwrap();
        (status, response.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    pub(crate) async fn stop(self) {
        self.stop.cancel();
        self.task.await.unwrap();
        drop(self.directory);
    }
}
