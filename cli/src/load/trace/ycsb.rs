//! The log of YCSB's basic binding, and a generator that writes the same.

use super::{Change, Reason, TraceWrite};
use crate::random::{Zipf, stream};
use rand::Rng;
use rand::distr::{Alphanumeric, SampleString};

/// How lines begin that YCSB prints besides the operations: its settings, banners and results.
const BANNERS: [&str; 8] =
    ["*", "\"", "[", "YCSB Client", "Command line:", "Loading workload", "Starting test.", "DBWrapper:"];

pub(super) fn parse(text: &str) -> Result<Option<TraceWrite>, Reason> {
    if text.is_empty() || BANNERS.iter().any(|banner| text.starts_with(banner)) {
        return Ok(None);
    }
    let mut words = text.splitn(4, ' ');
    let (operation, _table, key, rest) = (words.next(), words.next(), words.next(), words.next());
    let operation = operation.unwrap_or_default();
    let change = match operation {
        "READ" | "SCAN" => return Ok(None),
        "INSERT" | "UPDATE" => Change::Put(record(rest, text)?),
        "DELETE" => Change::Remove,
        _ => {
            return Err(Reason::Unknown {
                field: "operation",
                text: operation.to_owned(),
                expected: "INSERT, UPDATE, DELETE, READ or SCAN",
            });
        }
    };
    let found = text.split(' ').count();
    let key =
        key.ok_or(Reason::Fields { format: "ycsb", expected: "at least 3: operation table key", found })?;
    Ok(Some(TraceWrite { key: key.to_owned(), change }))
}

/// The text between the brackets.
fn record(rest: Option<&str>, line: &str) -> Result<String, Reason> {
    let record = rest.and_then(|rest| rest.strip_prefix('[')?.strip_suffix(']'));
    let record = record.ok_or_else(|| Reason::Unknown {
        field: "record",
        text: rest.unwrap_or(line).to_owned(),
        expected: "the fields in brackets, such as [ field0=x ]",
    })?;
    Ok(record.trim().to_owned())
}

/// A quarter of the writes load records.
const LOAD_SHARE: u64 = 4;
/// YCSB's own skew.
const SKEW: f64 = 0.99;
/// Of the writes after the load, this share deletes.
const DELETE_SHARE: f64 = 0.02;
/// Bytes of a field.
const FIELD_BYTES: std::ops::Range<usize> = 24..100;
/// Most records: the draw of a key keeps 8 bytes for each.
const RECORDS_MAX: u64 = 1 << 20;

/// The log of `writes` writes under `seed`: records are inserted, then updated and deleted, a few of them much more often
/// than most.
pub(super) fn generate(writes: u64, seed: u64) -> impl Iterator<Item = String> {
    let records = (writes / LOAD_SHARE).clamp(1, RECORDS_MAX);
    let popular = Zipf::new(usize::try_from(records).unwrap_or(usize::MAX), SKEW);
    let mut rng = stream(seed, 0);
    (0..writes).map(move |at| {
        let field = Alphanumeric.sample_string(&mut rng, FIELD_BYTES.start);
        let length = rng.random_range(FIELD_BYTES);
        let record = format!("[ field0={at}-{} ]", field.chars().cycle().take(length).collect::<String>());
        match at < records {
            true => format!("INSERT usertable user{at} {record}"),
            false => {
                let key = popular.draw(&mut rng);
                match rng.random_bool(DELETE_SHARE) {
                    true => format!("DELETE usertable user{key}"),
                    false => format!("UPDATE usertable user{key} {record}"),
                }
            }
        }
    })
}
