//! `cargo xtask bench accuracy`: lets Counterfoil and checkers of other methods watch the same worlds, and writes
//! `docs/accuracy.md`. With `--simulation` it only puts the figures of a run of the simulation into that page.

use clap::Parser;
use counterfoil_sim::rivals::{Contest, fill, keep, page};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Compares Counterfoil with how others check.
#[derive(Parser)]
#[command(name = "accuracy")]
struct Arguments {
    /// How many seeds each scene is run with
    #[arg(long, default_value_t = 40)]
    seeds: u64,
    /// Only fill in the section about the simulation, from this file, written by `cargo xtask sim --output json`
    #[arg(long)]
    simulation: Option<PathBuf>,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/accuracy.md");
    let done = match &arguments.simulation {
        Some(figures) => fill_in(&path, figures),
        None => compare(&path, arguments.seeds),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("accuracy: {message}");
            ExitCode::FAILURE
        }
    }
}

/// Writes the page anew, but for the section about the simulation.
fn compare(path: &Path, seeds: u64) -> Result<(), String> {
    // Without a page there is nothing to keep.
    let block = keep(&fs::read_to_string(path).unwrap_or_default());
    let begin = counterfoil_clock::now();
    let contest = Contest::hold(0..seeds, |seed, hot_share| {
        eprintln!("seed {seed} with {:.0} % hot writes", hot_share * 100.0);
    });
    let seconds = counterfoil_clock::now().since(begin) as f64 / 1e9;
    eprintln!("{} runs in {seconds:.0} s", contest.runs);
    write(path, &page(&contest, &block))
}

fn fill_in(path: &Path, figures: &Path) -> Result<(), String> {
    let figures =
        serde_json::from_str(&read(figures)?).map_err(|error| format!("{}: {error}", figures.display()))?;
    let page = fill(&read(path)?, &figures);
    write(path, &page.ok_or_else(|| format!("{} has no section about the simulation", path.display()))?)
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

fn write(path: &Path, page: &str) -> Result<(), String> {
    fs::write(path, page).map_err(|error| format!("{}: {error}", path.display()))
}
