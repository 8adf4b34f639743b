//! Changes one key of a Postgres server, in one transaction that sees the store as it was at the look.
//!
//! Under `REPEATABLE READ` a row that somebody changed since cannot be locked, and one that somebody inserted since cannot be
//! inserted: the server says so (40001, 23505), whatever the row holds. A transaction that the server refuses leaves nothing
//! behind, and nobody waits while the caller settles, for no row is locked yet.

use super::super::change::{Marker, Statement, Statements, Swap, Swapped, Writing};
use super::super::{Answer, Found, Lookup};
use super::{Postgres, Session, classify};
use crate::store::StoreError;
use bytes::BytesMut;
use tokio_postgres::types::{Format, IsNull, ToSql, Type, to_sql_checked};

const BEGIN: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ WRITE";

/// Makes a change in one transaction. A connection whose transaction did not come to its end is closed.
pub(in crate::store) async fn swap<F, S>(
    store: &Postgres,
    writing: &Writing,
    swap: &Swap,
    settle: F,
) -> Result<Swapped, StoreError>
where
    F: FnOnce(Found) -> S + Send,
    S: Future<Output = bool> + Send,
{
    let statements = writing.statements()?;
    let (lease, mut session) = store.session().await?;
    let made = session.swap(statements, swap, settle).await;
    lease.settle(session, made)
}

impl Session {
    async fn swap<F, S>(
        &mut self,
        statements: &Statements,
        swap: &Swap,
        settle: F,
    ) -> Result<Swapped, StoreError>
    where
        F: FnOnce(Found) -> S + Send,
        S: Future<Output = bool> + Send,
    {
        self.run(BEGIN).await?;
        let looked = self.look(&statements.lookup, swap).await?;
        let made = match swap.settled(looked, settle).await {
            Ok(before) => self.set(statements, swap, &before).await?,
            Err(swapped) => swapped,
        };
        self.run(if made == Swapped::Written { "COMMIT" } else { "ROLLBACK" }).await?;
        Ok(made)
    }

    async fn set(
        &mut self,
        statements: &Statements,
        swap: &Swap,
        before: &Found,
    ) -> Result<Swapped, StoreError> {
        // Fails if the row was changed since the look; where there was none, nothing can be locked, and the insert fails.
        if *before != Found::Absent {
            self.look(&statements.locked, swap).await?;
        }
        let rows = self.execute(statements.for_change(before, swap)?, swap).await?;
        Ok(swap.written(rows, self.look(&statements.lookup, swap).await?))
    }

    async fn look(&mut self, lookup: &Lookup, swap: &Swap) -> Result<Option<Answer>, StoreError> {
        Ok(self.read(lookup.sql()?, std::slice::from_ref(&swap.key)).await?.pop())
    }

    async fn execute(&mut self, statement: &Statement, swap: &Swap) -> Result<u64, StoreError> {
        let prepared = self.prepared(&statement.text).await?;
        let bound: Vec<Text<'_>> = statement
            .markers
            .iter()
            .map(|marker| match marker {
                Marker::Key => Text(&swap.key),
                Marker::Value => Text(swap.value.as_deref().unwrap_or_default()),
            })
            .collect();
        if prepared.params().len() != bound.len() {
            return Err(StoreError::query(
                "a statement of `repair` may have $key and $value in it, and no other place",
            ));
        }
        let bound = bound.iter().map(|text| text as &(dyn ToSql + Sync));
        self.client.execute_raw(&prepared, bound).await.map_err(|error| classify(&error))
    }

    async fn run(&self, command: &str) -> Result<(), StoreError> {
        self.client.batch_execute(command).await.map_err(|error| classify(&error))
    }
}

/// Bytes as the server takes them for a place of any type: as text that it reads itself, or as they are for `bytea`.
#[derive(Debug)]
struct Text<'a>(&'a [u8]);

impl ToSql for Text<'_> {
    fn to_sql(
        &self,
        _: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(self.0);
        Ok(IsNull::No)
    }

    fn accepts(_: &Type) -> bool {
        true
    }

    fn encode_format(&self, kind: &Type) -> Format {
        if *kind == Type::BYTEA { Format::Binary } else { Format::Text }
    }

    to_sql_checked!();
}
