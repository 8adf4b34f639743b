//! `counterfoil config`: everything that is wrong with a configuration, or everything that may stand in one.

use crate::exit::{Answer, Failure};
use clap::{Subcommand, ValueEnum};
use counterfoil_settings::{Problems, Sources, json_schema};
use std::io::Write;
use std::path::{Path, PathBuf};
use thiserror::Error;

/// What to do with configurations.
#[derive(Subcommand, Debug)]
pub(crate) enum ConfigCommand {
    /// Report every problem of a file at once
    Check {
        /// The configuration, as YAML; its key `kind` says which process it is for
        file: PathBuf,
    },
    /// Print the JSON Schema
    Schema {
        /// Which process
        #[arg(value_enum)]
        kind: Kind,
    },
}

/// The processes that have a configuration.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Kind {
    /// The process beside the application
    Sidecar,
    /// The process that compares
    Comparator,
}

/// Why a configuration is refused.
#[derive(Debug, Error)]
enum CheckError {
    /// It has problems.
    #[error("{path} has {count} {}\n{problems}", noun(.count))]
    Problems { path: String, count: usize, problems: Problems },
    /// Nothing says which process it is for.
    #[error("{path}: kind: write `kind: sidecar` or `kind: comparator`{found}")]
    Kind { path: String, found: String },
}

fn noun(count: &usize) -> &'static str {
    if *count == 1 { "problem:" } else { "problems:" }
}

/// Checks a file or prints a schema.
pub(crate) fn run(command: &ConfigCommand, out: &mut dyn Write) -> Result<Answer, Failure> {
    match command {
        ConfigCommand::Check { file } => {
            let kind = check(file).map_err(Failure::of)?;
            writeln!(out, "{}: a valid configuration of the {kind}", file.display())?;
        }
        ConfigCommand::Schema { kind } => {
            let schema = match kind {
                Kind::Sidecar => json_schema::<counterfoil_sidecar::config::Written>(),
                Kind::Comparator => json_schema::<counterfoil_comparator::config::Written>(),
            };
            writeln!(out, "{schema:#}")?;
        }
    }
    Ok(Answer::Yes)
}

/// Which process a faultless configuration is for.
fn check(file: &Path) -> Result<&'static str, CheckError> {
    let path = || file.display().to_string();
    let problems =
        |problems: Problems| CheckError::Problems { path: path(), count: problems.0.len(), problems };
    let sources = Sources::read(file, Vec::new()).map_err(problems)?;
    match sources.kind().map_err(problems)?.as_deref() {
        Some("sidecar") => {
            let written = sources.written::<counterfoil_sidecar::config::Written>().map_err(problems)?;
            counterfoil_sidecar::config::Settings::try_from_written(written).map_err(problems)?;
            Ok("sidecar")
        }
        Some("comparator") => {
            let written = sources.written::<counterfoil_comparator::config::Written>().map_err(problems)?;
            counterfoil_comparator::config::Settings::try_from_written(written).map_err(problems)?;
            Ok("comparator")
        }
        kind => {
            let found = kind.map_or_else(String::new, |kind| format!(", not `{kind}`"));
            Err(CheckError::Kind { path: path(), found })
        }
    }
}

/// The settings that a comparator would have of a file.
pub(crate) fn comparator(file: &Path) -> Result<counterfoil_comparator::config::Settings, Failure> {
    use counterfoil_comparator::config::{Settings, Written};
    let read = || Settings::try_from_written(Sources::read(file, Vec::new())?.written::<Written>()?);
    read().map_err(|problems| {
        let (path, count) = (file.display().to_string(), problems.0.len());
        Failure::of(CheckError::Problems { path, count, problems })
    })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn checked(yaml: &str) -> Result<&'static str, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("config.yaml");
        std::fs::write(&file, yaml).unwrap();
        check(&file).map_err(|error| error.to_string())
    }

    #[test]
    fn a_configuration_of_no_process_says_which_kinds_there_are() {
        for yaml in ["{}", "kind: proxy"] {
            let error = checked(yaml).unwrap_err();
            assert!(error.contains("kind: sidecar") && error.contains("kind: comparator"), "{error}");
        }
    }

    #[test]
    fn every_problem_is_reported_with_its_path() {
        for kind in ["sidecar", "comparator"] {
            let error = checked(&format!("kind: {kind}\nlistne: x\nlimit: y\n")).unwrap_err();
            assert!(error.contains("listne") && error.contains("limit"), "{kind}: {error}");
        }
        assert!(checked("kind: [").unwrap_err().contains("not YAML"));
        let missing = check(Path::new("/nowhere/c.yaml")).unwrap_err().to_string();
        assert!(missing.contains("/nowhere/c.yaml"), "{missing}");
    }

    #[test]
    fn the_schema_is_json_that_names_the_key_kind() {
        for kind in [Kind::Sidecar, Kind::Comparator] {
            let mut out = Vec::new();
            run(&ConfigCommand::Schema { kind }, &mut out).unwrap();
            let schema: serde_json::Value = serde_json::from_slice(&out).unwrap();
            assert!(schema.pointer("/properties/kind").is_some(), "{schema:#}");
        }
    }
}
