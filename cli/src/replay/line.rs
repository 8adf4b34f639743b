//! One line of a recorded history, parsed and checked.
//!
//! ```json
//! {"type":"write","id":"w1","key":"k","source":"s","seq":1,"value":"x","map":[10,20],"store":[12,30],"outcome":"ok"}
//! {"type":"read","id":"r1","key":"k","at":[40,41],"value":"x"}
//! ```
//!
//! Times are whole nanoseconds of one clock; an end that is not known is `null`. `value` is a string, or `null` for a
//! remove or for absence. `map`, `store`, `outcome` and `version` may be missing, though not both legs.

use counterfoil_judge::{Interval, Time};
use serde::{Deserialize, Deserializer};
use serde_json::Value;
use thiserror::Error;

/// What is wrong with a line.
#[derive(Debug, Error)]
pub(super) enum Reason {
    /// Longer than any line may be.
    #[error("longer than {0} bytes")]
    TooLong(usize),
    /// Not JSON.
    #[error("not JSON: {problem} (column {column})")]
    NotJson {
        /// What the parser found.
        problem: String,
        /// Where, counted in bytes from 1.
        column: usize,
    },
    /// JSON, but not a write or a read.
    #[error("{0}")]
    NotALine(String),
    /// A name that must not be empty is.
    #[error("field `{0}` is empty")]
    Empty(&'static str),
    /// Not an interval.
    #[error(
        "field `{field}` is {found}; write [begin, end] in whole nanoseconds, and null for an end that is not known"
    )]
    NotAnInterval {
        /// The field.
        field: &'static str,
        /// What it holds.
        found: Value,
    },
    /// An interval whose end is before its begin.
    #[error("field `{field}` ends at {end}, before it begins at {begin}")]
    Backwards {
        /// The field.
        field: &'static str,
        /// Its begin.
        begin: i64,
        /// Its end.
        end: i64,
    },
    /// A time at the edge of 64 bits, which stands for "always" or "never".
    #[error("field `{0}` holds a time outside of -2^63 + 1 ..= 2^63 - 2")]
    OutOfRange(&'static str),
    /// Neither leg is given.
    #[error("a write needs `map`, `store` or both")]
    NoLeg,
    /// Two writes or two reads with one name.
    #[error("id `{id}` is that of line {line} already")]
    SameId {
        /// The name.
        id: String,
        /// The line that had it first.
        line: usize,
    },
    /// Two writes of one source with one number.
    #[error("seq {seq} of source `{source_name}` is that of line {line} already")]
    SameSeq {
        /// The source.
        source_name: String,
        /// The number.
        seq: u64,
        /// The line that had it first.
        line: usize,
    },
    /// The text could not be read.
    #[error("{0}")]
    Unreadable(#[from] std::io::Error),
}

/// A line, checked.
pub(super) enum Line {
    /// What the application did.
    Write(Write),
    /// What a probe saw.
    Read(Read),
}

/// A write. At least one leg is there.
pub(super) struct Write {
    pub(super) id: String,
    pub(super) key: String,
    pub(super) source: String,
    pub(super) seq: u64,
    pub(super) value: Option<String>,
    pub(super) map: Option<Interval>,
    pub(super) store: Option<Interval>,
    pub(super) outcome: Outcome,
    pub(super) version: Option<u64>,
}

/// A read.
pub(super) struct Read {
    pub(super) id: String,
    pub(super) key: String,
    pub(super) at: Interval,
    pub(super) value: Option<String>,
}

/// A line as written.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
enum Written {
    Write(WrittenWrite),
    Read(WrittenRead),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenWrite {
    id: String,
    key: String,
    source: String,
    seq: u64,
    #[serde(deserialize_with = "given")]
    value: Option<String>,
    #[serde(default)]
    map: Option<Value>,
    #[serde(default)]
    store: Option<Value>,
    #[serde(default)]
    outcome: Outcome,
    #[serde(default)]
    version: Option<u64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenRead {
    id: String,
    key: String,
    at: Value,
    #[serde(deserialize_with = "given")]
    value: Option<String>,
}

/// What the application was told about its store call.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    #[default]
    Ok,
    Failed,
    Unknown,
}

/// A value that may be `null` but not missing.
fn given<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
    Option::deserialize(deserializer)
}

impl Line {
    /// Parses one line and checks all that can be checked without the others.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Reason> {
        let written = serde_json::from_slice(text).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => Reason::NotALine(without_position(&error)),
            _ => Reason::NotJson { problem: without_position(&error), column: error.column() },
        })?;
        Ok(match written {
            Written::Write(write) => Self::Write(write.try_into()?),
            Written::Read(read) => Self::Read(read.try_into()?),
        })
    }
}

/// The parser counts lines of its own; ours is another one.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rfind(" at line ").map_or(text.as_str(), |at| text.get(..at).unwrap_or(&text)).to_owned()
}

impl TryFrom<WrittenWrite> for Write {
    type Error = Reason;

    fn try_from(written: WrittenWrite) -> Result<Self, Reason> {
        let WrittenWrite { id, key, source, seq, value, map, store, outcome, version } = written;
        not_empty([("id", &id), ("key", &key), ("source", &source)])?;
        let map = map.map(|map| interval("map", map)).transpose()?;
        let store = store.map(|store| interval("store", store)).transpose()?;
        if map.is_none() && store.is_none() {
            return Err(Reason::NoLeg);
        }
        Ok(Self { id, key, source, seq, value, map, store, outcome, version })
    }
}

impl TryFrom<WrittenRead> for Read {
    type Error = Reason;

    fn try_from(written: WrittenRead) -> Result<Self, Reason> {
        let WrittenRead { id, key, at, value } = written;
        not_empty([("id", &id), ("key", &key)])?;
        Ok(Self { id, key, at: interval("at", at)?, value })
    }
}

fn not_empty<const N: usize>(names: [(&'static str, &String); N]) -> Result<(), Reason> {
    match names.into_iter().find(|(_, name)| name.is_empty()) {
        Some((field, _)) => Err(Reason::Empty(field)),
        None => Ok(()),
    }
}

/// `[begin, end]`; without an end it lasts for ever.
fn interval(field: &'static str, found: Value) -> Result<Interval, Reason> {
    let (begin, end) = match found.as_array().map(Vec::as_slice) {
        Some([begin, Value::Null]) => (begin.as_i64(), Some(None)),
        Some([begin, end]) => (begin.as_i64(), end.as_i64().map(Some)),
        _ => (None, None),
    };
    let (Some(begin), Some(end)) = (begin, end) else { return Err(Reason::NotAnInterval { field, found }) };
    let stands_for_more = |at: i64| at == Time::MIN.0 || at == Time::MAX.0;
    if stands_for_more(begin) || end.is_some_and(stands_for_more) {
        return Err(Reason::OutOfRange(field));
    }
    match end {
        Some(end) if end < begin => Err(Reason::Backwards { field, begin, end }),
        end => Ok(Interval::new(Time(begin), end.map_or(Time::MAX, Time))),
    }
}
