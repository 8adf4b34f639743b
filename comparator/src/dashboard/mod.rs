//! The comparator's own pages, at `/`: for people who want to see how it stands without a Grafana.
//!
//! # Design
//!
//! - Pages are rendered here, by templates that are checked when this is compiled. They work without scripts; a small one moves
//!   the figures of the overview and draws two charts.
//! - What they show comes from where the API takes it, so the two never say different things.
//! - [`live`] has one task that looks at the figures, once a tick however many watch; [`recent`] remembers half an hour.
//! - [`visitor`] says who asks: by a token, as for the API, or by a session that [`signing_in`] began.
//!
//! # Invariants
//!
//! - Nothing is loaded from elsewhere, and nothing inline is run: [`shell`] says so to browsers.
//! - A page costs a fixed number of queries of the ledger, whatever it shows.
//! - A form changes nothing unless it was sent from these pages by who signed in to them.
//! - Whatever comes from outside is escaped by the templates.

mod acts;
mod assets;
mod checks;
mod divergences;
mod forms;
mod known;
mod live;
mod one;
mod options;
mod overview;
mod recent;
mod sessions;
mod shell;
pub mod show;
mod signing_in;
mod sources;
mod stores;
mod timeline;
mod visitor;

pub use options::{BasePath, Options, TraceUrl};
pub(crate) use recent::{Point, Recent};
pub(crate) use sessions::Sessions;

use crate::api::Api;
use axum::Router;
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::Redirect;
use axum::routing::{get, post};
use live::Live;
use signing_in::Attempts;
use std::sync::Arc;
use tokio_util::sync::CancellationToken;

/// What the pages answer from.
#[derive(Clone)]
pub(crate) struct Pages {
    api: Api,
    options: Arc<Options>,
    live: Arc<Live>,
    attempts: Arc<Attempts>,
}

impl Pages {
    /// Pages that show what `api` tells.
    pub(crate) fn new(api: Api, options: Options) -> Self {
        Self { api, options: Arc::new(options), live: Arc::default(), attempts: Arc::default() }
    }

    /// Looks at the figures for whoever watches, until `stop`.
    pub(crate) async fn run(self, stop: CancellationToken) {
        live::run(&self.live, &self.api.parts, stop).await;
    }

    /// The pages and `api` at `/`, and once more under the base path if there is one: a proxy may take it away or leave it.
    pub(crate) fn beside(self, api: Router) -> Router {
        let base = self.options.base_path.clone();
        let all = api.merge(self.router());
        if base.as_str().is_empty() {
            return all;
        }
        let home = base.as_str().to_owned();
        let with_slash = get(move || async move { Redirect::permanent(&home) });
        Router::new()
            .nest(base.as_str(), all.clone())
            .route(&format!("{}/", base.as_str()), with_slash)
            .merge(all)
    }

    fn router(self) -> Router {
        let behind_the_door = Router::new()
            .route("/", get(overview::page))
            .route("/divergences", get(divergences::page))
            .route("/divergences/{id}", get(one::page))
            .route("/divergences/{id}/act", get(acts::form).post(acts::act))
            .route("/sources", get(sources::page))
            .route("/stores", get(stores::page))
            .route("/logout", post(signing_in::out))
            .route("/dashboard/live", get(live::stream))
            .route("/dashboard/past", get(recent::past))
            .route_layer(from_fn_with_state(self.clone(), visitor::door));
        let open = Router::new()
            .route("/login", get(signing_in::form).post(signing_in::sign_in))
            .route("/assets/{name}", get(assets::asset));
        behind_the_door.merge(open).route_layer(map_response(shell::with_headers)).with_state(self)
    }
}
