//! A reader service: lets a comparator read a store that it does not know. Copy it and put your own store behind it.
//!
//! It reads an SQLite file here, each collection from a table of its own with the columns `key`, `value` and `version`. The
//! rules that make its answers true stand in `counterfoil/v1/store.proto`. Run it with
//! `cargo run --example store_reader -- 127.0.0.1:7500 shop.db`; the comparator's configuration then says
//!
//! ```yaml
//! stores:
//!   shop: { url: "grpc://127.0.0.1:7500" }
//! maps:
//!   - { name: cart, store: shop, collection: cart, codec: text }
//! ```

use counterfoil_proto::wire::store_entry::Found;
use counterfoil_proto::wire::store_reader_server::{StoreReader, StoreReaderServer};
use counterfoil_proto::wire::{
    ReadManyRequest, ReadManyResponse, ScanRequest, ScanResponse, StoreAbsent, StoreEntry, StoreValue,
};
use rusqlite::{Connection, OpenFlags, Row, ToSql, params_from_iter};
use std::collections::HashMap;
use std::error::Error;
use std::path::PathBuf;
use tonic::{Request, Response, Status};

/// What may be read: a collection's name and its table, so that no question can name another one.
const TABLES: [(&str, &str); 1] = [("cart", "cart")];
/// Most keys of one question, and most entries of one answer.
const KEYS_MAX: usize = 10_000;
/// Largest value, in bytes.
const VALUE_BYTES_MAX: usize = 1 << 20;

/// Answers from an SQLite file.
pub struct Service {
    /// The file.
    pub database: PathBuf,
}

#[tonic::async_trait]
impl StoreReader for Service {
    async fn read_many(
        &self,
        request: Request<ReadManyRequest>,
    ) -> Result<Response<ReadManyResponse>, Status> {
        let ReadManyRequest { collection, keys } = request.into_inner();
        if keys.len() > KEYS_MAX {
            return Err(Status::invalid_argument("too many keys"));
        }
        let marks = vec!["?"; keys.len()].join(", ");
        let query = format!("SELECT key, value, version FROM {} WHERE key IN ({marks})", table(&collection)?);
        let parameters: Vec<Vec<u8>> = keys.iter().map(|key| key.to_vec()).collect();
        let rows = self.rows(query, parameters).await?;
        let mut found: HashMap<_, _> = rows.into_iter().map(|entry| (entry.key.clone(), entry)).collect();
        let absent = |key| StoreEntry { key, found: Some(Found::Absent(StoreAbsent {})) };
        let entries = keys.into_iter().map(|key| found.remove(&key).unwrap_or_else(|| absent(key)));
        Ok(Response::new(ReadManyResponse { entries: entries.collect() }))
    }

    async fn scan(&self, request: Request<ScanRequest>) -> Result<Response<ScanResponse>, Status> {
        let ScanRequest { collection, after, limit } = request.into_inner();
        // The place to go on is the last key, behind a byte that tells it from the beginning.
        let (order, from) = match after.split_first() {
            None => (">=", Vec::new()),
            Some((_, key)) => (">", key.to_vec()),
        };
        let limit = usize::try_from(limit).unwrap_or(KEYS_MAX).clamp(1, KEYS_MAX);
        let query = format!(
            "SELECT key, value, version FROM {} WHERE key {order} ? ORDER BY key LIMIT {limit}",
            table(&collection)?
        );
        let entries = self.rows(query, vec![from]).await?;
        let last = entries.last().filter(|_| entries.len() == limit);
        let next = last.map(|entry| [b"k", entry.key.as_ref()].concat()).unwrap_or_default();
        Ok(Response::new(ScanResponse { entries, next: next.into() }))
    }
}

impl Service {
    /// The rows of a query. An error is never told as absence: the call fails, and the comparator asks again.
    async fn rows(
        &self,
        query: String,
        parameters: Vec<impl ToSql + Send + 'static>,
    ) -> Result<Vec<StoreEntry>, Status> {
        let database = self.database.clone();
        let read = move || {
            let connection = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY)?;
            let mut statement = connection.prepare(&query)?;
            let rows = statement.query_map(params_from_iter(parameters), entry)?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        };
        let unreadable = || Status::unavailable("the database cannot be read now");
        tokio::task::spawn_blocking(read).await.map_err(|_| unreadable())?.map_err(|_| unreadable())
    }
}

fn entry(row: &Row<'_>) -> rusqlite::Result<StoreEntry> {
    let key: Vec<u8> = row.get(0)?;
    let found = match row.get::<_, Option<Vec<u8>>>(1)? {
        None => Found::Absent(StoreAbsent {}),
        Some(value) if value.len() > VALUE_BYTES_MAX => Found::Error("value_too_large".into()),
        Some(value) => {
            let version = row.get::<_, Option<i64>>(2)?.and_then(|version| u64::try_from(version).ok());
            Found::Value(StoreValue { value: value.into(), version })
        }
    };
    Ok(StoreEntry { key: key.into(), found: Some(found) })
}

fn table(collection: &str) -> Result<&'static str, Status> {
    let table = TABLES.iter().find(|(name, _)| *name == collection);
    table.map(|(_, table)| *table).ok_or_else(|| Status::not_found("no such collection"))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (Some(address), Some(database)) = (arguments.next(), arguments.next()) else {
        return Err("usage: store_reader ADDRESS:PORT DATABASE".into());
    };
    let service = StoreReaderServer::new(Service { database: database.into() });
    // For callers of other machines: put TLS in front of it, and write grpcs:// in the url.
    tonic::transport::Server::builder().add_service(service).serve(address.parse()?).await?;
    Ok(())
}
