//! Postgres: a connection per thread.

use super::{Client, StoreError};
use postgres::{Client as Connection, NoTls, Statement};

fn connect(url: &str) -> Result<Connection, StoreError> {
    Ok(Connection::connect(url, NoTls)?)
}

pub(super) fn create(url: &str, table: &str) -> Result<(), StoreError> {
    Ok(connect(url)?
        .batch_execute(&format!("create table if not exists \"{table}\"(k text primary key, v bytea)"))?)
}

pub(super) fn drop_table(url: &str, table: &str) -> Result<(), StoreError> {
    Ok(connect(url)?.batch_execute(&format!("drop table if exists \"{table}\""))?)
}

/// A thread's connection, with its statements prepared.
pub(super) struct PostgresClient {
    connection: Connection,
    put: Statement,
    remove: Statement,
    put_many: Statement,
    #[cfg(test)]
    table: String,
}

impl PostgresClient {
    pub(super) fn connect(url: &str, table: &str) -> Result<Self, StoreError> {
        let mut connection = connect(url)?;
        // A commit is visible to every reader at once; only its survival of a crash of the server is given up.
        connection.batch_execute("set synchronous_commit = off")?;
        let upsert = "on conflict (k) do update set v = excluded.v";
        Ok(Self {
            put: connection.prepare(&format!("insert into \"{table}\"(k, v) values ($1, $2) {upsert}"))?,
            remove: connection.prepare(&format!("delete from \"{table}\" where k = $1"))?,
            put_many: connection.prepare(&format!(
                "insert into \"{table}\"(k, v) select * from unnest($1::text[], $2::bytea[]) {upsert}"
            ))?,
            #[cfg(test)]
            table: table.to_owned(),
            connection,
        })
    }
}

impl Client for PostgresClient {
    fn put(&mut self, key: &str, value: &[u8]) -> Result<(), StoreError> {
        self.connection.execute(&self.put, &[&key, &value])?;
        Ok(())
    }

    fn remove(&mut self, key: &str) -> Result<(), StoreError> {
        self.connection.execute(&self.remove, &[&key])?;
        Ok(())
    }

    fn put_many(&mut self, entries: &[(String, Vec<u8>)]) -> Result<(), StoreError> {
        let (keys, values): (Vec<&str>, Vec<&[u8]>) =
            entries.iter().map(|(key, value)| (key.as_str(), value.as_slice())).unzip();
        self.connection.execute(&self.put_many, &[&keys, &values])?;
        Ok(())
    }

    #[cfg(test)]
    fn get(&mut self, key: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let query = format!("select v from \"{}\" where k = $1", self.table);
        Ok(self.connection.query_opt(&query, &[&key])?.map(|row| row.get(0)))
    }
}
