//! Reads whatever the user's own reader service reads: `counterfoil.v1.StoreReader` over gRPC.
//!
//! The service's contract is written in `proto/counterfoil/v1/store.proto`. Each place of the pool is a connection of its
//! own, so that a service behind a balancer by connections gets its share.

mod describe;

use super::gather::Asked;
use super::lookup::Lookup;
use super::pool::{Lease, Pool};
use super::scan::{Page, Scan};
use super::tls::{Called, Tls};
use super::written::{Password, WrittenStore};
use super::{Answer, Found, KeyError, StoreError, fits};
use bytes::Bytes;
use counterfoil_proto::wire::store_entry;
use counterfoil_proto::wire::store_reader_client::StoreReaderClient;
use counterfoil_proto::wire::{ReadManyRequest, ScanRequest, StoreEntry, StoreValue};
use counterfoil_settings::Problems;
use std::error::Error;
use std::path::PathBuf;
use std::time::Duration;
use tonic::metadata::AsciiMetadataValue;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status, TimeoutExpired};
use url::Url;

/// Largest answer, in bytes; the .proto file tells it.
const ANSWER_BYTES_MAX: usize = 16 << 20;
/// Longest cursor of a scan, in bytes; the .proto file tells it.
const CURSOR_BYTES_MAX: usize = 4096;
/// Longest name of an error, in bytes; the .proto file tells it.
const ERROR_BYTES_MAX: usize = 64;

/// Asks one reader service.
pub(super) struct Grpc {
    host: String,
    port: u16,
    tls: Option<Tls>,
    password_file: Option<PathBuf>,
    timeout: Duration,
    pool: Pool<Client>,
    value_bytes_max: usize,
}

type Client = StoreReaderClient<Channel>;

impl std::fmt::Debug for Grpc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Grpc({}:{}, {:?})", self.host, self.port, self.pool)
    }
}

impl Grpc {
    pub(super) fn new(written: &WrittenStore, timeout: Duration, problems: &mut Problems) -> Option<Self> {
        let Some((host, port)) = place(written.url.expose()) else {
            problems.add("url", "write grpc://host:port or grpcs://host:port, and nothing after it");
            return None;
        };
        let tls = Tls::asked_for(&written.url, written.tls.as_ref(), problems)?;
        let password_file = written.password_file.clone();
        let (pool, value_bytes_max) = (Pool::new(), written.value_bytes_max());
        Some(Self { host, port, tls, password_file, timeout, pool, value_bytes_max })
    }

    pub(super) async fn read_many(&self, lookup: &Lookup, keys: &[Bytes]) -> Result<Vec<Answer>, StoreError> {
        let collection = collection(lookup)?;
        let asked = Asked::new(keys, |_| Ok(()));
        let unique: Vec<_> = asked.keys().iter().map(|key| Bytes::copy_from_slice(key)).collect();
        let request = self.request(ReadManyRequest { collection, keys: unique.clone() }).await?;
        let (lease, mut client) = self.client().await?;
        let told = client.read_many(request).await.map_err(|status| classify(&status));
        let entries = lease.settle(client, told)?.into_inner().entries;
        if entries.len() != unique.len() {
            let (entries, keys) = (entries.len(), unique.len());
            return Err(StoreError::query(format!("{entries} entries for {keys} keys")));
        }
        let mut gathered = asked.gathered();
        for (key, entry) in unique.iter().zip(entries) {
            let is_its_own = entry.key.is_empty() || entry.key == *key;
            gathered.row(is_its_own.then_some(key), self.answer(entry));
        }
        Ok(gathered.in_order())
    }

    pub(super) async fn scan(
        &self,
        scan: &Scan,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let collection = collection(scan.lookup())?;
        let after = after.map_or_else(Bytes::new, Bytes::copy_from_slice);
        let question =
            ScanRequest { collection, after: after.clone(), limit: u32::try_from(limit).unwrap_or(u32::MAX) };
        let request = self.request(question).await?;
        let (lease, mut client) = self.client().await?;
        let told = client.scan(request).await.map_err(|status| classify(&status));
        let told = lease.settle(client, told)?.into_inner();
        if told.entries.len() > limit.saturating_mul(2) || told.next.len() > CURSOR_BYTES_MAX {
            return Err(StoreError::query("the answer to a scan is longer than the limit allows"));
        }
        if !told.next.is_empty() && told.next == after {
            return Err(StoreError::query(
                "the scan does not get on: next is what it was asked to go on from",
            ));
        }
        let rows = told.entries.into_iter().map(|entry| (entry.key.to_vec(), self.answer(entry))).collect();
        Ok(Page { rows, next: (!told.next.is_empty()).then(|| told.next.to_vec()) })
    }

