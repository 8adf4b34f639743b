//! `/v1/repairs`: what would be done about divergences in the store, what was approved, and what became of it.
//!
//! - `POST /v1/repairs/plan`, of an operator: `{"map": …, "kind": …}`, both optional. Does nothing.
//! - `POST /v1/repairs/apply`, of an operator: `{"repairs": [{"id": …, "revision": …, "direction": …, "value_base64": …}]}`, id and
//!   revision as the plan has them. Each is answered by itself.
//! - `GET /v1/repairs?map=&state=&limit=&after=`, `GET /v1/repairs/ID`.
//! - `POST /v1/repairs/ID/undo`, of an operator.
//! - `GET /v1/repairs/breakers`; `POST /v1/repairs/breaker/close`, of an operator: `{"map": …}`.
//! - `GET /v1/repairs/audit?limit=&after=`.

use super::Api;
use super::door::Operator;
use super::error::ApiError;
use super::parameters::Parameters;
use crate::ledger::{DivergenceId, PAGE_ROWS_MAX};
use crate::repair::{
    Answer, Approval, AuditEntry, BreakerRow, Direction, PLAN_MAX, Page, Planned, Repair, RepairState,
    Repairs, UndoError,
};
use axum::body::to_bytes;
use axum::extract::{FromRequest, FromRequestParts, Path, Request, State};
use axum::http::StatusCode;
use axum::http::request::Parts;
use axum::routing::{get, post};
use axum::{Json, Router};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Longest body, in bytes: that of an approval, with values in it.
const BODY_BYTES_MAX: usize = 32 << 20;

/// The paths below `/v1/repairs`.
pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/v1/repairs", get(list))
        .route("/v1/repairs/plan", post(plan))
        .route("/v1/repairs/apply", post(apply))
        .route("/v1/repairs/audit", get(audit))
        .route("/v1/repairs/breakers", get(breakers))
        .route("/v1/repairs/breaker/close", post(close_breaker))
        .route("/v1/repairs/{id}", get(one))
        .route("/v1/repairs/{id}/undo", post(undo))
}

/// The repairs, if any map may be repaired.
struct Those(Arc<Repairs>);

impl FromRequestParts<Api> for Those {
    type Rejection = ApiError;

    async fn from_request_parts(_: &mut Parts, api: &Api) -> Result<Self, ApiError> {
        let none = "no map may be repaired; write a section `repair` into its contract";
        api.repairs.clone().map(Self).ok_or_else(|| ApiError::Conflict(none.to_owned()))
    }
}

/// A body of JSON; an empty one is `{}`.
struct Body<T>(T);

