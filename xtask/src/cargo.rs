//! Running cargo, and where the work tree is.

use crate::Done;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The root of the work tree.
pub(crate) fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

/// A cargo command in the root of the work tree.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    let mut command = Command::new(option_env!("CARGO").unwrap_or("cargo"));
    command.current_dir(root()).args(arguments);
    command
}

/// Runs cargo and gives an error that repeats the command if it did not end well.
pub(crate) fn run(arguments: &[&str]) -> Done {
    run_with(arguments, |_| {})
}

/// The same with what `tell` puts into its environment.
pub(crate) fn run_with(arguments: &[&str], tell: impl FnOnce(&mut Command)) -> Done {
    eprintln!("$ cargo {}", arguments.join(" "));
    let mut command = cargo(arguments);
    tell(&mut command);
    let status = command.status().map_err(|error| format!("cargo: {error}"))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("`cargo {}` ended with {status}", arguments.join(" ")))
    }
}

/// Installs a program of crates.io that is run as a subcommand of cargo, unless it is there.
///
/// # Errors
///
/// What cargo said, with the command to repeat.
pub(crate) fn install(name: &str) -> Done {
    let subcommand = name.strip_prefix("cargo-").unwrap_or(name);
    let is_there = cargo(&[subcommand, "--version"]).stdout(Stdio::null()).stderr(Stdio::null()).status();
    if is_there.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    // Such a program runs for seconds; optimising it takes minutes.
    run(&["install", "--locked", "--debug", name])
}
