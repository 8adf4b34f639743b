//! `counterfoil repair`: what would be done about divergences in the store, doing it, and looking at what became of it.
//!
//! A plan is a file of JSON, as the comparator tells it. Whoever applies it may take entries out of it, give an entry the
//! `direction` where the contract leaves that to him, or the `value_base64` where nobody else has the value. What is applied is
//! bound to the revisions in the file: a divergence that changed since is left alone.

mod output;

use crate::exit::{Answer, Failure};
use crate::http::{Client, ServerArgs};
use crate::output::Output;
use clap::{Args, Subcommand};
use counterfoil_comparator::repair::{AuditEntry, audit_of_file, verify_audit};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use thiserror::Error;
use url::form_urlencoded::Serializer;

/// Entries of the audit log that are asked for at a time.
const AUDIT_PAGE: u32 = 1_000;

/// What to do with repairs.
#[derive(Subcommand, Debug)]
pub(crate) enum RepairCommand {
    /// Say what would be done about confirmed divergences; does nothing
    Plan(PlanArgs),
    /// Have done what a plan says
    Apply(ApplyArgs),
    /// List what was approved, and what became of it
    List(ListArgs),
    /// Show one of them
    Show(OneArgs),
    /// Give the store back what it held before one of them
    Undo(OneArgs),
    /// What stops repairs of a map that go wrong
    #[command(subcommand)]
    Breaker(BreakerCommand),
    /// The log of who had what done
    #[command(subcommand)]
    Audit(AuditCommand),
}

/// Flags of `counterfoil repair plan`.
#[derive(Args, Debug)]
pub(crate) struct PlanArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// About this map alone
    #[arg(long)]
    map: Option<String>,
    /// About divergences of this kind alone, such as missing or stale
    #[arg(long)]
    kind: Option<String>,
    /// Write the plan into this file, which must not be there yet, to be looked at and applied
    #[arg(long, value_name = "FILE")]
    output: Option<PathBuf>,
}

/// Flags of `counterfoil repair apply`.
#[derive(Args, Debug)]
pub(crate) struct ApplyArgs {
    /// The plan
    plan: PathBuf,
    #[command(flatten)]
    server: ServerArgs,
    /// Do it; without this, only say what would be asked for
    #[arg(long)]
    yes: bool,
}

/// Flags of `counterfoil repair list`.
#[derive(Args, Debug)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    server: ServerArgs,
    /// Of this map
    #[arg(long)]
    map: Option<String>,
    /// In this state, such as applied or overtaken
    #[arg(long)]
    state: Option<String>,
    /// Show at most this many, up to 1000
    #[arg(long, default_value_t = 100)]
    limit: u32,
    /// The form of the results
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// Flags of `counterfoil repair show` and `undo`.
#[derive(Args, Debug)]
pub(crate) struct OneArgs {
    /// Its id, as it is listed
    id: String,
    #[command(flatten)]
    server: ServerArgs,
    /// The form of the results
    #[arg(long, value_enum, default_value_t = Output::Table)]
    output: Output,
}

/// What to do with breakers.
#[derive(Subcommand, Debug)]
pub(crate) enum BreakerCommand {
    /// Show those that were ever open
    Show {
        #[command(flatten)]
        server: ServerArgs,
    },
    /// Let repairs of a map go on
    Close {
        /// The map
        #[arg(long)]
        map: String,
        #[command(flatten)]
        server: ServerArgs,
    },
}

/// What to do with the audit log.
#[derive(Subcommand, Debug)]
pub(crate) enum AuditCommand {
    /// See whether every entry is as it was written
    Verify {
        /// A comparator's ledger; without it, a running comparator is asked
        file: Option<PathBuf>,
        #[command(flatten)]
        server: ServerArgs,
        /// The public key that every entry has to be signed by: 64 hex digits
        #[arg(long, value_name = "HEX")]
        signer: Option<String>,
    },
}

