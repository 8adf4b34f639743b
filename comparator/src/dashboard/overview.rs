//! `/`: how each map stands against each of its stores.

use super::Pages;
use super::checks::Checks;
use super::shell::Shell;
use super::show;
use crate::api::gate::WINDOW;
use askama::Template;
use axum::extract::State;
use axum::response::Response;
use counterfoil_clock::wall_unix_ns;

#[derive(Template)]
#[template(path = "overview.html")]
struct Overview<'a> {
    shell: &'a Shell,
    checks: Checks,
    at: String,
    window: String,
}

/// Shows the overview.
pub(super) async fn page(State(pages): State<Pages>, shell: Shell) -> Response {
    let checks = Checks::of(&pages.api.parts);
    let (at, window) = (show::time(wall_unix_ns()), show::span(WINDOW));
    shell.answer(Ok(Overview { shell: &shell, checks, at, window }))
}
