//! A recorded history: every write by key, every read in its order.

use super::Options;
use super::line::{Line, Outcome, Read, Reason, Write};
use counterfoil_judge as judge;
use counterfoil_judge::{Digest, Observation, Reported, StoreOutcome, Terms, WriteId};
use std::collections::HashMap;
use std::hash::Hash;
use std::io::{BufRead, Read as _};
use thiserror::Error;

/// Longest line, in bytes.
const LINE_BYTES_MAX: usize = 16 << 20;

/// A line that is not part of a history.
#[derive(Debug, Error)]
#[error("line {line}: {reason}")]
pub(super) struct BadLine {
    /// Its number, from 1.
    pub(super) line: usize,
    /// What is wrong with it.
    #[source]
    pub(super) reason: Reason,
}

/// A read, ready to be judged.
pub(super) struct RecordedRead {
    pub(super) id: String,
    pub(super) key: usize,
    pub(super) observation: Observation,
}

/// Everything a file says.
pub(super) struct Recording {
    /// The reads, in the order of the file.
    pub(super) reads: Vec<RecordedRead>,
    /// The writes of each key, by the begin of their first leg.
    pub(super) writes: Vec<Vec<judge::Write>>,
}

impl Recording {
    /// Reads a history to its end. Lines of white space do not count.
    pub(super) fn read(mut input: impl BufRead, options: &Options) -> Result<Self, BadLine> {
        let mut reader = Reader::new(options);
        let mut text = Vec::new();
        for line in 1.. {
            text.clear();
            let bad = |reason| BadLine { line, reason };
            let limit = LINE_BYTES_MAX as u64 + 1;
            let length = input.by_ref().take(limit).read_until(b'\n', &mut text);
            match length.map_err(|error| bad(error.into()))? {
                0 => break,
                length if length > LINE_BYTES_MAX => return Err(bad(Reason::TooLong(LINE_BYTES_MAX))),
                _ if text.trim_ascii().is_empty() => {}
                _ => reader.add(line, Line::parse(text.trim_ascii()).map_err(bad)?).map_err(bad)?,
            }
        }
        Ok(reader.finish())
    }

    /// The writes of a key that had begun by the end of `read`.
    pub(super) fn writes_before(&self, read: &RecordedRead) -> &[judge::Write] {
        let writes = self.writes.get(read.key).map_or(&[][..], Vec::as_slice);
        let begun = writes.partition_point(|write| write.begun() <= read.observation.at.end);
        writes.get(..begun).unwrap_or(writes)
    }
}

/// Numbers for names, in the order of their first use.
struct Names<T>(HashMap<T, usize>);

impl<T: Hash + Eq> Names<T> {
    fn number(&mut self, name: T) -> usize {
        let next = self.0.len();
        *self.0.entry(name).or_insert(next)
    }
}

struct Reader<'a> {
    options: &'a Options,
    terms: Terms,
    keys: Names<String>,
    values: Names<String>,
    sources: Names<String>,
    write_ids: HashMap<String, usize>,
    read_ids: HashMap<String, usize>,
    sequences: HashMap<WriteId, usize>,
    recording: Recording,
}

impl<'a> Reader<'a> {
    fn new(options: &'a Options) -> Self {
        Self {
            options,
            terms: options.terms(),
            keys: Names(HashMap::new()),
            values: Names(HashMap::new()),
            sources: Names(HashMap::new()),
            write_ids: HashMap::new(),
            read_ids: HashMap::new(),
            sequences: HashMap::new(),
            recording: Recording { reads: Vec::new(), writes: Vec::new() },
        }
    }

    fn add(&mut self, at: usize, line: Line) -> Result<(), Reason> {
        match line {
            Line::Write(write) => self.add_write(at, write),
            Line::Read(read) => self.add_read(at, read),
        }
    }

    fn add_write(&mut self, at: usize, write: Write) -> Result<(), Reason> {
        let legs = legs(&write, &self.terms);
        let (map, store, deadline) = legs.under(&self.terms, self.options.clock_error);
        unused(&mut self.write_ids, write.id, at).map_err(|(id, line)| Reason::SameId { id, line })?;
        // More than four billion sources would not fit into memory.
        let source = u32::try_from(self.sources.number(write.source.clone())).unwrap_or(u32::MAX);
        let id = WriteId { source, seq: write.seq };
        unused(&mut self.sequences, id, at).map_err(|(id, line)| Reason::SameSeq {
            source_name: write.source,
            seq: id.seq,
            line,
        })?;
        let digest = self.digest(write.value);
        let order = self.options.map_order_is_exact.then_some(write.seq);
        let version = write.version;
        let key = self.key(write.key);
        if let Some(writes) = self.recording.writes.get_mut(key) {
            writes.push(judge::Write {
                id,
                digest,
                map,
                order,
                store,
                version,
                deadline,
                pending: false,
                held: false,
            });
        }
        Ok(())
    }

    fn add_read(&mut self, at: usize, read: Read) -> Result<(), Reason> {
        unused(&mut self.read_ids, read.id.clone(), at).map_err(|(id, line)| Reason::SameId { id, line })?;
        let observation = Observation { at: read.at, digest: self.digest(read.value), version: None };
        let key = self.key(read.key);
        self.recording.reads.push(RecordedRead { id: read.id, key, observation });
        Ok(())
    }

    fn key(&mut self, name: String) -> usize {
        let key = self.keys.number(name);
        if key == self.recording.writes.len() {
            self.recording.writes.push(Vec::new());
        }
        key
    }

    /// Values are numbered, not hashed: equal values have equal digests and others do not, with certainty.
    fn digest(&mut self, value: Option<String>) -> Digest {
        value.map_or(Digest::ABSENT, |value| Digest((self.values.number(value) as u128 + 1).to_le_bytes()))
    }

    fn finish(mut self) -> Recording {
        for writes in &mut self.recording.writes {
            writes.sort_by_key(judge::Write::begun);
        }
        self.recording
    }
}

/// Notes that line `at` uses `name`; gives the line that has used it before.
fn unused<T: Hash + Eq + Clone>(used: &mut HashMap<T, usize>, name: T, at: usize) -> Result<(), (T, usize)> {
    match used.get(&name) {
        Some(&line) => Err((name, line)),
        None => {
            used.insert(name, at);
            Ok(())
        }
    }
}

/// The legs of a write as the judge takes them. Where only an outcome is known of the store call, its interval is that
/// of the contract.
fn legs(write: &Write, terms: &Terms) -> Reported {
    let map = write.map.or(write.store);
    let outcome = match write.outcome {
        Outcome::Ok => StoreOutcome::Ok,
        Outcome::Failed => StoreOutcome::Failed,
        Outcome::Unknown => StoreOutcome::Unknown,
    };
    let supplied = map.filter(|_| outcome != StoreOutcome::Ok);
    let supplied = supplied.map(|map| judge::Interval { begin: map.begin.minus(terms.lead), end: map.end });
    let store = write.store.or(supplied);
    Reported { map, store: store.map(|leg| (leg, outcome)) }
}
