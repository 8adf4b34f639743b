//! What `load` prints at its end.

use super::drive::Driven;
use super::survey::Survey;
use crate::output::Output;
use crate::plant::Plant;
use counterfoil_emitter::Stats;
use serde::Serialize;
use std::io::{self, Write};

/// Everything that was written, reported and planted.
#[derive(Serialize)]
pub(super) struct Report {
    writes: u64,
    puts: u64,
    removes: u64,
    seconds: f64,
    writes_per_second: f64,
    /// Values cut to the limit.
    truncated: u64,
    /// Writes reported to the emitter.
    issued: u64,
    /// Of these, lost before they reached the sidecar.
    lost: u64,
    /// Whether the sidecar has taken everything, losses included.
    delivered: bool,
    planted: Vec<Planted>,
}

#[derive(Serialize)]
struct Planted {
    key: String,
    kind: Plant,
}

impl Report {
    pub(super) fn new(
        survey: &Survey,
        driven: Driven,
        seconds: f64,
        emitter: &Stats,
        delivered: bool,
    ) -> Self {
        // A count of writes has far fewer than 53 bits.
        #[allow(clippy::cast_precision_loss, reason = "a workload has far fewer than 2^53 writes")]
        let writes = survey.writes as f64;
        Self {
            writes: survey.writes,
            puts: driven.puts,
            removes: driven.removes,
            seconds,
            writes_per_second: writes / seconds,
            truncated: driven.truncated,
            issued: emitter.issued,
            lost: emitter.lost.total(),
            delivered,
            planted: driven.planted.into_iter().map(|(key, kind)| Planted { key, kind }).collect(),
        }
    }

    /// Whether every write was reported.
    pub(super) fn is_complete(&self) -> bool {
        self.issued == self.writes && self.puts + self.removes == self.writes && self.lost == 0
    }

    /// Says on standard error what is not as it might seem.
    pub(super) fn warn(&self, value_bytes_max: usize) {
        let Self { truncated, lost, .. } = self;
        if *truncated > 0 {
            eprintln!(
                "{truncated} values were cut to {value_bytes_max} bytes; --value-bytes-max sets the limit"
            );
        }
        if *lost > 0 {
            eprintln!("{lost} writes were not reported; the sidecar was away or too slow, or refused them");
        }
        if !self.delivered {
            eprintln!("the sidecar has not acknowledged everything; is it listening on the socket?");
        }
    }

    pub(super) fn write(&self, output: Output, out: &mut dyn Write) -> io::Result<()> {
        match output {
            Output::Json => {
                serde_json::to_writer(&mut *out, self)?;
                writeln!(out)
            }
            Output::Table => self.write_text(out),
        }
    }

    fn write_text(&self, out: &mut dyn Write) -> io::Result<()> {
        let Self { writes, puts, removes, seconds, writes_per_second, issued, lost, .. } = self;
        writeln!(
            out,
            "{writes} writes ({puts} puts, {removes} removes) in {seconds:.1} s, {writes_per_second:.0} per second"
        )?;
        writeln!(out, "{issued} reported, {lost} lost, {} bugs planted", self.planted.len())?;
        self.planted.iter().try_for_each(|bug| writeln!(out, "{} {}", bug.kind, bug.key))
    }
}
