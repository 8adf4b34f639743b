//! `counterfoil contract check`: whether a comparator would understand its stores, before it runs.
//!
//! Each map is looked up in each of its stores as the comparator will do it, for a few keys: `look` asks, `finding` judges what
//! came back, `comparison` puts a value of the map's side beside it, `output` shows it. Nothing is written, and nothing that a
//! store might refuse is tried.
//!
//! This command is run by a person who has the credentials of the stores: values stand on standard output, and nowhere else.

mod comparison;
mod finding;
mod look;
mod output;
#[cfg(test)]
mod tests;

use crate::config;
use crate::exit::{Answer, Failure};
use crate::output::Output;
use bytes::Bytes;
use clap::{Args, Subcommand};
use counterfoil_comparator::contract::{Contract, Contracts};
use finding::Check;
use std::io::Write;
use std::path::PathBuf;
use thiserror::Error;

/// What to do with contracts.
#[derive(Subcommand, Debug)]
pub(crate) enum ContractCommand {
    /// Look some keys up in the stores of each map, and say what a comparator would make of them
    Check(CheckArgs),
}

/// Flags of `counterfoil contract check`.
#[derive(Args, Debug)]
pub(crate) struct CheckArgs {
    /// The configuration of a comparator, as YAML
    file: PathBuf,
    /// Check this map only
    #[arg(long)]
    map: Option<String>,
    /// Look this key up; may be given several times. Without it the first keys of the map's `scan` are looked up
    #[arg(long = "key", value_name = "KEY")]
    keys: Vec<String>,
    /// Compare this value, as the map's side writes it, with what the store has for the one key: exit code 1 if they differ
    #[arg(
        long,
        value_name = "TEXT",
        allow_hyphen_values = true,
        requires_all = ["map", "keys"],
        conflicts_with = "value_file"
    )]
    value: Option<String>,
    /// The same with the content of a file, to its last byte
    #[arg(long, value_name = "FILE", requires_all = ["map", "keys"])]
    value_file: Option<PathBuf>,
    /// Show no values
    #[arg(long)]
    no_values: bool,
    /// Let warnings count: exit code 1
    #[arg(long)]
    strict: bool,
    /// The form of the results
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// Why contracts cannot be relied on.
#[derive(Debug, Error)]
enum CheckError {
    /// There is no such map.
    #[error("--map: there is no contract for `{map}`; there is: {known}")]
    Map { map: String, known: String },
    /// A value is that of one key.
    #[error("--key: {count} keys are given beside a value; give the one key that has it")]
    Keys { count: usize },
    /// A store cannot be read as the contract says.
    #[error("{errors} of the contracts' checks found errors; they stand above")]
    Found { errors: usize },
    /// The system gives no more threads or descriptors.
    #[error("no runtime: {0}")]
    Runtime(std::io::Error),
}

/// Checks contracts and shows what was found.
pub(crate) fn run(command: &ContractCommand, out: &mut dyn Write) -> Result<Answer, Failure> {
    let ContractCommand::Check(args) = command;
    let contracts = config::comparator(&args.file)?.contracts;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    let runtime = runtime.map_err(|error| Failure::of(CheckError::Runtime(error)))?;
    let checks = runtime.block_on(checked(args, &contracts))?;
    output::write(&checks, args.output, out)?;
    // What was found comes before the word that it is bad.
    out.flush()?;
    let errors = checks.iter().filter(|check| !check.errors.is_empty()).count();
    if errors > 0 {
        return Err(Failure::of(CheckError::Found { errors }));
    }
    let has_warnings = checks.iter().any(|check| !check.warnings.is_empty());
    let agrees = checks.iter().filter_map(|check| check.comparison.as_ref()).all(|it| it.is_equal);
    Ok(Answer::yes_if(agrees && !(args.strict && has_warnings)))
}

/// The value that is to be compared with a store's.
fn given(args: &CheckArgs) -> Result<Option<Vec<u8>>, Failure> {
    let value = match (&args.value, &args.value_file) {
        (Some(text), _) => text.clone().into_bytes(),
        (None, Some(path)) => {
            std::fs::read(path).map_err(|source| Failure::File { path: path.clone(), source })?
        }
        (None, None) => return Ok(None),
    };
    match args.keys.len() {
        1 => Ok(Some(value)),
        count => Err(Failure::of(CheckError::Keys { count })),
    }
}

/// One check after the other: so the times of their reads are those of a store that has nothing else to do.
async fn checked(args: &CheckArgs, contracts: &Contracts) -> Result<Vec<Check>, Failure> {
    let given = given(args)?;
    let keys: Vec<_> = args.keys.iter().map(|key| Bytes::copy_from_slice(key.as_bytes())).collect();
    let mut checks = Vec::new();
    for contract in chosen(args.map.as_deref(), contracts).map_err(Failure::of)? {
        if let Some(reader) = contracts.readers().get(contract.store) {
            let seen = look::look(contract, reader, &keys).await;
            let check = finding::judge(contract, reader, seen, given.as_deref());
            checks.push(if args.no_values { check.without_values() } else { check });
        }
    }
    Ok(checks)
}

fn chosen<'c>(map: Option<&str>, contracts: &'c Contracts) -> Result<Vec<&'c Contract>, CheckError> {
    let chosen: Vec<_> =
        contracts.iter().filter(|contract| map.is_none_or(|map| *contract.name == *map)).collect();
    match map {
        Some(map) if chosen.is_empty() => {
            let mut known: Vec<_> = contracts.iter().map(|contract| &*contract.name).collect();
            known.dedup();
            Err(CheckError::Map { map: map.to_owned(), known: known.join(", ") })
        }
        _ => Ok(chosen),
    }
}
