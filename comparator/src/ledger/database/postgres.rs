//! A schema in a Postgres database.
//!
//! Whoever waits for an answer does so on a thread of its own, so that what reads and writes the ledger is written once; a
//! runtime beside it moves the bytes. Each connection is a session of its own, so connect to the server itself or to a pooler
//! that keeps sessions.
//!
//! # Invariants
//!
//! - A transaction that writes begins with `pg_advisory_xact_lock`, so that they follow one another whichever comparator they
//!   come from.
//! - Whoever holds `pg_try_advisory_lock` on a session for it leads: see [`super::super::lead`].
//! - A comparator that falls silent holds either lock for [`SILENCE`] at most: the server ends its session after that.
//! - Text has no NUL, which the server cannot hold: U+FFFD stands in its place.

use super::dialect;
use super::{DatabaseError, ToSql};
use crate::store::{Dial, StoreError, StoreUrl, WrittenStoreTls, classify};
use bytes::BytesMut;
use counterfoil_settings::Problems;
use rusqlite::types::{ToSqlOutput, ValueRef};
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::time::Duration;
use tokio::runtime::{Handle, Runtime};
use tokio_postgres::types::{FromSql, IsNull, ToSql as ToServer, Type, to_sql_checked};
use tokio_postgres::{Client, Statement};
use tokio_stream::StreamExt;

/// How long connecting may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long a statement may take, waiting for the lock included.
const STATEMENT_WITHIN: Duration = Duration::from_secs(30);
/// How long the answer is waited for: longer, so that the server's own word comes first.
const ANSWER_WITHIN: Duration = Duration::from_secs(40);
/// How soon whoever leads has to hear that he still does.
const LEAD_WITHIN: Duration = Duration::from_secs(5);
/// How long the server believes in a session that says nothing in the middle of something.
const SILENCE: Duration = Duration::from_secs(25);
/// Prepared statements of a connection.
const STATEMENTS_MAX: usize = 512;

/// Classes of the advisory locks; the schema's number is the other half of each.
const WRITERS: i32 = 0x6366_7772;
const LEADER: i32 = 0x6366_6c64;

const _: () = assert!(STATEMENT_WITHIN.as_secs() < ANSWER_WITHIN.as_secs(), "the server speaks first");
const _: () = assert!(LEAD_WITHIN.as_secs() < SILENCE.as_secs(), "who leads knows first that he does not");

/// What moves the bytes of connections.
pub(super) fn runtime() -> std::io::Result<Runtime> {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).thread_name("ledger-postgres").enable_all().build()
}

/// A schema in a database, and how it is connected to.
#[derive(Debug)]
pub struct Server {
    dial: Dial,
    url: StoreUrl,
    schema: String,
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, schema {}", self.url, self.schema)
    }
}

/// What a connection is for.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Purpose {
    Write,
    Read,
    Lead,
}

impl Server {
    /// The schema of this name in the database at `url`.
    pub(crate) fn new(
        url: StoreUrl,
        tls: Option<&WrittenStoreTls>,
        password_file: Option<PathBuf>,
        schema: &str,
        problems: &mut Problems,
    ) -> Option<Self> {
        let silence = SILENCE.as_secs();
        // For whom nobody answers any more: a probe after 10 seconds, and three more.
        let options = format!(
            "-c statement_timeout={}s -c idle_in_transaction_session_timeout={silence}s -c synchronous_commit=on \
             -c tcp_keepalives_idle=10 -c tcp_keepalives_interval=5 -c tcp_keepalives_count=3 -c tcp_user_timeout={}",
            STATEMENT_WITHIN.as_secs(),
            SILENCE.as_millis(),
        );
        let dial = Dial::new(&url, tls, password_file, (CONNECT_WITHIN, &options), problems)?;
        Some(Self { dial, url, schema: schema.to_owned() })
    }

    /// The schema's name.
    pub(crate) fn schema(&self) -> &str {
        &self.schema
    }

