//! How the keys of a map are looked up in its store.

use super::{Scan, StoreError, StoreKind};
use counterfoil_settings::Problems;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use std::sync::Arc;

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

/// The type of the keys in an SQL store.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum KeyType {
    /// UTF-8 text.
    #[default]
    Text,
    /// Bytes: `BLOB`, `bytea`.
    Bytes,
    /// Integers; the map's keys are their plain decimal form.
    Integer,
}

impl KeyType {
    /// As it is written.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Bytes => "bytes",
            Self::Integer => "integer",
        }
    }
}

/// What the rows of an SQL store are compared as, which the map's codec says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rows {
    /// The second column is the value, the third one the version.
    Value,
    /// All columns but the key are an object: codec `columns`.
    Columns,
}

/// What becomes of the columns of a row.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub enum Shape {
    /// Key, value, and perhaps version.
    #[default]
    Value,
    /// Key, and columns that together are a JSON object.
    Columns {
        /// The column that is the version and no member of the object.
        version: Option<Box<str>>,
    },
}

/// How the keys of a map are looked up in its store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Lookup {
    /// A query of SQLite, Postgres or MySQL.
    Sql {
        /// The query; the keys are its first parameter.
        query: Arc<str>,
        /// The type of the keys, if it was written.
        key_type: Option<KeyType>,
        /// What becomes of the columns.
        shape: Shape,
    },
    /// String values of Redis, each named by this prefix and the key.
    Prefix(Arc<str>),
    /// The fields of this hash of Redis.
    Hash(Arc<str>),
    /// What a reader service knows under this name.
    Collection(Arc<str>),
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

/// An SQL lookup.
#[derive(Clone, Copy)]
pub(super) struct Sql<'l> {
    pub(super) query: &'l Arc<str>,
    pub(super) key_type: Option<KeyType>,
    pub(super) shape: &'l Shape,
}

