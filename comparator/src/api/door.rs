//! Who asks: looked at before anything under `/v1` is answered.

use super::error::ApiError;
use crate::callers::{Asking, Callers, Role, TurnedAway};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::header;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::Response;
use std::sync::Arc;

/// Lets through who may read.
pub(super) async fn door(
    State(callers): State<Arc<Callers>>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let asking = callers.admit(request.headers().get(header::AUTHORIZATION)).map_err(|why| match why {
        TurnedAway::NoToken => ApiError::NoToken,
        TurnedAway::NotAToken => ApiError::NotAToken,
    })?;
    request.extensions_mut().insert(asking);
    Ok(next.run(request).await)
}

/// The name of somebody who may say what is done about divergences.
pub(super) struct Operator(pub(super) Arc<str>);

impl<S: Sync> FromRequestParts<S> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        match parts.extensions.get() {
            Some(Asking::Known(name, Role::Operator)) => Ok(Self(name.clone())),
            Some(Asking::Known(name, Role::Viewer)) => Err(ApiError::Forbidden(format!(
                "`{name}` is a viewer; only who has the role `operator` in listen.http_tokens may do this"
            ))),
            Some(Asking::Anybody) | None => Err(ApiError::Forbidden(
                "nobody may do this; write a token with the role `operator` to listen.http_tokens of the comparator, so that \
                 it is known who does it"
                    .to_owned(),
            )),
        }
    }
}
