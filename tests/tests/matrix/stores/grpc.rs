//! Two reader services in front of the same rows, the second of which refuses until it is promoted.

use super::{Door, Opened, Row, Server, Trouble};
use counterfoil_proto::wire::store_entry::Found;
use counterfoil_proto::wire::store_reader_server::{StoreReader, StoreReaderServer};
use counterfoil_proto::wire::{
    ReadManyRequest, ReadManyResponse, ScanRequest, ScanResponse, StoreAbsent, StoreEntry, StoreValue,
};
use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::net::TcpListener;
use tokio::runtime::Handle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Code, Request, Response, Status};

#[derive(Clone, Default)]
struct Rows(Arc<Mutex<HashMap<Vec<u8>, Row>>>);

impl Rows {
    fn lock(&self) -> MutexGuard<'_, HashMap<Vec<u8>, Row>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

struct Service {
    rows: Rows,
    is_primary: Arc<AtomicBool>,
    refusal: Refusal,
}

/// What every question is refused with, if it is.
type Refusal = Arc<Mutex<Option<Code>>>;

struct Grpc {
    rows: Rows,
    is_promoted: Arc<AtomicBool>,
    refusal: Refusal,
}

pub(super) fn open(runtime: &Handle) -> Opened {
    let (rows, is_promoted) = (Rows::default(), Arc::new(AtomicBool::new(false)));
    let (always, refusal) = (Arc::new(AtomicBool::new(true)), Refusal::default());
    let serve = |is_primary: &Arc<AtomicBool>| {
        let (rows, is_primary, refusal) = (rows.clone(), Arc::clone(is_primary), Arc::clone(&refusal));
        let service = Service { rows, is_primary, refusal };
        let listener = runtime.block_on(TcpListener::bind(("127.0.0.1", 0))).expect("a free port");
        let url = format!("grpc://{}", listener.local_addr().expect("a bound listener has an address"));
        let server = tonic::transport::Server::builder().add_service(StoreReaderServer::new(service));
        runtime.spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
        url
    };
    let (primary, standby) = (serve(&always), serve(&is_promoted));
    let (door, url) = Door::before(&primary, Some(&standby), runtime);
    let server = Box::new(Grpc { rows, is_promoted, refusal });
    Opened { server, door, url, lookup: ("collection", "cart".to_owned()) }
}

impl Server for Grpc {
    fn set(&mut self, key: &str, row: Option<&Row>) {
        let mut rows = self.rows.lock();
        match row {
            Some(row) => rows.insert(key.into(), row.clone()),
            None => rows.remove(key.as_bytes()),
        };
    }

    fn promote(&mut self) {
        self.is_promoted.store(true, Ordering::Release);
    }

    fn troubles(&self) -> &'static [Trouble] {
        &[
            Trouble {
                what: "the right to read is taken away",
                begin: "PERMISSION_DENIED",
                end: "",
                told: ("down", "connect"),
            },
            Trouble {
                what: "the collection has another name",
                begin: "NOT_FOUND",
                end: "",
                told: ("refusing", "query"),
            },
        ]
    }

    fn execute(&mut self, statement: &str) {
        let code = match statement {
            "PERMISSION_DENIED" => Some(Code::PermissionDenied),
            "NOT_FOUND" => Some(Code::NotFound),
            _ => None,
        };
        *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) = code;
    }
}

#[tonic::async_trait]
impl StoreReader for Service {
    async fn read_many(
        &self,
        request: Request<ReadManyRequest>,
    ) -> Result<Response<ReadManyResponse>, Status> {
        if !self.is_primary.load(Ordering::Acquire) {
            return Err(Status::failed_precondition("not the primary"));
        }
        if let Some(code) = *self.refusal.lock().unwrap_or_else(PoisonError::into_inner) {
            return Err(Status::new(code, "refused"));
        }
        let rows = self.rows.lock();
        let entry = |key: bytes::Bytes| {
            let value = |Row { value, version }: &Row| {
                Found::Value(StoreValue { value: value.clone().into(), version: version.map(u64::from) })
            };
            let found = rows.get(&key[..]).map_or(Found::Absent(StoreAbsent {}), value);
            StoreEntry { key, found: Some(found) }
        };
        let entries = request.into_inner().keys.into_iter().map(entry).collect();
        Ok(Response::new(ReadManyResponse { entries }))
    }

    async fn scan(&self, _: Request<ScanRequest>) -> Result<Response<ScanResponse>, Status> {
        Err(Status::unimplemented("there is no scan"))
    }
}
