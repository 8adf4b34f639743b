//! `GET /v1/notify`: who is told of divergences, and whether that works.

use super::Api;
use super::error::ApiError;
use crate::ledger::outbox::{DeadLetter, Waiting};
use crate::notify::Standing;
use axum::Json;
use axum::extract::State;
use serde::Serialize;

/// How all receivers are doing.
#[derive(Serialize)]
pub(super) struct Told {
    receivers: Vec<ReceiverTold>,
}

/// How a receiver is doing.
#[derive(Serialize)]
struct ReceiverTold {
    name: String,
    kind: &'static str,
    /// Turns of divergences that were not told yet.
    pending: u64,
    /// When the oldest of what is to be told came; `null` if there is nothing.
    pending_since_unix_ns: Option<i64>,
    /// When a message was delivered last; `null` if none ever was.
    delivered_at_unix_ns: Option<i64>,
    #[serde(flatten)]
    standing: Standing,
    /// Messages that were given up, ever.
    dead_letters: u64,
    /// The latest of these first.
    latest_dead_letters: Vec<DeadLetter>,
}

/// Answers with all receivers, in the order of the configuration.
pub(super) async fn notify(State(api): State<Api>) -> Result<Json<Told>, ApiError> {
    api.ledger.catch_up().await?;
    let mut waiting = api.ledger.waiting().await?;
    let receivers = api.notify.entries().map(|entry| {
        let its = waiting.iter().position(|its| *its.receiver == *entry.name);
        let its = its.map(|at| waiting.swap_remove(at));
        told(&entry.name, entry.kind, entry.standing(), its)
    });
    Ok(Json(Told { receivers: receivers.collect() }))
}

fn told(name: &str, kind: &'static str, standing: Standing, waiting: Option<Waiting>) -> ReceiverTold {
    let (pending_since_unix_ns, delivered_at_unix_ns) =
        waiting.as_ref().map_or((None, None), |its| (its.since_unix_ns, its.delivered_at_unix_ns));
    ReceiverTold {
        name: name.to_owned(),
        kind,
        pending: waiting.as_ref().map_or(0, |its| its.turns),
        pending_since_unix_ns,
        delivered_at_unix_ns,
        standing,
        dead_letters: waiting.as_ref().map_or(0, |its| its.dead),
        latest_dead_letters: waiting.map(|its| its.latest_dead).unwrap_or_default(),
    }
}
