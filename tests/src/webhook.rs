//! A webhook that keeps what an Alertmanager or a comparator tells it.

use crate::served::Served;
use crate::wait;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use serde_json::Value;
use std::sync::{Arc, Mutex, PoisonError};

/// What came, as it came.
#[derive(Clone, Default)]
struct Told {
    alerts: Arc<Mutex<Vec<Value>>>,
    events: Arc<Mutex<Vec<Value>>>,
}

/// Keeps every alert and every event that it is told of.
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
        let router = Router::new().route("/", post(keep)).with_state(told.clone());
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
        all(&self.told.alerts)
    }

    /// Every event of a comparator so far.
    #[must_use]
    pub fn events(&self) -> Vec<Value> {
        all(&self.told.events)
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

/// Takes a delivery of Alertmanager's, or an event of CloudEvents; what is neither is refused.
async fn keep(State(told): State<Told>, Json(mut delivery): Json<Value>) -> StatusCode {
    let keep = |place: &Mutex<Vec<Value>>, came: &mut Vec<Value>| {
        place.lock().unwrap_or_else(PoisonError::into_inner).append(came);
    };
    if delivery.get("specversion").is_some() {
        keep(&told.events, &mut vec![delivery]);
        return StatusCode::OK;
    }
    match delivery.get_mut("alerts").and_then(Value::as_array_mut) {
        Some(alerts) => keep(&told.alerts, alerts),
        None => return StatusCode::BAD_REQUEST,
    }
    StatusCode::OK
}

fn all(place: &Mutex<Vec<Value>>) -> Vec<Value> {
    place.lock().unwrap_or_else(PoisonError::into_inner).clone()
}
