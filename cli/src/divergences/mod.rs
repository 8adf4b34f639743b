//! `counterfoil divergences`: what a comparator found, and what is done about it.
//!
//! Keys, and whatever else somebody wrote, are shown so that a terminal obeys none of it.

mod output;
mod told;

use crate::exit::{Answer, Failure};
use crate::http::{Client, ServerArgs};
use crate::output::Output;
use clap::{Args, Subcommand, ValueEnum};
use counterfoil_comparator::ledger::{DivergenceId, PAGE_ROWS_MAX};
use serde::Serialize;
use serde_json::Value;
use std::io::Write;
use told::Page;
use url::form_urlencoded::Serializer;

/// What to do with divergences.
#[derive(Subcommand, Debug)]
pub(crate) enum DivergencesCommand {
    /// List them, newest first
    List(ListArgs),
    /// Show one of them, and what happened to it
    Show(ShowArgs),
    /// Say that you have one in hand
    Ack(ActArgs),
    /// Let one not count, for good or until a time
    Ignore(IgnoreArgs),
    /// Take back that one is acknowledged or ignored
    Reopen(ActArgs),
    /// Write all of them to standard output
    Export(ExportArgs),
}

/// Which divergences.
#[derive(Args, Debug)]
pub(crate) struct FilterArgs {
    /// Of this map
    #[arg(long)]
    map: Option<String>,
    /// Of this store
    #[arg(long)]
    store: Option<String>,
    /// In this state: opened, confirmed or resolved
    #[arg(long)]
    state: Option<String>,
    /// Of this kind, such as missing or stale
    #[arg(long)]
    kind: Option<String>,
    /// Of this severity: critical, warning or info
    #[arg(long)]
    severity: Option<String>,
    /// Named by a write of this source: SERVICE/INSTANCE/EPOCH
    #[arg(long)]
    source: Option<String>,
    /// Of exactly this key, as it is listed
    #[arg(long)]
    key: Option<String>,
    /// By what somebody did: none, acknowledged or ignored
    #[arg(long)]
    acted: Option<String>,
    /// Opened at this time or later, such as 2026-02-03T04:05:06Z
    #[arg(long, value_name = "TIME")]
    opened_since: Option<String>,
    /// Opened before this time
    #[arg(long, value_name = "TIME")]
    opened_before: Option<String>,
}

/// Flags of `counterfoil divergences list`.
#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    filter: FilterArgs,
    /// Show at most this many
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// The form of the results
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// Flags of `counterfoil divergences show`.
#[derive(Args, Debug)]
pub(crate) struct ShowArgs {
    /// Its id, as it is listed
    id: DivergenceId,
    #[command(flatten)]
    server: ServerArgs,
    /// The form of the results
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// Flags of `counterfoil divergences ack` and `reopen`.
#[derive(Args, Debug)]
pub(crate) struct ActArgs {
    /// Its id, as it is listed
    id: DivergenceId,
    #[command(flatten)]
    server: ServerArgs,
    /// Why: it is written down beside your name
    #[arg(long)]
    why: String,
    /// Only if the divergence is still at this revision; without it, whatever it is now
    #[arg(long)]
    revision: Option<u32>,
    /// The form of the results
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// Flags of `counterfoil divergences ignore`.
#[derive(Args, Debug)]
pub(crate) struct IgnoreArgs {
    #[command(flatten)]
    act: ActArgs,
    /// Until this time, such as 2026-02-03T04:05:06Z; without it, for good
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
}

/// Flags of `counterfoil divergences export`.
#[derive(Args, Debug)]
pub(crate) struct ExportArgs {
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    filter: FilterArgs,
    /// One JSON object per line, or CSV with a header
    #[arg(long, value_enum, default_value_t = Format::Jsonl)]
    format: Format,
}

/// How an export is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Format {
    /// One JSON object per line
    Jsonl,
    /// CSV; texts that a spreadsheet would take for formulas begin with an apostrophe
    Csv,
}

/// What the comparator is told of an act.
#[derive(Serialize)]
struct Act<'a> {
    why: &'a str,
    revision: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<&'a str>,
}

/// Asks the comparator, and shows what it answers.
pub(crate) fn run(command: &DivergencesCommand, out: &mut dyn Write) -> Result<Answer, Failure> {
    match command {
        DivergencesCommand::List(args) => list(args, out),
        DivergencesCommand::Show(ShowArgs { id, server, output }) => {
            let told: Value = Client::new(server)?.get_json(&path(*id))?;
            output::one(&told, *output, out)
        }
        DivergencesCommand::Ack(args) => act(args, "acknowledge", None, out),
        DivergencesCommand::Ignore(args) => act(&args.act, "ignore", args.until.as_deref(), out),
        DivergencesCommand::Reopen(args) => act(args, "reopen", None, out),
        DivergencesCommand::Export(args) => export(args, out),
    }?;
    Ok(Answer::Yes)
}

/// Follows the pages until there are enough.
fn list(args: &ListArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let client = Client::new(&args.server)?;
    let mut rows = Vec::new();
    let mut next = None;
    loop {
        let wanted = args.limit.saturating_sub(u32::try_from(rows.len()).unwrap_or(u32::MAX));
        let mut query = args.filter.query();
        query.append_pair("limit", &wanted.clamp(1, PAGE_ROWS_MAX).to_string());
        if let Some(after) = next {
            query.append_pair("after", &i64::to_string(&after));
        }
        let page: Page = client.get_json(&format!("/v1/divergences?{}", query.finish()))?;
        rows.extend(page.divergences);
        next = page.next;
        if next.is_none() || rows.len() >= usize::try_from(args.limit).unwrap_or(usize::MAX) {
            break;
        }
    }
    output::all(&rows, next.is_some(), args.output, out)
}

fn act(args: &ActArgs, verb: &str, until: Option<&str>, out: &mut dyn Write) -> Result<(), Failure> {
    let client = Client::new(&args.server)?;
    let path = path(args.id);
    let revision = match args.revision {
        Some(revision) => revision,
        None => client.get_json::<told::Revised>(&path)?.revision,
    };
    let told: Value =
        client.post_json(&format!("{path}/{verb}"), &Act { why: &args.why, revision, until })?;
    output::one(&told, args.output, out)
}

fn export(args: &ExportArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let mut query = args.filter.query();
    let format = match args.format {
        Format::Jsonl => "jsonl",
        Format::Csv => "csv",
    };
    query.append_pair("format", format);
    Client::new(&args.server)?.copy(&format!("/v1/divergences/export?{}", query.finish()), out)
}

fn path(id: DivergenceId) -> String {
    format!("/v1/divergences/{id}")
}

impl FilterArgs {
    fn query(&self) -> Serializer<'static, String> {
        let mut query = Serializer::new(String::new());
        for (name, value) in [
            ("map", &self.map),
            ("store", &self.store),
            ("state", &self.state),
            ("kind", &self.kind),
            ("severity", &self.severity),
            ("source", &self.source),
            ("key", &self.key),
            ("acted", &self.acted),
            ("opened_since", &self.opened_since),
            ("opened_before", &self.opened_before),
        ] {
            if let Some(value) = value {
                query.append_pair(name, value);
            }
        }
        query
    }
}
