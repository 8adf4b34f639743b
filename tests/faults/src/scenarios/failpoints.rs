//! Aborts at named points of the code: the instants that a random kill hardly ever meets.

use super::rot::{segments, written_bytes};
use crate::machine::Need;
use crate::plan::{Kept, Plan};
use crate::promise::Takes;
use crate::round::Round;
use crate::scenario::{Props, Rounds, Scenario};
use crate::told::Life;
use counterfoil_tests::wait;
use rand::Rng;
use std::fs::OpenOptions;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::time::Duration;

/// Points of the spool's code, which the sidecar runs for its spool and the comparator for its journal.
const OF_SPOOL: [&str; 8] = [
    "spool::append::before_write",
    "spool::append::after_write",
    "spool::sync::before",
    "spool::sync::after",
    "spool::roll::after_create",
    "spool::cursor::before_rename",
    "spool::trim::before_remove",
    "spool::recover::after_cut",
];
/// Points of the sidecar's own.
const OF_SIDECAR: [&str; 1] = ["sidecar::ack::before"];
/// Points of the comparator's own.
const OF_COMPARATOR: [&str; 5] = [
    "comparator::journal::before_append",
    "comparator::journal::after_append",
    "comparator::journal::before_ack",
    "comparator::journal::before_trim",
    "comparator::replay::halfway",
];
/// Those that CI tries too, in the process that comes first.
const IN_CI: [&str; 6] = [
    "spool::append::after_write",
    "spool::recover::after_cut",
    "sidecar::ack::before",
    "comparator::journal::after_append",
    "comparator::journal::before_ack",
    "comparator::replay::halfway",
];

/// How a point is told to end the process after it was passed so many times: by a panic, which in the build with failpoints
/// is an abort.
fn setting(point: &str, passes: u32) -> String {
    if passes == 0 { format!("{point}=panic") } else { format!("{point}={passes}*off->panic") }
}

/// Small enough that segments roll and are trimmed within a round, in bytes.
const SPOOL_BYTES_MAX: u64 = 9 << 20;
/// Rounds of each in a full run.
const ROUNDS: u32 = 5;
/// Zeros that the last record may end with.
const ZEROS_MAX: u64 = 64;
/// Writes per second that fill a segment of the journal within seconds.
const FILLING_RATE: f64 = 40_000.0;
/// A process must reach its failpoint within this time.
const REACHED_WITHIN: Duration = Duration::from_secs(40);

/// The scenarios: each failpoint in each process that reaches it.
pub(super) fn all() -> Vec<Scenario> {
    let in_sidecar = OF_SPOOL.iter().chain(&OF_SIDECAR).map(|point| Scenario {
        name: format!("abort-sidecar-at-{}", words(point)),
        needs: &[Need::Failpoints, Need::Spool],
        takes: Takes::Sidecar,
        levels: &[],
        rounds: Rounds { full: ROUNDS, ci: u32::from(IN_CI.contains(point)) },
        inject: abort_sidecar,
        ..at(point)
    });
    let in_comparator = OF_SPOOL.iter().chain(&OF_COMPARATOR).map(|point| Scenario {
        name: format!("abort-comparator-at-{}", words(point)),
        needs: &[Need::Failpoints, Need::Journal],
        takes: Takes::Comparator,
        levels: &[],
        rounds: Rounds {
            full: ROUNDS,
            ci: u32::from(OF_COMPARATOR.contains(point) && IN_CI.contains(point)),
        },
        inject: abort_comparator,
        ..at(point)
    });
    in_sidecar.chain(in_comparator).collect()
}

fn at(point: &'static str) -> Scenario {
    Scenario {
        name: String::new(),
        what: "an abort at this line of the code, then a new process",
        expected: "as after a kill",
        needs: &[],
        takes: Takes::Time,
        levels: &[],
        rounds: Rounds::NOT_IN_CI,
        subject: point,
        prepare: if is_at_a_segments_end(point) { prepare_to_fill_segments } else { prepare },
        inject: abort_sidecar,
    }
}

fn words(point: &str) -> String {
    point.replace("::", "-").replace('_', "-")
}

