//! Changes one key of a Redis server: the key is watched from the look on, so that `EXEC` does nothing if anybody touched it.
//!
//! A field of a hash cannot be watched by itself. Where other fields of its hash changed, the field is looked at again, and must
//! hold the same.

use super::super::change::{Swap, Swapped, Writing};
use super::super::{Answer, Found};
use super::{Connection, Redis, answers, command};
use crate::store::{Lookup, StoreError};
use redis::{Cmd, Value};

/// How often a field is tried whose hash changes all the time.
const HASH_TRIES: usize = 32;

/// Makes a change over a connection that nobody else uses until it is made.
pub(in crate::store) async fn swap<F, S>(
    store: &Redis,
    writing: &Writing,
    swap: &Swap,
    settle: F,
) -> Result<Swapped, StoreError>
where
    F: FnOnce(Found) -> S + Send,
    S: Future<Output = bool> + Send,
{
    let Writing::Redis(lookup) = writing else { return Err(Lookup::unfit()) };
    // What is watched belongs to a connection, so no other change may be made over it.
    let mut session = store.connect().await?;
    let connection = &mut session.connection;
    Change { connection, lookup, swap, value_bytes_max: store.value_bytes_max }.make(settle).await
}

struct Change<'a> {
    connection: &'a mut Connection,
    lookup: &'a Lookup,
    swap: &'a Swap,
    value_bytes_max: usize,
}

impl Change<'_> {
    async fn make<F, S>(&mut self, settle: F) -> Result<Swapped, StoreError>
    where
        F: FnOnce(Found) -> S + Send,
        S: Future<Output = bool> + Send,
    {
        self.watch().await?;
        let looked = self.look().await?;
        match self.swap.settled(looked, settle).await {
            Ok(before) => self.set(&before).await,
            Err(swapped) => {
                self.connection.ask(&redis::cmd("UNWATCH")).await?;
                Ok(swapped)
            }
        }
    }

    async fn set(&mut self, before: &Found) -> Result<Swapped, StoreError> {
        let tries = if matches!(self.lookup, Lookup::Hash(_)) { HASH_TRIES } else { 1 };
        for _ in 0..tries {
            if let Some(made) = self.try_to_set(before).await? {
                return Ok(made);
            }
            self.watch().await?;
            if self.look().await?.is_none_or(|answer| answer.as_ref() != Ok(before)) {
                break;
            }
        }
        self.connection.ask(&redis::cmd("UNWATCH")).await?;
        Ok(Swapped::Overtaken)
    }

    /// `None` if what is watched was touched.
    async fn try_to_set(&mut self, before: &Found) -> Result<Option<Swapped>, StoreError> {
        let change = self.command(before)?;
        self.connection.ask(&redis::cmd("MULTI")).await?;
        self.connection.ask(&change).await?;
        Ok(match self.connection.ask(&redis::cmd("EXEC")).await? {
            Value::Nil => None,
            Value::Array(told) => Some(match told.first() {
                Some(Value::Nil) => Swapped::Overtaken,
                Some(Value::Int(rows)) if self.swap.value.is_none() && *rows != 1 => {
                    Swapped::Rows(rows.unsigned_abs())
                }
                _ => Swapped::Written,
            }),
            _ => return Err(StoreError::query("the answer to EXEC is none")),
        })
    }

    async fn watch(&mut self) -> Result<(), StoreError> {
        let mut watch = redis::cmd("WATCH");
        watch.arg(self.name()?);
        self.connection.ask(&watch).await.map(|_| ())
    }

    async fn look(&mut self) -> Result<Option<Answer>, StoreError> {
        let read = command(self.lookup, std::iter::once(&*self.swap.key))?;
        Ok(answers(self.connection.ask(&read).await?, 1, self.value_bytes_max)?.pop())
    }

    /// The name under which the value, or the hash that it is a field of, stands in the server.
    fn name(&self) -> Result<Vec<u8>, StoreError> {
        match self.lookup {
            Lookup::Prefix(prefix) => Ok([prefix.as_bytes(), &self.swap.key].concat()),
            Lookup::Hash(hash) => Ok(hash.as_bytes().to_vec()),
            Lookup::Sql { .. } | Lookup::Collection(_) => Err(Lookup::unfit()),
        }
    }

    fn command(&self, before: &Found) -> Result<Cmd, StoreError> {
        let is_field = matches!(self.lookup, Lookup::Hash(_));
        let mut change = redis::cmd(match (&self.swap.value, is_field) {
            (Some(_), false) => "SET",
            (Some(_), true) => "HSET",
            (None, false) => "DEL",
            (None, true) => "HDEL",
        });
        change.arg(self.name()?);
        if is_field {
            change.arg(&*self.swap.key);
        }
        if let Some(value) = &self.swap.value {
            change.arg(&**value);
            if !is_field {
                // Something that is no string looks as if nothing were there, and is not to be written over.
                change.arg(if *before == Found::Absent { "NX" } else { "KEEPTTL" });
            }
        }
        Ok(change)
    }
}
