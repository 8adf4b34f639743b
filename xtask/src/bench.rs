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
    /// How fast divergences are written down, shown, proven and pushed: these sections of docs/benchmarks.md alone
    Telling,
}

/// Runs the bench of this name; without one, that of cost. `arguments` are handed to a named one.
pub(crate) fn run(name: Option<Bench>, arguments: &[String]) -> Done {
    match name {
        None => cost(&["bench-memory", "bench-spool"], &[]),
        Some(Bench::Accuracy) => accuracy(arguments),
        Some(Bench::Stores) => cost(&[], &["--write", "stores", "sweep"]),
        Some(Bench::Telling) => {
            build(&[])?;
            cargo::run(&[&BENCH[..], &["--write", "ledger", "pages", "evidence", "live"]].concat())
        }
    }
}

/// Writes `docs/accuracy.md`. The bench is a binary of the package of the simulation.
fn accuracy(arguments: &[String]) -> Done {
    let mut command = vec!["run", "--release", "--package", "counterfoil-sim", "--bin", "accuracy", "--"];
    command.extend(arguments.iter().map(String::as_str));
    cargo::run(&command)
}

/// Runs the bench of cost.
const BENCH: [&str; 7] = ["run", "--release", "--package", "counterfoil-tests", "--bin", "bench", "--"];

/// Builds the command that ships, and the `helpers`, programs that the bench of cost runs besides.
fn build(helpers: &[&str]) -> Done {
    cargo::run(&["build", "--release", "--package", "counterfoil"])?;
    for helper in helpers {
        cargo::run(&["build", "--release", "--package", "counterfoil-tests", "--bin", helper])?;
    }
    Ok(())
}

/// Writes `docs/benchmarks.md`, with all its sections or those that `arguments` name, beside stores and reladiff.
fn cost(helpers: &[&str], arguments: &[&str]) -> Done {
    build(helpers)?;
    let reladiff = python::with_reladiff()?;
    let stores = Stores::start(&Tools::find_or_install()?)?;
    cargo::run_with(&[&BENCH[..], arguments].concat(), |command| {
        stores.tell(command);
        command.env("COUNTERFOIL_BENCH_RELADIFF", &reladiff);
    })
}
