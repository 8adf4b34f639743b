//! Reads a MySQL or MariaDB server.
//!
//! Each connection is read-only (`SET SESSION TRANSACTION READ ONLY`), limits its statements to the read's own timeout
//! (`max_statement_time`, on MySQL `max_execution_time`), speaks utf8mb4 and UTC, and is refused if the server says that
//! it is read-only, as replicas should. A replica that takes writes (`read_only=0`) cannot be told from a primary without
//! further rights; and no lag of a Galera node is seen.
//!
//! The one `?` of a query becomes as many as there are keys, rounded up to a power of two by repeating the last key, so
//! that few statements are prepared; they are kept with the connection.
//!
//! # Collations
//!
//! A server compares text as the column's collation says, which mostly ignores case, accents or spaces at the end. A row
//! that comes back under another spelling is never taken for the key that was asked for. But where the map tells two keys
//! apart that are one to the server, the store cannot hold both: give key columns a binary collation, such as `utf8mb4_bin`.
//!
//! # Values
//!
//! Text, `ENUM`, `SET` and `JSON` are what the server sends; binary types their bytes; integers, `YEAR` and `BIT`
//! decimal. As columns of an object the other types have a form too. `TINYINT(1)` is an integer, not a boolean; `JSON` of
//! MariaDB is text, since the server keeps it as such; `TIMESTAMP` is in UTC, `DATETIME` in no zone; a date with a zero
//! in it has no form.

mod cell;
pub(super) mod change;
mod describe;
mod expand;
mod grants;
mod question;

use super::lookup::Lookup;
use super::pool::{Lease, Pool};
use super::scan::{Page, Scan};
use super::tls::{Tls, WrittenStoreCertificate, WrittenStoreTls};
use super::written::{Password, WrittenStore};
use super::{Answer, StoreError};
use bytes::Bytes;
use counterfoil_settings::Problems;
use mysql_async::prelude::Queryable;
use mysql_async::{ClientIdentity, Column, Conn, Error, Opts, OptsBuilder, Row, ServerError, SslOpts, Value};
use question::Question;
use std::path::PathBuf;
use std::task::{Context, Waker};
use std::time::Duration;
use tokio_stream::StreamExt;

/// Most prepared statements of a connection: one for each power of two up to the largest batch, of a dozen maps.
const STATEMENTS_MAX: usize = 192;

/// How long a connection that says nothing is believed to be alive.
const KEEPALIVE: Duration = Duration::from_secs(15);

/// Reads one MySQL or MariaDB server.
pub(super) struct Mysql {
    options: Opts,
    tls: Option<Tls>,
    password_file: Option<PathBuf>,
    timeout: Duration,
    pool: Pool<Session>,
    value_bytes_max: usize,
}

impl std::fmt::Debug for Mysql {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Mysql({}:{}, {:?})", self.options.ip_or_hostname(), self.options.tcp_port(), self.pool)
    }
}

impl Mysql {
    pub(super) fn new(written: &WrittenStore, timeout: Duration, problems: &mut Problems) -> Option<Self> {
        let Some(options) = options(written) else {
            problems.add("url", "write mysql://user@host:port/database, without parameters");
            return None;
        };
        let tls = Tls::asked_for(&written.url, written.tls.as_ref(), problems)?;
        let password_file = written.password_file.clone();
        let (pool, value_bytes_max) = (Pool::new(), written.value_bytes_max());
        Some(Self { options, tls, password_file, timeout, pool, value_bytes_max })
    }

    pub(super) async fn read_many(&self, lookup: &Lookup, keys: &[Bytes]) -> Result<Vec<Answer>, StoreError> {
        let question = Question::of(lookup, self.value_bytes_max)?;
        let (lease, mut session) = self.session().await?;
        let answers = question.look_up(&mut session, keys).await;
        lease.settle(session, answers)
    }

    pub(super) async fn scan(
        &self,
        scan: &Scan,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let question = Question::of(scan.lookup(), self.value_bytes_max)?;
        let (lease, mut session) = self.session().await?;
        let page = question.page(&mut session, after, limit).await;
        lease.settle(session, page)
    }

    async fn session(&self) -> Result<(Lease<Session>, Session), StoreError> {
        self.pool.connection(|_| true, self.connect()).await
    }

    async fn connect(&self) -> Result<Session, StoreError> {
        let mut options = OptsBuilder::from_opts(self.options.clone());
        if let Some(path) = &self.password_file {
            options = options.pass(Some(Password::read(path).await?.expose()));
        }
        if let Some(tls) = &self.tls {
            options = options.ssl_opts(encryption(tls).await?);
        }
        let connection = Conn::new(options).await.map_err(|error| classify(&error))?;
        let mut session = Session(Some(connection));
        session.prepare(self.timeout).await?;
        Ok(session)
    }
}

/// The library's options for `written`; `None` if its URL is not one of them. The parser's own message may quote it.
fn options(written: &WrittenStore) -> Option<Opts> {
    let (_, place) = written.url.expose().split_once("://")?;
    if place.contains('?') {
        return None;
    }
    let options = Opts::from_url(&format!("mysql://{place}")).ok()?;
    if options.ip_or_hostname().is_empty() {
        return None;
    }
    // A server that is called by its address must not be left for a socket that it names.
    let options = OptsBuilder::from_opts(options).prefer_socket(false).tcp_nodelay(true);
    Some(options.tcp_keepalive(Some(KEEPALIVE)).stmt_cache_size(STATEMENTS_MAX).into())
}

