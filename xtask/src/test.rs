//! `cargo xtask test`: every test, with the servers they need, and at the end what was left out and why.

use crate::server::Server;
use crate::stores::Stores;
use crate::tools::Tools;
use crate::{Done, cargo, otelcol, tools};
use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

pub(crate) fn run(filter: &[String], package: Option<&str>) -> Done {
    let tools = Tools::find_or_install()?;
    if package.is_none() {
        // The tests of the whole system run the command. Building it along with everything else, not alone, keeps its
        // dependencies from being built twice.
        cargo::run(&["build", "--workspace", "--bins", "--locked"])?;
    }
    let stores = Stores::start(&tools)?;
    let postgres_standby = Server::postgres_standby(&tools, stores.certificates(), stores.postgres())?;
    let mariadb_spare = Server::mariadb(&tools, stores.certificates())?;
    let cluster = Server::redis_cluster(&tools)?;
    let folder = tempfile::tempdir().map_err(|error| format!("a temporary folder: {error}"))?;
    let skips = folder.path().join("skips");

    let mut command = runner(filter, package);
    stores.tell(&mut command);
    command.env("COUNTERFOIL_TEST_POSTGRES_STANDBY", &postgres_standby.url);
    command.env("COUNTERFOIL_TEST_MARIADB_SPARE", &mariadb_spare.url);
    command.env("COUNTERFOIL_TEST_REDIS_CLUSTER", &cluster.url);
    command.env("COUNTERFOIL_TEST_PYTHON", &tools.python);
    command.env("COUNTERFOIL_TEST_PROMETHEUS", &tools.prometheus);
    command.env("COUNTERFOIL_TEST_PROMTOOL", &tools.promtool);
    command.env("COUNTERFOIL_TEST_ALERTMANAGER", &tools.alertmanager);
    command.env("COUNTERFOIL_TEST_CHROMIUM", &tools.chromium);
    if let Some(otelcol) = otelcol::find_or_build() {
        command.env("COUNTERFOIL_TEST_OTELCOL", otelcol);
    }
    command.env("COUNTERFOIL_TEST_SKIPS", &skips);
    let (status, counts) = follow(&mut command)?;

    report(&skips, &counts);
    if status.success() { Ok(()) } else { Err(format!("the test run ended with {status}")) }
}

/// nextest where it is installed, else `cargo test`.
fn runner(filter: &[String], package: Option<&str>) -> Command {
    let selection = match package {
        Some(package) => ["--package", package],
        None => ["--workspace", "--locked"],
    };
    let mut command = if tools::on_path("cargo-nextest").is_some() {
        cargo::cargo(&["nextest", "run"])
    } else {
        cargo::cargo(&["test", "--no-fail-fast"])
    };
    command.args(selection);
    if !filter.is_empty() {
        command.arg("--").args(filter);
    }
    command
}

/// What `cargo test` counted.
#[derive(Default, PartialEq, Eq, Debug)]
struct Counts {
    suites: u32,
    passed: u32,
    failed: u32,
    ignored: u32,
}

impl Counts {
    /// Adds a line such as `test result: ok. 3 passed; 0 failed; 1 ignored; …`; other lines count nothing.
    fn add(&mut self, line: &str) {
        let Some((_, numbers)) = line.strip_prefix("test result: ").and_then(|rest| rest.split_once(". "))
        else {
            return;
        };
        self.suites += 1;
        for part in numbers.split("; ") {
            let count = |word| part.strip_suffix(word).and_then(|number| number.trim().parse::<u32>().ok());
            self.passed += count("passed").unwrap_or_default();
            self.failed += count("failed").unwrap_or_default();
            self.ignored += count("ignored").unwrap_or_default();
        }
    }
}

#[allow(clippy::print_stdout, reason = "the runner's output is this command's output")]
fn follow(command: &mut Command) -> Result<(ExitStatus, Counts), String> {
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| format!("{}: {error}", command.get_program().display()))?;
    let mut counts = Counts::default();
    for line in child.stdout.take().into_iter().flat_map(|stdout| BufReader::new(stdout).lines()) {
        let line = line.map_err(|error| format!("the test runner's output: {error}"))?;
        counts.add(&line);
        println!("{line}");
    }
    let status = child.wait().map_err(|error| format!("the test runner: {error}"))?;
    Ok((status, counts))
}

/// Tells what was left out, and the sum. Tests that leave something out append a line to the file, as `what: why`.
#[allow(clippy::print_stdout, reason = "what was left out belongs to the results")]
fn report(skips: &Path, counts: &Counts) {
    let skips = fs::read_to_string(skips).unwrap_or_default();
    if skips.is_empty() && counts.ignored == 0 {
        println!("nothing was skipped");
    }
    // Several tests may have left out the same thing.
    for skip in skips.lines().collect::<BTreeSet<_>>() {
        println!("skipped: {skip}");
    }
    if counts.ignored > 0 {
        println!("skipped: {} tests or examples that are marked `ignore`", counts.ignored);
    }
    if counts.suites > 0 {
        println!("{} passed, {} failed, {} skipped", counts.passed, counts.failed, counts.ignored);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runner_s_own_lines_are_added_up() {
        let mut counts = Counts::default();
        for line in [
            "running 3 tests",
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s",
            "test result: FAILED. 1 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.00s",
        ] {
            counts.add(line);
        }
        assert_eq!(counts, Counts { suites: 2, passed: 4, failed: 2, ignored: 1 });
    }
}
