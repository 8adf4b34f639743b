//! Reads a Postgres server.
//!
//! Each connection is read-only (`default_transaction_read_only`), limits its statements to the read's own timeout, and
//! is refused if the server is a standby, whose answers may be old. A query is prepared once per connection and run in
//! one round trip, its keys bound as one array of whatever type the query's parameter has. Connect to the server
//! itself: a pooler in between may not keep prepared statements or the options of a connection.
//!
//! Values become bytes as follows: text types, enums and `json` as they are; `jsonb` as the server prints it; `bytea` as
//! its bytes; integers in decimal; booleans as `true` and `false`. Any other type has several forms as text, so the
//! query must choose one by a cast.

use super::gather::{Asked, integer};
use super::lookup::{KeyType, Lookup};
use super::pool::Pool;
use super::written::{Password, WrittenStore};
use super::{Answer, Found, KeyError, StoreError};
use bytes::Bytes;
use counterfoil_settings::Problems;
use std::collections::HashMap;
use std::error::Error as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_postgres::config::SslMode;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSql, Kind, ToSql, Type};
use tokio_postgres::{Client, Config, NoTls, Row, Statement};

/// Reads one Postgres server.
pub(super) struct Postgres {
    config: Config,
    password_file: Option<PathBuf>,
    pool: Pool<Session>,
}

/// A connection, its prepared queries, and the task that moves its bytes.
struct Session {
    client: Client,
    statements: HashMap<Arc<str>, Statement>,
    driver: JoinHandle<()>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Postgres({:?}, {:?})", self.config.get_hosts(), self.pool)
    }
}

impl Postgres {
    pub(super) fn new(
        written: &WrittenStore,
        timeout: Duration,
        concurrency: usize,
        problems: &mut Problems,
    ) -> Option<Self> {
        // The parser's own message may quote the password.
        let Ok(mut config) = written.url.expose().parse::<Config>() else {
            problems.add("url", "write postgres://user@host:port/database");
            return None;
        };
        if config.get_ssl_mode() == SslMode::Require {
            problems.add("url", "encrypted connections are not supported; remove sslmode=require");
            return None;
        }
        let limits = format!(
            "-c default_transaction_read_only=on -c statement_timeout={}",
            timeout.as_millis().max(1)
        );
        let options = config.get_options().map_or(limits.clone(), |options| format!("{options} {limits}"));
        config.options(options).connect_timeout(timeout);
        if config.get_application_name().is_none() {
            config.application_name("counterfoil");
        }
        Some(Self { config, password_file: written.password_file.clone(), pool: Pool::new(concurrency) })
    }

    pub(super) async fn read_many(&self, lookup: &Lookup, keys: &[Bytes]) -> Result<Vec<Answer>, StoreError> {
        let Lookup::Sql { query, key_type } = lookup else { return Err(Lookup::unfit()) };
        let lease = self.pool.lease().await;
        let alive = std::iter::from_fn(|| lease.take()).find(|session| !session.client.is_closed());
        let mut session = match alive {
            Some(session) => session,
            None => self.connect().await?,
        };
        match session.read(query, *key_type, keys).await {
            Ok(answers) => {
                lease.give_back(session);
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

    async fn connect(&self) -> Result<Session, StoreError> {
        let mut config = self.config.clone();
        if let Some(path) = &self.password_file {
            config.password(Password::read(path).await?.expose());
        }
        let (client, connection) = config.connect(NoTls).await.map_err(|error| classify(&error))?;
        // How the connection ends is told by the queries that it breaks.
        let driver = tokio::spawn(async { drop(connection.await) });
        let session = Session { client, statements: HashMap::new(), driver };
        let row = session.client.query_one("SELECT pg_is_in_recovery()", &[]).await;
        match row.and_then(|row| row.try_get(0)).map_err(|error| classify(&error))? {
            true => Err(StoreError::Standby),
            false => Ok(session),
        }
    }
}

impl Session {
    async fn read(
        &mut self,
        query: &Arc<str>,
        key_type: Option<KeyType>,
        keys: &[Bytes],
    ) -> Result<Vec<Answer>, StoreError> {
        let statement = self.prepared(query).await?;
        let parameter = Parameter::of(&statement, key_type)?;
        let columns = statement.columns();
        if !(2..=3).contains(&columns.len()) {
            return Err(StoreError::query(
                "it must give two or three columns: key, value and perhaps version",
            ));
        }
        let asked = Asked::new(keys, |key| parameter.check(key));
        let bound = parameter.bind(asked.keys());
        let rows = self.client.query(&statement, &[&*bound]).await.map_err(|error| classify(&error))?;
        let mut gathered = asked.gathered();
        for row in &rows {
            let key = column(row, 0)?.and_then(Result::ok);
            gathered.row(key.as_deref(), answer(row)?);
        }
        Ok(gathered.in_order())
    }

    async fn prepared(&mut self, query: &Arc<str>) -> Result<Statement, StoreError> {
        if let Some(statement) = self.statements.get(query) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(query).await.map_err(|error| classify(&error))?;
        self.statements.insert(Arc::clone(query), statement.clone());
        Ok(statement)
    }
}

/// The type of the array that the query takes its keys as.
enum Parameter {
    Text,
    Bytes,
    Int8,
    Int4,
    Int2,
}

impl Parameter {
    fn of(statement: &Statement, written: Option<KeyType>) -> Result<Self, StoreError> {
        let [array] = statement.params() else {
            return Err(StoreError::query("it must take one parameter, $1, the array of keys"));
        };
        let element = match array.kind() {
            Kind::Array(element) => element.name(),
            _ => "",
        };
        let (parameter, key_type) = match element {
            "text" | "varchar" | "bpchar" | "name" | "citext" => (Self::Text, KeyType::Text),
            "bytea" => (Self::Bytes, KeyType::Bytes),
            "int8" => (Self::Int8, KeyType::Integer),
            "int4" => (Self::Int4, KeyType::Integer),
            "int2" => (Self::Int2, KeyType::Integer),
            _ => {
                let cast = "must be an array of text, bytea or integers; cast it, as in $1::text[]::uuid[]";
                return Err(StoreError::query(format!("its parameter has type {array}; it {cast}")));
            }
        };
        match written {
            Some(written) if written != key_type => Err(StoreError::query(format!(
                "its parameter has type {array}, but key_type is {written:?}; remove key_type or cast $1"
            ))),
            _ => Ok(parameter),
        }
    }

    fn check(&self, key: &[u8]) -> Result<(), KeyError> {
        match self {
            Self::Text if key.contains(&0) => Err(KeyError::NotText),
            Self::Text => std::str::from_utf8(key).map(|_| ()).map_err(|_| KeyError::NotText),
            Self::Bytes => Ok(()),
            Self::Int8 => integer(key).map(|_| ()),
            Self::Int4 => {
                integer(key).and_then(|key| i32::try_from(key).map_err(|_| KeyError::NotInteger)).map(|_| ())
            }
            Self::Int2 => {
                integer(key).and_then(|key| i16::try_from(key).map_err(|_| KeyError::NotInteger)).map(|_| ())
            }
        }
    }

    /// The keys as one parameter; each passed the check, so none is left out.
    fn bind<'k>(&self, keys: &[&'k [u8]]) -> Box<dyn ToSql + Sync + Send + 'k> {
        let integers = || keys.iter().filter_map(|key| integer(key).ok());
        match self {
            Self::Text => {
                Box::new(keys.iter().filter_map(|key| std::str::from_utf8(key).ok()).collect::<Vec<_>>())
            }
            Self::Bytes => Box::new(keys.to_vec()),
            Self::Int8 => Box::new(integers().collect::<Vec<_>>()),
            Self::Int4 => Box::new(integers().filter_map(|key| i32::try_from(key).ok()).collect::<Vec<_>>()),
            Self::Int2 => Box::new(integers().filter_map(|key| i16::try_from(key).ok()).collect::<Vec<_>>()),
        }
    }
}

