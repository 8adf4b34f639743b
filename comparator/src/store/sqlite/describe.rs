//! What SQLite tells about itself and about a query.

use super::super::describe::Description;
use super::super::gather::{Asked, representable};
use super::super::{Lookup, StoreError};
use super::{Question, Sqlite, classify};
use bytes::Bytes;
use rusqlite::Connection;
use std::rc::Rc;

impl Sqlite {
    pub(in super::super) async fn describe(
        &self,
        lookup: &Lookup,
        keys: &[Bytes],
    ) -> Result<Description, StoreError> {
        let keys = keys.to_vec();
        let scanned = self
            .ask(lookup, move |question, connection| question.tables_scanned(connection, &keys))
            .await
            .told?;
        Ok(Description {
            server: Some(format!("SQLite {}", rusqlite::version())),
            is_primary: Some(true),
            tables_scanned: Some(scanned),
            // The file is opened read-only, whoever owns it.
            may_write: Some(Vec::new()),
            ..Description::default()
        })
    }
}

impl Question {
    fn tables_scanned(&self, connection: &Connection, keys: &[Bytes]) -> Result<Vec<String>, StoreError> {
        let query = format!("EXPLAIN QUERY PLAN {}", self.query);
        let mut statement = connection.prepare(&query).map_err(|error| classify(&error))?;
        let asked = Asked::new(keys, |key| representable(key, self.key_type));
        let bound: Vec<_> = asked.keys().iter().map(|key| self.bound(key)).collect();
        let steps = statement
            .query_map([Rc::new(bound)], |row| row.get::<_, String>("detail"))
            .map_err(|error| classify(&error))?;
        let mut tables = Vec::new();
        for step in steps {
            let step = step.map_err(|error| classify(&error))?;
            tables.extend(table_scanned(&step).map(str::to_owned));
        }
        Ok(tables)
    }
}

/// The table that a step of a plan reads from end to end. The keys themselves are a virtual table, which is read so.
fn table_scanned(step: &str) -> Option<&str> {
    let rest = step.strip_prefix("SCAN ")?;
    let is_no_table = rest.contains("VIRTUAL TABLE") || rest == "CONSTANT ROW";
    rest.split(' ').next().filter(|_| !is_no_table)
}
