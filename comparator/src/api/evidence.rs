//! `GET /v1/divergences/ID/evidence`: the bundle from which a divergence can be judged again.

use super::Api;
use super::divergences::Id;
use super::error::ApiError;
use crate::evidence::Presence;
use crate::ledger::{DivergenceId, Row, State as DivergenceState};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use counterfoil_clock::wall_unix_ns;
use counterfoil_evidence::MEDIA_TYPE;

/// Answers with the bundle of a divergence, as it was written; the ledger may have forgotten the divergence.
pub(super) async fn evidence(State(api): State<Api>, Id(id): Id) -> Result<Response, ApiError> {
    let Some(bundle) = kept(&api, id).await? else {
        api.ledger.catch_up().await?;
        let row = api.ledger.get(id).await?.ok_or(ApiError::Unknown)?;
        return Err(why_not(&api, &row));
    };
    let name = format!("attachment; filename=\"{id}.dsse.json\"");
    let headers = [(header::CONTENT_TYPE, MEDIA_TYPE.to_owned()), (header::CONTENT_DISPOSITION, name)];
    Ok((headers, bundle).into_response())
}

/// The bundle of the divergence of `row`.
///
/// # Errors
///
/// [`ApiError::NoEvidence`] or [`ApiError::Gone`] with why there is none, [`ApiError::Unreadable`].
pub(crate) async fn bundle(api: &Api, row: &Row) -> Result<Vec<u8>, ApiError> {
    kept(api, row.id).await?.ok_or_else(|| why_not(api, row))
}

async fn kept(api: &Api, id: DivergenceId) -> Result<Option<Vec<u8>>, ApiError> {
    let Some(evidence) = api.parts.telling.evidence().cloned() else { return Ok(None) };
    if evidence.presence(id) != Presence::Kept {
        return Ok(None);
    }
    let read = tokio::task::spawn_blocking(move || evidence.read(id)).await;
    let unreadable = |why: &dyn std::fmt::Display| ApiError::Unreadable(why.to_string());
    read.map_err(|error| unreadable(&error))?.map_err(|error| unreadable(&error))
}

/// Why there is no bundle.
fn why_not(api: &Api, row: &Row) -> ApiError {
    let Some(evidence) = api.parts.telling.evidence() else {
        return ApiError::NoEvidence(
            "no evidence is written; set evidence.path in the comparator's configuration",
        );
    };
    let is_over = row.confirmed_at_unix_ns.is_some_and(|at| evidence.is_over(at, wall_unix_ns()));
    match evidence.presence(row.id) {
        Presence::Waiting => {
            ApiError::NoEvidence("its evidence is still being written; ask again in a moment")
        }
        Presence::Kept | Presence::None if row.state == DivergenceState::Opened => {
            ApiError::NoEvidence("it is not confirmed; evidence is written of what outlives its deadline")
        }
        Presence::Kept | Presence::None if is_over => ApiError::Gone(
            "its evidence is kept no more: it was confirmed longer ago than evidence.retention_days",
        ),
        Presence::Kept | Presence::None => ApiError::NoEvidence(
            "it has no evidence any more, or never had: bundles go after evidence.retention_days or beyond evidence.bytes_max, and what \
             could not be written is counted by counterfoil_evidence_skipped_total",
        ),
    }
}
