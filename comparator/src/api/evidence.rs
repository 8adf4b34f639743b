//! `GET /v1/divergences/ID/evidence`: the bundle from which a divergence can be judged again.

use super::Api;
use super::divergences::Id;
use super::error::ApiError;
use crate::evidence::Presence;
use crate::ledger::{DivergenceId, State as DivergenceState};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use counterfoil_evidence::MEDIA_TYPE;

/// Answers with the bundle of a divergence, as it was written.
pub(super) async fn evidence(State(api): State<Api>, Id(id): Id) -> Result<Response, ApiError> {
    match bundle(&api, id).await? {
        Some(bundle) => {
            let name = format!("attachment; filename=\"{id}.dsse.json\"");
            let headers =
                [(header::CONTENT_TYPE, MEDIA_TYPE.to_owned()), (header::CONTENT_DISPOSITION, name)];
            Ok((headers, bundle).into_response())
        }
        None => Err(why_not(&api, id).await?),
    }
}

async fn bundle(api: &Api, id: DivergenceId) -> Result<Option<Vec<u8>>, ApiError> {
    let Some(evidence) = api.parts.telling.evidence().cloned() else { return Ok(None) };
    if evidence.presence(id) != Presence::Kept {
        return Ok(None);
    }
    let read = tokio::task::spawn_blocking(move || evidence.read(id)).await;
    let unreadable = |why: &dyn std::fmt::Display| ApiError::Unreadable(why.to_string());
    read.map_err(|error| unreadable(&error))?.map_err(|error| unreadable(&error))
}

/// Why there is no bundle.
async fn why_not(api: &Api, id: DivergenceId) -> Result<ApiError, ApiError> {
    api.ledger.catch_up().await?;
    let row = api.ledger.get(id).await?.ok_or(ApiError::Unknown)?;
    let Some(evidence) = api.parts.telling.evidence() else {
        return Ok(ApiError::NoEvidence(
            "no evidence is written; set evidence.path in the comparator's configuration",
        ));
    };
    Ok(ApiError::NoEvidence(match evidence.presence(id) {
        Presence::Waiting => "its evidence is still being written; ask again in a moment",
        Presence::Kept | Presence::None if row.state == DivergenceState::Opened => {
            "it is not confirmed; evidence is written of what outlives its deadline"
        }
        Presence::Kept | Presence::None => {
            "it has no evidence any more, or never had: bundles go after evidence.retention_days or beyond evidence.bytes_max, and what \
             could not be written is counted by counterfoil_evidence_skipped_total"
        }
    }))
}
