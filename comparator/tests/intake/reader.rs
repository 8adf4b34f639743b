//! The reader service that users copy, in front of rows of its own: it counts the keys that it is asked for, takes as long as
//! it is told, and is down, or gives another value each time, when it is told so.

use super::VERSION;
use counterfoil_proto::wire::StoreValue;
use counterfoil_proto::wire::store_entry::Found;
use counterfoil_proto::wire::store_reader_server::{StoreReader, StoreReaderServer};
use counterfoil_proto::wire::{ReadManyRequest, ReadManyResponse, ScanRequest, ScanResponse};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::Server;
use tonic::{Request, Response, Status};

#[allow(
    dead_code,
    unreachable_pub,
    clippy::disallowed_methods,
    reason = "an example is a program of its own"
)]
#[path = "../../examples/store_reader.rs"]
mod example;

/// Somebody else writes this key, and writes it back: only the second time that it is asked for it has another value.
pub(crate) const BUSY: &str = "busy";

/// What it was asked, and how slow it is.
#[derive(Default)]
pub(crate) struct Reader {
    keys: AtomicU64,
    disturbances: AtomicU64,
    delay_ms: AtomicU64,
    is_down: AtomicBool,
    is_noisy: AtomicBool,
}

impl Reader {
    /// Serves the row `v` for each of `keys` from a file in `folder`, for as long as the test runs. Gives the URL too.
    pub(crate) async fn serve(folder: &Path, keys: &[String]) -> (Arc<Self>, String) {
        let database = folder.join("shop.db");
        let mut file = rusqlite::Connection::open(&database).unwrap();
        file.execute("CREATE TABLE cart (key BLOB PRIMARY KEY, value BLOB, version INTEGER)", ()).unwrap();
        let rows = file.transaction().unwrap();
        let mut insert = rows.prepare("INSERT INTO cart VALUES (?1, ?2, ?3)").unwrap();
        for key in keys {
            insert.execute((key.as_bytes(), b"v", VERSION)).unwrap();
        }
        drop(insert);
        rows.commit().unwrap();
        let reader = Arc::new(Self::default());
        let service = Service { example: example::Service { database }, reader: Arc::clone(&reader) };
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("grpc://{}", listener.local_addr().unwrap());
        let server = Server::builder().add_service(StoreReaderServer::new(service));
        tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        (reader, url)
    }

    /// How many keys it was asked for.
    pub(crate) fn keys(&self) -> u64 {
        self.keys.load(Ordering::Relaxed)
    }

    /// From now on each answer takes so long.
    pub(crate) fn set_delay_ms(&self, delay_ms: u64) {
        self.delay_ms.store(delay_ms, Ordering::Relaxed);
    }

    /// From now on each value that it gives is a new one.
    pub(crate) fn be_noisy(&self) {
        self.is_noisy.store(true, Ordering::Relaxed);
    }

    /// An answer as it is while others write.
    fn disturbed(&self, mut answer: Response<ReadManyResponse>) -> Response<ReadManyResponse> {
        for entry in &mut answer.get_mut().entries {
            let Some(Found::Value(StoreValue { value, .. })) = &mut entry.found else { continue };
            if self.is_noisy.load(Ordering::Relaxed) {
                *value = self.disturbances.fetch_add(1, Ordering::Relaxed).to_string().into();
            } else if entry.key == BUSY.as_bytes() && self.disturbances.fetch_add(1, Ordering::Relaxed) == 1 {
                *value = "w".into();
            }
        }
        answer
    }

    /// Whether from now on nobody gets an answer.
    pub(crate) fn set_down(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::Relaxed);
    }
}

struct Service {
    example: example::Service,
    reader: Arc<Reader>,
}

#[tonic::async_trait]
impl StoreReader for Service {
    async fn read_many(
        &self,
        request: Request<ReadManyRequest>,
    ) -> Result<Response<ReadManyResponse>, Status> {
        self.reader.keys.fetch_add(request.get_ref().keys.len() as u64, Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(self.reader.delay_ms.load(Ordering::Relaxed))).await;
        match self.reader.is_down.load(Ordering::Relaxed) {
            true => Err(Status::unavailable("down")),
            false => Ok(self.reader.disturbed(self.example.read_many(request).await?)),
        }
    }

    async fn scan(&self, request: Request<ScanRequest>) -> Result<Response<ScanResponse>, Status> {
        self.example.scan(request).await
    }
}