/// A column as it came over the wire, in Postgres's binary form.
struct Raw<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

/// A column as bytes to compare; `None` if it is null.
fn column(row: &Row, index: usize) -> Result<Option<Result<Vec<u8>, KeyError>>, StoreError> {
    let raw: Option<Raw<'_>> = row.try_get(index).map_err(|error| classify(&error))?;
    let Some(kind) = row.columns().get(index).map(tokio_postgres::Column::type_) else { return Ok(None) };
    Ok(raw.map(|Raw(raw)| {
        bytes_of(kind, raw).ok_or_else(|| KeyError::ValueType { found: kind.name().to_owned() })
    }))
}

fn bytes_of(kind: &Type, raw: &[u8]) -> Option<Vec<u8>> {
    if matches!(kind.kind(), Kind::Enum(_)) {
        return Some(raw.to_vec());
    }
    match kind.name() {
        "text" | "varchar" | "bpchar" | "name" | "citext" | "json" | "bytea" => Some(raw.to_vec()),
        // The binary form of jsonb is the number of its own version, 1, and then text.
        "jsonb" => raw.strip_prefix(&[1]).map(<[u8]>::to_vec),
        "bool" => Some(if raw == [0] { b"false".to_vec() } else { b"true".to_vec() }),
        _ => integer_of(kind, raw).map(|integer| integer.to_string().into_bytes()),
    }
}

fn integer_of(kind: &Type, raw: &[u8]) -> Option<i64> {
    match kind.name() {
        "int8" => raw.try_into().ok().map(i64::from_be_bytes),
        "int4" => raw.try_into().ok().map(i32::from_be_bytes).map(i64::from),
        "int2" => raw.try_into().ok().map(i16::from_be_bytes).map(i64::from),
        _ => None,
    }
}

fn answer(row: &Row) -> Result<Answer, StoreError> {
    let value = match column(row, 1)? {
        None => return Ok(Ok(Found::Absent)),
        Some(Err(error)) => return Ok(Err(error)),
        Some(Ok(value)) => value,
    };
    Ok(version(row)?.map(|version| Found::Value(value, version)))
}

fn version(row: &Row) -> Result<Result<Option<u64>, KeyError>, StoreError> {
    let Some(kind) = row.columns().get(2).map(tokio_postgres::Column::type_) else { return Ok(Ok(None)) };
    let raw: Option<Raw<'_>> = row.try_get(2).map_err(|error| classify(&error))?;
    let Some(Raw(raw)) = raw else { return Ok(Ok(None)) };
    let version = integer_of(kind, raw).and_then(|version| u64::try_from(version).ok());
    Ok(version.map(Some).ok_or(KeyError::Version))
}

/// The server's message is told only where it speaks of the connection or of the query's text: others quote data.
fn classify(error: &tokio_postgres::Error) -> StoreError {
    let Some(told) = error.as_db_error() else {
        return match error.source() {
            Some(cause) => StoreError::connect(format!("{error}: {cause}")),
            None => StoreError::connect(error),
        };
    };
    let code = told.code();
    if *code == SqlState::QUERY_CANCELED {
        return StoreError::Timeout;
    }
    match code.code().get(..2) {
        Some("08" | "28" | "3D" | "53" | "57") => {
            StoreError::connect(format!("{} ({})", told.message(), code.code()))
        }
        Some("42") => StoreError::query(format!("{} ({})", told.message(), code.code())),
        _ => StoreError::query(format!("SQLSTATE {}", code.code())),
    }
}
