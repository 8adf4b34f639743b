//! Changes one key of an SQLite file: `BEGIN IMMEDIATE` keeps every other writer out until it is made.

use super::super::change::{Marker, Statement, Statements, Swap, Swapped, Writing, is_same};
use super::super::{Answer, Found};
use super::{File, Question, Sqlite, classify};
use crate::store::StoreError;
use bytes::Bytes;
use rusqlite::types::Value;
use rusqlite::{Connection, OpenFlags, Transaction, TransactionBehavior, params_from_iter};
use std::sync::Arc;

/// Makes a change over a connection of its own, which ends with it.
pub(in crate::store) async fn swap<F, S>(
    store: &Sqlite,
    writing: &Writing,
    swap: &Swap,
    settle: F,
) -> Result<Swapped, StoreError>
where
    F: FnOnce(Found) -> S + Send,
    S: Future<Output = bool> + Send,
{
    let statements = writing.statements()?.clone();
    let question = Arc::new(Question::of(&statements.lookup, store.value_bytes_max)?);
    let (asked, key) = (Arc::clone(&question), swap.key.clone());
    let looked = store.line.read(move |connection| look(&asked, connection, &key));
    let before = match swap.settled(looked.await.told?, settle).await {
        Ok(before) => before,
        Err(swapped) => return Ok(swapped),
    };
    let (file, swap) = (Arc::clone(store.line.file()), swap.clone());
    let set = move || set(&file, &question, &statements, &swap, &before);
    tokio::task::spawn_blocking(set)
        .await
        .unwrap_or_else(|_| Err(StoreError::query("the write stopped in its middle")))
}

fn look(question: &Question, connection: &Connection, key: &Bytes) -> Result<Option<Answer>, StoreError> {
    Ok(question.look_up(connection, std::slice::from_ref(key))?.pop())
}

fn set(
    file: &File,
    question: &Question,
    statements: &Statements,
    swap: &Swap,
    before: &Found,
) -> Result<Swapped, StoreError> {
    let mut connection = file.connect(OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    file.set_deadline(&mut connection)?;
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate);
    let transaction = transaction.map_err(|error| classify(&error))?;
    if !is_same(look(question, &transaction, &swap.key)?, before) {
        return Ok(Swapped::Overtaken);
    }
    let rows = execute(&transaction, statements.for_change(before, swap)?, question, swap)?;
    let written = swap.written(rows, look(question, &transaction, &swap.key)?);
    if written == Swapped::Written {
        transaction.commit().map_err(|error| classify(&error))?;
    }
    Ok(written)
}

fn execute(
    transaction: &Transaction<'_>,
    statement: &Statement,
    question: &Question,
    swap: &Swap,
) -> Result<u64, StoreError> {
    let bound = statement.markers.iter().map(|marker| match marker {
        Marker::Key => question.bound(&swap.key),
        Marker::Value => swap.value.as_deref().map_or(Value::Null, value),
    });
    let rows =
        transaction.execute(&statement.text, params_from_iter(bound)).map_err(|error| classify(&error))?;
    Ok(u64::try_from(rows).unwrap_or(u64::MAX))
}

/// Text where the value is text, so that the column holds what the application would have put there.
fn value(bytes: &[u8]) -> Value {
    match std::str::from_utf8(bytes) {
        Ok(text) => Value::Text(text.to_owned()),
        Err(_) => Value::Blob(bytes.to_vec()),
    }
}
