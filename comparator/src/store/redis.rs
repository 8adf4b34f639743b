//! Reads a Redis server: string values by one `MGET`, or fields of a hash by one `HMGET`, binary safe.
//!
//! A cluster, written `redis+cluster://`, is asked through the library's own client: it finds out which node has which keys,
//! splits an `MGET` among them, and asks masters only. A cluster can be gone through by the fields of a hash, not by a prefix.
//! A replica, whose values may be old, says in its greeting that it is one, and is refused. Servers before 6.2 and some proxies
//! do not know the greeting.
//!
//! `MGET` tells a key that holds something other than a string as absent, and so do we: the
//! string that the map holds is indeed not there.

pub(super) mod change;
mod describe;
mod shared;
mod step;

use super::lookup::Lookup;
use super::scan::{Page, Scan};
use super::tls::Tls;
use super::written::{Password, WrittenStore};
use super::{Answer, Found, StoreError, fits};
use bytes::Bytes;
use counterfoil_settings::Problems;
use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClientBuilder;
use redis::cluster_async::ClusterConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo,
    RedisError, ServerErrorKind, Value,
};
use shared::{Shared, Use};
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;
use tokio::task::JoinHandle;

/// How the URL of a cluster begins.
const CLUSTER: &str = "redis+cluster://";

/// Reads one Redis server, or one cluster.
pub(super) struct Redis {
    place: ConnectionInfo,
    is_cluster: bool,
    password_file: Option<PathBuf>,
    timeout: Duration,
    shared: Shared,
    tls: Option<Tls>,
    value_bytes_max: usize,
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redis({})", self.place.addr())
    }
}

impl Redis {
    pub(super) fn new(written: &WrittenStore, timeout: Duration, problems: &mut Problems) -> Option<Self> {
        let Some(place) = place(written.url.expose()) else {
            let forms =
                "redis://host:port/database, redis+cluster://host:port or redis+unix:///path/of/socket";
            problems.add("url", format!("write {forms}"));
            return None;
        };
        let tls = Tls::asked_for(&written.url, written.tls.as_ref(), problems)?;
        let password_file = written.password_file.clone();
        let is_cluster = written.url.expose().starts_with(CLUSTER);
        let (shared, value_bytes_max) = (Shared::default(), written.value_bytes_max());
        Some(Self { place, is_cluster, password_file, timeout, shared, tls, value_bytes_max })
    }

    /// The command is made at once, whenever the read is then made.
    pub(super) fn read_many(
        &self,
        lookup: &Lookup,
        keys: &[Bytes],
    ) -> impl Future<Output = Result<Vec<Answer>, StoreError>> {
        let command = command(lookup, keys.iter().map(AsRef::as_ref));
        async move {
            let command = command?;
            let mut read = self.connection().await?;
            let values = read.connection.ask(&command).await;
            read.settle(values.and_then(|values| answers(values, keys.len(), self.value_bytes_max)))
        }
    }

    /// One step of a scan. Redis takes the limit as a hint, and may tell an entry again in a later step.
    pub(super) async fn scan(
        &self,
        scan: &Scan,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let cursor = cursor(after)?;
        let mut read = self.connection().await?;
        let (connection, value_bytes_max) = (&mut read.connection, self.value_bytes_max);
        let page = match scan.lookup() {
            Lookup::Prefix(_) if self.is_cluster => {
                Err(StoreError::query("a cluster is gone through by the fields of a hash, not by a prefix"))
            }
            Lookup::Prefix(prefix) => {
                step::of_strings(connection, prefix, (cursor, limit), value_bytes_max).await
            }
            Lookup::Hash(hash) => step::of_fields(connection, hash, (cursor, limit), value_bytes_max).await,
            Lookup::Sql { .. } | Lookup::Collection(_) => Err(Lookup::unfit()),
        };
        read.settle(page)
    }

    /// Whether keys are spread over several servers.
    pub(super) fn is_cluster(&self) -> bool {
        self.is_cluster
    }

    async fn connection(&self) -> Result<Use<'_>, StoreError> {
        self.shared.connection(self.connect()).await
    }

    async fn connect(&self) -> Result<Session, StoreError> {
        let mut place = self.place.clone();
        if let Some(path) = &self.password_file {
            let settings = place.redis_settings().clone().set_password(Password::read(path).await?.expose());
            place = place.set_redis_settings(settings);
        }
        // The reader's own timeout bounds the whole read.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(None);
        match &self.tls {
            _ if self.is_cluster => cluster(place, self.timeout).await,
            None => {
                let client = Client::open(place).map_err(|error| classify(&error))?;
                let connection = client.get_multiplexed_async_connection_with_config(&config).await;
                let connection = connection.map_err(|error| classify(&error))?;
                Session { connection: Connection::One(connection), driver: None }.of_primary().await
            }
            Some(tls) => encrypted(&place, tls, config).await,
        }
    }
}

/// What commands are sent through.
#[derive(Clone)]
enum Connection {
    One(MultiplexedConnection),
    Cluster(Box<ClusterConnection>),
}

