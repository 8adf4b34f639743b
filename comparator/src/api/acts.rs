//! `POST /v1/divergences/ID/acknowledge`, `/ignore`, `/reopen`: what somebody does about a divergence.
//!
//! The body is `{"why": "…", "revision": 3}`, and for `ignore` also `"until": "2026-02-03T04:05:06Z"`. Who does it is told by the
//! token. An act that was done already is done; one that was decided on an older revision is not.

use super::Api;
use super::divergences::{Id, Life, TIME, Told, life, unix_ns};
use super::door::Operator;
use super::error::ApiError;
use crate::ledger::{Act, Acting, Answer};
use axum::Json;
use axum::body::{Bytes, to_bytes};
use axum::extract::{FromRequest, Request, State};
use counterfoil_clock::wall_unix_ns;
use serde::Deserialize;

/// Longest body in bytes.
const BODY_BYTES_MAX: usize = 16 * 1024;

/// Longest reason in bytes.
pub(crate) const WHY_BYTES_MAX: usize = 2_000;

/// What is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Asked {
    why: String,
    revision: u32,
    until: Option<String>,
    by: Option<String>,
}

impl<S: Sync> FromRequest<S> for Asked {
    type Rejection = ApiError;

    async fn from_request(request: Request, _state: &S) -> Result<Self, ApiError> {
        let too_large =
            |_| ApiError::Bad(format!("the body could not be read, or has more than {BODY_BYTES_MAX} bytes"));
        let body = to_bytes(request.into_body(), BODY_BYTES_MAX).await.map_err(too_large)?;
        Self::of(&body)
    }
}

impl Asked {
    fn of(body: &Bytes) -> Result<Self, ApiError> {
        let malformed = |error: serde_json::Error| {
            ApiError::Bad(format!(
                "the body: {error}; write {{\"why\": \"…\", \"revision\": N}}, N as the divergence has it"
            ))
        };
        serde_json::from_slice::<Self>(body).map_err(malformed)?.checked()
    }

    /// Asked for on a form: why, and on which revision it was decided.
    pub(crate) fn on_form(why: String, revision: u32, until: Option<String>) -> Result<Self, ApiError> {
        Self { why, revision, until, by: None }.checked()
    }

    fn checked(self) -> Result<Self, ApiError> {
        let bytes = self.why.len();
        if self.why.trim().is_empty() || bytes > WHY_BYTES_MAX {
            let what = format!("why: has {bytes} bytes; write a reason of 1 to {WHY_BYTES_MAX} bytes");
            return Err(ApiError::Bad(what));
        }
        Ok(self)
    }

    /// When it is to be over, in nanoseconds since 1970.
    fn until_unix_ns(&self, now_unix_ns: i64) -> Result<Option<i64>, ApiError> {
        let Some(text) = &self.until else { return Ok(None) };
        let later = unix_ns(text).filter(|until| *until > now_unix_ns);
        let what =
            || format!("until: is `{text}`; write {TIME} that is still to come, or leave it out for good");
        later.map(Some).ok_or_else(|| ApiError::Bad(what()))
    }

    fn has_no_until(&self) -> Result<(), ApiError> {
        match self.until {
            None => Ok(()),
            Some(_) => {
                Err(ApiError::Bad("until: only what is ignored is over at a time; leave it out".to_owned()))
            }
        }
    }
}

/// Somebody has it in hand.
pub(crate) async fn acknowledge(
    State(api): State<Api>,
    by: Operator,
    id: Id,
    asked: Asked,
) -> Result<Json<Life>, ApiError> {
    asked.has_no_until()?;
    act(&api, by, id, Act::Acknowledge, asked).await
}

/// It is not to count.
pub(crate) async fn ignore(
    State(api): State<Api>,
    by: Operator,
    id: Id,
    asked: Asked,
) -> Result<Json<Life>, ApiError> {
    let until_unix_ns = asked.until_unix_ns(wall_unix_ns())?;
    act(&api, by, id, Act::Ignore { until_unix_ns }, asked).await
}

/// What was done about it is taken back.
pub(crate) async fn reopen(
    State(api): State<Api>,
    by: Operator,
    id: Id,
    asked: Asked,
) -> Result<Json<Life>, ApiError> {
    asked.has_no_until()?;
    act(&api, by, id, Act::Reopen, asked).await
}

async fn act(
    api: &Api,
    Operator(by): Operator,
    Id(id): Id,
    act: Act,
    asked: Asked,
) -> Result<Json<Life>, ApiError> {
    let Asked { why, revision, by: claimed, .. } = asked;
    if let Some(claimed) = claimed.filter(|claimed| **claimed != *by) {
        return Err(ApiError::Bad(format!(
            "by: is `{claimed}`, and the token is that of `{by}`; leave it out"
        )));
    }
    let acting = Acting { id, act, by: by.to_string(), why, revision, at_unix_ns: wall_unix_ns() };
    match api.ledger.act(acting).await? {
        Answer::Done => {
            tracing::info!(%id, %by, "divergence {}", act.label());
            api.look_at_ignored().await?;
        }
        Answer::Already => {}
        Answer::Unknown => return Err(ApiError::Unknown),
        Answer::Stale => {
            let row = api.ledger.get(id).await?.ok_or(ApiError::Unknown)?;
            let now = Told::new(row, api.parts.engine.contracts(), api.parts.telling.evidence());
            let now = Box::new(now);
            return Err(ApiError::Stale { revision, now });
        }
    }
    life(api, Id(id)).await.map(Json)
}
