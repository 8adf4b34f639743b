//! The parameters of a Postgres query: what type it has given them, and keys bound as that type.

use super::super::gather::integer;
use super::super::lookup::KeyType;
use super::super::{KeyError, StoreError};
use tokio_postgres::Statement;
use tokio_postgres::types::{Kind, ToSql, Type};

/// A parameter of whatever type the query has.
pub(super) type Bound<'k> = Box<dyn ToSql + Sync + Send + 'k>;

/// The type that the query takes its keys as: of the elements of its array, or of the key that a scan begins at.
pub(super) enum Parameter {
    Text,
    Bytes,
    Int8,
    Int4,
    Int2,
}

impl Parameter {
    pub(super) fn of_keys(statement: &Statement, written: Option<KeyType>) -> Result<Self, StoreError> {
        let [array] = statement.params() else {
            return Err(StoreError::query("it must take one parameter, $1, the array of keys"));
        };
        let element = match array.kind() {
            Kind::Array(element) => Self::named(element.name()),
            _ => None,
        };
        let cast = "must be an array of text, bytea or integers; cast it, as in $1::text[]::uuid[]";
        Self::agreed(array, element, written, cast)
    }

    pub(super) fn of_scan(statement: &Statement, written: Option<KeyType>) -> Result<Self, StoreError> {
        let [key, limit] = statement.params() else {
            return Err(StoreError::query("it must take two parameters: $1, a key, and $2, the limit"));
        };
        if *limit != Type::INT8 {
            return Err(StoreError::query(format!("its limit, $2, has type {limit}; write it after LIMIT")));
        }
        let cast = "must be text, bytea or an integer; cast it, and the column with it, as in k::text >= $1";
        Self::agreed(key, Self::named(key.name()), written, cast)
    }

    fn named(type_name: &str) -> Option<Self> {
        Some(match type_name {
            "text" | "varchar" | "bpchar" | "name" | "citext" => Self::Text,
            "bytea" => Self::Bytes,
            "int8" => Self::Int8,
            "int4" => Self::Int4,
            "int2" => Self::Int2,
            _ => return None,
        })
    }

    /// The type of the parameter, if it is one that keys have and the contract says no other.
    fn agreed(
        parameter: &Type,
        found: Option<Self>,
        written: Option<KeyType>,
        cast: &str,
    ) -> Result<Self, StoreError> {
        let found = found
            .ok_or_else(|| StoreError::query(format!("its parameter has type {parameter}; it {cast}")))?;
        match written {
            Some(written) if written != found.key_type() => Err(StoreError::query(format!(
                "its parameter has type {parameter}, but key_type is {}; remove key_type or cast $1",
                written.name()
            ))),
            _ => Ok(found),
        }
    }

    pub(super) fn key_type(&self) -> KeyType {
        match self {
            Self::Text => KeyType::Text,
            Self::Bytes => KeyType::Bytes,
            Self::Int8 | Self::Int4 | Self::Int2 => KeyType::Integer,
        }
    }

    pub(super) fn check(&self, key: &[u8]) -> Result<(), KeyError> {
        match self {
            Self::Text if key.contains(&0) => Err(KeyError::NotText),
            Self::Text => std::str::from_utf8(key).map(|_| ()).map_err(|_| KeyError::NotText),
            Self::Bytes => Ok(()),
            Self::Int8 => integer(key).map(|_| ()),
            Self::Int4 => {
                integer(key).and_then(|key| i32::try_from(key).map_err(|_| KeyError::NotInteger)).map(|_| ())
            }
            Self::Int2 => {
                integer(key).and_then(|key| i16::try_from(key).map_err(|_| KeyError::NotInteger)).map(|_| ())
            }
        }
    }

    /// The keys as one parameter; each passed the check, so none is left out.
    pub(super) fn bind<'k>(&self, keys: &[&'k [u8]]) -> Bound<'k> {
        let integers = || keys.iter().filter_map(|key| integer(key).ok());
        match self {
            Self::Text => {
                Box::new(keys.iter().filter_map(|key| std::str::from_utf8(key).ok()).collect::<Vec<_>>())
            }
            Self::Bytes => Box::new(keys.to_vec()),
            Self::Int8 => Box::new(integers().collect::<Vec<_>>()),
            Self::Int4 => Box::new(integers().filter_map(|key| i32::try_from(key).ok()).collect::<Vec<_>>()),
            Self::Int2 => Box::new(integers().filter_map(|key| i16::try_from(key).ok()).collect::<Vec<_>>()),
        }
    }

    /// One key that passed the check.
    pub(super) fn bind_one<'k>(&self, key: &'k [u8]) -> Bound<'k> {
        let integer = integer(key).unwrap_or(i64::MIN);
        match self {
            Self::Text => Box::new(std::str::from_utf8(key).unwrap_or_default()),
            Self::Bytes => Box::new(key),
            Self::Int8 => Box::new(integer),
            Self::Int4 => Box::new(i32::try_from(integer).unwrap_or(i32::MIN)),
            Self::Int2 => Box::new(i16::try_from(integer).unwrap_or(i16::MIN)),
        }
    }

    /// What no key comes before.
    pub(super) fn least(&self) -> Bound<'static> {
        self.bind_one(b"")
    }
}
