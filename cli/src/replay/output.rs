//! What `replay` prints: a line or a JSON object per read, in the order of the file.

use super::Judged;
use crate::output::{Output, plain_table};
use counterfoil_judge::{Divergence, Kind, Verdict};
use serde::Serialize;
use std::io::{self, Write};

#[derive(Serialize)]
struct Row<'a> {
    id: &'a str,
    legal: bool,
    verdict: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    versions: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    at_least_ns: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
}

impl<'a> From<&'a Judged> for Row<'a> {
    fn from(judged: &'a Judged) -> Self {
        let verdict = &judged.judgement.verdict;
        let (versions, at_least_ns) = match *verdict {
            Verdict::Divergent(Divergence { kind: Kind::Stale { versions, at_least }, .. }) => {
                (Some(versions), Some(at_least))
            }
            _ => (None, None),
        };
        let reason = match verdict {
            Verdict::Undetermined(reason) => Some(reason.label()),
            _ => None,
        };
        let (id, legal) = (judged.id.as_str(), judged.is_legal());
        Self { id, legal, verdict: verdict.label(), versions, at_least_ns, reason }
    }
}

impl Row<'_> {
    fn detail(&self) -> String {
        match (self.versions, self.at_least_ns, self.reason) {
            (Some(versions), Some(at_least), _) => {
                format!("{versions} versions behind, for at least {at_least} ns")
            }
            (_, _, Some(reason)) => reason.to_owned(),
            _ => String::new(),
        }
    }
}

pub(super) fn write(judged: &[Judged], output: Output, out: &mut dyn Write) -> io::Result<()> {
    match output {
        Output::Json => write_json(judged, out),
        Output::Table => write_table(judged, out),
    }
}

fn write_json(judged: &[Judged], out: &mut dyn Write) -> io::Result<()> {
    for judged in judged {
        serde_json::to_writer(&mut *out, &Row::from(judged))?;
        out.write_all(b"\n")?;
    }
    Ok(())
}

fn write_table(judged: &[Judged], out: &mut dyn Write) -> io::Result<()> {
    let mut table = plain_table(["read", "legal", "verdict", "detail"]);
    for row in judged.iter().map(Row::from) {
        table.add_row([row.id.to_owned(), row.legal.to_string(), row.verdict.to_owned(), row.detail()]);
    }
    writeln!(out, "{}", table.trim_fmt())
}