fn prepare(plan: &mut Plan) -> Result<Props, String> {
    plan.with_failpoints = true;
    plan.spool = Kept { bytes_max: SPOOL_BYTES_MAX, ..Kept::default() };
    Ok(Props::default())
}

/// Whether it is reached when a segment is full only.
fn is_at_a_segments_end(point: &str) -> bool {
    point.contains("roll") || point.contains("trim")
}

fn prepare_to_fill_segments(plan: &mut Plan) -> Result<Props, String> {
    plan.rate = FILLING_RATE;
    prepare(plan)
}

fn abort_sidecar(round: &mut Round<'_>) -> Result<(), String> {
    abort(round, "sidecar")
}

fn abort_comparator(round: &mut Round<'_>) -> Result<(), String> {
    abort(round, "comparator")
}

/// Kills the process, so that points of its start are reached as well, and starts it with the failpoint set; once it has
/// aborted, starts it without.
fn abort(round: &mut Round<'_>, process: &str) -> Result<(), String> {
    let point = round.subject;
    let is_at_start = point.contains("recover") || point.contains("replay");
    let is_rare = is_at_start || is_at_a_segments_end(point);
    let passes = if is_rare { 0 } else { round.random.random_range(0..4) };
    round.work(300..900);
    round.fault_begins();
    kill(round, process)?;
    if point.contains("recover") {
        tear(&round.rig.place.at(if process == "sidecar" { "spool" } else { "journal" }))?;
    }
    let environment = vec![("FAILPOINTS".to_owned(), setting(point, passes))];
    set_environment(round, process, environment);
    // It may abort before it is ready.
    let started = start(round, process);
    if round.rig.is_running(process) {
        started?;
        abort_is_seen(round, process)?;
    } else {
        round.rig.ended_by_itself(process, None);
    }
    set_environment(round, process, Vec::new());
    let mark = round.mark()?;
    start(round, process)?;
    round.recovered(mark)?;
    round.afterwards();
    Ok(())
}

fn abort_is_seen(round: &mut Round<'_>, process: &str) -> Result<(), String> {
    let port = round.rig.place.http;
    let mut said = None;
    let rig = &mut round.rig;
    let aborted = wait::within(REACHED_WITHIN, || {
        if process == "comparator" {
            said = Life::of(port).ok().or_else(|| said.take());
        }
        (!rig.is_running(process)).then_some(())
    });
    aborted.ok_or_else(|| format!("{} was not reached within {REACHED_WITHIN:?}", round.subject))?;
    round.rig.ended_by_itself(process, said);
    Ok(())
}

fn kill(round: &mut Round<'_>, process: &str) -> Result<(), String> {
    match process {
        "sidecar" => {
            round.rig.kill_sidecar();
            Ok(())
        }
        _ => round.rig.kill_comparator(),
    }
}

fn start(round: &mut Round<'_>, process: &str) -> Result<(), String> {
    if process == "sidecar" { round.rig.start_sidecar() } else { round.rig.start_comparator() }
}

fn set_environment(round: &mut Round<'_>, process: &str, environment: Vec<(String, String)>) {
    match process {
        "sidecar" => round.rig.plan.sidecar_environment = environment,
        _ => round.rig.plan.comparator_environment = environment,
    }
}

/// Puts a beginning of a record behind what was written, as a process leaves it that dies while it writes.
fn tear(folder: &Path) -> Result<(), String> {
    let newest = segments(folder)?.pop().ok_or("there is no segment to tear")?;
    let told = |error: std::io::Error| format!("{}: {error}", newest.display());
    // The last record may itself end with zeros.
    let at = written_bytes(&newest)? + ZEROS_MAX;
    let file = OpenOptions::new().write(true).open(&newest).map_err(told)?;
    file.write_all_at(&[0x40, 0, 0, 0, 1, 2, 3], at).map_err(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failpoint_is_passed_as_often_as_it_is_told_before_it_aborts() {
        assert_eq!(setting("a::b", 0), "a::b=panic");
        assert_eq!(setting("a::b", 3), "a::b=3*off->panic");
    }
}