impl Connection {
    async fn ask(&mut self, command: &Cmd) -> Result<Value, StoreError> {
        let told = match self {
            Self::One(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => command.query_async(&mut **connection).await,
        };
        told.map_err(|error| classify(&error))
    }
}

/// A connection, and the task that moves its bytes if that is not the library's own.
struct Session {
    connection: Connection,
    driver: Option<JoinHandle<()>>,
}

impl Session {
    /// The same, unless the server says that it is a replica. One that does not say is believed to be none.
    async fn of_primary(mut self) -> Result<Self, StoreError> {
        let greeting = self.connection.ask(&redis::cmd("HELLO")).await;
        let greeting: Option<HashMap<String, Value>> =
            greeting.ok().and_then(|told| redis::from_redis_value(told).ok());
        let role = greeting
            .and_then(|mut greeting| redis::from_redis_value::<String>(greeting.remove("role")?).ok());
        if role.as_deref() == Some("replica") { Err(StoreError::Standby) } else { Ok(self) }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(driver) = &self.driver {
            driver.abort();
        }
    }
}

async fn encrypted(
    place: &ConnectionInfo,
    tls: &Tls,
    config: AsyncConnectionConfig,
) -> Result<Session, StoreError> {
    let ConnectionAddr::Tcp(host, port) = place.addr() else {
        return Err(StoreError::connect("only a host and a port can be spoken to in TLS"));
    };
    let stream = tls.connect(host, *port, false).await?;
    let made = MultiplexedConnection::new_with_config(place.redis_settings(), stream, config).await;
    let (connection, driver) = made.map_err(|error| classify(&error))?;
    let driver = Some(tokio::spawn(driver));
    Session { connection: Connection::One(connection), driver }.of_primary().await
}

async fn cluster(place: ConnectionInfo, timeout: Duration) -> Result<Session, StoreError> {
    let client = ClusterClientBuilder::new([place]).connection_timeout(timeout).response_timeout(timeout);
    let client = client.build().map_err(|error| classify(&error))?;
    let connection = client.get_async_connection().await.map_err(|error| classify(&error))?;
    Ok(Session { connection: Connection::Cluster(Box::new(connection)), driver: None })
}

/// Where the server is. The library knows `rediss` only with a TLS of its own, and no scheme for clusters, so it is told the
/// plain one: how the connection is made is decided here.
fn place(url: &str) -> Option<ConnectionInfo> {
    let plain = match url.strip_prefix("rediss://").or_else(|| url.strip_prefix(CLUSTER)) {
        Some(rest) if rest.contains('#') => return None,
        Some(rest) => format!("redis://{rest}"),
        None => url.to_owned(),
    };
    plain.into_connection_info().ok()
}

/// The command that reads these keys.
fn command<'k>(lookup: &Lookup, keys: impl Iterator<Item = &'k [u8]>) -> Result<Cmd, StoreError> {
    match lookup {
        Lookup::Prefix(prefix) => {
            let mut command = redis::cmd("MGET");
            let mut name = Vec::from(prefix.as_bytes());
            for key in keys {
                name.truncate(prefix.len());
                name.extend_from_slice(key);
                command.arg(&name[..]);
            }
            Ok(command)
        }
        Lookup::Hash(hash) => {
            let mut command = redis::cmd("HMGET");
            command.arg(hash.as_bytes());
            for key in keys {
                command.arg(key);
            }
            Ok(command)
        }
        Lookup::Sql { .. } | Lookup::Collection(_) => Err(Lookup::unfit()),
    }
}

/// Where a scan goes on: Redis's own cursor.
fn cursor(after: Option<&[u8]>) -> Result<u64, StoreError> {
    let Some(after) = after else { return Ok(0) };
    let number = std::str::from_utf8(after).ok().and_then(|text| text.parse().ok());
    number.ok_or_else(|| StoreError::query("a scan of Redis goes on from a cursor, which is a number"))
}

fn answers(values: Value, keys: usize, value_bytes_max: usize) -> Result<Vec<Answer>, StoreError> {
    let Value::Array(values) = values else { return Err(StoreError::query("the answer is not an array")) };
    if values.len() != keys {
        return Err(StoreError::query(format!("{} answers for {keys} keys", values.len())));
    }
    let answer = |value| match value {
        Value::Nil => Ok(Ok(Found::Absent)),
        Value::BulkString(value) => Ok(found(value, value_bytes_max)),
        _ => Err(StoreError::query("a value is neither a string nor absent")),
    };
    values.into_iter().map(answer).collect()
}

fn found(value: Vec<u8>, value_bytes_max: usize) -> Answer {
    fits(value.len(), value_bytes_max).map(|()| Found::Value(value, None))
}

/// The server's message is not told: it may quote a key. Its code is.
fn classify(error: &RedisError) -> StoreError {
    let why = error.code().unwrap_or_else(|| error.category());
    match error.kind() {
        _ if error.is_timeout() => StoreError::Timeout,
        ErrorKind::Io => StoreError::connect(format!("{why}: {error}")),
        ErrorKind::AuthenticationFailed
        | ErrorKind::Server(
            ServerErrorKind::BusyLoading | ServerErrorKind::ClusterDown | ServerErrorKind::MasterDown,
        )
        | ErrorKind::RESP3NotSupported => StoreError::connect(why),
        ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask | ServerErrorKind::CrossSlot) => {
            StoreError::query("the server is part of a cluster; write redis+cluster:// in url")
        }
        _ if matches!(why, "NOAUTH" | "WRONGPASS") => StoreError::connect(why),
        _ => StoreError::query(why),
    }
}
