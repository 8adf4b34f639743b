//! A lookup as a person writes it into a map's contract.

use super::super::{Scan, StoreKind};
use super::{KeyType, Lookup, Rows, Shape};
use counterfoil_settings::Problems;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

/// How the keys of a map are looked up in its store, as written. It is a part of the map's contract. SQL stores want
/// `query`; Redis wants `prefix` or `hash`; a reader service wants `collection`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenLookup {
    /// SQL: a query that takes the keys and gives a row per key: first the key, then the value, then, if there is one,
    /// the version. Postgres: `SELECT k, v FROM cart WHERE k = ANY($1)`; MySQL and MariaDB: `SELECT k, v FROM cart WHERE
    /// k IN (?)`; SQLite: `SELECT k, v FROM cart WHERE k IN rarray(?1)`. A `NULL` value is an absent one.
    #[serde(default)]
    pub query: Option<String>,
    /// SQL: a query that gives the same columns of the rows from a key on, in the order of the keys: its parameters are
    /// the key and how many rows. Postgres: `SELECT k, v FROM cart WHERE k >= $1 ORDER BY k LIMIT $2`; MySQL and
    /// MariaDB: `SELECT k, v FROM cart WHERE k >= ? ORDER BY k LIMIT ?`; SQLite: `SELECT k, v FROM cart WHERE k >= ?1
    /// ORDER BY k LIMIT ?2`. The first column must be unique, and should have an index.
    #[serde(default)]
    pub scan: Option<String>,
    /// SQL: the type of the keys in the store. SQLite, MySQL and MariaDB take the keys as this type (`text` if not
    /// given); with Postgres the query's parameter has a type already, and this key is only compared with it.
    #[serde(default)]
    #[schemars(schema_with = "key_type_schema")]
    pub key_type: Option<KeyType>,
    /// SQL, codec `columns`: the name of the column that is the version. Without it there is no version.
    #[serde(default)]
    pub version_column: Option<String>,
    /// Redis: what is put before a key to get the name of the string value; `""` for nothing.
    #[serde(default)]
    pub prefix: Option<String>,
    /// Redis: the name of the hash whose fields are the keys.
    #[serde(default)]
    pub hash: Option<String>,
    /// Reader service: the name under which the service knows the map's values.
    #[serde(default)]
    pub collection: Option<String>,
}

/// A plain list, so that a refusal can name what may be written.
fn key_type_schema(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "enum": ["text", "bytes", "integer"] })
}

