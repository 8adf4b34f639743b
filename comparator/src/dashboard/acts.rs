//! `/divergences/ID/act`: what somebody does about a divergence, after a page that asks why.
//!
//! What is sent goes the way of the API's acts, so it is checked and written down as those are.

use super::Pages;
use super::forms::Form;
use super::one::Facts;
use super::shell::{Shell, rendered};
use super::visitor::Visitor;
use crate::api::acts::{Asked, WHY_BYTES_MAX, acknowledge, ignore, reopen};
use crate::api::divergences::{Id, life};
use crate::api::door::Operator;
use crate::api::error::ApiError;
use crate::api::parameters::Parameters;
use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Redirect, Response};

/// What may be done: its name, what stands on its button, and what it means.
const ACTS: [(&str, &str, &str); 3] = [
    ("acknowledge", "Acknowledge", "Somebody has it in hand, until it is resolved."),
    ("ignore", "Ignore", "It is known and does not count, for good or until a time."),
    ("reopen", "Take back", "What was done about it is taken back."),
];

/// The page that asks why.
#[derive(Template)]
#[template(path = "act.html")]
struct ActForm<'a> {
    shell: &'a Shell,
    facts: Facts,
    acts: [(&'static str, &'static str, &'static str); 3],
    /// The one that is chosen.
    what: String,
    why: String,
    until: String,
    why_bytes_max: usize,
    refused: Option<String>,
    /// It was decided on what is no more.
    has_changed: bool,
    /// What somebody did in the meantime, and who.
    meanwhile: Option<String>,
}

/// What was sent, or is to begin with.
#[derive(Default)]
struct Sent {
    what: String,
    why: String,
    until: String,
}

/// Asks what is to be done, and why.
pub(super) async fn form(
    State(pages): State<Pages>,
    shell: Shell,
    Extension(visitor): Extension<Visitor>,
    id: Result<Id, ApiError>,
    asked: Result<Parameters, ApiError>,
) -> Response {
    let what = asked.ok().and_then(|mut asked| asked.text("what"));
    let sent = Sent { what: what.unwrap_or_else(|| "acknowledge".to_owned()), ..Sent::default() };
    let page = async {
        Operator::of(Some(&visitor.asking))?;
        filled(&pages, &shell, id?, sent, None).await
    };
    shell.answer(page.await)
}

/// Does it, and leads back to the divergence; or says why not, with the form as it was filled in.
pub(super) async fn act(
    State(pages): State<Pages>,
    shell: Shell,
    Extension(visitor): Extension<Visitor>,
    id: Result<Id, ApiError>,
    headers: HeaderMap,
    form: Result<Form, ApiError>,
) -> Response {
    let allowed = form.and_then(|form| {
        let operator = Operator::of(Some(&visitor.asking))?;
        visitor.may_send(&headers, form.text("form_token"))?;
        Ok((form, operator, id?))
    });
    let (form, operator, id) = match allowed {
        Ok(allowed) => allowed,
        Err(error) => return shell.answer(Err::<ActForm<'_>, _>(error)),
    };
    match done(&pages, operator, id, &form).await {
        Ok(()) => Redirect::to(&format!("{}/divergences/{}", shell.base, id.0)).into_response(),
        Err(error @ (ApiError::Bad(_) | ApiError::Stale { .. })) => {
            let status = error.status();
            match filled(&pages, &shell, id, Sent::of(&form), Some(error)).await {
                Ok(page) => rendered(status, &page),
                Err(error) => shell.answer(Err::<ActForm<'_>, _>(error)),
            }
        }
        Err(error) => shell.answer(Err::<ActForm<'_>, _>(error)),
    }
}

async fn done(pages: &Pages, operator: Operator, id: Id, form: &Form) -> Result<(), ApiError> {
    let api = State(pages.api.clone());
    let why = form.text("why").unwrap_or_default().to_owned();
    let revision = form.text("revision").and_then(|text| text.parse().ok());
    let revision =
        revision.ok_or_else(|| ApiError::Bad("revision: is missing; load the form again".to_owned()))?;
    let asked = |until: Option<String>| Asked::on_form(why, revision, until);
    let acted = match form.text("what") {
        Some("acknowledge") => acknowledge(api, operator, id, asked(None)?).await,
        Some("ignore") => ignore(api, operator, id, asked(form.text("until").map(in_utc))?).await,
        Some("reopen") => reopen(api, operator, id, asked(None)?).await,
        _ => Err(ApiError::Bad("what: choose acknowledge, ignore or reopen".to_owned())),
    };
    acted.map(|_life| ())
}

/// A time as browsers send it, which say nothing of the zone: the form says that it is UTC.
fn in_utc(text: &str) -> String {
    match text.len() {
        // Without seconds.
        16 => format!("{text}:00Z"),
        19 => format!("{text}Z"),
        _ => text.to_owned(),
    }
}

impl Sent {
    fn of(form: &Form) -> Self {
        let text = |name| form.text(name).unwrap_or_default().to_owned();
        Self { what: text("what"), why: text("why"), until: text("until") }
    }
}

async fn filled<'a>(
    pages: &Pages,
    shell: &'a Shell,
    id: Id,
    Sent { what, why, until }: Sent,
    refused: Option<ApiError>,
) -> Result<ActForm<'a>, ApiError> {
    pages.api.ledger.catch_up().await?;
    let facts = Facts::of(pages, life(&pages.api, id).await?.told);
    let has_changed = matches!(refused, Some(ApiError::Stale { .. }));
    let meanwhile = refused.as_ref().and_then(ApiError::meanwhile);
    let refused = refused.as_ref().map(ApiError::message);
    let why_bytes_max = WHY_BYTES_MAX;
    Ok(ActForm { shell, facts, acts: ACTS, what, why, until, why_bytes_max, refused, has_changed, meanwhile })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_that_a_browser_sends_is_in_utc() {
        for (sent, read) in [
            ("2026-02-03T04:05", "2026-02-03T04:05:00Z"),
            ("2026-02-03T04:05:06", "2026-02-03T04:05:06Z"),
            ("2026-02-03T04:05:06Z", "2026-02-03T04:05:06Z"),
            ("tomorrow", "tomorrow"),
        ] {
            assert_eq!(in_utc(sent), read);
        }
    }
}
