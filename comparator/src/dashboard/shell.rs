//! What all pages have around them: links, who is signed in, headers that say what a browser may do.

use super::visitor::Visitor;
use super::{Pages, assets};
use crate::api::error::ApiError;
use crate::callers::{Asking, Role};
use askama::Template;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use std::convert::Infallible;
use std::sync::Arc;

/// Everything is loaded from here, nothing inline is run, and nobody shows these pages within his own.
const MAY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; \
    form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// With `same-origin` other sites are told nothing, and forms still say where they come from.
const HEADERS: [(HeaderName, &str); 3] = [
    (header::CONTENT_SECURITY_POLICY, MAY),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::REFERRER_POLICY, "same-origin"),
];

/// What all pages have around them.
#[derive(Clone)]
pub(super) struct Shell {
    /// In front of every path.
    pub(super) base: String,
    /// Of the files that pages load: other ones have another one.
    pub(super) version: &'static str,
    /// Which page is open.
    pub(super) tab: &'static str,
    /// Who shows a token or has signed in.
    pub(super) who: Option<Arc<str>>,
    /// He may say what is done about divergences.
    pub(super) can_act: bool,
    /// For forms of who has signed in.
    pub(super) form_token: Option<Arc<str>>,
}

impl FromRequestParts<Pages> for Shell {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, pages: &Pages) -> Result<Self, Infallible> {
        Ok(Self::of(pages, parts.extensions.get(), parts.uri.path()))
    }
}

impl Shell {
    fn of(pages: &Pages, visitor: Option<&Visitor>, path: &str) -> Self {
        let who = visitor.and_then(|visitor| match &visitor.asking {
            Asking::Known(name, role) => Some((Arc::clone(name), *role)),
            Asking::Anybody => None,
        });
        Self {
            base: pages.options.base_path.to_string(),
            version: assets::version(),
            tab: tab(path),
            can_act: who.as_ref().is_some_and(|(_, role)| *role == Role::Operator),
            who: who.map(|(name, _)| name),
            form_token: visitor.and_then(|it| it.session.as_ref()).map(|it| Arc::clone(&it.form_token)),
        }
    }

    /// The overview's path.
    pub(super) fn home(&self) -> &str {
        if self.base.is_empty() { "/" } else { &self.base }
    }

    /// Answers with a page, or with one that says what is wrong.
    pub(super) fn answer(&self, page: Result<impl Template, ApiError>) -> Response {
        match page {
            Ok(page) => rendered(StatusCode::OK, &page),
            Err(error) => rendered(
                error.status(),
                &Refused { shell: self, status: error.status(), message: error.message() },
            ),
        }
    }
}

fn tab(path: &str) -> &'static str {
    match path.trim_start_matches('/').split('/').next() {
        Some("divergences") => "divergences",
        Some("sources") => "sources",
        Some("stores") => "stores",
        Some("login") => "login",
        _ => "overview",
    }
}

/// A page that says what is wrong.
#[derive(Template)]
#[template(path = "refused.html")]
struct Refused<'a> {
    shell: &'a Shell,
    status: StatusCode,
    message: String,
}

/// A page as an answer. It is not kept anywhere: keys stand in it.
pub(super) fn rendered(status: StatusCode, page: &impl Template) -> Response {
    match page.render() {
        Ok(text) => (status, [(header::CACHE_CONTROL, "no-store")], Html(text)).into_response(),
        Err(error) => {
            tracing::error!(%error, "a page cannot be rendered");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

/// Adds what a browser may do with an answer.
pub(super) async fn with_headers(mut response: Response) -> Response {
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}