    fn answer(&self, entry: StoreEntry) -> Answer {
        match entry.found {
            Some(store_entry::Found::Absent(_)) => Ok(Found::Absent),
            Some(store_entry::Found::Value(StoreValue { value, version })) => {
                fits(value.len(), self.value_bytes_max)?;
                Ok(Found::Value(value.to_vec(), version))
            }
            Some(store_entry::Found::Error(error)) => Err(KeyError::Refused { why: named(error) }),
            None => Err(KeyError::Refused { why: "nothing_said".into() }),
        }
    }

    async fn client(&self) -> Result<(Lease<Client>, Client), StoreError> {
        self.pool.connection(|_| true, self.connect()).await
    }

    async fn connect(&self) -> Result<Client, StoreError> {
        // The connector speaks TLS, if it is to be spoken; the address says where the requests go.
        let address = format!("http://{}:{}", self.host, self.port);
        let endpoint = Endpoint::from_shared(address).map_err(|_| StoreError::connect("no such host"))?;
        let channel = match &self.tls {
            None => endpoint.connect().await,
            Some(tls) => endpoint.connect_with_connector(Called::new(tls, &self.host, self.port)).await,
        };
        let channel = channel.map_err(|error| StoreError::connect(causes(&error)))?;
        Ok(StoreReaderClient::new(channel).max_decoding_message_size(ANSWER_BYTES_MAX))
    }

    async fn request<T>(&self, message: T) -> Result<Request<T>, StoreError> {
        let mut request = Request::new(message);
        request.set_timeout(self.timeout);
        if let Some(path) = &self.password_file {
            let token = format!("Bearer {}", Password::read(path).await?.expose());
            let mut token: AsciiMetadataValue = token
                .parse()
                .map_err(|_| StoreError::connect("password_file holds more than one line of ASCII"))?;
            token.set_sensitive(true);
            request.metadata_mut().insert("authorization", token);
        }
        Ok(request)
    }
}

fn place(url: &str) -> Option<(String, u16)> {
    let url = Url::parse(url).ok()?;
    let is_bare = matches!(url.path(), "" | "/")
        && url.query().is_none()
        && url.username().is_empty()
        && url.password().is_none();
    let host = url.host_str().filter(|host| is_bare && !host.is_empty())?;
    Some((host.to_owned(), url.port()?))
}

fn collection(lookup: &Lookup) -> Result<String, StoreError> {
    match lookup {
        Lookup::Collection(collection) => Ok(collection.to_string()),
        Lookup::Sql { .. } | Lookup::Prefix(_) | Lookup::Hash(_) => Err(Lookup::unfit()),
    }
}

/// The service's name of an error, unless it may be data.
fn named(error: String) -> String {
    let is_name = (1..=ERROR_BYTES_MAX).contains(&error.len())
        && error.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
    if is_name { error } else { "error_without_a_name".into() }
}

/// The service's own message is not told: it may quote data.
fn classify(status: &Status) -> StoreError {
    // A status that this side made of a broken connection has a cause; one that the service sent has none.
    if let Some(cause) = status.source() {
        let is_timeout = chain(cause).any(<dyn Error>::is::<TimeoutExpired>);
        return if is_timeout { StoreError::Timeout } else { StoreError::connect(causes(cause)) };
    }
    let code = status.code();
    match code {
        Code::DeadlineExceeded => StoreError::Timeout,
        Code::FailedPrecondition => StoreError::Standby,
        Code::Unavailable | Code::Unauthenticated | Code::PermissionDenied => {
            StoreError::connect(format!("the service says {code:?}"))
        }
        // The first is what this side makes of an answer without bounds.
        Code::OutOfRange | Code::ResourceExhausted => StoreError::query(format!(
            "the answer is larger than {ANSWER_BYTES_MAX} bytes, or the service has too much to do ({code:?}); lower \
             keys_per_read_max"
        )),
        _ => StoreError::query(format!("the service says {code:?}")),
    }
}

/// An error and what it came from, which is where a refused connection or certificate stands.
fn chain<'e>(error: &'e (dyn Error + 'static)) -> impl Iterator<Item = &'e (dyn Error + 'static)> {
    std::iter::successors(Some(error), |&error| error.source())
}

fn causes(error: &(dyn Error + 'static)) -> String {
    chain(error).map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
