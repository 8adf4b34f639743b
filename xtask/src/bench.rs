//! `cargo xtask bench`: builds what ships, as it ships, and measures it. The bench itself is a binary of the package
//! `counterfoil-tests`; it runs two others, in processes of their own, and writes
//! `docs/benchmarks.md`.

use crate::{Done, cargo};

/// What can be measured besides cost.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Bench {
    /// How Counterfoil and checkers of other methods fare in the same simulated worlds
    Accuracy,
}

/// Runs the bench of this name; without one, that of cost. `arguments` are handed to a named one.
pub(crate) fn run(name: Option<Bench>, arguments: &[String]) -> Done {
    match name {
        None => cost(),
        Some(Bench::Accuracy) => accuracy(arguments),
    }
}

/// Writes `docs/accuracy.md`. The bench is a binary of the package of the simulation.
fn accuracy(arguments: &[String]) -> Done {
    let mut command = vec!["run", "--release", "--package", "counterfoil-sim", "--bin", "accuracy", "--"];
    command.extend(arguments.iter().map(String::as_str));
    cargo::run(&command)
}

fn cost() -> Done {
    cargo::run(&["build", "--release", "--package", "counterfoil"])?;
    for helper in ["bench-memory", "bench-spool"] {
        cargo::run(&["build", "--release", "--package", "counterfoil-tests", "--bin", helper])?;
    }
    cargo::run(&["run", "--release", "--package", "counterfoil-tests", "--bin", "bench"])
}
