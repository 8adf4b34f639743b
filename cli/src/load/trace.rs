//! Recorded workloads as a stream of writes, one file per format.
//!
//! | format | line | writes |
//! |---|---|---|
//! | `cloudphysics` | `version,time,op,size,lbn` | op `2a`: `size` bytes to block `lbn` |
//! | `twitter` | `timestamp,key,key size,value size,client id,operation,TTL` | all operations but `get` and `gets` |
//! | `ycsb` | what YCSB's basic binding prints: `INSERT usertable user1 [ field0=x ]` | `INSERT`, `UPDATE`, `DELETE` |
//!
//! Reads are passed over. Anything else is a bad line.

mod cloudphysics;
mod twitter;
mod ycsb;

use clap::ValueEnum;
use std::io::{self, BufRead, Read};
use std::num::ParseIntError;
use thiserror::Error;

/// Longest line, in bytes.
const LINE_BYTES_MAX: usize = 1 << 20;

/// The form of a recorded workload.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum Format {
    /// Block requests: version,time,op,size,lbn
    Cloudphysics,
    /// Cache requests: timestamp,key,key size,value size,client id,operation,TTL
    Twitter,
    /// The log of YCSB's basic binding
    Ycsb,
}

/// A write of the workload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct TraceWrite {
    pub(super) key: String,
    pub(super) change: Change,
}

/// What it does to the key.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub(super) enum Change {
    /// The key gets this value.
    Put(String),
    /// The key gets a value of this many bytes; the recording does not say which.
    PutSized(usize),
    /// The key loses its value.
    Remove,
}

/// What is wrong with a line.
#[derive(Debug, Error)]
pub(super) enum Reason {
    /// Longer than any line may be.
    #[error("longer than {LINE_BYTES_MAX} bytes")]
    TooLong,
    /// Not text.
    #[error("not UTF-8")]
    NotText,
    /// Too few fields or too many.
    #[error("{found} fields where {format} has {expected}")]
    Fields { format: &'static str, expected: &'static str, found: usize },
    /// A field that should be a number.
    #[error("field `{field}` is `{text}`: {source}")]
    Number { field: &'static str, text: String, source: ParseIntError },
    /// A field that holds something unknown.
    #[error("field `{field}` is `{text}`; it should be {expected}")]
    Unknown { field: &'static str, text: String, expected: &'static str },
    /// The key is empty.
    #[error("the key is empty")]
    NoKey,
    /// The text could not be read.
    #[error("{0}")]
    Unreadable(#[from] io::Error),
}

/// A line that is not of the format.
#[derive(Debug, Error)]
#[error("line {line}: {reason}")]
pub(super) struct BadLine {
    /// Its number, from 1.
    pub(super) line: u64,
    /// What is wrong with it.
    #[source]
    pub(super) reason: Reason,
}

impl Format {
    /// The write that a line records, if it records one.
    fn parse(self, line: u64, text: &str) -> Result<Option<TraceWrite>, Reason> {
        match self {
            Self::Cloudphysics if line == 1 && text == cloudphysics::HEADER => Ok(None),
            Self::Cloudphysics => cloudphysics::parse(text),
            Self::Twitter => twitter::parse(text),
            Self::Ycsb => ycsb::parse(text),
        }
    }

    /// The writes of a recording, in order.
    pub(super) fn writes<R: BufRead>(self, input: R) -> Writes<R> {
        Writes { format: self, input, line: 0, text: Vec::new(), ended: false }
    }
}

/// A made-up workload of `writes` writes under `seed`, as if it had been recorded.
pub(super) fn generated(writes: u64, seed: u64) -> impl Iterator<Item = Result<TraceWrite, BadLine>> {
    ycsb::generate(writes, seed).zip(1..).filter_map(|(text, line)| {
        Format::Ycsb.parse(line, &text).map_err(|reason| BadLine { line, reason }).transpose()
    })
}

/// The writes of a recording; ends after the first bad line.
pub(super) struct Writes<R> {
    format: Format,
    input: R,
    line: u64,
    text: Vec<u8>,
    ended: bool,
}

impl<R: BufRead> Writes<R> {
    /// The next write; `None` at the end.
    fn advance(&mut self) -> Result<Option<TraceWrite>, Reason> {
        loop {
            self.line += 1;
            self.text.clear();
            let length =
                (&mut self.input).take(LINE_BYTES_MAX as u64 + 1).read_until(b'\n', &mut self.text)?;
            if length > LINE_BYTES_MAX {
                return Err(Reason::TooLong);
            }
            if length == 0 {
                return Ok(None);
            }
            let text = std::str::from_utf8(&self.text).map_err(|_| Reason::NotText)?.trim_end();
            if let Some(write) = self.format.parse(self.line, text)? {
                return if write.key.is_empty() { Err(Reason::NoKey) } else { Ok(Some(write)) };
            }
        }
    }
}

impl<R: BufRead> Iterator for Writes<R> {
    type Item = Result<TraceWrite, BadLine>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ended {
            return None;
        }
        let next = self.advance().map_err(|reason| BadLine { line: self.line, reason }).transpose();
        self.ended = !matches!(next, Some(Ok(_)));
        next
    }
}

/// Exactly `N` comma-separated fields.
fn fields<'a, const N: usize>(
    text: &'a str,
    format: &'static str,
    expected: &'static str,
) -> Result<[&'a str; N], Reason> {
    let fields = text.split(',').collect::<Vec<_>>();
    let found = fields.len();
    fields.try_into().map_err(|_| Reason::Fields { format, expected, found })
}

fn number(field: &'static str, text: &str) -> Result<u64, Reason> {
    text.parse().map_err(|source| Reason::Number { field, text: text.to_owned(), source })
}

fn size(field: &'static str, text: &str) -> Result<usize, Reason> {
    text.parse().map_err(|source| Reason::Number { field, text: text.to_owned(), source })
}

#[cfg(test)]
mod tests;
