//! `counterfoil verify`: judges again what stands in bundles of evidence, offline.
//!
//! A bundle holds if its signature does under a key that the caller trusts, its parts fit each other, the signatures of its batches
//! hold, and the judge gives the verdict that stands in it. Whose key is trusted is for the caller to say: there is no default.

mod output;
#[cfg(test)]
mod tests;

use crate::exit::{Answer, Failure};
use crate::output::Output;
use clap::{ArgGroup, Args};
use counterfoil_evidence::{BUNDLE_BYTES_MAX, Hex, Trust, verify};
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;

/// Largest file of a public key, in bytes: a line and some white space.
const KEY_BYTES_MAX: u64 = 1_024;

/// Flags of `counterfoil verify`.
#[derive(Args, Debug)]
#[command(group = ArgGroup::new("trust").args(["key", "keyid", "trust_embedded"]).required(true).multiple(true))]
pub(crate) struct VerifyArgs {
    /// Bundles of evidence; `-` for standard input
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// The file of a public key whose signature counts: 64 hexadecimal digits, as `counterfoil key public` prints them
    #[arg(long, value_name = "PUBLIC_KEY_FILE")]
    key: Vec<PathBuf>,
    /// The id of a public key whose signature counts; the key itself is taken from the bundle
    #[arg(long, value_name = "ID", value_parser = key_id)]
    keyid: Vec<Hex<16>>,
    /// Take each bundle's own word for who signed it: shows that it was not changed since, not who made it
    #[arg(long)]
    trust_embedded: bool,
    /// How results are written
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// A file holds no public key.
#[derive(Debug, Error)]
#[error("key file {}: needs 64 hexadecimal digits and nothing else (`counterfoil key public` prints them)", .0.display())]
struct NotAKey(PathBuf);

fn key_id(text: &str) -> Result<Hex<16>, &'static str> {
    text.parse().map_err(|_| "an id of a key has 32 hexadecimal digits")
}

/// Verifies each bundle, and says whether all of them hold.
pub(crate) fn run(args: &VerifyArgs, out: &mut dyn Write) -> Result<Answer, Failure> {
    let trust = trust(args)?;
    let mut results = Vec::new();
    for file in &args.files {
        results.push((file.as_path(), verify(&read(file)?, &trust)));
    }
    match args.output {
        Output::Json => output::json(&results, out)?,
        Output::Table => output::text(&results, trust.embedded, out)?,
    }
    Ok(Answer::yes_if(results.iter().all(|(_, result)| result.is_ok())))
}

fn trust(args: &VerifyArgs) -> Result<Trust, Failure> {
    let keys = args.key.iter().map(|path| public_key(path)).collect::<Result<_, _>>()?;
    Ok(Trust { keys, key_ids: args.keyid.clone(), embedded: args.trust_embedded })
}

fn public_key(path: &Path) -> Result<[u8; 32], Failure> {
    let bytes = read_at_most(path, KEY_BYTES_MAX)?;
    let text = std::str::from_utf8(&bytes).ok().map(str::trim);
    let key = text.and_then(|text| text.parse::<Hex<32>>().ok());
    key.map(|key| key.0).ok_or_else(|| Failure::of(NotAKey(path.to_owned())))
}

/// The bytes of a file, or as many of them as show that it is no bundle.
fn read(file: &Path) -> Result<Vec<u8>, Failure> {
    read_at_most(file, BUNDLE_BYTES_MAX as u64 + 1)
}

fn read_at_most(path: &Path, bytes_max: u64) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let read = if path == Path::new("-") {
        io::stdin().take(bytes_max).read_to_end(&mut bytes)
    } else {
        File::open(path).and_then(|file| file.take(bytes_max).read_to_end(&mut bytes))
    };
    read.map_err(|source| Failure::File { path: path.to_owned(), source })?;
    Ok(bytes)
}
