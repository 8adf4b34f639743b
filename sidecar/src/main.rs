//! The sidecar as a binary of its own, for containers.

use clap::Parser;
use std::process::ExitCode;

/// Sees an application's writes, digests them and sends them to the comparator
#[derive(Parser)]
#[command(name = "counterfoil-sidecar", version)]
struct Cli {
    #[command(flatten)]
    args: counterfoil_sidecar::command::Args,
}

fn main() -> ExitCode {
    #[cfg(feature = "failpoints")]
    let _failpoints = fail::FailScenario::setup();
    counterfoil_sidecar::command::run(Cli::parse().args)
}
