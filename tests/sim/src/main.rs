//! `cargo xtask sim`: runs seeds of the simulation and says what came of them.

use clap::{Parser, ValueEnum};
use counterfoil_sim::faults::FaultKind;
use counterfoil_sim::plan::{Mode, Options, Planting};
use counterfoil_sim::report::Report;
use std::ops::Range;
use std::process::ExitCode;

/// Nanoseconds in a minute.
const MINUTE: i64 = 60_000_000_000;

/// Runs a comparator in a simulated world.
#[derive(Parser)]
#[command(name = "sim")]
struct Arguments {
    /// Run this seed
    #[arg(long)]
    seed: Option<u64>,
    /// Run these seeds, written as A..B; B is the first that is not run
    #[arg(long, value_parser = range)]
    seeds: Option<Range<u64>>,
    /// Run seeds for so many minutes, from the first of --seeds or from 0 on
    #[arg(long)]
    minutes: Option<i64>,
    /// What is planted: `any`, `none`, or one kind of fault
    #[arg(long, default_value = "any", value_parser = planting)]
    plant: Planting,
    /// Let neither processes nor networks nor reads fail
    #[arg(long)]
    calm: bool,
    /// What the runs are to show: `safety` or `liveness`; drawn from the seed if not given
    #[arg(long, value_parser = mode)]
    mode: Option<Mode>,
    /// How the result is written
    #[arg(long, default_value = "text")]
    output: Output,
}

/// How the result is written.
#[derive(Clone, Copy, ValueEnum)]
enum Output {
    /// For people.
    Text,
    /// For programs.
    Json,
}

fn range(text: &str) -> Result<Range<u64>, String> {
    let ends = text.split_once("..").and_then(|(from, to)| Some(from.parse().ok()?..to.parse().ok()?));
    ends.ok_or_else(|| format!("`{text}` is not A..B, such as 0..500"))
}

fn planting(text: &str) -> Result<Planting, String> {
    match text {
        "any" => Ok(Planting::Any),
        "none" => Ok(Planting::None),
        kind => {
            let known = FaultKind::all_planted().find(|known| known.label() == kind);
            let labels: Vec<_> = FaultKind::all_planted().map(FaultKind::label).collect();
            let labels = labels.join(", ");
            known.map(Planting::Only).ok_or_else(|| format!("write any, none, {labels}"))
        }
    }
}

fn mode(text: &str) -> Result<Mode, String> {
    match text {
        "safety" => Ok(Mode::Safety),
        "liveness" => Ok(Mode::Liveness),
        _ => Err("write safety or liveness".to_owned()),
    }
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let options = Options { mode: arguments.mode, planting: arguments.plant, troubles: !arguments.calm };
    let begin = counterfoil_clock::now();
    let first = arguments.seeds.as_ref().map_or(0, |seeds| seeds.start);
    let report = match (arguments.seed, arguments.minutes) {
        (Some(seed), _) => Report::of(seed..=seed, &options),
        (None, Some(minutes)) => {
            let goes_on = |_: &u64| counterfoil_clock::now().since(begin) < minutes * MINUTE;
            Report::of((first..).take_while(goes_on), &options)
        }
        (None, None) => Report::of(arguments.seeds.unwrap_or(0..500), &options),
    };
    let seconds = counterfoil_clock::now().since(begin) as f64 / 1e9;
    tell(&report, seconds, arguments.output);
    if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[allow(clippy::print_stdout, reason = "the report is this command's output")]
fn tell(report: &Report, seconds: f64, output: Output) {
    let events_per_second = report.events as f64 / seconds;
    match output {
        Output::Text => println!("{report} in {seconds:.1} s: {events_per_second:.0} events/s"),
        Output::Json => {
            let figures = serde_json::json!({
                "wall_seconds": seconds,
                "events_per_second": events_per_second,
                "paths_missing": report.paths_missing(),
                "report": report,
            });
            println!("{figures:#}");
        }
    }
}
