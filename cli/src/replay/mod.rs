//! `counterfoil replay`: judges a recorded history, offline.
//!
//! The recording is taken as complete: every write that ever was is in it, so all watermarks have passed every read. What
//! a key held before its first write is not known. Each read is judged alone: what one read proves is not held against
//! another one.
//!
//! Unlike in the comparator, nothing is merged or forgotten: legality and the figures of a stale value are exact, however
//! many writes a key has.

mod line;
mod output;
mod recording;
#[cfg(test)]
mod tests;

use crate::exit::{Answer, Failure};
use crate::output::Output;
use clap::{Args, ValueEnum};
use counterfoil_judge::{History, Judgement, Legality, Scope, Terms, Verdict, judge};
use recording::{BadLine, RecordedRead, Recording};
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::PathBuf;

/// Writes of a key from one pruning to the next.
const PRUNE_EVERY: usize = 256;

/// Flags of `counterfoil replay`.
#[derive(Args, Debug)]
pub(crate) struct ReplayArgs {
    /// The history: one JSON object per line; `-` for standard input
    file: PathBuf,
    /// Within this time after a write the store must agree
    #[arg(long, default_value = "1s", value_parser = crate::duration::parse)]
    deadline: i64,
    /// How long before its map leg a store write may have begun, where the store leg is not recorded
    #[arg(long, default_value = "0", value_parser = crate::duration::parse)]
    lead: i64,
    /// How far the recorded times of writes may be off, either way
    #[arg(long, default_value = "0", value_parser = crate::duration::parse)]
    clock_error: i64,
    /// What `seq` says about the order in which a source's map changed
    #[arg(long, value_enum, default_value_t = MapOrder::Interval)]
    map_order: MapOrder,
    /// How results are written
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum MapOrder {
    /// Nothing: only writes whose map legs do not overlap are ordered
    Interval,
    /// The numbers were taken under the map's lock
    Exact,
}

/// How the recording is to be read and judged; durations in nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Options {
    deadline: i64,
    lead: i64,
    clock_error: i64,
    map_order_is_exact: bool,
}

impl Options {
    fn terms(&self) -> Terms {
        Terms {
            deadline: self.deadline,
            lead: self.lead,
            give_up: None,
            patience: 0,
            expires: false,
            scope: Scope::Shared,
        }
    }
}

/// A read and what it proves.
struct Judged {
    id: String,
    judgement: Judgement,
}

impl Judged {
    /// Whether some order of the writes explains the read, or the unknown state before the first one does.
    fn is_legal(&self) -> bool {
        self.judgement.legality != Legality::Illegal
    }

    fn is_divergent(&self) -> bool {
        matches!(self.judgement.verdict, Verdict::Divergent(_))
    }
}

/// Judges the file; the answer is no if any read is divergent.
pub(crate) fn run(args: &ReplayArgs, out: &mut dyn std::io::Write) -> Result<Answer, Failure> {
    let options = Options {
        deadline: args.deadline,
        lead: args.lead,
        clock_error: args.clock_error,
        map_order_is_exact: args.map_order == MapOrder::Exact,
    };
    let judged = judge_all(open(&args.file)?, &options).map_err(Failure::of)?;
    output::write(&judged, args.output, out)?;
    Ok(Answer::yes_if(!judged.iter().any(Judged::is_divergent)))
}

fn open(path: &PathBuf) -> Result<Box<dyn BufRead>, Failure> {
    if path.as_os_str() == "-" {
        return Ok(Box::new(std::io::stdin().lock()));
    }
    let file = File::open(path).map_err(|source| Failure::File { path: path.clone(), source })?;
    Ok(Box::new(BufReader::new(file)))
}

fn judge_all(input: impl BufRead, options: &Options) -> Result<Vec<Judged>, BadLine> {
    let recording = Recording::read(input, options)?;
    let judged = |read: &RecordedRead| {
        let history = history(&recording, read);
        let judgement = judge(&history, &read.observation, &options.terms());
        Judged { id: read.id.clone(), judgement }
    };
    Ok(recording.reads.iter().map(judged).collect())
}

/// The writes that had begun by the end of the read; later ones prove nothing about it. Those that can no longer explain
/// it are dropped now and then, which changes nothing but the time it takes.
fn history(recording: &Recording, read: &RecordedRead) -> History {
    let mut history = History::unbounded();
    let mut ended = Vec::new();
    for (write, count) in recording.writes_before(read).iter().zip(1..) {
        history.insert(write.clone(), &mut ended);
        if count % PRUNE_EVERY == 0 {
            history.prune(read.observation.at.begin, None, &mut ended);
        }
    }
    history
}
