//! `cargo xtask fuzz`: runs each fuzz target for a while, from the inputs that are kept for it.
//!
//! What a run finds goes to `target/fuzz/corpus`, and an input that breaks something to `fuzz/artifacts`; neither is kept by
//! git. Fuzzing needs the nightly toolchain: where there is none, the run says so and is no error.

use crate::{Done, cargo, tools};
use std::fs;
use std::process::{Command, Stdio};

/// Where everything goes that is built and found, below the root.
const PLACE: &str = "target/fuzz";

/// The most memory that a target may take, in MiB. What it reads is thousands of times smaller.
const RSS_MIB_MAX: u32 = 512;

/// The longest that one input may take, in seconds.
const INPUT_SECONDS_MAX: u32 = 10;

/// A target, and the longest input that it is given: enough to break each of its bounds.
struct Target {
    name: &'static str,
    bytes_max: u32,
}

const TARGETS: [Target; 6] = [
    Target { name: "framer", bytes_max: 8_192 },
    Target { name: "json_lines", bytes_max: 8_192 },
    Target { name: "batch", bytes_max: 65_536 },
    Target { name: "segment", bytes_max: 65_536 },
    Target { name: "config", bytes_max: 16_384 },
    Target { name: "replay", bytes_max: 16_384 },
];

/// Runs every target, or the one named `only`, for so many `seconds`.
///
/// # Errors
///
/// Names the targets that an input broke, once all have run.
pub(crate) fn run(seconds: u32, only: Option<&str>) -> Done {
    let chosen: Vec<_> =
        TARGETS.iter().filter(|target| only.is_none_or(|name| name == target.name)).collect();
    let names = TARGETS.map(|target| target.name).join(", ");
    if chosen.is_empty() {
        return Err(format!("no such fuzz target; there are: {names}"));
    }
    if !tools::succeeds(nightly(&["cargo", "--version"]).stdout(Stdio::null()).stderr(Stdio::null())) {
        skip(&names);
        return Ok(());
    }
    cargo::install("cargo-fuzz")?;
    let built = fuzz("build").status().map_err(|error| format!("rustup: {error}"))?;
    if !built.success() {
        return Err("the fuzz targets cannot be built".to_owned());
    }
    let mut broken = Vec::new();
    for target in chosen {
        if !fuzzed(target, seconds)? {
            broken.push(target.name);
        }
    }
    match broken.is_empty() {
        true => Ok(()),
        false => Err(format!("broken by an input below fuzz/artifacts: {}", broken.join(", "))),
    }
}

#[allow(clippy::print_stdout, reason = "what was left out belongs to the results")]
fn skip(names: &str) {
    println!("skipped: fuzz targets {names}: no nightly toolchain; run: rustup toolchain install nightly");
}

/// Runs one target; `false` if an input broke it.
fn fuzzed(Target { name, bytes_max }: &Target, seconds: u32) -> Result<bool, String> {
    let found = cargo::root().join(PLACE).join("corpus").join(name);
    fs::create_dir_all(&found).map_err(|error| format!("{}: {error}", found.display()))?;
    eprintln!("fuzzing {name} for {seconds} s");
    let mut command = fuzz("run");
    command.arg(name).arg(found).arg(format!("fuzz/corpus/{name}")).args([
        "--",
        "-print_final_stats=1",
        "-verbosity=0",
    ]);
    command.arg(format!("-max_total_time={seconds}")).arg(format!("-max_len={bytes_max}"));
    command.arg(format!("-rss_limit_mb={RSS_MIB_MAX}")).arg(format!("-timeout={INPUT_SECONDS_MAX}"));
    let ended = command.status().map_err(|error| format!("rustup: {error}"))?;
    Ok(ended.success())
}

/// A subcommand of cargo-fuzz. Without a sanitizer: none of our code is unsafe, and the build is short.
fn fuzz(subcommand: &str) -> Command {
    let mut command = nightly(&["cargo", "fuzz", subcommand, "--sanitizer", "none", "--target-dir"]);
    command.arg(cargo::root().join(PLACE));
    command
}

/// A command of the nightly toolchain, in the root of the work tree.
fn nightly(command: &[&str]) -> Command {
    let mut rustup = Command::new("rustup");
    rustup.current_dir(cargo::root()).args(["run", "nightly"]).args(command);
    // Set for this process by its own cargo, which is another one.
    rustup.env_remove("CARGO").env_remove("RUSTUP_TOOLCHAIN");
    rustup
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use std::collections::BTreeSet;
    use std::path::Path;

    /// Inputs that are kept for one target, at most: each is run first, every time.
    const KEPT_MAX: usize = 40;

    fn names(folder: &Path) -> BTreeSet<String> {
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        files.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect()
    }

    #[test]
    fn every_target_is_run_and_has_inputs_that_are_kept_and_not_many() {
        let fuzz = cargo::root().join("fuzz");
        let listed: BTreeSet<_> = TARGETS.iter().map(|target| target.name.to_owned()).collect();
        assert_eq!(names(&fuzz.join("fuzz_targets")), listed);
        assert_eq!(names(&fuzz.join("corpus")), listed);
        for target in TARGETS {
            let folder = fuzz.join("corpus").join(target.name);
            let kept: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap()).collect();
            assert!((1..=KEPT_MAX).contains(&kept.len()), "{}: {}", target.name, kept.len());
            let largest = kept.iter().map(|file| file.metadata().unwrap().len()).max().unwrap();
            assert!(largest <= u64::from(target.bytes_max), "{}: {largest} bytes", target.name);
        }
    }
}
