//! `cargo xtask faults`: builds what ships, and once more with failpoints, finds or installs the programs that inject faults,
//! and runs the harness. A full run writes `docs/faults.md`.

use crate::{Done, cargo, tools};
use std::fs;
use std::path::PathBuf;

/// Where the build with failpoints goes, so that it does not replace the one that ships.
const FAILPOINTS_TARGET: &str = "target/failpoints";

/// Programs that inject faults, and the Debian packages that bring them. A run without them leaves their faults out.
const PROGRAMS: [(&str, &str); 6] = [
    ("nft", "nftables"),
    ("ip", "iproute2"),
    ("strace", "strace"),
    ("faketime", "faketime"),
    ("prlimit", "util-linux"),
    ("mkfs.ext4", "e2fsprogs"),
];

/// Hands `arguments` to the harness.
pub(crate) fn run(arguments: &[String]) -> Done {
    install_programs();
    cargo::run(&["build", "--release", "--package", "counterfoil"])?;
    let mut command = vec!["run", "--release", "--package", "counterfoil-faults", "--bin", "faults", "--"];
    let failpoints = failpoints()?.map(|binary| binary.display().to_string());
    if let Some(binary) = &failpoints {
        command.extend(["--failpoints", binary]);
    }
    let page = cargo::root().join("docs/faults.md").display().to_string();
    if arguments.is_empty() {
        command.extend(["--page", &page]);
    }
    command.extend(arguments.iter().map(String::as_str));
    cargo::run(&command)
}

/// Installs what is missing where this user may; the harness tells what it could not inject.
fn install_programs() {
    let missing = PROGRAMS.iter().filter(|(program, _)| tools::on_path(program).is_none());
    let packages: Vec<_> = missing.map(|(_, package)| *package).collect();
    if !packages.is_empty()
        && let Err(error) = tools::apt_install(&packages)
    {
        eprintln!("xtask: {error}");
    }
}

/// The command with failpoints; none if it has no such feature.
fn failpoints() -> Result<Option<PathBuf>, String> {
    let manifest = cargo::root().join("cli/Cargo.toml");
    let text = fs::read_to_string(&manifest).map_err(|error| format!("{}: {error}", manifest.display()))?;
    if !text.lines().any(|line| line.starts_with("failpoints = ")) {
        return Ok(None);
    }
    let build = ["build", "--release", "--package", "counterfoil", "--features", "failpoints"];
    // A failpoint panics; a process that aborts then ends as by a kill, at that very line.
    let aborting = ["--config", "profile.release.panic=\"abort\"", "--target-dir", FAILPOINTS_TARGET];
    cargo::run(&[&build[..], &aborting].concat())?;
    Ok(Some(cargo::root().join(FAILPOINTS_TARGET).join("release/counterfoil")))
}
