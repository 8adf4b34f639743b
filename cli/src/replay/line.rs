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

/// A line as written.
#[derive(Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(super) enum Line {
    /// What the application did.
    Write(Write),
    /// What a probe saw.
    Read(Read),
}

/// A write as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Write {
    pub(super) id: String,
    pub(super) key: String,
    pub(super) source: String,
    pub(super) seq: u64,
    #[serde(deserialize_with = "given")]
    pub(super) value: Option<String>,
    #[serde(default)]
    pub(super) map: Option<Ends>,
    #[serde(default)]
    pub(super) store: Option<Ends>,
    #[serde(default)]
    pub(super) outcome: Outcome,
    #[serde(default)]
    pub(super) version: Option<u64>,
}

/// A read as written.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Read {
    pub(super) id: String,
    pub(super) key: String,
    pub(super) at: Ends,
    #[serde(deserialize_with = "given")]
    pub(super) value: Option<String>,
}

/// Begin and end of an interval; `null` for an end that is not known.
#[derive(Clone, Copy, Deserialize)]
pub(super) struct Ends(i64, Option<i64>);

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
        let line: Self = serde_json::from_slice(text).map_err(|error| match error.classify() {
            serde_json::error::Category::Data => Reason::NotALine(without_position(&error)),
            _ => Reason::NotJson { problem: without_position(&error), column: error.column() },
        })?;
        match &line {
            Self::Write(write) => write.check()?,
            Self::Read(read) => read.check()?,
        }
        Ok(line)
    }
}

/// The parser counts lines of its own; ours is another one.
fn without_position(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rfind(" at line ").map_or(text.as_str(), |at| text.get(..at).unwrap_or(&text)).to_owned()
}

impl Write {
    fn check(&self) -> Result<(), Reason> {
        not_empty([("id", &self.id), ("key", &self.key), ("source", &self.source)])?;
        if self.map.is_none() && self.store.is_none() {
            return Err(Reason::NoLeg);
        }
        [("map", self.map), ("store", self.store)]
            .into_iter()
            .try_for_each(|(field, ends)| ends.map_or(Ok(()), |ends| ends.check(field)))
    }
}

impl Read {
    fn check(&self) -> Result<(), Reason> {
        not_empty([("id", &self.id), ("key", &self.key)])?;
        self.at.check("at")
    }
}

fn not_empty<const N: usize>(names: [(&'static str, &String); N]) -> Result<(), Reason> {
    match names.into_iter().find(|(_, name)| name.is_empty()) {
        Some((field, _)) => Err(Reason::Empty(field)),
        None => Ok(()),
    }
}

impl Ends {
    fn check(self, field: &'static str) -> Result<(), Reason> {
        let Self(begin, end) = self;
        let at_the_edge = |at: i64| at == Time::MIN.0 || at == Time::MAX.0;
        if at_the_edge(begin) || end.is_some_and(at_the_edge) {
            return Err(Reason::OutOfRange(field));
        }
        match end {
            Some(end) if end < begin => Err(Reason::Backwards { field, begin, end }),
            _ => Ok(()),
        }
    }

    /// The interval; without an end it lasts for ever.
    pub(super) fn interval(self) -> Interval {
        Interval::new(Time(self.0), self.1.map_or(Time::MAX, Time))
    }
}
