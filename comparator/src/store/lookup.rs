//! How the keys of a map are looked up in its store.

mod written;

pub use written::WrittenLookup;

use super::StoreError;
use schemars::JsonSchema;
use serde::Deserialize;
use std::sync::Arc;

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
