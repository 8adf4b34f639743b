//! What the documentation says to type, typed.

use crate::counterfoil;
use std::path::Path;
use std::process::Command;

/// Seconds after which a script is ended; it takes a few.
const SCRIPT_SECONDS_MAX: &str = "120";

/// Runs what a text says to type, in `folder` and with some words put in place of others, the first ones first; gives what it
/// printed.
///
/// # Panics
///
/// If one of the commands fails.
#[must_use]
pub fn typed(text: &str, replaced: &[(&str, &str)], folder: &Path) -> String {
    let script =
        text.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next()).collect::<String>();
    let script = replaced.iter().fold(script, |text, (old, new)| text.replace(old, new));
    let programs = counterfoil().parent().expect("a program is in a folder").display();
    let mut command = Command::new("timeout");
    command.args([SCRIPT_SECONDS_MAX, "bash", "-euo", "pipefail", "-c"]);
    command.arg(format!("PATH={programs}:$PATH\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{script}"));
    let output = command.current_dir(folder).output().expect("bash runs");
    let (shown, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "ended with {}:\n{shown}\n{log}", output.status);
    shown.into_owned()
}

/// Holds what was printed to these parts.
///
/// # Panics
///
/// If one is not there.
pub fn has(shown: &str, parts: &[&str]) {
    for part in parts {
        assert!(shown.contains(part), "{part} in:\n{shown}");
    }
}
