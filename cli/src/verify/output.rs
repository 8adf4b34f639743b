//! What `verify` prints: the verdict in words with the writes beside the read, or one JSON document.

use crate::output::{one_line, plain_table};
use comfy_table::Cell;
use counterfoil_evidence::{
    Instant, Interval, Predicate, Refusal, StoreLeg, Verified, Write as Written, WriteName,
};
use counterfoil_judge::Time;
use serde::Serialize;
use std::io::{self, Write};
use std::path::Path;

/// Nanoseconds in a millisecond.
const MS: f64 = 1e6;

/// Digits of a digest in the list of writes; the two that differ are shown whole.
const DIGEST_CHARS_SHOWN: usize = 12;

/// What came of a bundle.
type Outcome<'a> = (&'a Path, Result<Verified, Refusal>);

#[derive(Serialize)]
struct Row<'a> {
    file: String,
    holds: bool,
    /// Why it does not hold.
    error: Option<String>,
    /// The key that it is signed under.
    key_id: Option<String>,
    /// What it says.
    evidence: Option<&'a Predicate>,
}

/// Prints what came of each bundle as one JSON array.
pub(super) fn json(results: &[Outcome<'_>], out: &mut dyn Write) -> io::Result<()> {
    let row = |(file, result): &Outcome<'_>| Row {
        file: file.display().to_string(),
        holds: result.is_ok(),
        error: result.as_ref().err().map(ToString::to_string),
        key_id: None,
        evidence: None,
    };
    let rows: Vec<_> = results
        .iter()
        .map(|outcome| match &outcome.1 {
            Ok(Verified { predicate, key_id }) => {
                Row { key_id: Some(key_id.to_string()), evidence: Some(predicate), ..row(outcome) }
            }
            Err(_) => row(outcome),
        })
        .collect();
    serde_json::to_writer_pretty(&mut *out, &rows)?;
    writeln!(out)
}

/// Prints what came of each bundle for people. `is_anyones` tells that nobody vouches for the keys.
pub(super) fn text(results: &[Outcome<'_>], is_anyones: bool, out: &mut dyn Write) -> io::Result<()> {
    for (at, (file, result)) in results.iter().enumerate() {
        if at > 0 {
            writeln!(out)?;
        }
        let file = one_line(&file.display().to_string());
        match result {
            Ok(verified) => {
                let by = if is_anyones { ", which the bundle itself names" } else { "" };
                writeln!(out, "{file}: holds, signed under key {}{by}", verified.key_id)?;
                told(&verified.predicate, out)?;
            }
            Err(refusal) => writeln!(out, "{file}: DOES NOT HOLD: {}", one_line(&refusal.to_string()))?,
        }
    }
    Ok(())
}

fn told(said: &Predicate, out: &mut dyn Write) -> io::Result<()> {
    let Predicate { contract, verdict, written, .. } = said;
    let key = one_line(&String::from_utf8_lossy(&said.key.0));
    let [map, store, named, by, host] =
        [&contract.map, &contract.store, &said.named_source, &written.by, &written.host]
            .map(|text| one_line(text));
    writeln!(out, "  divergence   {}", said.divergence)?;
    writeln!(out, "  key          {key} of map {map}, held against store {store}")?;
    writeln!(out, "  verdict      {}; judged again, with the same result", verdict.in_words())?;
    writeln!(out, "  should show  {} of {named} #{}", verdict.expected, verdict.named.seq)?;
    writeln!(out, "  store held   {}", said.read.digest)?;
    writeln!(out, "  signatures   {}", signatures(said))?;
    writeln!(out, "  written      by {by} on {host}{}", at(written.at_unix_ns.0))?;
    writeln!(out, "  times in milliseconds from the begin of the read, which took {}", length(said.read.at))?;
    let table = writes(said).to_string();
    table.lines().try_for_each(|line| writeln!(out, "    {}", line.trim_end()))?;
    beside(said, out)
}

/// How the batches that brought the writes are signed.
fn signatures(said: &Predicate) -> String {
    let mut text = format!("those of {} batches hold", said.batches.len());
    let mut why: Vec<_> = said.unsigned.iter().map(|one| one.because.to_string()).collect();
    why.sort_unstable();
    for alike in why.chunk_by(|one, next| one == next) {
        let because = alike.first().map_or("", String::as_str);
        text += &format!("; {} writes without ({because})", alike.len());
    }
    text
}

fn at(unix_ns: i64) -> String {
    let time = jiff::Timestamp::from_nanosecond(unix_ns.into());
    time.map_or_else(|_| String::new(), |time| format!(" at {time}"))
}

/// The writes in the order in which their first legs may have begun.
fn writes(said: &Predicate) -> comfy_table::Table {
    let mut table = plain_table(["write", "wrote", "map", "store", ""]);
    let mut writes: Vec<_> = said.history.writes.iter().collect();
    writes.sort_by_key(|write| begun(write));
    let origin = said.read.at.begin_ns;
    for write in writes {
        let map = write.map.map_or_else(|| "-".to_owned(), |leg| interval(leg, origin));
        let store = write.store.map_or_else(|| "-".to_owned(), |leg| store_leg(leg, origin));
        let digest: String = write.digest.to_string().chars().take(DIGEST_CHARS_SHOWN).collect();
        let is_named = write.id == said.verdict.named;
        let mark = if is_named { "should have shown" } else { "" };
        table.add_row([named(said, write.id), digest, map, store, mark.to_owned()].map(Cell::new));
    }
    table
}

fn begun(write: &Written) -> Time {
    let map = write.map.map_or(Time::MAX, |leg| leg.begin_ns.0);
    write.store.map_or(map, |leg| leg.begin_ns.0.min(map))
}

/// A write by its source's name.
fn named(said: &Predicate, write: WriteName) -> String {
    let source = said.sources.iter().find(|source| source.number == write.source);
    let name = source.map_or_else(|| format!("source {}", write.source), |source| one_line(&source.name));
    format!("{name} #{}", write.seq)
}

/// What there is besides single writes.
fn beside(said: &Predicate, out: &mut dyn Write) -> io::Result<()> {
    let history = &said.history;
    let merged: usize = history.groups.iter().map(|group| group.digests.len()).sum();
    for (count, what) in [(merged, "merged writes"), (history.dropped.len(), "writes before, remembered")] {
        if count > 0 {
            writeln!(out, "    and {count} {what}")?;
        }
    }
    Ok(())
}

fn interval(leg: Interval, origin: Instant) -> String {
    format!("{} to {}", from(origin, leg.begin_ns), from(origin, leg.end_ns))
}

fn store_leg(leg: StoreLeg, origin: Instant) -> String {
    let StoreLeg { begin_ns, end_ns, acknowledged } = leg;
    let how = if acknowledged { "ok" } else { "unknown" };
    format!("{} {how}", interval(Interval { begin_ns, end_ns }, origin))
}

/// An instant in milliseconds from another one.
fn from(origin: Instant, instant: Instant) -> String {
    match instant.0 {
        Time::MIN | Time::MAX => instant.to_string(),
        at => format!("{:+.3}", at.since(origin.0) as f64 / MS),
    }
}

fn length(at: Interval) -> String {
    format!("{:.3}", at.end_ns.0.since(at.begin_ns.0) as f64 / MS)
}
