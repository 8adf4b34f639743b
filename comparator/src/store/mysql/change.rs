//! Changes one key of a MySQL or MariaDB server, in one transaction that sees the store as it was at the look.
//!
//! MariaDB with `innodb_snapshot_isolation` refuses to lock a row that somebody changed since, whatever it holds. MySQL locks it
//! as it is now: it must hold what it did at the look. Where there is no row, its place is locked before the insert: an insert
//! that met another one unlocked could end as a deadlock, and the server might give up the application's.

use super::super::change::{Marker, Statement, Statements, Swap, Swapped, Writing, is_same};
use super::super::{Answer, Found, Lookup};
use super::question::Question;
use super::{Mysql, Session, classify};
use crate::store::StoreError;
use mysql_async::Value;
use mysql_async::prelude::Queryable;

/// Only MariaDB knows it, and it has nothing of the kind before 10.6.18; what a server does not know is left out.
const STRICT: &str = "SET SESSION innodb_snapshot_isolation=ON";

const BEGIN: [&str; 2] = ["SET TRANSACTION ISOLATION LEVEL REPEATABLE READ", "START TRANSACTION READ WRITE"];

/// Makes a change in one transaction. A connection whose transaction did not come to its end is closed.
pub(in crate::store) async fn swap<F, S>(
    store: &Mysql,
    writing: &Writing,
    swap: &Swap,
    settle: F,
) -> Result<Swapped, StoreError>
where
    F: FnOnce(Found) -> S + Send,
    S: Future<Output = bool> + Send,
{
    let statements = writing.statements()?;
    let (lease, session) = store.session().await?;
    let mut change = Change { session, statements, swap, value_bytes_max: store.value_bytes_max };
    let made = change.make(settle).await;
    lease.settle(change.session, made)
}

struct Change<'a> {
    session: Session,
    statements: &'a Statements,
    swap: &'a Swap,
    value_bytes_max: usize,
}

impl Change<'_> {
    async fn make<F, S>(&mut self, settle: F) -> Result<Swapped, StoreError>
    where
        F: FnOnce(Found) -> S + Send,
        S: Future<Output = bool> + Send,
    {
        _ = self.run(STRICT).await;
        for command in BEGIN {
            self.run(command).await?;
        }
        let looked = self.look(&self.statements.lookup).await?;
        let made = match self.swap.settled(looked, settle).await {
            Ok(before) => self.set(&before).await?,
            Err(swapped) => swapped,
        };
        self.run(if made == Swapped::Written { "COMMIT" } else { "ROLLBACK" }).await?;
        Ok(made)
    }

    async fn set(&mut self, before: &Found) -> Result<Swapped, StoreError> {
        if !is_same(self.look(&self.statements.locked).await?, before) {
            return Ok(Swapped::Overtaken);
        }
        let rows = self.execute(self.statements.for_change(before, self.swap)?).await?;
        Ok(self.swap.written(rows, self.look(&self.statements.lookup).await?))
    }

    async fn look(&mut self, lookup: &Lookup) -> Result<Option<Answer>, StoreError> {
        let question = Question::of(lookup, self.value_bytes_max)?;
        Ok(question.look_up(&mut self.session, std::slice::from_ref(&self.swap.key)).await?.pop())
    }

    async fn execute(&mut self, statement: &Statement) -> Result<u64, StoreError> {
        let question = Question::of(&self.statements.lookup, self.value_bytes_max)?;
        let bound = statement.markers.iter().map(|marker| match marker {
            Marker::Key => question.bound(&self.swap.key),
            Marker::Value => {
                self.swap.value.as_deref().map_or(Value::NULL, |value| Value::Bytes(value.to_vec()))
            }
        });
        let bound: Vec<_> = bound.collect();
        let connection = self.session.connection()?;
        let prepared = connection.prep(&*statement.text).await.map_err(|error| classify(&error))?;
        if usize::from(prepared.num_params()) != bound.len() {
            return Err(StoreError::query(
                "a statement of `repair` may have $key and $value in it, and no other place",
            ));
        }
        connection.exec_drop(&prepared, bound).await.map_err(|error| classify(&error))?;
        Ok(connection.affected_rows())
    }

    async fn run(&mut self, command: &str) -> Result<(), StoreError> {
        self.session.connection()?.query_drop(command).await.map_err(|error| classify(&error))
    }
}
