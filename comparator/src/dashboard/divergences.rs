//! `/divergences`: what the ledger has, filtered as the API filters it, in pages.

use super::shell::Shell;
use super::show::{self, Key};
use super::{Pages, forms};
use crate::api::divergences::{Told, filter};
use crate::api::error::ApiError;
use crate::api::parameters::Parameters;
use crate::contract::Severity;
use crate::ledger::{Cursor, Filter, Mark, State as DivergenceState};
use askama::Template;
use axum::extract::{RawQuery, State};
use axum::response::Response;
use counterfoil_judge::Kind;
use url::form_urlencoded;

#[derive(Template)]
#[template(path = "divergences.html")]
struct Divergences<'a> {
    shell: &'a Shell,
    choices: Vec<Choice>,
    texts: [Text; 4],
    rows: Vec<Row>,
    /// The query of the next page.
    next: Option<String>,
    /// That of the first one, if this is another.
    first: Option<String>,
    /// What is asked for, as an export asks for it.
    export: String,
}

/// A field with a closed list.
struct Choice {
    name: &'static str,
    label: &'static str,
    options: Vec<(String, bool)>,
}

/// A field to write in.
struct Text {
    name: &'static str,
    label: &'static str,
    hint: &'static str,
    value: String,
}

/// A divergence in the table.
struct Row {
    id: String,
    short: String,
    key: Key,
    map: String,
    store: Option<String>,
    kind: String,
    state: &'static str,
    severity: Option<&'static str>,
    age: String,
    opened: String,
    source: String,
    acted: Option<String>,
}

/// Shows a page of divergences.
pub(super) async fn page(State(pages): State<Pages>, shell: Shell, RawQuery(query): RawQuery) -> Response {
    let query = forms::filled(query.as_deref());
    shell.answer(listed(&pages, &shell, &query).await)
}

async fn listed<'a>(pages: &Pages, shell: &'a Shell, query: &str) -> Result<Divergences<'a>, ApiError> {
    let (ledger, contracts) = (&pages.api.ledger, pages.api.parts.engine.contracts());
    let mut asked = Parameters::of(query)?;
    let filter = filter(&mut asked, contracts)?;
    let limit = asked.limit()?;
    let after = asked.after(Cursor::of)?;
    asked.done()?;
    ledger.catch_up().await?;
    let page = ledger.list(Filter { limit, after, ..filter }).await?;
    let next = page.next.map(|Cursor(place)| forms::with(query, "after", Some(&place.to_string())));
    let evidence = pages.api.parts.telling.evidence();
    let rows = page.rows.into_iter().map(|row| Row::of(Told::new(row, contracts, evidence))).collect();
    let of_first = forms::with(query, "after", None);
    let export = forms::with(&of_first, "limit", None);
    let first = after.map(|_| of_first);
    Ok(Divergences { shell, choices: choices(pages, query), texts: texts(query), rows, next, first, export })
}

impl Row {
    fn of(told: Told) -> Self {
        let Told { row, severity, age_ms, .. } = told;
        Self {
            id: row.id.to_string(),
            short: show::short(row.id),
            key: show::key(&row.key_bytes),
            map: row.map,
            store: row.store,
            kind: row.kind,
            state: row.state.as_str(),
            severity: severity.map(Severity::label),
            age: show::span(age_ms.saturating_mul(1_000_000)),
            opened: show::time(row.opened_at_unix_ns),
            source: row.source,
            acted: row.acted.map(|acted| format!("{} by {}", acted.what.as_str(), acted.by)),
        }
    }
}

/// What a field of the query is.
fn value(query: &str, name: &str) -> Option<String> {
    let found = form_urlencoded::parse(query.as_bytes()).find(|(other, _)| other == name);
    found.map(|(_, value)| value.into_owned())
}

fn choices(pages: &Pages, query: &str) -> Vec<Choice> {
    let contracts = pages.api.parts.engine.contracts();
    let mut maps: Vec<_> = contracts.iter().map(|contract| contract.name.to_string()).collect();
    maps.dedup();
    let stores = contracts.readers().iter().map(|reader| reader.name().to_owned()).collect();
    let texts = |labels: &[&str]| labels.iter().map(|label| (*label).to_owned()).collect::<Vec<_>>();
    let severities = [Severity::Critical, Severity::Warning, Severity::Info].map(Severity::label);
    let acted = ["none", Mark::Acknowledged.as_str(), Mark::Ignored.as_str()];
    [
        ("map", "Map", maps),
        ("store", "Store", stores),
        ("state", "State", texts(&DivergenceState::ALL.map(DivergenceState::as_str))),
        ("kind", "Kind", texts(&Kind::LABELS)),
        ("severity", "Severity", texts(&severities)),
        ("acted", "Acted on", texts(&acted)),
    ]
    .into_iter()
    .map(|(name, label, known)| Choice { name, label, options: options(known, value(query, name)) })
    .collect()
}

/// Each that is known, and what is chosen even if it is not: an older map, say.
fn options(mut known: Vec<String>, chosen: Option<String>) -> Vec<(String, bool)> {
    known.extend(chosen.clone().filter(|chosen| !known.contains(chosen)));
    known.into_iter().map(|option| (option.clone(), chosen.as_ref() == Some(&option))).collect()
}

fn texts(query: &str) -> [Text; 4] {
    [
        ("key", "Key", "exact, or base64:…"),
        ("source", "Source", "service/instance/epoch"),
        ("opened_since", "Opened since", "2026-02-03T04:05:06Z"),
        ("opened_before", "Opened before", "2026-02-03T04:05:06Z"),
    ]
    .map(|(name, label, hint)| Text { name, label, hint, value: value(query, name).unwrap_or_default() })
}
