//! The comparator's HTTP interface, used as anybody would use it.

use super::report::Percentiles;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::ops::Add;
use std::time::Duration;
use thiserror::Error;

/// How long an answer may take.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);

/// Divergences asked for at a time.
const PAGE: usize = 500;

/// Why the comparator gave no answer.
#[derive(Debug, Error)]
#[error("comparator at {url}: {source}")]
pub(super) struct ApiError {
    url: String,
    #[source]
    source: Box<ureq::Error>,
}

/// `GET /v1/summary`, as far as it is used here.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Summary {
    pub(super) maps: BTreeMap<String, MapSummary>,
    /// Events taken in.
    pub(super) accepted: u64,
    /// Events declared lost.
    pub(super) lost: u64,
}

impl Summary {
    /// How events ended, over all maps.
    pub(super) fn outcomes(&self) -> Outcomes {
        self.maps.values().fold(Outcomes::default(), |sum, map| sum + map.outcomes)
    }

    /// The figures of map `name`; nothing but zeros if there is no such map.
    pub(super) fn map(&self, name: &str) -> MapSummary {
        self.maps.get(name).copied().unwrap_or_default()
    }
}

/// One map's figures.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
pub(super) struct MapSummary {
    pub(super) outcomes: Outcomes,
    /// `None` before an event was confirmed.
    pub(super) lag_ms: Option<Percentiles>,
}

/// How events ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize, Serialize)]
pub(super) struct Outcomes {
    pub(super) confirmed: u64,
    pub(super) superseded: u64,
    pub(super) divergent: u64,
    pub(super) undetermined: u64,
    pub(super) shed: u64,
    pub(super) open: u64,
}

impl Outcomes {
    /// Events that ended or are open.
    pub(super) fn total(&self) -> u64 {
        self.ended() + self.open
    }

    /// Of the events that ended, the share that was confirmed or found divergent; `None` if none ended.
    pub(super) fn coverage(&self) -> Option<f64> {
        // A count of events has far fewer than 53 bits.
        #[allow(clippy::cast_precision_loss, reason = "a run has far fewer than 2^53 events")]
        let [judged, ended] = [self.confirmed + self.divergent, self.ended()].map(|count| count as f64);
        (self.ended() > 0).then(|| judged / ended)
    }

    fn ended(&self) -> u64 {
        self.confirmed + self.superseded + self.divergent + self.undetermined + self.shed
    }
}

impl Add for Outcomes {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            confirmed: self.confirmed + other.confirmed,
            superseded: self.superseded + other.superseded,
            divergent: self.divergent + other.divergent,
            undetermined: self.undetermined + other.undetermined,
            shed: self.shed + other.shed,
            open: self.open + other.open,
        }
    }
}

/// An entry of the ledger.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
pub(super) struct Divergence {
    pub(super) key: String,
    pub(super) kind: String,
    pub(super) state: String,
    /// Wall-clock time, nanoseconds since 1970.
    pub(super) opened_at_unix_ns: i64,
    pub(super) confirmed_at_unix_ns: Option<i64>,
}

impl fmt::Display for Divergence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.state)
    }
}

#[derive(Deserialize)]
struct Page {
    divergences: Vec<Divergence>,
    next: Option<serde_json::Value>,
}

/// A comparator.
pub(super) struct Api {
    agent: ureq::Agent,
    address: SocketAddr,
}

impl Api {
    pub(super) fn new(address: SocketAddr) -> Self {
        let config = ureq::Agent::config_builder().timeout_global(Some(ANSWER_TIMEOUT)).build();
        Self { agent: config.new_agent(), address }
    }

    /// Where it is.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The figures so far.
    pub(super) fn summary(&self) -> Result<Summary, ApiError> {
        self.get("/v1/summary")
    }

    /// The whole ledger.
    pub(super) fn divergences(&self) -> Result<Vec<Divergence>, ApiError> {
        let mut all = Vec::new();
        let mut after = String::new();
        loop {
            let page: Page = self.get(&format!("/v1/divergences?limit={PAGE}{after}"))?;
            all.extend(page.divergences);
            after = match page.next {
                Some(serde_json::Value::String(cursor)) => format!("&after={cursor}"),
                Some(serde_json::Value::Number(cursor)) => format!("&after={cursor}"),
                _ => return Ok(all),
            };
        }
    }

    fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ApiError> {
        let url = format!("{}{path}", self.url());
        let answer = self.agent.get(&url).call().and_then(|mut response| response.body_mut().read_json());
        answer.map_err(|source| ApiError { url, source: Box::new(source) })
    }
}
