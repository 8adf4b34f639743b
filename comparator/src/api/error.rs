//! Why a request was not answered: always one shape, that says what to do.

use super::divergences::Told;
use crate::ledger::LedgerError;
use axum::Json;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

/// Why a request was not answered.
#[derive(Debug)]
pub(crate) enum ApiError {
    /// It asks for what makes no sense: which part, what is allowed.
    Bad(String),
    /// Its body cannot be read: the status that says why, and the reason.
    Unread(StatusCode, String),
    /// It shows no token, and there are some.
    NoToken,
    /// It shows a token that is nobody's.
    NotAToken,
    /// Whoever asks may not do that: what he lacks.
    Forbidden(String),
    /// There is no such divergence.
    Unknown,
    /// There is no evidence of a divergence: why.
    NoEvidence(&'static str),
    /// The evidence of a divergence is not kept any more: why.
    Gone(&'static str),
    /// A file cannot be read: what the system said.
    Unreadable(String),
    /// There is nothing at the path.
    NoPath,
    /// The path takes other methods.
    NoMethod,
    /// An act was decided on an older revision of what there is now.
    Stale {
        /// The revision that the act names.
        revision: u32,
        /// What there is.
        now: Box<Told>,
    },
    /// What is asked for cannot be done as things are: why.
    Conflict(String),
    /// The ledger did not answer.
    Ledger(LedgerError),
}

impl From<LedgerError> for ApiError {
    fn from(error: LedgerError) -> Self {
        Self::Ledger(error)
    }
}

#[derive(Serialize)]
struct Body {
    error: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    now: Option<Box<Told>>,
}

impl ApiError {
    /// The status of the answer.
    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Bad(_) => StatusCode::BAD_REQUEST,
            Self::Unread(status, _) => *status,
            Self::NoToken | Self::NotAToken => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::Unknown | Self::NoEvidence(_) | Self::NoPath => StatusCode::NOT_FOUND,
            Self::Gone(_) => StatusCode::GONE,
            Self::NoMethod => StatusCode::METHOD_NOT_ALLOWED,
            Self::Stale { .. } | Self::Conflict(_) => StatusCode::CONFLICT,
            Self::Ledger(LedgerError::Late) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Ledger(_) | Self::Unreadable(_) => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What the header `WWW-Authenticate` says (RFC 6750), where it has to be there.
    fn challenge(&self) -> Option<&'static str> {
        match self {
            Self::NoToken => Some("Bearer realm=\"counterfoil\""),
            Self::NotAToken => Some("Bearer realm=\"counterfoil\", error=\"invalid_token\""),
            _ => None,
        }
    }

    /// What is wrong, and what to do.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Bad(what) | Self::Unread(_, what) | Self::Forbidden(what) | Self::Conflict(what) => {
                what.clone()
            }
            Self::NoToken => {
                "no token; show one of listen.http_tokens as `Authorization: Bearer TOKEN`".to_owned()
            }
            Self::NotAToken => "the token is none of listen.http_tokens".to_owned(),
            Self::Unknown => "no such divergence; an id has 32 hex digits".to_owned(),
            Self::NoEvidence(why) | Self::Gone(why) => (*why).to_owned(),
            Self::Unreadable(why) => format!("evidence.path: {why}"),
            Self::NoPath => "nothing is at this path; docs/operations.md lists what there is".to_owned(),
            Self::NoMethod => "this path takes other methods; see the header `Allow`".to_owned(),
            Self::Stale { revision, now } => {
                let acted = self.meanwhile().map(|acted| format!(" ({acted})")).unwrap_or_default();
                format!(
                    "the divergence has changed since revision {revision}{acted}, nothing is done; look at what it is `now`, and \
                     name revision {} if it still holds",
                    now.revision()
                )
            }
            Self::Ledger(error) => error.to_string(),
        }
    }

    /// What somebody did since the revision that was named, and who: `acknowledged by alice`.
    pub(crate) fn meanwhile(&self) -> Option<String> {
        let Self::Stale { revision, now } = self else { return None };
        let acted = now.row.acted.as_ref().filter(|_| now.revision() > *revision)?;
        Some(format!("{} by {}", acted.what.as_str(), acted.by))
    }

    fn body(self) -> Body {
        let error = self.message();
        let now = if let Self::Stale { now, .. } = self { Some(now) } else { None };
        Body { error, now }
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let (status, challenge) = (self.status(), self.challenge());
        let challenge = challenge.map(|challenge| [(header::WWW_AUTHENTICATE, challenge)]);
        (status, challenge, Json(self.body())).into_response()
    }
}