/// The library makes its own of the files; they are looked at here first, for errors that name them.
async fn encryption(tls: &Tls) -> Result<SslOpts, StoreError> {
    tls.config(false).await?;
    let WrittenStoreTls { ca_file, name, certificate } = tls.written().clone();
    let identity = certificate.map(|WrittenStoreCertificate { chain_file, key_file }| {
        ClientIdentity::new(chain_file.into(), key_file.into())
    });
    let options = SslOpts::default()
        .with_disable_built_in_roots(true)
        .with_root_certs(vec![ca_file.into()])
        .with_client_identity(identity);
    Ok(options.with_danger_tls_hostname_override(name))
}

/// A connection; `None` only while it is dropped.
struct Session(Option<Conn>);

impl Drop for Session {
    /// Says goodbye, if that takes no waiting, and closes the socket. Left to itself the library would read what is still
    /// to come of an answer in a task of its own, for as long as the server likes.
    fn drop(&mut self) {
        if let Some(connection) = self.0.take() {
            let mut goodbye = std::pin::pin!(connection.disconnect());
            _ = goodbye.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        }
    }
}

impl Session {
    /// Makes it read-only and bounded in time.
    async fn prepare(&mut self, timeout: Duration) -> Result<(), StoreError> {
        let told = self.connection()?.query_first("SELECT VERSION(), CAST(@@GLOBAL.read_only AS CHAR)").await;
        let (version, read_only): (String, String) = told
            .map_err(|error| classify(&error))?
            .ok_or_else(|| StoreError::query("the server does not say what it is"))?;
        if !matches!(read_only.as_str(), "0" | "OFF") {
            return Err(StoreError::Standby);
        }
        let limit = if version.contains("MariaDB") {
            format!("max_statement_time={}", timeout.as_secs_f64())
        } else {
            format!("max_execution_time={}", timeout.as_millis().max(1))
        };
        for setting in ["TRANSACTION READ ONLY", &limit, "time_zone='+00:00'"] {
            let set = self.connection()?.query_drop(format!("SET SESSION {setting}")).await;
            set.map_err(|error| classify(&error))?;
        }
        Ok(())
    }

    fn connection(&mut self) -> Result<&mut Conn, StoreError> {
        self.0.as_mut().ok_or_else(|| StoreError::connect("closed"))
    }

    /// Asks; `begin` is told the columns, and what it makes of them comes with each row to `take`, as soon as that is there: a
    /// row that is too large is let go of before the next one comes.
    async fn ask<T>(
        &mut self,
        query: String,
        values: Vec<Value>,
        begin: impl FnOnce(&[Column]) -> Result<T, StoreError>,
        mut take: impl FnMut(&T, &Row) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let connection = self.connection()?;
        let statement = connection.prep(query).await.map_err(|error| classify(&error))?;
        if usize::from(statement.num_params()) != values.len() {
            let why = "it must take one parameter, IN (?), or as a scan two: a key and the limit";
            return Err(StoreError::query(why));
        }
        let answer = connection.exec_iter(&statement, values).await.map_err(|error| classify(&error))?;
        let rows = answer.stream_and_drop::<Row>().await.map_err(|error| classify(&error))?;
        let Some(mut rows) = rows else { return begin(&statement.columns()).map(|_| ()) };
        // After a change of the table the answer knows better than the statement what its columns are.
        let begun = begin(rows.columns_ref())?;
        while let Some(row) = rows.try_next().await.map_err(|error| classify(&error))? {
            take(&begun, &row)?;
        }
        Ok(())
    }
}

/// The server's message is told only where it speaks of the connection or of the query's text: others quote data.
fn classify(error: &Error) -> StoreError {
    match error {
        Error::Server(told) => classify_server(told),
        Error::Io(error) => StoreError::connect(error),
        Error::Driver(error) => StoreError::connect(error),
        Error::Url(_) | Error::Other(_) => StoreError::connect("the driver refused it"),
    }
}

fn classify_server(told: &ServerError) -> StoreError {
    let ServerError { code, message, state } = told;
    match code {
        // Interrupted; max_statement_time; max_execution_time; a lock that was not to be had in time.
        1317 | 1969 | 3024 | 1205 => StoreError::Timeout,
        // A row that changed since the look, a duplicate key, a deadlock.
        1020 | 1062 | 1213 => StoreError::Conflict,
        // Too many connections, no access, no such database, shutting down, blocked host, quota, killed.
        1040 | 1044 | 1045 | 1049 | 1053 | 1129 | 1130 | 1203 | 1226 | 1698 | 1927 | 3159 => {
            StoreError::connect(format!("{message} ({code})"))
        }
        _ if state.starts_with("08") => StoreError::connect(format!("{message} ({code})")),
        // A collation that does not fit quotes nothing either.
        _ if state.starts_with("42") || *code == 1267 => StoreError::query(format!("{message} ({code})")),
        _ => StoreError::query(format!("error {code}, SQLSTATE {state}")),
    }
}