/// A plan that is no plan.
#[derive(Debug, Error)]
#[error("{path}: {why}; `counterfoil repair plan --output FILE` writes a plan", path = path.display())]
struct NotAPlan {
    path: PathBuf,
    why: String,
}

/// A plan as its file has it; more may stand in it, for people.
#[derive(Deserialize)]
struct Plan {
    repairs: Vec<Planned>,
}

#[derive(Deserialize)]
struct Planned {
    id: String,
    revision: u32,
    map: String,
    action: String,
    direction: String,
    #[serde(default)]
    why_not: Option<String>,
    #[serde(default)]
    value_base64: Option<String>,
}

/// What is asked for.
#[derive(Serialize)]
struct Approval<'a> {
    id: &'a str,
    revision: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    direction: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    value_base64: Option<&'a str>,
}

impl Planned {
    /// What is asked for of an entry; `None` if it cannot be done as it stands: the comparator would refuse it.
    fn approval(&self) -> Option<Approval<'_>> {
        let was_chosen = self.action == "ask" && self.direction != "ask";
        let can_be_done = self.why_not.is_none() || self.value_base64.is_some() || was_chosen;
        can_be_done.then_some(Approval {
            id: &self.id,
            revision: self.revision,
            direction: was_chosen.then_some(&self.direction),
            value_base64: self.value_base64.as_deref(),
        })
    }
}

/// Does it.
pub(crate) fn run(command: &RepairCommand, out: &mut dyn Write) -> Result<Answer, Failure> {
    match command {
        RepairCommand::Plan(args) => plan(args, out),
        RepairCommand::Apply(args) => apply(args, out),
        RepairCommand::List(args) => list(args, out),
        RepairCommand::Show(OneArgs { id, server, output }) => {
            output::one(&Client::new(server)?.get_json(&path(id))?, *output, out)
        }
        RepairCommand::Undo(OneArgs { id, server, output }) => {
            let undone: Value = Client::new(server)?.post_json(&format!("{}/undo", path(id)), &json!({}))?;
            output::one(&undone, *output, out)
        }
        RepairCommand::Breaker(command) => breaker(command, out),
        RepairCommand::Audit(AuditCommand::Verify { file, server, signer }) => {
            return verify(file.as_deref(), server, signer.as_deref(), out);
        }
    }?;
    Ok(Answer::Yes)
}

fn path(id: &str) -> String {
    let id: String = url::form_urlencoded::byte_serialize(id.as_bytes()).collect();
    format!("/v1/repairs/{id}")
}

fn plan(args: &PlanArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let asked = json!({ "map": args.map, "kind": args.kind });
    let told: Value = Client::new(&args.server)?.post_json("/v1/repairs/plan", &asked)?;
    let Some(path) = &args.output else { return output::json(&told, out) };
    let failed = |source| Failure::File { path: path.clone(), source };
    let mut file = fs::OpenOptions::new().write(true).create_new(true).open(path).map_err(failed)?;
    serde_json::to_writer_pretty(&mut file, &told).map_err(|error| failed(io::Error::from(error)))?;
    output::plan(&told, out)
}

fn apply(args: &ApplyArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let plan = read(&args.plan)?;
    let approvals: Vec<_> = plan.repairs.iter().filter_map(Planned::approval).collect();
    let left = plan.repairs.len() - approvals.len();
    if left > 0 {
        eprintln!("{left} of {} entries are left out: `why_not` says why", plan.repairs.len());
    }
    if !args.yes {
        for (planned, _) in plan.repairs.iter().filter_map(|planned| Some((planned, planned.approval()?))) {
            writeln!(out, "{} {} {}", planned.id, planned.action, crate::output::one_line(&planned.map))?;
        }
        eprintln!("nothing was done; --yes applies these {}", approvals.len());
        return Ok(());
    }
    let told: Value =
        Client::new(&args.server)?.post_json("/v1/repairs/apply", &json!({ "repairs": approvals }))?;
    output::applied(&told, out)
}