impl Lookup {
    /// The parts of an SQL lookup.
    pub(super) fn sql(&self) -> Result<Sql<'_>, StoreError> {
        match self {
            Self::Sql { query, key_type, shape } => Ok(Sql { query, key_type: *key_type, shape }),
            Self::Prefix(_) | Self::Hash(_) | Self::Collection(_) => Err(Self::unfit()),
        }
    }

    /// The error of a lookup that does not fit the store; [`WrittenLookup::used`] does not make such.
    pub(super) fn unfit() -> StoreError {
        StoreError::query("the lookup was made for another kind of store")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn used(yaml: &str, kind: StoreKind) -> Result<Lookup, String> {
        let sources = counterfoil_settings::Sources { yaml: yaml.into(), overlays: Vec::new() };
        let written: WrittenLookup = sources.written().map_err(|problems| problems.to_string())?;
        let mut problems = Problems::default();
        let lookup = written.used("maps[0]", kind, Rows::Value, &mut problems);
        assert_eq!(lookup.is_some(), problems.0.is_empty());
        lookup.ok_or_else(|| problems.to_string())
    }

    fn plain(query: &str) -> Lookup {
        Lookup::Sql { query: query.into(), key_type: None, shape: Shape::Value }
    }

    fn scan(yaml: &str, kind: StoreKind) -> Result<Option<Scan>, String> {
        let sources = counterfoil_settings::Sources { yaml: yaml.into(), overlays: Vec::new() };
        let written: WrittenLookup = sources.written().map_err(|problems| problems.to_string())?;
        let mut problems = Problems::default();
        let scan = written.scan("maps[0]", kind, Rows::Columns, &mut problems);
        problems.none_or(scan).map_err(|problems| problems.to_string())
    }

    #[test]
    fn an_sql_store_is_scanned_by_its_own_query_and_the_others_as_they_are_looked_up() {
        for (kind, dialect) in
            [(StoreKind::Sqlite, SQLITE), (StoreKind::Postgres, POSTGRES), (StoreKind::Mysql, MYSQL)]
        {
            let yaml = format!("{{query: q, scan: '{}', version_column: n}}", dialect.scan);
            let shape = Shape::Columns { version: Some("n".into()) };
            let expected = Lookup::Sql { query: dialect.scan.into(), key_type: None, shape };
            assert_eq!(scan(&yaml, kind).unwrap(), Some(Scan(expected)), "{kind:?}");
            assert_eq!(scan("query: q", kind).unwrap(), None, "{kind:?}");
            let refused = scan("{query: q, scan: SELECT k FROM t}", kind).unwrap_err();
            assert!(refused.contains("maps[0].scan") && refused.contains(dialect.scan), "{refused}");
        }
        assert_eq!(scan("hash: h", StoreKind::Redis).unwrap(), Some(Scan(Lookup::Hash("h".into()))));
        let collection = Scan(Lookup::Collection("c".into()));
        assert_eq!(scan("collection: c", StoreKind::Grpc).unwrap(), Some(collection));
    }

    #[test]
    fn a_lookup_that_fits_its_store_is_taken() {
        let sqlite =
            used("{query: SELECT k FROM t WHERE k IN rarray(?1), key_type: bytes}", StoreKind::Sqlite);
        let query = "SELECT k FROM t WHERE k IN rarray(?1)".into();
        assert_eq!(
            sqlite.unwrap(),
            Lookup::Sql { query, key_type: Some(KeyType::Bytes), shape: Shape::Value }
        );
        let postgres = used("query: SELECT $1", StoreKind::Postgres);
        assert_eq!(postgres.unwrap(), plain("SELECT $1"));
        assert_eq!(used("query: k IN (?)", StoreKind::Mysql).unwrap(), plain("k IN (?)"));
        assert_eq!(used("prefix: ''", StoreKind::Redis).unwrap(), Lookup::Prefix("".into()));
        assert_eq!(used("hash: h", StoreKind::Redis).unwrap(), Lookup::Hash("h".into()));
        assert_eq!(used("collection: c", StoreKind::Grpc).unwrap(), Lookup::Collection("c".into()));
    }

    #[test]
    fn a_lookup_that_does_not_fit_names_every_key_and_what_to_write() {
        for (yaml, kind, expected) in [
            ("{}", StoreKind::Sqlite, &["maps[0].query", "rarray(?1)"][..]),
            ("query: SELECT 1", StoreKind::Postgres, &["maps[0].query", "ANY($1)"]),
            (
                "{query: q, prefix: p, hash: h}",
                StoreKind::Sqlite,
                &["maps[0].prefix", "maps[0].hash", "maps[0].query"],
            ),
            (
                "{query: q, key_type: text}",
                StoreKind::Redis,
                &["maps[0].query", "maps[0].key_type", "maps[0].prefix"],
            ),
            ("{prefix: p, hash: h}", StoreKind::Redis, &["maps[0].hash", "not both"]),
            ("query: k = ?", StoreKind::Mysql, &["maps[0].query", "IN (?)"]),
            ("{query: k IN (?), collection: c}", StoreKind::Mysql, &["maps[0].collection"]),
            ("{query: $1, version_column: n}", StoreKind::Postgres, &["maps[0].version_column", "columns"]),
            ("{hash: h}", StoreKind::Grpc, &["maps[0].hash", "maps[0].collection"]),
            ("{query: q, key_type: number}", StoreKind::Sqlite, &["key_type", "integer"]),
            ("{table: t}", StoreKind::Redis, &["table", "unknown key"]),
        ] {
            let problems = used(yaml, kind).unwrap_err();
            for part in expected {
                assert!(problems.contains(part), "{part} in:\n{problems}");
            }
        }
    }

    #[derive(Deserialize, JsonSchema, Debug)]
    #[serde(deny_unknown_fields)]
    struct Contract {
        name: String,
        #[serde(flatten)]
        lookup: WrittenLookup,
    }

    #[test]
    fn a_lookup_can_be_a_flat_part_of_a_contract_and_unknown_keys_are_still_refused() {
        let contract = |yaml: &str| {
            counterfoil_settings::Sources { yaml: yaml.into(), overlays: Vec::new() }.written::<Contract>()
        };
        let good = contract("{name: cart, hash: h}").unwrap();
        assert_eq!((good.name.as_str(), good.lookup.hash.as_deref()), ("cart", Some("h")));
        let bad = contract("{name: cart, hush: h}").unwrap_err().to_string();
        assert!(bad.contains("hush: unknown key") && bad.contains("hash"), "{bad}");
    }
}
