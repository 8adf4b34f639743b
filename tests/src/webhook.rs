//! A webhook that keeps what an Alertmanager tells it.

use crate::served::Served;
use crate::wait;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};

/// Every alert that came, as it came.
type Told = Arc<Mutex<Vec<Value>>>;

/// Keeps every alert that it is told of.
pub struct Webhook {
    told: Told,
    served: Served,
}

impl Webhook {
    /// Listens on a free port.
    ///
    /// # Panics
    ///
    /// If it cannot listen.
    #[must_use]
    pub fn start() -> Self {
        let told = Told::default();
        let router = Router::new().route("/", post(keep)).with_state(Arc::clone(&told));
        Self { told, served: Served::by(|listener| axum::serve(listener, router).into_future()) }
    }

    /// Where it listens.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}/", self.served.url())
    }

    /// Every alert so far, each time it was told: `labels`, `annotations`, and a `status` of `firing` or `resolved`.
    #[must_use]
    pub fn alerts(&self) -> Vec<Value> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until an alert of this name was told with this status; gives what was told then.
    ///
    /// # Panics
    ///
    /// If it is not.
    #[must_use]
    pub fn told(&self, name: &str, status: &str) -> Value {
        let is_it = |alert: &Value| {
            alert.pointer("/labels/alertname") == Some(&name.into())
                && alert.get("status") == Some(&status.into())
        };
        wait::until(&format!("the webhook is told: {name} {status}"), || {
            self.alerts().into_iter().find(is_it)
        })
    }
}

/// Takes a delivery of Alertmanager's; what is none is refused.
async fn keep(State(told): State<Told>, Json(mut delivery): Json<Value>) -> StatusCode {
    match delivery.get_mut("alerts").and_then(Value::as_array_mut) {
        Some(alerts) => told.lock().unwrap_or_else(PoisonError::into_inner).append(alerts),
        None => return StatusCode::BAD_REQUEST,
    }
    StatusCode::OK
}
