//! The `counterfoil` command: try it, drive it, run it, and judge what was recorded.
//!
//! Standard output is data, in a form that does not depend on a terminal; progress and logs go to standard error. Exit
//! code 0 says that all is well, 1 that something was found, 2 that the command could not be carried out, 3 that too little is
//! known to say.
//!
//! | module | verb |
//! |---|---|
//! | `demo` | runs an application, a sidecar and a comparator together, plants bugs, and counts which were found |
//! | `load` | drives a store and a running sidecar from a recorded workload |
//! | `replay` | judges a recorded history |
//! | `config` | checks configurations and prints their schema |
//! | `contract` | checks the contracts of a comparator against its stores |
//! | `divergences` | lists what a comparator found, and says what is done about it |
//! | `repair` | plans repairs, has them done, and shows what became of them |
//! | `gate` | asks a comparator whether traffic may be moved over |
//! | `top` | shows how each map stands against its stores, live in a terminal |
//! | `verify` | judges again what stands in bundles of evidence |
//! | `key` | prints new keys, the keys of tenants and public halves |
//! | `generate` | prints completions and man pages |
#![allow(clippy::print_stderr, reason = "standard error is where this command reports")]

mod app_store;
mod args;
mod config;
mod contract;
mod demo;
mod divergences;
mod duration;
mod exit;
mod gate;
mod generate;
mod http;
mod key;
mod load;
mod output;
mod pace;
mod plant;
mod progress;
mod random;
mod repair;
mod replay;
mod top;
mod verify;

use clap::Parser;
use std::process::ExitCode;

fn main() -> ExitCode {
    #[cfg(feature = "failpoints")]
    let _failpoints = fail::FailScenario::setup();
    args::Cli::parse().command.run()
}