    pub(super) fn connect(&self, handle: &Handle, purpose: Purpose) -> Result<Session, DatabaseError> {
        let connecting = async {
            let (client, _) = self.dial.connect().await.map_err(told)?;
            Ok(client)
        };
        let client = answered(handle, ANSWER_WITHIN, connecting)?;
        let is_usable = Cell::new(true);
        let mut session =
            Session { handle: handle.clone(), client, statements: RefCell::default(), schema: 0, is_usable };
        session.schema = self.number(&session)?;
        let access = if purpose == Purpose::Read { "on" } else { "off" };
        let settings =
            format!("SET search_path TO \"{}\"; SET default_transaction_read_only TO {access}", self.schema);
        session.run(&settings)?;
        Ok(session)
    }

    /// The schema's number, if it is there and the database can hold any text.
    fn number(&self, session: &Session) -> Result<i32, DatabaseError> {
        let sql =
            "SELECT CAST(CAST(to_regnamespace(?1) AS oid) AS BIGINT), current_setting('server_encoding')";
        let quoted = format!("\"{}\"", self.schema);
        let rows = session.query(sql, &[&quoted])?;
        let row = super::Row::Postgres(rows.first().ok_or(DatabaseError::NoRow)?);
        let (number, encoding): (Option<i64>, String) = (row.get(0)?, row.get(1)?);
        let schema = &self.schema;
        if encoding != "UTF8" {
            return Err(DatabaseError::server(format!(
                "the database is in {encoding}; make one with ENCODING 'UTF8'"
            )));
        }
        let Some(number) = number else {
            return Err(DatabaseError::server(format!(
                "there is no schema \"{schema}\"; have an administrator run CREATE SCHEMA \"{schema}\" AUTHORIZATION, and the role"
            )));
        };
        let number = u32::try_from(number).map_err(|_| DatabaseError::column("oid"))?;
        Ok(number.cast_signed())
    }
}

/// Why a connection could not be had, in the words of its key.
fn told(error: StoreError) -> DatabaseError {
    match error {
        StoreError::Connect { why } | StoreError::Query { why } => DatabaseError::server(why),
        StoreError::Timeout => {
            DatabaseError::server("a statement took too long, or waited too long for another")
        }
        other => DatabaseError::server(other),
    }
}

impl From<tokio_postgres::Error> for DatabaseError {
    fn from(error: tokio_postgres::Error) -> Self {
        told(classify(&error))
    }
}

fn answered<T>(
    handle: &Handle,
    within: Duration,
    answer: impl Future<Output = Result<T, DatabaseError>>,
) -> Result<T, DatabaseError> {
    let late = || DatabaseError::server(format!("the server did not answer within {} s", within.as_secs()));
    handle.block_on(async { tokio::time::timeout(within, answer).await.map_err(|_| late())? })
}

/// A connection.
pub(in crate::ledger) struct Session {
    handle: Handle,
    client: Client,
    statements: RefCell<HashMap<String, Statement>>,
    /// The schema's number.
    schema: i32,
    /// Whether nothing went wrong so far.
    is_usable: Cell<bool>,
}

impl Session {
    pub(in crate::ledger) fn is_usable(&self) -> bool {
        self.is_usable.get() && !self.client.is_closed()
    }

    /// Begins to write, once nobody else does.
    pub(super) fn begin(&self) -> Result<(), DatabaseError> {
        self.run(&format!("BEGIN; SELECT pg_advisory_xact_lock({WRITERS}, {})", self.schema))
    }

    /// Whether this session has the lead now, if nobody else has it.
    pub(in crate::ledger) fn takes_lead(&self) -> Result<bool, DatabaseError> {
        let sql = format!("SELECT pg_try_advisory_lock({LEADER}, {})", self.schema);
        let rows = self.query(&sql, &[])?;
        super::Row::Postgres(rows.first().ok_or(DatabaseError::NoRow)?).get(0)
    }

    /// Whether this session, which has the lead, still has it.
    pub(in crate::ledger) fn keeps_lead(&self) -> bool {
        let asked = async { Ok(self.client.batch_execute("SELECT 1").await?) };
        self.is_usable() && self.noted(answered(&self.handle, LEAD_WITHIN, asked)).is_ok()
    }

    pub(in crate::ledger) fn run(&self, statements: &str) -> Result<(), DatabaseError> {
        let run = async { Ok(self.client.batch_execute(statements).await?) };
        self.noted(answered(&self.handle, ANSWER_WITHIN, run))
    }

