//! Who looks at a page: looked at before anything but the sign-in page is shown.

use super::Pages;
use super::sessions::Session;
use crate::api::error::ApiError;
use crate::callers::{Asking, TurnedAway};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use counterfoil_clock::now;
use url::form_urlencoded;

/// Who looks at a page.
#[derive(Clone, Debug)]
pub(super) struct Visitor {
    pub(super) asking: Asking,
    /// How he signed in; `None` for who shows a token each time, and where nobody has to show any.
    pub(super) session: Option<Session>,
}

impl Visitor {
    /// Whether a form was sent from these pages, by him.
    pub(super) fn may_send(&self, headers: &HeaderMap, form_token: Option<&str>) -> Result<(), ApiError> {
        let Some(session) = &self.session else { return Ok(()) };
        from_these_pages(headers)?;
        let hash = |text: &str| blake3::hash(text.as_bytes());
        // Compared as hashes, which takes the same time whatever is sent.
        let is_his = form_token.is_some_and(|token| hash(token) == hash(&session.form_token));
        let why = "the form is of another session; go back, load the page again and send it once more";
        is_his.then_some(()).ok_or_else(|| ApiError::Forbidden(why.to_owned()))
    }
}

/// Whether a browser says that what it sends was written on a page of this address.
pub(super) fn from_these_pages(headers: &HeaderMap) -> Result<(), ApiError> {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let is_same = match text("sec-fetch-site") {
        Some(site) => site == "same-origin",
        None => {
            let from = text("origin").and_then(|origin| Some(origin.split_once("://")?.1));
            from.is_some() && from == text("host")
        }
    };
    is_same.then_some(()).ok_or_else(|| {
        let why = "the form was not sent from this address: its `Origin` is not the `Host` that it was sent to. A proxy in \
            between has to pass `Host` on as it is";
        ApiError::Forbidden(why.to_owned())
    })
}

/// Lets through who may read, and shows others where to sign in.
pub(super) async fn door(State(pages): State<Pages>, mut request: Request, next: Next) -> Response {
    let visitor = match visitor(&pages, request.headers()) {
        Ok(visitor) => visitor,
        Err(why) => return turned_away(&pages, &request, why),
    };
    request.extensions_mut().insert(visitor);
    next.run(request).await
}

/// Who sends a request with these headers.
pub(super) fn visitor(pages: &Pages, headers: &HeaderMap) -> Result<Visitor, TurnedAway> {
    match pages.api.callers.admit(headers.get(header::AUTHORIZATION)) {
        Ok(asking) => Ok(Visitor { asking, session: None }),
        Err(TurnedAway::NotAToken) => Err(TurnedAway::NotAToken),
        Err(TurnedAway::NoToken) => {
            let session = pages.api.sessions.of(headers, now()).ok_or(TurnedAway::NoToken)?;
            Ok(Visitor { asking: session.asking(), session: Some(session) })
        }
    }
}

fn turned_away(pages: &Pages, request: &Request, why: TurnedAway) -> Response {
    let is_page = !request.uri().path().starts_with("/dashboard/");
    match why {
        TurnedAway::NotAToken => ApiError::NotAToken.into_response(),
        TurnedAway::NoToken if is_page && request.method().is_safe() => {
            let next = form_urlencoded::Serializer::new(String::new())
                .append_pair("next", path_and_query(request.uri()))
                .finish();
            Redirect::to(&format!("{}/login?{next}", pages.options.base_path)).into_response()
        }
        TurnedAway::NoToken if is_page => {
            (StatusCode::UNAUTHORIZED, "you are signed out; go back, sign in, and send the form once more\n")
                .into_response()
        }
        TurnedAway::NoToken => ApiError::NoToken.into_response(),
    }
}

fn path_and_query(uri: &Uri) -> &str {
    uri.path_and_query().map_or("/", |path| path.as_str())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn what_another_site_sends_is_refused() {
        for (lines, is_ours) in [
            (&[("host", "a:1"), ("origin", "http://a:1")][..], true),
            (&[("host", "a"), ("origin", "https://a")], true),
            (&[("host", "proxied"), ("origin", "https://a"), ("sec-fetch-site", "same-origin")], true),
            (&[("host", "a:1"), ("origin", "http://a:2")], false),
            (&[("host", "a"), ("origin", "https://evil.example")], false),
            (&[("host", "a"), ("origin", "null")], false),
            (&[("host", "a")], false),
            (&[("origin", "http://a")], false),
            (&[], false),
            (&[("host", "a"), ("origin", "http://a"), ("sec-fetch-site", "same-site")], false),
            (&[("host", "a"), ("origin", "http://a"), ("sec-fetch-site", "cross-site")], false),
        ] {
            let header = |(name, value): &(&'static str, &'static str)| {
                (name.parse::<axum::http::HeaderName>().unwrap(), HeaderValue::from_static(value))
            };
            let headers: HeaderMap = lines.iter().map(header).collect();
            assert_eq!(from_these_pages(&headers).is_ok(), is_ours, "{lines:?}");
        }
    }
}