impl<T: DeserializeOwned, S: Sync> FromRequest<S> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, _: &S) -> Result<Self, ApiError> {
        let too_large = |_| {
            let why = format!("the body could not be read, or has more than {BODY_BYTES_MAX} bytes");
            ApiError::Unread(StatusCode::PAYLOAD_TOO_LARGE, why)
        };
        let body = to_bytes(request.into_body(), BODY_BYTES_MAX).await.map_err(too_large)?;
        let body = if body.is_empty() { &b"{}"[..] } else { &body };
        serde_json::from_slice(body).map(Self).map_err(|error| ApiError::Bad(format!("the body: {error}")))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PlanAsked {
    #[serde(default)]
    map: Option<String>,
    #[serde(default)]
    kind: Option<String>,
}

/// What would be done.
#[derive(Serialize)]
struct Plan {
    repairs: Vec<Planned>,
    /// Whether there are more divergences than a plan may have.
    more: bool,
}

async fn plan(
    _: Operator,
    Those(repairs): Those,
    Body(asked): Body<PlanAsked>,
) -> Result<Json<Plan>, ApiError> {
    let (repairs, more) = repairs.plan(asked.map, asked.kind).await?;
    Ok(Json(Plan { repairs, more }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ApplyAsked {
    repairs: Vec<ApprovalAsked>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ApprovalAsked {
    id: String,
    revision: u32,
    #[serde(default)]
    direction: Option<Direction>,
    #[serde(default)]
    value_base64: Option<String>,
}

impl ApprovalAsked {
    fn approval(self, at: usize) -> Result<Approval, ApiError> {
        let id: DivergenceId =
            self.id.parse().map_err(|error| ApiError::Bad(format!("repairs[{at}].id: {error}")))?;
        let value = self.value_base64.map(|digits| STANDARD.decode(digits)).transpose();
        let not_base64 = |_| ApiError::Bad(format!("repairs[{at}].value_base64: is not base 64"));
        let value = value.map_err(not_base64)?.map(Into::into);
        Ok(Approval { id, revision: self.revision, direction: self.direction, value })
    }
}

/// What became of one approval.
#[derive(Serialize)]
struct Applied {
    /// The divergence's.
    id: String,
    /// `approved`, `already`, `stale`, `unknown` or `refused`.
    result: &'static str,
    /// The id of the repair, where there is one.
    repair: Option<String>,
    /// Its state, where it was there before.
    state: Option<RepairState>,
    /// The present revision of the divergence, where it is another one than was named.
    revision: Option<u32>,
    /// Why it is not done.
    why: Option<String>,
}

impl Applied {
    fn of(id: DivergenceId, answer: Answer) -> Self {
        let none =
            Self { id: id.to_string(), result: "", repair: None, state: None, revision: None, why: None };
        match answer {
            Answer::Approved(repair) => Self { result: "approved", repair: Some(repair), ..none },
            Answer::Already(repair, state) => {
                Self { result: "already", repair: Some(repair), state: Some(state), ..none }
            }
            Answer::Stale(revision) => {
                let why = "the divergence changed since it was planned; plan it again";
                Self { result: "stale", revision: Some(revision), why: Some(why.to_owned()), ..none }
            }
            Answer::Unknown => Self { result: "unknown", ..none },
            Answer::Refused(why) => Self { result: "refused", why: Some(why), ..none },
        }
    }
}

#[derive(Serialize)]
struct AppliedAll {
    repairs: Vec<Applied>,
}

async fn apply(
    Operator(by): Operator,
    Those(repairs): Those,
    Body(asked): Body<ApplyAsked>,
) -> Result<Json<AppliedAll>, ApiError> {
    let count = asked.repairs.len();
    if u32::try_from(count).is_ok_and(|count| count > PLAN_MAX) {
        return Err(ApiError::Bad(format!("repairs: has {count} entries; apply {PLAN_MAX} at a time")));
    }
    // Nothing is approved of what makes no sense in part.
    let approvals = asked.repairs.into_iter().enumerate().map(|(at, asked)| asked.approval(at));
    let approvals = approvals.collect::<Result<Vec<_>, _>>()?;
    let mut answers = Vec::new();
    for approval in approvals {
        let id = approval.id;
        answers.push(Applied::of(id, repairs.approve(&by, approval).await?));
    }
    Ok(Json(AppliedAll { repairs: answers }))
}

async fn list(Those(repairs): Those, mut asked: Parameters) -> Result<Json<Page>, ApiError> {
    let map = asked.text("map");
    let states = RepairState::ALL.map(RepairState::as_str).join(", ");
    let state = asked.take("state", states, RepairState::of)?;
    let limit = asked.limit()?;
    let after = asked.after(|text| text.parse().ok())?;
    asked.done()?;
    Ok(Json(repairs.book().list(map, state, after, limit).await?))
}

async fn one(Those(repairs): Those, Path(id): Path<String>) -> Result<Json<Repair>, ApiError> {
    repairs.book().get(&id).await?.map(Json).ok_or_else(unknown)
}

async fn undo(
    Operator(by): Operator,
    Those(repairs): Those,
    Path(id): Path<String>,
) -> Result<Json<Repair>, ApiError> {
    let undone = repairs.undo(&id, &by).await.map_err(|error| match error {
        UndoError::Unknown => unknown(),
        UndoError::Ledger(error) => error.into(),
        UndoError::Store(error) => ApiError::Unread(StatusCode::SERVICE_UNAVAILABLE, error.to_string()),
        UndoError::Refused(why) => ApiError::Conflict(why),
    })?;
    tracing::info!(repair = id, %by, "repair undone");
    Ok(Json(undone))
}

fn unknown() -> ApiError {
    ApiError::Unread(StatusCode::NOT_FOUND, "no such repair; GET /v1/repairs lists them".to_owned())
}

#[derive(Serialize)]
struct Breakers {
    breakers: Vec<BreakerRow>,
}

async fn breakers(Those(repairs): Those) -> Result<Json<Breakers>, ApiError> {
    Ok(Json(Breakers { breakers: repairs.book().breakers().await? }))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CloseAsked {
    map: String,
}

async fn close_breaker(
    Operator(by): Operator,
    Those(repairs): Those,
    Body(asked): Body<CloseAsked>,
) -> Result<Json<Breakers>, ApiError> {
    if repairs.book().set_breaker(&asked.map, None, &by).await? {
        tracing::info!(map = asked.map, %by, "repairs of the map go on");
    }
    Ok(Json(Breakers { breakers: repairs.book().breakers().await? }))
}

#[derive(Serialize)]
struct Audit {
    entries: Vec<AuditEntry>,
    /// What to ask for next; `null` at the end.
    next: Option<u64>,
}

async fn audit(
    State(_): State<Api>,
    Those(repairs): Those,
    mut asked: Parameters,
) -> Result<Json<Audit>, ApiError> {
    let limit = asked.limit()?.min(PAGE_ROWS_MAX);
    let after = asked.after(|text| text.parse().ok())?.unwrap_or(0);
    asked.done()?;
    let entries = repairs.book().audit(after, limit).await?;
    let is_full = u32::try_from(entries.len()).is_ok_and(|count| count == limit);
    let next = entries.last().filter(|_| is_full).map(|entry| entry.number);
    Ok(Json(Audit { entries, next }))
}
