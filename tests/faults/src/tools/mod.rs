//! Programs of the system by which faults are made. Whatever one of them sets up is taken down when its handle is dropped.

mod cgroup;
mod image;
mod netns;
mod sweep;
mod tracer;

pub(crate) use cgroup::Cgroup;
pub(crate) use image::Image;
pub(crate) use netns::Netns;
pub(crate) use sweep::sweep;
pub(crate) use tracer::Tracer;

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Where Debian puts the library that fakes the wall clock.
const FAKETIME: [&str; 2] = [
    "/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1",
    "/usr/lib/aarch64-linux-gnu/faketime/libfaketimeMT.so.1",
];

/// Runs a program to its end; gives its standard output.
///
/// # Errors
///
/// What it said on standard error.
pub(crate) fn run(words: &[&str]) -> Result<String, String> {
    let [program, arguments @ ..] = words else { return Err("no program".to_owned()) };
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{}: {}", words.join(" "), said.trim()))
}

/// Runs a program as part of taking something down: an error is told and nothing else can be done.
pub(crate) fn run_down(words: &[&str]) {
    if let Err(error) = run(words) {
        eprintln!("faults: cleaning up: {error}");
    }
}

/// The library that fakes the wall clock.
///
/// # Errors
///
/// If it is not there.
pub(crate) fn libfaketime() -> Result<PathBuf, String> {
    let found = FAKETIME.iter().map(PathBuf::from).find(|path| path.is_file());
    found.ok_or_else(|| "libfaketime is not installed".to_owned())
}