/// What is wrong with a key of the contract: the key, and what to write.
type Wrong = (&'static str, String);

/// What the queries of one kind of SQL store must have in them, and how they look.
struct Dialect {
    keys: &'static str,
    query: &'static str,
    limit: &'static str,
    scan: &'static str,
}

const SQLITE: Dialect = Dialect {
    keys: "rarray(",
    query: "SELECT k, v FROM cart WHERE k IN rarray(?1)",
    limit: "?2",
    scan: "SELECT k, v FROM cart WHERE k >= ?1 ORDER BY k LIMIT ?2",
};
const POSTGRES: Dialect = Dialect {
    keys: "$1",
    query: "SELECT k, v FROM cart WHERE k = ANY($1)",
    limit: "$2",
    scan: "SELECT k, v FROM cart WHERE k >= $1 ORDER BY k LIMIT $2",
};
const MYSQL: Dialect = Dialect {
    keys: "(?)",
    query: "SELECT k, v FROM cart WHERE k IN (?)",
    limit: "LIMIT ?",
    scan: "SELECT k, v FROM cart WHERE k >= ? ORDER BY k LIMIT ?",
};

impl WrittenLookup {
    /// The lookup that is written here, for a store of kind `kind`. Problems are added with their paths below `path`,
    /// the path of the map's contract; with any, there is no lookup.
    pub fn used(&self, path: &str, kind: StoreKind, rows: Rows, problems: &mut Problems) -> Option<Lookup> {
        let before = problems.0.len();
        for key in self.strangers(kind) {
            let message = format!("does not fit the map's store, which is {kind:?}; remove this key");
            problems.add(at(path, key), message);
        }
        if self.version_column.is_some() && rows == Rows::Value && kind.dialect().is_some() {
            problems.add(
                at(path, "version_column"),
                "goes with codec columns; make the version the third column",
            );
        }
        let lookup = match (kind.dialect(), kind) {
            (Some(dialect), _) => self.sql(&dialect, rows),
            (None, StoreKind::Grpc) => self.service(),
            (None, _) => self.redis(),
        };
        match lookup {
            Ok(lookup) => (problems.0.len() == before).then_some(lookup),
            Err((key, message)) => {
                problems.add(at(path, key), message);
                None
            }
        }
    }

    /// How all that the store holds of the map is gone through; `None` for an SQL store without `scan`. Problems of that
    /// key are added with their paths below `path`; everything else [`Self::used`] checks.
    pub fn scan(&self, path: &str, kind: StoreKind, rows: Rows, problems: &mut Problems) -> Option<Scan> {
        let Some(dialect) = kind.dialect() else {
            let lookup = if kind == StoreKind::Grpc { self.service() } else { self.redis() };
            return lookup.ok().map(Scan);
        };
        let scan = self.scan.as_ref()?;
        if scan.contains(dialect.limit) {
            return Some(Scan(self.sql_of(scan, rows)));
        }
        let (limit, example) = (dialect.limit, dialect.scan);
        problems.add(at(path, "scan"), format!("takes no limit: write {limit} as in `{example}`"));
        None
    }

    /// The keys that are written though they say nothing to a store of this kind.
    fn strangers(&self, kind: StoreKind) -> impl Iterator<Item = &'static str> {
        let (is_sql, is_redis) = (kind.dialect().is_some(), kind == StoreKind::Redis);
        [
            ("prefix", is_redis, self.prefix.is_some()),
            ("hash", is_redis, self.hash.is_some()),
            ("query", is_sql, self.query.is_some()),
            ("scan", is_sql, self.scan.is_some()),
            ("key_type", is_sql, self.key_type.is_some()),
            ("version_column", is_sql, self.version_column.is_some()),
            ("collection", kind == StoreKind::Grpc, self.collection.is_some()),
        ]
        .into_iter()
        .filter_map(|(key, fits, is_written)| (is_written && !fits).then_some(key))
    }

    fn sql(&self, dialect: &Dialect, rows: Rows) -> Result<Lookup, Wrong> {
        let (keys, example) = (dialect.keys, dialect.query);
        match &self.query {
            Some(query) if query.contains(keys) => Ok(self.sql_of(query, rows)),
            Some(_) => Err(("query", format!("takes no keys: write {keys} as in `{example}`"))),
            None => Err(("query", format!("missing; write one such as `{example}`"))),
        }
    }

    fn sql_of(&self, query: &str, rows: Rows) -> Lookup {
        let shape = match rows {
            Rows::Value => Shape::Value,
            Rows::Columns => Shape::Columns { version: self.version_column.as_deref().map(Into::into) },
        };
        Lookup::Sql { query: query.into(), key_type: self.key_type, shape }
    }

    fn redis(&self) -> Result<Lookup, Wrong> {
        match (&self.prefix, &self.hash) {
            (Some(prefix), None) => Ok(Lookup::Prefix(prefix.as_str().into())),
            (None, Some(hash)) => Ok(Lookup::Hash(hash.as_str().into())),
            (None, None) => Err(("prefix", "missing; write prefix (`\"\"` for none) or hash".into())),
            (Some(_), Some(_)) => Err(("hash", "write prefix or hash, not both".into())),
        }
    }

    fn service(&self) -> Result<Lookup, Wrong> {
        match &self.collection {
            Some(collection) => Ok(Lookup::Collection(collection.as_str().into())),
            None => {
                Err(("collection", "missing; write the name under which the reader service knows it".into()))
            }
        }
    }
}

fn at(path: &str, key: &str) -> String {
    if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") }
}

impl StoreKind {
    fn dialect(self) -> Option<Dialect> {
        match self {
            Self::Sqlite => Some(SQLITE),
            Self::Postgres => Some(POSTGRES),
            Self::Mysql => Some(MYSQL),
            Self::Redis | Self::Grpc => None,
        }
    }
}

#[cfg(test)]
mod tests;
