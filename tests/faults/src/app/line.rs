//! What the application tells the harness: one JSON object per line.

use crate::book::{Planted, SourceBook};
use serde::{Deserialize, Serialize};
use std::io::{self, Write};

/// One thing that it tells.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Line {
    /// The sidecar has welcomed it; the names of its sources.
    Began { sources: Vec<String> },
    /// How far it is.
    Counted(Counted),
    /// A bug was planted.
    Planted(Planted),
    /// It has ended well.
    Ended {
        sources: Vec<SourceBook>,
        /// Whether everything was acknowledged.
        delivered: bool,
        /// What the sidecar refused last.
        refusal: Option<String>,
    },
}

/// Sums over all sources of the application.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Counted {
    /// When: nanoseconds of `CLOCK_BOOTTIME`.
    pub(crate) at_ns: i64,
    /// Sequence numbers used.
    pub(crate) issued: u64,
    /// Of them, those that the sidecar has acknowledged.
    pub(crate) acknowledged: u64,
    /// Of them, those that the emitter declared lost.
    pub(crate) lost: u64,
    /// Emitters that have a connection.
    pub(crate) connected: u64,
}

/// Says it on standard output.
pub(crate) fn say(line: &Line) -> Result<(), String> {
    let mut text = serde_json::to_vec(line).map_err(|error| format!("a line: {error}"))?;
    text.push(b'\n');
    // One call per line: a kill then leaves whole lines.
    io::stdout().write_all(&text).map_err(|error| format!("standard output: {error}"))
}
