//! `GET /v1/gate` and `POST /v1/gate/flagger`: whether traffic may be moved over. What the answers mean stands in `docs/gate.md`.
//!
//! The answer's status is 200 whatever it says, as Argo Rollouts wants it; only Flagger reads the status.

mod answer;
mod asked;

use super::Api;
use super::error::ApiError;
use crate::Parts;
use crate::contract::{Contract, Contracts, MapId};
use crate::gate::{Ended, Facts, Lost, Ruling, decide};
use crate::metrics;
use crate::table::Census;
use answer::{Answer, CheckAnswer};
use asked::Asked;
pub(crate) use asked::{Slots, WINDOW};
use axum::Json;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{RawQuery, State};
use axum::http::StatusCode;
use counterfoil_clock::{now, wall_unix_ns};
use counterfoil_judge::Time;
use counterfoil_keys::TenantName;
use serde::Deserialize;
use std::collections::{BTreeMap, BTreeSet};
use url::form_urlencoded;

/// Largest body of a webhook, in bytes.
pub(super) const HOOK_BYTES_MAX: usize = 64 << 10;

/// Makes the series of answers exist.
pub(super) fn make_series(contracts: &Contracts) {
    for contract in contracts.iter() {
        for ruling in Ruling::ALL {
            metrics::GATE_CHECKS.counter(&[("map", &contract.name), ("result", ruling.label())]).increment(0);
        }
    }
}

/// Answers what the parameters ask.
pub(super) async fn gate(
    State(api): State<Api>,
    RawQuery(query): RawQuery,
) -> Result<Json<Answer>, ApiError> {
    let query = query.unwrap_or_default();
    let parameters = form_urlencoded::parse(query.as_bytes()).into_owned();
    answered(&api.parts, &Asked::of(parameters)?).map(Json)
}

/// What Flagger sends, as far as it is read here.
#[derive(Deserialize)]
struct Hook {
    /// The same as the parameters of [`gate`]; `type: rollback` for a hook that asks whether to roll back.
    #[serde(default)]
    metadata: Option<BTreeMap<String, String>>,
}

/// Answers a webhook of Flagger with 200 if it is to go on, and with 412 if not: to promote takes a pass, to roll back a fail.
pub(super) async fn flagger(
    State(api): State<Api>,
    body: Result<Bytes, BytesRejection>,
) -> Result<(StatusCode, Json<Answer>), ApiError> {
    let body = body.map_err(|rejection| ApiError::Unread(rejection.status(), rejection.body_text()))?;
    let hook: Hook = serde_json::from_slice(&body).map_err(|error| {
        ApiError::Bad(format!(
            "the body: {error}; Flagger sends an object with `metadata`, an object of texts"
        ))
    })?;
    let mut metadata = hook.metadata.unwrap_or_default();
    let wanted = match metadata.remove("type").as_deref() {
        None => Ruling::Pass,
        Some("rollback") => Ruling::Fail,
        Some(other) => {
            let error =
                format!("metadata.type: `{other}`; write `rollback`, or leave it out to ask for a pass");
            return Err(ApiError::Bad(error));
        }
    };
    let answer = answered(&api.parts, &Asked::of(metadata.into_iter())?)?;
    let status = if answer.result() == wanted { StatusCode::OK } else { StatusCode::PRECONDITION_FAILED };
    Ok((status, Json(answer)))
}

/// Answers, and counts the answers about each map.
fn answered(parts: &Parts, asked: &Asked) -> Result<Answer, ApiError> {
    let contracts = parts.engine.contracts();
    let checks = asked.checks(contracts)?;
    let slots: Vec<_> = checks
        .into_iter()
        .filter_map(|map| Some((map, contracts.get(map)?)))
        .map(|(map, contract)| asked.slots(contract).map(|slots| (map, contract, slots)))
        .collect::<Result<_, ApiError>>()?;
    let present = Present::of(parts, asked.window);
    let answers: Vec<_> = slots
        .into_iter()
        .filter_map(|(map, contract, slots)| answer_of(parts, asked, &present, (map, contract, &slots)))
        .collect();
    let mut by_map = BTreeMap::new();
    for answer in &answers {
        let worst = by_map.entry(answer.map()).or_insert(Ruling::Pass);
        *worst = answer.result().max(*worst);
    }
    for (map, ruling) in by_map {
        metrics::GATE_CHECKS.counter(&[("map", map), ("result", ruling.label())]).increment(1);
    }
    Ok(Answer::of(asked, answers))
}

fn answer_of(
    parts: &Parts,
    asked: &Asked,
    present: &Present,
    (map, contract, slots): (MapId, &Contract, &Slots),
) -> Option<CheckAnswer> {
    let facts = present.facts(parts, asked.window, (map, contract, slots))?;
    let decision = decide(&facts, &contract.gate);
    let store = parts.engine.contracts().store_name(map)?;
    Some(CheckAnswer::of((&contract.name, store), &facts, decision, present.wall_unix_ns))
}

/// What all checks have in common.
pub(crate) struct Present {
    at: Time,
    wall_unix_ns: i64,
    /// When the window began.
    since: Time,
    horizons: Vec<Time>,
    pub(crate) census: Vec<Census>,
    lost: Vec<Lost>,
    tenants_of_lost: BTreeSet<TenantName>,
}

impl Present {
    /// As it is now; a window is in nanoseconds.
    pub(crate) fn of(parts: &Parts, window: i64) -> Self {
        let (engine, at) = (&parts.engine, now());
        let (since, wall_unix_ns) = (at.minus(window), wall_unix_ns());
        Self {
            at,
            wall_unix_ns,
            since,
            // Before the census: what was begun before a horizon is in the table by then.
            horizons: engine.sources().horizons(engine.contracts().tenants(), engine.clocks(), at),
            census: engine.table().census_since(since, parts.ignored.at(wall_unix_ns)),
            lost: engine.lost(),
            tenants_of_lost: engine.sources().tenants_of_lost(),
        }
    }

    /// What is known of a check, or of one cohort of it, within the window.
    pub(crate) fn facts(
        &self,
        parts: &Parts,
        window: i64,
        (map, contract, slots): (MapId, &Contract, &Slots),
    ) -> Option<Facts> {
        let tenant = parts.engine.contracts().tenant_place(&contract.tenant)?;
        let census = self.census.get(map.index())?;
        let counted = parts.tallies.of(map)?.ended_by_cohort();
        let by_cohort = parts.watch.ended_since(map, self.since, counted);
        let of_slot = |slot: usize| by_cohort.get(slot).copied().unwrap_or_default();
        let ended = match slots.cohort {
            Some(cohort) => of_slot(cohort),
            None => by_cohort.iter().fold(Ended::default(), |sum, of| sum + *of),
        };
        let (open, open_before) = match slots.cohort {
            // Whose they are nobody keeps; each ended an event.
            Some(_) => (census.confirmed_since.min(ended.divergent), 0),
            None => (census.confirmed_since, census.confirmed_before),
        };
        let lost = self.lost.get(tenant).copied().unwrap_or_default();
        Some(Facts {
            window,
            has_run: parts.watch.has_run(self.at),
            ended,
            against: slots.against.map(of_slot),
            lost: parts.watch.lost_since(tenant, self.since, lost),
            has_lost_source: self.tenants_of_lost.contains(&contract.tenant),
            open,
            open_before,
            ignored: census.ignored,
            behind: parts.behind(map, &self.horizons, census, self.at),
            calibration: parts.engine.table().calibration(map),
            store: parts.statuses.get().get(contract.store).map(|status| status.state),
        })
    }
}
