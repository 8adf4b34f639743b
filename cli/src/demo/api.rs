//! The comparator's HTTP interface, used as anybody would use it.

use super::report::Percentiles;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
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

/// One map's figures.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct MapSummary {
    pub(super) outcomes: Outcomes,
    /// `None` before an event ended.
    pub(super) coverage: Option<f64>,
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
        self.confirmed + self.superseded + self.divergent + self.undetermined + self.shed + self.open
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

    /// The whole ledger of `map`.
    pub(super) fn divergences(&self, map: &str) -> Result<Vec<Divergence>, ApiError> {
        let mut all = Vec::new();
        let mut after = String::new();
        loop {
            let page: Page = self.get(&format!("/v1/divergences?map={map}&limit={PAGE}{after}"))?;
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
