//! `GET /v1/divergences` and `GET /v1/divergences/ID`: what the ledger has.

use super::Api;
use super::error::ApiError;
use super::parameters::Parameters;
use crate::contract::{Contracts, Severity};
use crate::evidence::{Evidence, Presence};
use crate::ledger::{
    ActedOn, Cursor, DivergenceId, Entry, Filter, Mark, Row, State as DivergenceState, key_of,
};
use axum::Json;
use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use counterfoil_clock::wall_unix_ns;
use counterfoil_judge::Kind;
use serde::Serialize;

/// Nanoseconds in a millisecond.
const MS: i64 = 1_000_000;

/// How a time is written.
pub(super) const TIME: &str = "a time as in RFC 3339, such as 2026-02-03T04:05:06Z (a + is written %2B)";

/// A divergence as it is told.
#[derive(Debug, Serialize)]
pub(crate) struct Told {
    #[serde(flatten)]
    pub(crate) row: Row,
    /// How much it matters by its map's present contract; `null` if the map has none any more.
    pub(crate) severity: Option<Severity>,
    /// From the time when it was opened last until it was resolved, or until now, in milliseconds.
    pub(crate) age_ms: i64,
    /// Whether there is a bundle from which it can be judged again.
    pub(crate) evidence: bool,
}

impl Told {
    /// By the contracts as they are now.
    pub(crate) fn new(row: Row, contracts: &Contracts, evidence: Option<&Evidence>) -> Self {
        let evidence = evidence.is_some_and(|evidence| evidence.presence(row.id) == Presence::Kept);
        let end = row.resolved_at_unix_ns.unwrap_or_else(wall_unix_ns);
        let age_ms = end.saturating_sub(row.opened_at_unix_ns).max(0) / MS;
        Self { severity: contracts.severity(&row.map), age_ms, evidence, row }
    }

    /// How often it changed.
    pub(crate) fn revision(&self) -> u32 {
        self.row.revision
    }
}

/// A page of them.
#[derive(Serialize)]
pub(super) struct Page {
    divergences: Vec<Told>,
    /// Where the next page begins; `null` on the last one.
    next: Option<Cursor>,
}

/// A divergence and what happened to it.
#[derive(Serialize)]
pub(crate) struct Life {
    #[serde(flatten)]
    pub(crate) told: Told,
    /// Oldest first.
    pub(crate) history: Vec<Entry>,
    /// How many entries are missing in the middle, or before the ledger kept any.
    pub(crate) history_dropped: u32,
}

/// Answers with a page of the divergences that are asked for.
pub(super) async fn list(State(api): State<Api>, mut asked: Parameters) -> Result<Json<Page>, ApiError> {
    let contracts = api.parts.engine.contracts();
    let filter = filter(&mut asked, contracts)?;
    let limit = asked.limit()?;
    let after = asked.after(Cursor::of)?;
    asked.done()?;
    api.ledger.catch_up().await?;
    let page = api.ledger.list(Filter { limit, after, ..filter }).await?;
    let evidence = api.parts.telling.evidence();
    let divergences = page.rows.into_iter().map(|row| Told::new(row, contracts, evidence)).collect();
    Ok(Json(Page { divergences, next: page.next }))
}

/// Answers with one divergence and its history.
pub(super) async fn one(State(api): State<Api>, id: Id) -> Result<Json<Life>, ApiError> {
    api.ledger.catch_up().await?;
    life(&api, id).await.map(Json)
}

/// What the ledger has of a divergence.
pub(crate) async fn life(api: &Api, Id(id): Id) -> Result<Life, ApiError> {
    let life = api.ledger.life(id).await?.ok_or(ApiError::Unknown)?;
    let told = Told::new(life.row, api.parts.engine.contracts(), api.parts.telling.evidence());
    Ok(Life { told, history: life.history, history_dropped: life.dropped })
}

/// The divergence that a path names.
#[derive(Clone, Copy)]
pub(crate) struct Id(pub(crate) DivergenceId);

impl<S: Send + Sync> FromRequestParts<S> for Id {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, ApiError> {
        let path = Path::<String>::from_request_parts(parts, state).await;
        path.ok().and_then(|Path(id)| id.parse().ok()).map(Self).ok_or(ApiError::Unknown)
    }
}

/// Takes everything from `asked` that says which divergences.
pub(crate) fn filter(asked: &mut Parameters, contracts: &Contracts) -> Result<Filter, ApiError> {
    let severity = asked.take("severity", "critical, warning or info", Severity::of)?;
    Ok(Filter {
        map: asked.text("map"),
        maps: severity.map(|severity| maps_of(severity, contracts)),
        store: asked.text("store"),
        state: asked.take(
            "state",
            DivergenceState::ALL.map(DivergenceState::as_str).join(", "),
            DivergenceState::of,
        )?,
        kind: asked.take("kind", format!("one of {}", Kind::LABELS.join(", ")), |text| {
            Kind::LABELS.contains(&text).then(|| text.to_owned())
        })?,
        source: asked.text("source"),
        key: asked.take(
            "key",
            "a key as it is shown: text, or `base64:` and its bytes in base 64",
            key_of,
        )?,
        acted: asked.take("acted", "none, acknowledged or ignored", acted_on)?,
        opened_since_unix_ns: asked.take("opened_since", TIME, unix_ns)?,
        opened_before_unix_ns: asked.take("opened_before", TIME, unix_ns)?,
        ..Filter::default()
    })
}

fn acted_on(text: &str) -> Option<ActedOn> {
    if text == "none" { Some(ActedOn::ByNobody) } else { Mark::of(text).map(ActedOn::By) }
}

/// A time as it is written, in nanoseconds since 1970.
pub(super) fn unix_ns(text: &str) -> Option<i64> {
    let time = text.parse::<jiff::Timestamp>().ok()?;
    i64::try_from(time.as_nanosecond()).ok()
}

fn maps_of(severity: Severity, contracts: &Contracts) -> Vec<String> {
    let of_severity = contracts.iter().filter(|contract| contract.severity == severity);
    of_severity.map(|contract| contract.name.to_string()).collect()
}
