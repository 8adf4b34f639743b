//! `GET /v1/divergences/ID/values`: the value that the write put into its map, recalled from its sidecar, and what the store holds now.
//!
//! For operators alone, and only where the map's contract says so. Each access is told in the log and counted; nothing of it is
//! to be kept on the way.

use super::Api;
use super::divergences::Id;
use super::door::Operator;
use super::error::ApiError;
use crate::budget::State as StoreState;
use crate::contract::{Contract, Contracts, MapId, Values};
use crate::ledger::{DivergenceId, Row};
use crate::metrics;
use crate::recall::NoValue;
use crate::store::Found;
use crate::telling::NOBODY_NAME;
use axum::Json;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, HeaderName};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use counterfoil_digest::Mask;
use serde::Serialize;
use std::borrow::Cow;

/// Nobody on the way keeps an answer.
const NOT_TO_BE_KEPT: [(HeaderName, &str); 1] = [(CACHE_CONTROL, "no-store")];

/// Keys that are read of stores at a time for whoever looks at values: checks go before people.
pub(super) const READS_MAX: usize = 2;

/// Makes the series of the maps whose values may be looked at.
pub(super) fn make_series(contracts: &Contracts) {
    for contract in contracts.iter().filter(|contract| contract.values.is_some()) {
        metrics::VALUES_READ.counter(&[("map", &contract.name)]).increment(0);
    }
}

/// The values of both sides.
#[derive(Serialize)]
struct Both {
    id: DivergenceId,
    map: String,
    store: Option<String>,
    key: String,
    /// What the write put into the map.
    map_value: Side,
    /// What the store holds now.
    store_value: Side,
}

/// One side's value.
#[derive(Serialize)]
struct Side {
    /// `value`, `absent`, or `none` where it is not known.
    state: &'static str,
    value_base64: Option<String>,
    /// Fields of the value are replaced by `***`.
    masked: bool,
    /// Why it is not known: a word, such as `expired`.
    reason: Option<&'static str>,
    /// The same in words.
    message: Option<String>,
}

impl Side {
    const ABSENT: Self =
        Self { state: "absent", value_base64: None, masked: false, reason: None, message: None };

    fn none(reason: &'static str, message: impl Into<String>) -> Self {
        Self { state: "none", reason: Some(reason), message: Some(message.into()), ..Self::ABSENT }
    }

    /// The value as `mask` lets it be shown.
    fn shown(value: &[u8], is_masked: bool, mask: &Mask) -> Self {
        let Some(shown) = mask.applied(value) else {
            return Self::none(
                "not_maskable",
                "the value is no JSON, or has a name twice: nobody can tell what to mask",
            );
        };
        let masked = is_masked || matches!(shown, Cow::Owned(_));
        Self { state: "value", value_base64: Some(STANDARD.encode(&shown)), masked, ..Self::ABSENT }
    }
}

/// Answers with both values.
pub(super) async fn values(State(api): State<Api>, by: Operator, id: Id) -> Response {
    let told = both(&api, by, id).await.map(Json);
    (NOT_TO_BE_KEPT, told).into_response()
}

async fn both(api: &Api, Operator(by): Operator, Id(id): Id) -> Result<Both, ApiError> {
    api.ledger.catch_up().await?;
    let row = api.ledger.get(id).await?.ok_or(ApiError::Unknown)?;
    let contracts = api.parts.engine.contracts();
    let map = contracts.named(&row.map, row.store.as_deref());
    let of_map = map.and_then(|map| Some((map, contracts.get(map)?)));
    let turned_on = of_map.and_then(|(map, contract)| Some((map, contract, contract.values.as_ref()?)));
    let (map, contract, values) =
        turned_on.ok_or_else(|| ApiError::Forbidden(NoValue::NotWanted.to_string()))?;
    if !api.may_show_values {
        return Err(ApiError::Forbidden(
            "values would travel in plain text; let listen.http be an address of this machine alone, with a proxy that has TLS \
             before it, or write `recall: { insecure: true }`"
                .to_owned(),
        ));
    }
    tracing::info!(%id, %by, map = row.map, "the values of a divergence are read");
    metrics::VALUES_READ.counter(&[("map", &row.map)]).increment(1);
    let (map_value, store_value) =
        tokio::join!(of_write(api, &row, map, values), of_store(api, &row, contract, values));
    Ok(Both { id, map: row.map, store: row.store, key: row.key, map_value, store_value })
}

async fn of_write(api: &Api, row: &Row, map: MapId, Values { mask }: &Values) -> Side {
    if row.source == NOBODY_NAME {
        return Side::none("nobody", "no source told of a write of this key");
    }
    let recalled = api.parts.recall.reported(map, &row.source, row.seq, &row.map_digest).await;
    match recalled {
        Ok(recalled) => Side::shown(recalled.value.expose(), recalled.is_masked, mask),
        Err(NoValue::Absent) => Side::ABSENT,
        Err(reason) => Side::none(reason.label(), reason.to_string()),
    }
}

/// Reads the key once, unless the store does not answer anyway.
async fn of_store(api: &Api, row: &Row, contract: &Contract, Values { mask }: &Values) -> Side {
    let parts = &api.parts;
    let Some(reader) = parts.engine.contracts().readers().get(contract.store) else {
        return Side::none("store", "the store is not there any more");
    };
    let status = parts.statuses.get().into_iter().nth(contract.store);
    if let Some(StoreState::Down(reason)) = status.map(|status| status.state) {
        return Side::none("store", format!("the store does not answer ({reason}) and is left alone"));
    }
    let Ok(_turn) = api.value_reads.try_acquire() else {
        return Side::none("busy", "the values of too many divergences are being read; ask again");
    };
    let key = Bytes::copy_from_slice(&row.key_bytes);
    match reader.read_many(&contract.lookup, &[key]).await.told.map(|answers| answers.into_iter().next()) {
        Ok(Some(Ok(Found::Value(value, _)))) => Side::shown(&value, false, mask),
        Ok(Some(Ok(Found::Absent))) => Side::ABSENT,
        Ok(Some(Err(error))) => Side::none("store", error.to_string()),
        Ok(None) => Side::none("store", "the store said nothing"),
        Err(error) => Side::none("store", error.to_string()),
    }
}
