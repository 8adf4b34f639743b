//! The comparator as a process of its own, for containers.

use clap::Parser;
use counterfoil_comparator::command::{Args, run};
use std::process::ExitCode;

/// Reads the stores, compares, and tells.
#[derive(Parser)]
#[command(name = "counterfoil-comparator", version)]
struct Command {
    #[command(flatten)]
    args: Args,
}

fn main() -> ExitCode {
    run(Command::parse().args)
}