    pub(super) fn execute(&self, sql: &str, parameters: &[ToSql<'_>]) -> Result<usize, DatabaseError> {
        let parameters = bound(parameters)?;
        let executed = async {
            let statement = self.prepared(sql).await?;
            Ok(self.client.execute_raw(&statement, parameters).await?)
        };
        let rows = self.noted(answered(&self.handle, ANSWER_WITHIN, executed))?;
        Ok(usize::try_from(rows).unwrap_or(usize::MAX))
    }

    pub(super) fn query(
        &self,
        sql: &str,
        parameters: &[ToSql<'_>],
    ) -> Result<Vec<tokio_postgres::Row>, DatabaseError> {
        let parameters = bound(parameters)?;
        let queried = async {
            let statement = self.prepared(sql).await?;
            let rows = self.client.query_raw(&statement, parameters).await?;
            Ok(rows.collect::<Result<_, _>>().await?)
        };
        self.noted(answered(&self.handle, ANSWER_WITHIN, queried))
    }

    async fn prepared(&self, sql: &str) -> Result<Statement, DatabaseError> {
        if let Some(statement) = self.statements.borrow().get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(&dialect::statement(sql)).await?;
        let mut statements = self.statements.borrow_mut();
        if statements.len() >= STATEMENTS_MAX {
            statements.clear();
        }
        statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// After an error it is not known what the server has made of the session.
    fn noted<T>(&self, answer: Result<T, DatabaseError>) -> Result<T, DatabaseError> {
        if answer.is_err() {
            self.is_usable.set(false);
        }
        answer
    }
}

fn bound<'p>(parameters: &'p [ToSql<'_>]) -> Result<Vec<Bound<'p>>, DatabaseError> {
    parameters.iter().map(|parameter| Ok(Bound(parameter.to_sql()?))).collect()
}

/// The value of a parameter, written in the type that the statement has at its place.
#[derive(Debug)]
struct Bound<'p>(ToSqlOutput<'p>);

impl ToServer for Bound<'_> {
    fn to_sql(
        &self,
        place: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        let value = match &self.0 {
            ToSqlOutput::Borrowed(value) => *value,
            ToSqlOutput::Owned(value) => ValueRef::from(value),
            _ => return Err("a value that is none of a column".into()),
        };
        match value {
            ValueRef::Null => return Ok(IsNull::Yes),
            ValueRef::Integer(number) if *place == Type::INT8 => number.to_sql(place, out)?,
            ValueRef::Integer(number) if *place == Type::INT4 => i32::try_from(number)?.to_sql(place, out)?,
            ValueRef::Integer(number) if *place == Type::BOOL => (number != 0).to_sql(place, out)?,
            ValueRef::Text(text) if *place == Type::TEXT => {
                std::str::from_utf8(text)?.replace('\0', "\u{fffd}").to_sql(place, out)?
            }
            ValueRef::Blob(bytes) if *place == Type::BYTEA => bytes.to_sql(place, out)?,
            _ => return Err(format!("a parameter is {place}, and the value is not").into()),
        };
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

/// The value of a column.
pub(super) struct Value<'r>(ValueRef<'r>);

impl<'r> Value<'r> {
    /// That of `column`, if it is of a type that the ledger has.
    pub(super) fn of(
        row: &'r tokio_postgres::Row,
        column: &(impl tokio_postgres::row::RowIndex + fmt::Display),
    ) -> Option<Self> {
        row.try_get(column).ok().map(|value: Option<Self>| value.unwrap_or(Self(ValueRef::Null)))
    }

    pub(super) fn as_sqlite(&self) -> ValueRef<'r> {
        self.0
    }
}

impl<'r> FromSql<'r> for Value<'r> {
    fn from_sql(of: &Type, raw: &'r [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(match *of {
            Type::INT8 => ValueRef::Integer(i64::from_sql(of, raw)?),
            Type::INT4 => ValueRef::Integer(i32::from_sql(of, raw)?.into()),
            Type::BOOL => ValueRef::Integer(bool::from_sql(of, raw)?.into()),
            Type::TEXT => ValueRef::Text(raw),
            _ => ValueRef::Blob(raw),
        }))
    }

    fn accepts(of: &Type) -> bool {
        [Type::INT8, Type::INT4, Type::BOOL, Type::TEXT, Type::BYTEA].contains(of)
    }
}
