//! `cargo xtask bench`: builds what ships, as it ships, and measures it. The bench itself is a binary of the package
//! `counterfoil-tests`; it runs two others, in processes of their own, and writes
//! `docs/benchmarks.md`.

use crate::stores::Stores;
use crate::tools::Tools;
use crate::{Done, cargo, python};

/// What can be measured besides cost.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Bench {
    /// How Counterfoil and checkers of other methods fare in the same simulated worlds
    Accuracy,
    /// How fast stores are read and judged, and gone through as a whole: these sections of docs/benchmarks.md alone
    Stores,
}

/// Runs the bench of this name; without one, that of cost. `arguments` are handed to a named one.
pub(crate) fn run(name: Option<Bench>, arguments: &[String]) -> Done {
    match name {
        None => cost(&["bench-memory", "bench-spool"], &[]),
        Some(Bench::Accuracy) => accuracy(arguments),
        Some(Bench::Stores) => cost(&[], &["--write", "stores", "sweep"]),
    }
}

/// Writes `docs/accuracy.md`. The bench is a binary of the package of the simulation.
fn accuracy(arguments: &[String]) -> Done {
    let mut command = vec!["run", "--release", "--package", "counterfoil-sim", "--bin", "accuracy", "--"];
    command.extend(arguments.iter().map(String::as_str));
    cargo::run(&command)
}

/// Writes `docs/benchmarks.md`, with all its sections or those that `arguments` name; `helpers` are programs that they run.
fn cost(helpers: &[&str], arguments: &[&str]) -> Done {
    cargo::run(&["build", "--release", "--package", "counterfoil"])?;
    for helper in helpers {
        cargo::run(&["build", "--release", "--package", "counterfoil-tests", "--bin", helper])?;
    }
    let reladiff = python::with_reladiff()?;
    let stores = Stores::start(&Tools::find_or_install()?)?;
    let bench = ["run", "--release", "--package", "counterfoil-tests", "--bin", "bench", "--"];
    cargo::run_with(&[&bench, arguments].concat(), |command| {
        stores.tell(command);
        command.env("COUNTERFOIL_BENCH_RELADIFF", &reladiff);
    })
}
