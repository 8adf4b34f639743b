//! Signing in with a token, and out again.
//!
//! Wrong tokens are taken at a bounded rate, over all who try. A token has sixteen bytes at least, so nobody finds one by trying;
//! the rate keeps those who do from costing anything.

use super::Pages;
use super::forms::Form;
use super::sessions::{COOKIE, LASTS_S};
use super::shell::{Shell, rendered};
use super::visitor::{Visitor, from_these_pages};
use crate::api::error::ApiError;
use crate::api::parameters::Parameters;
use crate::budget::Bucket;
use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use counterfoil_clock::now;
use counterfoil_judge::Time;
use std::sync::{Mutex, PoisonError};

/// Wrong tokens that are taken in a second.
const WRONG_PER_S: f64 = 10.0;

/// Wrong tokens that were tried.
pub(super) struct Attempts(Mutex<Bucket>);

impl Default for Attempts {
    fn default() -> Self {
        Self(Mutex::new(Bucket::new()))
    }
}

impl Attempts {
    /// Whether one more may be tried at `now`.
    fn may_try(&self, now: Time) -> bool {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).keys(WRONG_PER_S, now) > 0
    }

    /// One was wrong.
    fn was_wrong(&self) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take(1);
    }
}

/// Where a token is asked for.
#[derive(Template)]
#[template(path = "login.html")]
struct Login<'a> {
    shell: &'a Shell,
    /// The path to go on to, without the base.
    next: String,
    /// Why the last one was not taken.
    refused: Option<&'static str>,
}

/// Asks for a token, where there are some.
pub(super) async fn form(
    State(pages): State<Pages>,
    shell: Shell,
    asked: Result<Parameters, ApiError>,
) -> Response {
    let next = asked.ok().and_then(|mut asked| asked.text("next"));
    let next = own_path(next.as_deref());
    if pages.api.callers.is_empty() {
        return Redirect::to(&format!("{}{next}", shell.base)).into_response();
    }
    rendered(StatusCode::OK, &Login { shell: &shell, next, refused: None })
}

/// Takes a token, and begins a session.
pub(super) async fn sign_in(
    State(pages): State<Pages>,
    shell: Shell,
    headers: HeaderMap,
    form: Result<Form, ApiError>,
) -> Response {
    let form = match form.and_then(|form| from_these_pages(&headers).map(|()| form)) {
        Ok(form) => form,
        Err(error) => return shell.answer(Err::<Login<'_>, _>(error)),
    };
    let next = own_path(form.text("next"));
    let refuse =
        |status, why| rendered(status, &Login { shell: &shell, next: next.clone(), refused: Some(why) });
    if !pages.attempts.may_try(now()) {
        let why = "too many wrong tokens were tried just now; try again in a second";
        return refuse(StatusCode::TOO_MANY_REQUESTS, why);
    }
    let Some(caller) = form.text("token").and_then(|token| pages.api.callers.of_token(token.as_bytes()))
    else {
        pages.attempts.was_wrong();
        return refuse(StatusCode::UNAUTHORIZED, "the token is none of listen.http_tokens");
    };
    let Ok(number) = pages.api.sessions.begin(&caller.name, caller.role, now()) else {
        return refuse(StatusCode::SERVICE_UNAVAILABLE, "the system gives no random numbers");
    };
    tracing::info!(by = %caller.name, "signed in to the pages");
    let to = format!("{}{next}", shell.base);
    let cookie = cookie(&shell, &headers, &number, LASTS_S);
    ([(header::SET_COOKIE, cookie)], Redirect::to(&to)).into_response()
}

/// Ends the session.
pub(super) async fn out(
    State(pages): State<Pages>,
    shell: Shell,
    Extension(visitor): Extension<Visitor>,
    headers: HeaderMap,
    form: Result<Form, ApiError>,
) -> Response {
    let may = form.and_then(|form| visitor.may_send(&headers, form.text("form_token")));
    if let Err(error) = may {
        return shell.answer(Err::<Login<'_>, _>(error));
    }
    pages.api.sessions.end(&headers);
    let cookie = cookie(&shell, &headers, "", 0);
    ([(header::SET_COOKIE, cookie)], Redirect::to(&format!("{}/login", shell.base))).into_response()
}

/// No script reads it and no other site sends it. Where the browser talks TLS, to a proxy, it never sends it in plain.
fn cookie(shell: &Shell, headers: &HeaderMap, number: &str, lasts_s: i64) -> String {
    let is_tls = headers.get(header::ORIGIN).is_some_and(|origin| origin.as_bytes().starts_with(b"https://"));
    let secure = if is_tls { "; Secure" } else { "" };
    let path = shell.home();
    format!("{COOKIE}={number}; Path={path}; Max-Age={lasts_s}; HttpOnly; SameSite=Strict{secure}")
}

/// The path to go on to: one of these pages, or the overview.
fn own_path(next: Option<&str>) -> String {
    let is_own = |path: &&str| {
        let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
        path.starts_with('/') && !path.starts_with("//") && is_plain
    };
    next.filter(is_own).unwrap_or("/").to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signing_in_leads_to_a_page_of_these_and_nowhere_else() {
        for (next, path) in [
            (Some("/divergences?map=a%26b"), "/divergences?map=a%26b"),
            (Some("//evil.example"), "/"),
            (Some("https://evil.example"), "/"),
            (Some("/\\evil.example"), "/"),
            (Some("/a\r\nSet-Cookie: b"), "/"),
            (None, "/"),
        ] {
            assert_eq!(own_path(next), path, "{next:?}");
        }
    }

    #[test]
    fn wrong_tokens_are_taken_at_a_bounded_rate() {
        let attempts = Attempts::default();
        let at = |ms: i64| Time(ms * 1_000_000);
        assert!(attempts.may_try(at(0)) && attempts.may_try(at(0)), "trying costs nothing");
        attempts.was_wrong();
        assert!(!attempts.may_try(at(0)) && !attempts.may_try(at(50)));
        assert!(attempts.may_try(at(101)));
    }
}
