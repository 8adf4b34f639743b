//! Who asks: looked at before anything under `/v1` is answered.
//!
//! A script shows a token. A browser that has signed in to the pages shows its session, with which it may read here: what the
//! pages link to.

use super::Api;
use super::error::ApiError;
use crate::callers::{Asking, Role, TurnedAway};
use axum::extract::{FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Method, header};
use axum::middleware::Next;
use axum::response::Response;
use counterfoil_clock::now;
use std::sync::Arc;

/// Lets through who may read.
pub(super) async fn door(
    State(api): State<Api>,
    mut request: Request,
    next: Next,
) -> Result<Response, ApiError> {
    let asking = asking(&api, request.method(), request.headers())?;
    request.extensions_mut().insert(asking);
    Ok(next.run(request).await)
}

/// Who sends a request of this method with these headers.
fn asking(api: &Api, method: &Method, headers: &HeaderMap) -> Result<Asking, ApiError> {
    match api.callers.admit(headers.get(header::AUTHORIZATION)) {
        Ok(asking) => Ok(asking),
        Err(TurnedAway::NotAToken) => Err(ApiError::NotAToken),
        Err(TurnedAway::NoToken) => {
            let session = api.sessions.of(headers, now()).filter(|_| method.is_safe());
            session.map(|session| session.asking()).ok_or(ApiError::NoToken)
        }
    }
}

/// The name of somebody who may say what is done about divergences.
pub(crate) struct Operator(pub(super) Arc<str>);

impl<S: Sync> FromRequestParts<S> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, ApiError> {
        Self::of(parts.extensions.get())
    }
}

impl Operator {
    /// Whoever asks, if he may.
    pub(crate) fn of(asking: Option<&Asking>) -> Result<Self, ApiError> {
        match asking {
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
