//! `cargo xtask sim`: runs seeds of the deterministic simulation, as fast as the machine can.

use crate::{Done, cargo};

/// Hands `arguments` to the simulation's own command.
pub(crate) fn run(arguments: &[String]) -> Done {
    let mut command = vec!["run", "--release", "--package", "counterfoil-sim", "--bin", "sim", "--"];
    command.extend(arguments.iter().map(String::as_str));
    cargo::run(&command)
}
