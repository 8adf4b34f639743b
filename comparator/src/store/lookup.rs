//! How the keys of a map are looked up in its store.

use super::{StoreError, StoreKind};
use counterfoil_settings::Problems;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;
use std::sync::Arc;

/// How the keys of a map are looked up in its store, as written. It is a part of the map's contract. SQL stores want
/// `query`; Redis wants `prefix` or `hash`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WrittenLookup {
    /// SQL: a query that takes the keys as one array and gives a row per key: first the key, then the value, then, if
    /// there is one, the version. Postgres: `SELECT k, v FROM cart WHERE k = ANY($1)`; SQLite: `SELECT k, v FROM cart
    /// WHERE k IN rarray(?1)`. A `NULL` value is an absent one.
    #[serde(default)]
    pub query: Option<String>,
    /// SQL: the type of the keys in the store. SQLite takes the keys as this type (`text` if not given); with Postgres
    /// the query's parameter has a type already, and this key is only compared with it.
    #[serde(default)]
    #[schemars(schema_with = "key_type_schema")]
    pub key_type: Option<KeyType>,
    /// Redis: what is put before a key to get the name of the string value; `""` for nothing.
    #[serde(default)]
    pub prefix: Option<String>,
    /// Redis: the name of the hash whose fields are the keys.
    #[serde(default)]
    pub hash: Option<String>,
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

/// How the keys of a map are looked up in its store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Lookup {
    /// A query of SQLite or Postgres.
    Sql {
        /// The query; the keys are its first parameter.
        query: Arc<str>,
        /// The type of the keys, if it was written.
        key_type: Option<KeyType>,
    },
    /// String values of Redis, each named by this prefix and the key.
    Prefix(Arc<str>),
    /// The fields of this hash of Redis.
    Hash(Arc<str>),
}

impl WrittenLookup {
    /// The lookup that is written here, for a store of kind `kind`. Problems are added with their paths below `path`,
    /// the path of the map's contract; with any, there is no lookup.
    pub fn used(&self, path: &str, kind: StoreKind, problems: &mut Problems) -> Option<Lookup> {
        let before = problems.0.len();
        let at = |key: &str| if path.is_empty() { key.to_owned() } else { format!("{path}.{key}") };
        let strangers: &[(&str, bool)] = match kind {
            StoreKind::Sqlite | StoreKind::Postgres => {
                &[("prefix", self.prefix.is_some()), ("hash", self.hash.is_some())]
            }
            StoreKind::Redis => &[("query", self.query.is_some()), ("key_type", self.key_type.is_some())],
        };
        for (key, _) in strangers.iter().filter(|(_, written)| *written) {
            problems
                .add(at(key), format!("does not fit the map's store, which is {kind:?}; remove this key"));
        }
        let lookup = match kind {
            StoreKind::Sqlite => self.sql("rarray(", "SELECT k, v FROM cart WHERE k IN rarray(?1)"),
            StoreKind::Postgres => self.sql("$1", "SELECT k, v FROM cart WHERE k = ANY($1)"),
            StoreKind::Redis => self.redis(),
        };
        match lookup {
            Ok(lookup) => (problems.0.len() == before).then_some(lookup),
            Err((key, message)) => {
                problems.add(at(key), message);
                None
            }
        }
    }

    fn sql(&self, parameter: &str, example: &str) -> Result<Lookup, (&'static str, String)> {
        match &self.query {
            Some(query) if query.contains(parameter) => {
                Ok(Lookup::Sql { query: query.as_str().into(), key_type: self.key_type })
            }
            Some(_) => Err(("query", format!("takes no keys: write {parameter} as in `{example}`"))),
            None => Err(("query", format!("missing; write one such as `{example}`"))),
        }
    }

    fn redis(&self) -> Result<Lookup, (&'static str, String)> {
        match (&self.prefix, &self.hash) {
            (Some(prefix), None) => Ok(Lookup::Prefix(prefix.as_str().into())),
            (None, Some(hash)) => Ok(Lookup::Hash(hash.as_str().into())),
            (None, None) => Err(("prefix", "missing; write prefix (`\"\"` for none) or hash".into())),
            (Some(_), Some(_)) => Err(("hash", "write prefix or hash, not both".into())),
        }
    }
}

impl Lookup {
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
        let lookup = written.used("maps[0]", kind, &mut problems);
        assert_eq!(lookup.is_some(), problems.0.is_empty());
        lookup.ok_or_else(|| problems.to_string())
    }

    #[test]
    fn a_lookup_that_fits_its_store_is_taken() {
        let sqlite =
            used("{query: SELECT k FROM t WHERE k IN rarray(?1), key_type: bytes}", StoreKind::Sqlite);
        let query = "SELECT k FROM t WHERE k IN rarray(?1)".into();
        assert_eq!(sqlite.unwrap(), Lookup::Sql { query, key_type: Some(KeyType::Bytes) });
        let postgres = used("query: SELECT $1", StoreKind::Postgres);
        assert_eq!(postgres.unwrap(), Lookup::Sql { query: "SELECT $1".into(), key_type: None });
        assert_eq!(used("prefix: ''", StoreKind::Redis).unwrap(), Lookup::Prefix("".into()));
        assert_eq!(used("hash: h", StoreKind::Redis).unwrap(), Lookup::Hash("h".into()));
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
