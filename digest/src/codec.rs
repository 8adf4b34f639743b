//! How a value becomes bytes, on both sides alike.

use crate::tree::{Broken, Node, Numbers};
use schemars::JsonSchema;
use serde::Deserialize;
use std::borrow::Cow;
use thiserror::Error;

/// How the values of a map are written, and so which differences in writing do not count.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Codec {
    /// The bytes themselves.
    #[default]
    Bytes,
    /// UTF-8 text, byte for byte. Anything else is refused.
    Text,
    /// JSON, compared in the canonical form of RFC 8785: order of members, white space and the spelling of numbers and
    /// strings do not count.
    Json,
    /// A JSON object of named columns, compared as `json` is, but number by number exactly: `12.50`, `1.25e1` and `12.5` are
    /// equal, and no digit of a `bigint` or a `decimal` is lost. No object may have two members of one name.
    Columns,
}

/// The value is not what the map's codec wants.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum CodecError {
    /// Not UTF-8.
    #[error("value is not UTF-8 (first bad byte at {at}); write text, or set the map's codec to `bytes`")]
    NotText {
        /// Offset of the first byte that is not UTF-8.
        at: usize,
    },
    /// Not JSON.
    #[error(
        "value is not JSON (line {line}, column {column}); write JSON, or set the map's codec to `text` or `bytes`"
    )]
    NotJson {
        /// Line of the error, from 1.
        line: usize,
        /// Column of the error, from 1.
        column: usize,
    },
    /// JSON, but not columns.
    #[error(
        "value is no object of columns: {0}; write an object with each column once, or set the map's codec to `json`"
    )]
    NotColumns(#[from] NotColumns),
}

/// Why JSON is no object of columns.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum NotColumns {
    /// A number, a text, an array, or nothing.
    #[error("it is not an object")]
    NotObject,
    /// Two members of an object have one name.
    #[error("a name is there twice")]
    RepeatedName,
}

impl CodecError {
    /// Where `value` is not JSON.
    pub(crate) fn not_json(value: &[u8]) -> Self {
        let error = serde_json::from_slice::<serde_json::Value>(value).err();
        let (line, column) = error.map_or((1, 1), |error| (error.line(), error.column()));
        Self::NotJson { line, column }
    }
}

impl Codec {
    /// The name under which the codec is hashed; the number grows when the canonical form changes.
    #[must_use]
    pub const fn versioned_name(self) -> &'static str {
        match self {
            Self::Bytes => "bytes/1",
            Self::Text => "text/1",
            Self::Json => "json/1",
            Self::Columns => "columns/1",
        }
    }

    /// How numbers are compared.
    pub(crate) const fn numbers(self) -> Numbers {
        match self {
            Self::Columns => Numbers::Exact,
            Self::Bytes | Self::Text | Self::Json => Numbers::Doubles,
        }
    }

    /// The parts of `value`, which is JSON.
    pub(crate) fn tree(self, value: &[u8]) -> Result<Node<'_>, CodecError> {
        match (self, Node::parse(value, self.numbers())) {
            (_, Err(Broken::Json)) => Err(CodecError::not_json(value)),
            (_, Err(Broken::RepeatedName)) => Err(NotColumns::RepeatedName.into()),
            (Self::Columns, Ok(node)) if !matches!(node, Node::Object(_)) => {
                Err(NotColumns::NotObject.into())
            }
            (_, Ok(node)) => Ok(node),
        }
    }

    /// The canonical form of `value`.
    ///
    /// # Errors
    ///
    /// [`CodecError`] if the value is not text or JSON as the codec wants.
    pub fn canonical(self, value: &[u8]) -> Result<Cow<'_, [u8]>, CodecError> {
        match self {
            Self::Bytes => Ok(Cow::Borrowed(value)),
            Self::Text => match std::str::from_utf8(value) {
                Ok(_) => Ok(Cow::Borrowed(value)),
                Err(bad) => Err(CodecError::NotText { at: bad.valid_up_to() }),
            },
            Self::Json => {
                let parsed: serde_json::Value = serde_json::from_slice(value)
                    .map_err(|bad| CodecError::NotJson { line: bad.line(), column: bad.column() })?;
                let canonical = serde_json_canonicalizer::to_vec(&parsed)
                    .map_err(|bad| CodecError::NotJson { line: bad.line(), column: bad.column() })?;
                Ok(Cow::Owned(canonical))
            }
            Self::Columns => Ok(Cow::Owned(self.tree(value)?.canonical(self.numbers()))),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn json_differences_that_do_not_count_do_not_count() {
        let canonical = |text: &str| Codec::Json.canonical(text.as_bytes()).unwrap().into_owned();
        for (left, right) in [
            (r#"{"a":1,"b":2}"#, "{ \"b\" : 2,\n\"a\":1 }"),
            ("1.0", "1"),
            ("1e2", "100"),
            (r#""\u0041""#, r#""A""#),
        ] {
            assert_eq!(canonical(left), canonical(right), "{left} and {right}");
        }
        for (left, right) in [("[1,2]", "[2,1]"), ("null", r#""null""#), ("1", "2")] {
            assert_ne!(canonical(left), canonical(right), "{left} and {right}");
        }
    }

    #[test]
    fn a_value_the_codec_does_not_want_is_an_error_that_says_where() {
        assert_eq!(Codec::Text.canonical(b"ab\xff"), Err(CodecError::NotText { at: 2 }));
        assert_eq!(Codec::Json.canonical(b"{\"a\":"), Err(CodecError::NotJson { line: 1, column: 5 }));
        assert!(Codec::Bytes.canonical(b"\xff").is_ok());
        for (value, expected) in [
            ("[]", CodecError::NotColumns(NotColumns::NotObject)),
            ("{", CodecError::NotJson { line: 1, column: 1 }),
            (r#"{"a":1,"a":1}"#, CodecError::NotColumns(NotColumns::RepeatedName)),
            ("{\n\"a\":\"\\ud800\"}", CodecError::NotJson { line: 2, column: 12 }),
        ] {
            assert_eq!(Codec::Columns.canonical(value.as_bytes()), Err(expected), "{value}");
        }
    }
}
