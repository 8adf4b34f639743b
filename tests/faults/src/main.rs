//! `cargo xtask faults`: the real processes under real faults.
//!
//! A *round* starts a comparator, a sidecar and an application that writes to its map and to a store, plants bugs at known
//! keys and keeps a book ([`book`]). A *scenario* ([`scenario`]) injects a fault, and lets the system recover. When
//! everything is at rest, the book is held against what the comparator says ([`verdict`]), by what the ack level promises
//! under such a fault ([`promise`]). What a machine or a build does not have ([`machine`]) is not injected, and said so.
//!
//! - Every wait has a bound. A process is ended by its id, and with the harness; namespaces, mounts and groups are taken
//!   down when their handle is dropped, and at the next start if the harness itself was killed.
//! - A seed repeats what is random in a round; when a process is hit still depends on the machine.

mod app;
mod application;
mod book;
mod figures;
mod machine;
mod page;
mod plan;
mod promise;
mod rig;
mod round;
mod run;
mod scenario;
mod scenarios;
mod told;
mod tools;
mod verdict;

use clap::{Parser, Subcommand};
use machine::{Given, Machine};
use run::Selection;
use std::path::PathBuf;
use std::process::ExitCode;

/// Injects faults into real processes
#[derive(Parser)]
#[command(name = "faults")]
struct Arguments {
    #[command(subcommand)]
    part: Option<Part>,
    #[command(flatten)]
    harness: HarnessArgs,
}

#[derive(clap::Args)]
struct HarnessArgs {
    /// A few rounds of the quick scenarios
    #[arg(long)]
    ci: bool,
    /// Only scenarios with this in their names
    #[arg(long)]
    only: Option<String>,
    /// One round with this seed, or the first of several
    #[arg(long)]
    seed: Option<u64>,
    /// So many rounds of each scenario
    #[arg(long)]
    rounds: Option<u32>,
    /// Names and descriptions, and what cannot be injected here
    #[arg(long)]
    list: bool,
    /// Write the results into this page
    #[arg(long)]
    page: Option<PathBuf>,
    /// The command under test, if not the one built along with this program
    #[arg(long)]
    binary: Option<PathBuf>,
    /// The same command, built with failpoints
    #[arg(long)]
    failpoints: Option<PathBuf>,
    /// A Redis as the store, as redis://host:port, in place of an SQLite file
    #[arg(long)]
    redis: Option<String>,
}

#[derive(Subcommand)]
enum Part {
    /// The application of a round; the harness starts it
    #[command(hide = true)]
    App(app::AppArgs),
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let done = match &arguments.part {
        Some(Part::App(args)) => app::run(args),
        None => harness(&arguments.harness),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("faults: {message}");
            ExitCode::FAILURE
        }
    }
}

fn harness(args: &HarnessArgs) -> Result<(), String> {
    tools::sweep();
    let binary = args.binary.clone().unwrap_or_else(|| counterfoil_tests::counterfoil().to_owned());
    let given = Given { binary, failpoints: args.failpoints.clone(), redis: args.redis.clone() };
    let machine = Machine::probe(given)?;
    let selection = Selection { ci: args.ci, only: args.only.clone(), seed: args.seed, rounds: args.rounds };
    if args.list {
        run::list(&selection, &machine);
        return Ok(());
    }
    let results = run::run(&selection, &machine)?;
    if let Some(path) = &args.page {
        page::write(path, &results)?;
    }
    let failed = results.iter().filter(|result| !result.is_clean()).count();
    if failed == 0 { Ok(()) } else { Err(format!("{failed} scenarios had rounds that broke a promise")) }
}
