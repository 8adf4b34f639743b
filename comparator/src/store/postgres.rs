//! Reads a Postgres server.
//!
//! Each connection is read-only (`default_transaction_read_only`), limits its statements to the read's own timeout, and
//! is refused if the server is a standby, whose answers may be old. A query is prepared once per connection and run in
//! one round trip, its keys bound as one array of whatever type the query's parameter has. Connect to the server
//! itself: a pooler in between may not keep prepared statements or the options of a connection.
//!
//! Values become bytes as follows: text types, enums and `json` as they are; `jsonb` as the server prints it; `bytea` as
//! its bytes; integers in decimal; booleans as `true` and `false`. Any other type has several forms as text, so the
//! query must choose one by a cast. As columns of an object `numeric`, floats, dates, times, timestamps, `uuid` and arrays
//! of all these have a form too; what is left (`timetz`, `interval`, `money`, ranges, composites) must be cast.

mod cell;
pub(super) mod change;
mod describe;
mod dial;
mod encrypted;
mod numeric;
mod parameter;

pub(crate) use dial::Dial;

use self::parameter::Parameter;
use super::gather::Asked;
use super::lookup::{Lookup, Shape, Sql};
use super::pool::{Lease, Pool};
use super::row::{self, Layout};
use super::scan::{self, Page, Scan};
use super::written::WrittenStore;
use super::{Answer, KeyError, StoreError};
use bytes::Bytes;
use counterfoil_digest::cell::Cell;
use counterfoil_settings::Problems;
use std::collections::HashMap;
use std::error::Error as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::{FromSql, ToSql, Type};
use tokio_postgres::{Client, Row, Statement};
use tokio_stream::StreamExt;

/// Reads one Postgres server.
pub(super) struct Postgres {
    dial: Dial,
    pool: Pool<Session>,
    value_bytes_max: usize,
}

/// A connection, its prepared queries, and the task that moves its bytes.
struct Session {
    client: Client,
    statements: HashMap<Arc<str>, Statement>,
    driver: JoinHandle<()>,
    value_bytes_max: usize,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Postgres({:?}, {:?})", self.dial, self.pool)
    }
}

impl Postgres {
    pub(super) fn new(written: &WrittenStore, timeout: Duration, problems: &mut Problems) -> Option<Self> {
        let limits = format!(
            "-c default_transaction_read_only=on -c statement_timeout={}",
            timeout.as_millis().max(1)
        );
        let dial = Dial::new(
            &written.url,
            written.tls.as_ref(),
            written.password_file.clone(),
            (timeout, &limits),
            problems,
        )?;
        let value_bytes_max = written.value_bytes_max();
        Some(Self { dial, pool: Pool::new(), value_bytes_max })
    }

    pub(super) async fn read_many(&self, lookup: &Lookup, keys: &[Bytes]) -> Result<Vec<Answer>, StoreError> {
        let sql = lookup.sql()?;
        let (lease, mut session) = self.session().await?;
        let answers = session.read(sql, keys).await;
        lease.settle(session, answers)
    }

    pub(super) async fn scan(
        &self,
        scan: &Scan,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let sql = scan.lookup().sql()?;
        let (lease, mut session) = self.session().await?;
        let page = session.page(sql, after, limit).await;
        lease.settle(session, page)
    }

    async fn session(&self) -> Result<(Lease<Session>, Session), StoreError> {
        self.pool.connection(|session| !session.client.is_closed(), self.connect()).await
    }

    async fn connect(&self) -> Result<Session, StoreError> {
        let (client, driver) = self.dial.connect().await?;
        let value_bytes_max = self.value_bytes_max;
        Ok(Session { client, statements: HashMap::new(), driver, value_bytes_max })
    }
}

impl Session {
    async fn read(&mut self, sql: Sql<'_>, keys: &[Bytes]) -> Result<Vec<Answer>, StoreError> {
        let statement = self.prepared(sql.query).await?;
        let parameter = Parameter::of_keys(&statement, sql.key_type)?;
        let layout = self.layout(&statement, sql.shape)?;
        let asked = Asked::new(keys, |key| parameter.check(key));
        let bound = parameter.bind(asked.keys());
        let mut gathered = asked.gathered();
        self.ask(&statement, &[&*bound], |row| {
            gathered.row(row::key(&row).as_deref(), layout.answer(&row));
            Ok(())
        })
        .await?;
        Ok(gathered.in_order())
    }

    async fn page(&mut self, sql: Sql<'_>, after: Option<&[u8]>, limit: usize) -> Result<Page, StoreError> {
        let statement = self.prepared(sql.query).await?;
        let parameter = Parameter::of_scan(&statement, sql.key_type)?;
        let layout = self.layout(&statement, sql.shape)?;
        let from = match after {
            Some(after) => parameter.bind_one(scan::from(after, parameter.check(after))?),
            None => parameter.least(),
        };
        let wanted = i64::try_from(Page::wanted(after, limit)).unwrap_or(i64::MAX);
        let key_type = parameter.key_type();
        let mut rows = Vec::new();
        self.ask(&statement, &[&*from, &wanted], |row| {
            rows.push((scan::key_of(&row, key_type)?, layout.answer(&row)));
            Ok(())
        })
        .await?;
        Page::of_rows(rows, after, limit)
    }

    /// Asks, and gives each row to `take` as it comes: a row that is too large is let go of before the next one is there.
    async fn ask(
        &self,
        statement: &Statement,
        parameters: &[&(dyn ToSql + Sync)],
        mut take: impl FnMut(Row) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let rows = self.client.query_raw(statement, parameters.iter().copied()).await;
        let mut rows = std::pin::pin!(rows.map_err(|error| classify(&error))?);
        while let Some(row) = rows.try_next().await.map_err(|error| classify(&error))? {
            take(row)?;
        }
        Ok(())
    }

    fn layout(&self, statement: &Statement, shape: &Shape) -> Result<Layout, StoreError> {
        let names = statement.columns().iter().map(tokio_postgres::Column::name);
        Layout::new(shape, names, self.value_bytes_max)
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

impl row::Row for Row {
    fn cell(&self, column: usize) -> Result<Cell<'_>, KeyError> {
        let no_such = || KeyError::ValueType { found: "none, for there is no such column".into() };
        let kind = self.columns().get(column).map(tokio_postgres::Column::type_).ok_or_else(no_such)?;
        let raw: Option<Raw<'_>> = self.try_get(column).map_err(|_| no_such())?;
        cell::cell(kind, raw.map(|Raw(raw)| raw))
    }

    fn type_name(&self, column: usize) -> String {
        self.columns().get(column).map_or_else(String::new, |it| it.type_().name().to_owned())
    }
}

/// The server's message is told only where it speaks of the connection or of the query's text: others quote data.
pub(crate) fn classify(error: &tokio_postgres::Error) -> StoreError {
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
    if [SqlState::T_R_SERIALIZATION_FAILURE, SqlState::T_R_DEADLOCK_DETECTED, SqlState::UNIQUE_VIOLATION]
        .contains(code)
    {
        return StoreError::Conflict;
    }
    match code.code().get(..2) {
        Some("08" | "28" | "3D" | "53" | "57") => {
            StoreError::connect(format!("{} ({})", told.message(), code.code()))
        }
        Some("42") => StoreError::query(format!("{} ({})", told.message(), code.code())),
        _ => StoreError::query(format!("SQLSTATE {}", code.code())),
    }
}
