//! Reads a Redis server: string values by one `MGET`, or fields of a hash by one `HMGET`, binary safe.
//!
//! One server, not a cluster. `MGET` tells a key that holds something other than a string as absent, and so do we: the
//! string that the map holds is indeed not there.

use super::lookup::Lookup;
use super::pool::Pool;
use super::written::{Password, WrittenStore};
use super::{Answer, Found, StoreError};
use bytes::Bytes;
use counterfoil_settings::Problems;
use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ConnectionAddr, ConnectionInfo, ErrorKind, IntoConnectionInfo,
    RedisError, ServerErrorKind, Value,
};
use std::path::PathBuf;
use std::time::Duration;

/// Reads one Redis server.
pub(super) struct Redis {
    place: ConnectionInfo,
    password_file: Option<PathBuf>,
    timeout: Duration,
    pool: Pool<MultiplexedConnection>,
}

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Redis({}, {:?})", self.place.addr(), self.pool)
    }
}

impl Redis {
    pub(super) fn new(
        written: &WrittenStore,
        timeout: Duration,
        concurrency: usize,
        problems: &mut Problems,
    ) -> Option<Self> {
        let Ok(place) = written.url.expose().into_connection_info() else {
            problems.add("url", "write redis://host:port/database or redis+unix:///path/of/socket");
            return None;
        };
        if matches!(place.addr(), ConnectionAddr::TcpTls { .. }) {
            problems.add("url", "encrypted connections are not supported; write redis:// for rediss://");
            return None;
        }
        Some(Self {
            place,
            password_file: written.password_file.clone(),
            timeout,
            pool: Pool::new(concurrency),
        })
    }

    pub(super) async fn read_many(&self, lookup: &Lookup, keys: &[Bytes]) -> Result<Vec<Answer>, StoreError> {
        let command = command(lookup, keys)?;
        let lease = self.pool.lease().await;
        let mut connection = match lease.take() {
            Some(connection) => connection,
            None => self.connect().await?,
        };
        let values = command.query_async(&mut connection).await.map_err(|error| classify(&error));
        match values.and_then(|values| answers(values, keys.len())) {
            Ok(answers) => {
                lease.give_back(connection);
                Ok(answers)
            }
            Err(error) => {
                if matches!(error, StoreError::Connect { .. }) {
                    lease.close_idle();
                }
                Err(error)
            }
        }
    }

    async fn connect(&self) -> Result<MultiplexedConnection, StoreError> {
        let mut place = self.place.clone();
        if let Some(path) = &self.password_file {
            let settings = place.redis_settings().clone().set_password(Password::read(path).await?.expose());
            place = place.set_redis_settings(settings);
        }
        // The reader's own timeout bounds the whole read.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.timeout))
            .set_response_timeout(None);
        let client = Client::open(place).map_err(|error| classify(&error))?;
        client.get_multiplexed_async_connection_with_config(&config).await.map_err(|error| classify(&error))
    }
}

fn command(lookup: &Lookup, keys: &[Bytes]) -> Result<Cmd, StoreError> {
    match lookup {
        Lookup::Prefix(prefix) => {
            let mut command = redis::cmd("MGET");
            for key in keys {
                command.arg([prefix.as_bytes(), key].concat());
            }
            Ok(command)
        }
        Lookup::Hash(hash) => {
            let mut command = redis::cmd("HMGET");
            command.arg(hash.as_bytes());
            for key in keys {
                command.arg(key.as_ref());
            }
            Ok(command)
        }
        Lookup::Sql { .. } => Err(Lookup::unfit()),
    }
}

fn answers(values: Value, keys: usize) -> Result<Vec<Answer>, StoreError> {
    let Value::Array(values) = values else { return Err(StoreError::query("the answer is not an array")) };
    if values.len() != keys {
        return Err(StoreError::query(format!("{} answers for {keys} keys", values.len())));
    }
    let answer = |value| match value {
        Value::Nil => Ok(Ok(Found::Absent)),
        Value::BulkString(value) => Ok(Ok(Found::Value(value, None))),
        _ => Err(StoreError::query("a value is neither a string nor absent")),
    };
    values.into_iter().map(answer).collect()
}

/// The server's message is not told: it may quote a key. Its code is.
fn classify(error: &RedisError) -> StoreError {
    let why = error.code().unwrap_or_else(|| error.category());
    match error.kind() {
        _ if error.is_timeout() => StoreError::Timeout,
        ErrorKind::Io => StoreError::connect(format!("{why}: {error}")),
        ErrorKind::AuthenticationFailed
        | ErrorKind::Server(ServerErrorKind::BusyLoading | ServerErrorKind::MasterDown)
        | ErrorKind::RESP3NotSupported => StoreError::connect(why),
        ErrorKind::Server(ServerErrorKind::Moved | ServerErrorKind::Ask | ServerErrorKind::CrossSlot) => {
            StoreError::query("the server is part of a cluster; only single servers are supported")
        }
        _ if matches!(why, "NOAUTH" | "WRONGPASS") => StoreError::connect(why),
        _ => StoreError::query(why),
    }
}
