//! The project's own recipes, run as `cargo xtask NAME`. What CI does, one recipe does locally.
//!
//! This crate links nothing of the product, so that it compiles in seconds; it runs cargo and the programs that the
//! tests need.

mod bench;
mod cargo;
mod certificates;
mod ci;
mod docs;
mod faults;
mod fuzz;
mod mutants;
mod otelcol;
mod python;
mod screenshots;
mod server;
mod sim;
mod stores;
mod supply;
mod test;
mod tools;

use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// What a recipe ends with: nothing, or one message for a person.
type Done = Result<(), String>;

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The project's own recipes")]
struct Arguments {
    #[command(subcommand)]
    recipe: Recipe,
}

#[derive(Subcommand)]
enum Recipe {
    /// Run every test: starts a private Postgres, MariaDB and Redis, and stops them again
    Test {
        /// Handed to the test runner, such as a part of test names
        #[arg(last = true)]
        filter: Vec<String>,
        /// Only the tests of this package
        #[arg(short, long)]
        package: Option<String>,
    },
    /// Format, lints, every test and a short run of every fuzz target, as CI does
    Ci,
    /// Measure cost per event and write docs/benchmarks.md; or, with a name, another bench and its page
    Bench {
        /// Which bench, if not that of cost
        name: Option<bench::Bench>,
        /// Handed to the named bench; `cargo xtask bench accuracy -- --help` tells all of them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Run seeds of the deterministic simulation: --seed N, --seeds A..B or --minutes M
    Sim {
        /// Handed to the simulation; `cargo xtask sim -- --help` tells all of them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Inject faults into real processes and write docs/faults.md; with --ci a few quick rounds
    Faults {
        /// Handed to the harness; `cargo xtask faults -- --help` tells all of them
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Feed arbitrary bytes to everything that reads what somebody else wrote (needs the nightly toolchain)
    Fuzz {
        /// How long each target runs
        #[arg(long, default_value_t = 60)]
        seconds: u32,
        /// Only this target
        #[arg(long)]
        only: Option<String>,
    },
    /// Take out what makes verdicts sound, line by line, and see that the simulation notices
    Mutants {
        /// Only mutants with this in their names
        name: Option<String>,
        /// Seeds that each is run over, as A..B
        #[arg(long)]
        seeds: Option<String>,
    },
    /// Hold the dependencies to deny.toml: licences, sources, forbidden crates, known vulnerabilities
    Deny,
    /// Write a bill of materials (CycloneDX) of the shipped command to target/sbom
    Sbom,
    /// Show the comparator's pages of a run that goes wrong, and write what is seen to docs/img
    Screenshots,
    /// Write docs/config.md and docs/metrics.md from the types and the catalogues
    Docs,
}

fn main() -> ExitCode {
    let done = match Arguments::parse().recipe {
        Recipe::Test { filter, package } => test::run(&filter, package.as_deref()),
        Recipe::Ci => ci::run(),
        Recipe::Bench { name, arguments } => bench::run(name, &arguments),
        Recipe::Sim { arguments } => sim::run(&arguments),
        Recipe::Faults { arguments } => faults::run(&arguments),
        Recipe::Fuzz { seconds, only } => fuzz::run(seconds, only.as_deref()),
        Recipe::Mutants { name, seeds } => mutants::run(name.as_deref(), seeds.as_deref()),
        Recipe::Deny => supply::deny(),
        Recipe::Sbom => supply::sbom(),
        Recipe::Screenshots => screenshots::run(),
        Recipe::Docs => docs::run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("xtask: {message}");
            ExitCode::FAILURE
        }
    }
}