fn read(path: &Path) -> Result<Plan, Failure> {
    let text = fs::read(path).map_err(|source| Failure::File { path: path.to_owned(), source })?;
    let not_a_plan = |error: serde_json::Error| NotAPlan { path: path.to_owned(), why: error.to_string() };
    serde_json::from_slice(&text).map_err(|error| Failure::of(not_a_plan(error)))
}

fn list(args: &ListArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let mut query = Serializer::new(String::new());
    query.append_pair("limit", &args.limit.to_string());
    for (name, value) in [("map", &args.map), ("state", &args.state)] {
        if let Some(value) = value {
            query.append_pair(name, value);
        }
    }
    let told: Value = Client::new(&args.server)?.get_json(&format!("/v1/repairs?{}", query.finish()))?;
    output::all(&told, args.output, out)
}

fn breaker(command: &BreakerCommand, out: &mut dyn Write) -> Result<(), Failure> {
    let told: Value = match command {
        BreakerCommand::Show { server } => Client::new(server)?.get_json("/v1/repairs/breakers")?,
        BreakerCommand::Close { map, server } => {
            Client::new(server)?.post_json("/v1/repairs/breaker/close", &json!({ "map": map }))?
        }
    };
    output::json(&told, out)
}

#[derive(Deserialize)]
struct AuditPage {
    entries: Vec<AuditEntry>,
    next: Option<u64>,
}

fn verify(
    file: Option<&Path>,
    server: &ServerArgs,
    signer: Option<&str>,
    out: &mut dyn Write,
) -> Result<Answer, Failure> {
    let entries = match file {
        Some(file) => audit_of_file(file).map_err(Failure::of)?,
        None => audit_of(&Client::new(server)?)?,
    };
    let found = verify_audit(&entries, signer);
    let mut told = Map::new();
    told.insert("entries".into(), entries.len().into());
    told.insert("last_hash".into(), entries.last().map(|entry| entry.hash.clone()).into());
    told.insert("signed".into(), entries.iter().all(|entry| entry.signer.is_some()).into());
    told.insert("broken".into(), found.as_ref().err().map(ToString::to_string).into());
    output::json(&told.into(), out)?;
    Ok(Answer::yes_if(found.is_ok()))
}

fn audit_of(client: &Client) -> Result<Vec<AuditEntry>, Failure> {
    let (mut entries, mut after) = (Vec::new(), 0);
    loop {
        let page: AuditPage =
            client.get_json(&format!("/v1/repairs/audit?limit={AUDIT_PAGE}&after={after}"))?;
        entries.extend(page.entries);
        match page.next {
            Some(next) => after = next,
            None => return Ok(entries),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn an_entry_is_asked_for_that_can_be_done_or_was_completed_and_no_other() {
        let entry =
            json!({ "id": "d", "revision": 3, "map": "cart", "action": "put", "direction": "map_wins" });
        for (more, expected) in [
            (json!({}), Some(json!({ "id": "d", "revision": 3 }))),
            (json!({ "why_not": "nobody has the value" }), None),
            (
                json!({ "why_not": "nobody has the value", "value_base64": "dg==" }),
                Some(json!({ "id": "d", "revision": 3, "value_base64": "dg==" })),
            ),
            (json!({ "action": "ask", "direction": "ask", "why_not": "say which side is right" }), None),
            (
                json!({ "action": "ask", "direction": "map_wins", "why_not": "say which side is right" }),
                Some(json!({ "id": "d", "revision": 3, "direction": "map_wins" })),
            ),
        ] {
            let mut written = entry.clone();
            written.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
            let planned: Planned = serde_json::from_value(written).unwrap();
            let asked = planned.approval().map(|approval| serde_json::to_value(approval).unwrap());
            assert_eq!(asked, expected, "{more}");
        }
    }

    #[test]
    fn a_file_that_is_no_plan_is_refused_with_what_writes_one() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plan.json");
        fs::write(&file, "{}").unwrap();
        let refused = read(&file).err().unwrap().to_string();
        assert!(refused.contains("missing field `repairs`") && refused.contains("repair plan"), "{refused}");
    }
}
