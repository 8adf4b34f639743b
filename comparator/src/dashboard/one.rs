//! `/divergences/ID`: what is known of one divergence, what happened to it, and what may be done about it.

use super::Pages;
use super::known::{Known, known};
use super::options::Traced;
use super::shell::Shell;
use super::show::{self, Key};
use super::timeline::Picture;
use crate::api::divergences::{Id, Life, Told, life};
use crate::api::error::ApiError;
use crate::contract::Severity;
use crate::ledger::{Entry, Mark};
use askama::Template;
use axum::extract::State;
use axum::response::Response;

#[derive(Template)]
#[template(path = "one.html")]
struct One<'a> {
    shell: &'a Shell,
    facts: Facts,
    picture: Option<Picture>,
    /// Why the picture shows no more than the ledger knows; `None` where it is that of a bundle of evidence.
    row_alone: Option<String>,
    history: Vec<Turn>,
    history_dropped: u32,
    /// What may be done about it now: name, and what it means.
    acts: Vec<(&'static str, &'static str)>,
}

/// What a divergence is.
pub(super) struct Facts {
    pub(super) id: String,
    pub(super) key: Key,
    pub(super) map: String,
    pub(super) store: String,
    pub(super) kind: String,
    pub(super) state: &'static str,
    pub(super) severity: Option<&'static str>,
    pub(super) revision: u32,
    pub(super) acted: Option<Acted>,
    /// Everything else, as names and texts.
    others: Vec<(&'static str, String)>,
    trace: Option<Traced>,
    /// A bundle of evidence can be fetched.
    has_evidence: bool,
}

/// What somebody did about it.
pub(super) struct Acted {
    pub(super) what: &'static str,
    pub(super) by: String,
    pub(super) why: String,
    pub(super) at: String,
    pub(super) until: Option<String>,
}

/// A line of the history.
struct Turn {
    revision: u32,
    at: String,
    at_rfc3339: String,
    what: String,
    by: Option<String>,
    why: Option<String>,
}

/// Shows a divergence.
pub(super) async fn page(State(pages): State<Pages>, shell: Shell, id: Result<Id, ApiError>) -> Response {
    shell.answer(shown(&pages, &shell, id).await)
}

async fn shown<'a>(pages: &Pages, shell: &'a Shell, id: Result<Id, ApiError>) -> Result<One<'a>, ApiError> {
    let id = id?;
    pages.api.ledger.catch_up().await?;
    let Life { told, history, history_dropped } = life(&pages.api, id).await?;
    let Known { timeline, row_alone } = known(pages, &told.row, &history).await;
    let picture = timeline.picture();
    let acts = acts(told.row.acted.as_ref().map(|acted| acted.what));
    let history = history.into_iter().map(Turn::of).collect();
    Ok(One { shell, facts: Facts::of(pages, told), picture, row_alone, history, history_dropped, acts })
}

/// What may be done about a divergence that stands so.
fn acts(mark: Option<Mark>) -> Vec<(&'static str, &'static str)> {
    let all = [("acknowledge", "Acknowledge", Mark::Acknowledged), ("ignore", "Ignore", Mark::Ignored)];
    let others =
        all.into_iter().filter(|(.., makes)| mark != Some(*makes)).map(|(name, label, _)| (name, label));
    others.chain(mark.map(|_| ("reopen", "Take back"))).collect()
}

impl Facts {
    pub(super) fn of(pages: &Pages, told: Told) -> Self {
        let others = others(&told);
        let Told { row, severity, evidence, .. } = told;
        let trace = row.trace_id.map(|id| pages.options.traced(id));
        Self {
            id: row.id.to_string(),
            key: show::key(&row.key_bytes),
            map: row.map,
            store: row.store.unwrap_or_else(|| "the first one".to_owned()),
            kind: row.kind,
            state: row.state.as_str(),
            severity: severity.map(Severity::label),
            revision: row.revision,
            acted: row.acted.map(|acted| Acted {
                what: acted.what.as_str(),
                by: acted.by,
                why: acted.why,
                at: show::time(acted.at_unix_ns),
                until: acted.until_unix_ns.map(show::time),
            }),
            others,
            trace,
            has_evidence: evidence,
        }
    }
}

fn others(told: &Told) -> Vec<(&'static str, String)> {
    let Told { row, age_ms, .. } = told;
    let behind = row.stale_versions.map(|versions| {
        let for_least = row.stale_at_least_ns.map(|ns| format!(", for {} at least", show::span(ns)));
        format!("{versions}{}", for_least.unwrap_or_default())
    });
    let fields = row.fields.as_ref().map(|names| names.join(", "));
    let missing = row.fields_missing.filter(|count| *count > 0).map(|count| count.to_string());
    [
        ("Age", Some(show::span(age_ms.saturating_mul(1_000_000)))),
        ("Opened", Some(show::time(row.opened_at_unix_ns))),
        ("Confirmed", row.confirmed_at_unix_ns.map(show::time)),
        ("Resolved", row.resolved_at_unix_ns.map(show::time)),
        ("Resolved how", row.resolved_how.clone()),
        ("Times opened", (row.times > 1).then(|| row.times.to_string())),
        ("Source", Some(row.source.clone())),
        ("Its write", Some(format!("number {}", row.seq))),
        ("Seen after the write", row.seen_after_ns.map(show::span)),
        ("Acknowledged writes that the store is behind", behind),
        ("Fields that differ", fields.filter(|names| !names.is_empty())),
        ("Fields missing", missing),
        ("The store holds (digest)", Some(row.store_digest.clone())),
        ("It should hold (digest)", Some(row.map_digest.clone())),
    ]
    .into_iter()
    .filter_map(|(name, text)| Some((name, text?)))
    .collect()
}

impl Turn {
    fn of(entry: Entry) -> Self {
        let Entry { revision, at_unix_ns, what, by, why, until_unix_ns, kind, .. } = entry;
        let until = until_unix_ns.map(|until| format!("until {}", show::time(until)));
        let said: Vec<_> = [kind, why, until].into_iter().flatten().collect();
        Self {
            revision,
            at: show::time(at_unix_ns),
            at_rfc3339: show::rfc3339(at_unix_ns),
            what,
            by,
            why: (!said.is_empty()).then(|| said.join("; ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_done_is_not_offered_again_and_can_be_taken_back() {
        let names = |mark| acts(mark).into_iter().map(|(name, _)| name).collect::<Vec<_>>();
        assert_eq!(names(None), ["acknowledge", "ignore"]);
        assert_eq!(names(Some(Mark::Acknowledged)), ["ignore", "reopen"]);
        assert_eq!(names(Some(Mark::Ignored)), ["acknowledge", "reopen"]);
    }
}
