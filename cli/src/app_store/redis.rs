//! Redis: string values under a prefix, a connection per thread.

use super::{Client, StoreError};
use redis::{Client as Address, Commands, Connection, pipe};
use std::time::Duration;

/// How long a reply may take.
const REPLY_TIMEOUT: Duration = Duration::from_secs(10);

/// Keys removed per round trip when a namespace is dropped.
const DROP_BATCH: usize = 1_000;

pub(super) fn open(url: &str) -> Result<Address, StoreError> {
    let address = Address::open(url)?;
    connect(&address)?;
    Ok(address)
}

fn connect(address: &Address) -> Result<Connection, StoreError> {
    let connection = address.get_connection_with_timeout(REPLY_TIMEOUT)?;
    connection.set_read_timeout(Some(REPLY_TIMEOUT))?;
    connection.set_write_timeout(Some(REPLY_TIMEOUT))?;
    Ok(connection)
}

pub(super) fn drop_prefix(address: &Address, prefix: &str) -> Result<(), StoreError> {
    let (mut scanner, mut remover) = (connect(address)?, connect(address)?);
    let mut batch: Vec<Vec<u8>> = Vec::with_capacity(DROP_BATCH);
    for key in scanner.scan_match(format!("{prefix}:*"))? {
        batch.push(key?);
        if batch.len() == DROP_BATCH {
            remover.unlink::<_, ()>(&batch)?;
            batch.clear();
        }
    }
    if !batch.is_empty() {
        remover.unlink::<_, ()>(&batch)?;
    }
    Ok(())
}

/// A thread's connection.
pub(super) struct RedisClient {
    connection: Connection,
    prefix: String,
}

impl RedisClient {
    pub(super) fn connect(address: &Address, prefix: &str) -> Result<Self, StoreError> {
        Ok(Self { connection: connect(address)?, prefix: format!("{prefix}:") })
    }

    fn name(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }
}

impl Client for RedisClient {
    fn put(&mut self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        let name = self.name(key);
        Ok(self.connection.set(name, value)?)
    }

    fn remove(&mut self, key: &str) -> Result<(), StoreError> {
        let name = self.name(key);
        Ok(self.connection.del(name)?)
    }

    fn put_many(&mut self, entries: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        let mut pipe = pipe();
        for (key, value) in entries {
            pipe.set(self.name(key), value.as_slice()).ignore();
        }
        Ok(pipe.query(&mut self.connection)?)
    }

    #[cfg(test)]
    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let name = self.name(key);
        Ok(self.connection.get(name)?)
    }
}
