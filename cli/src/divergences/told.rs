//! What a comparator tells of divergences, as far as it is shown to people.

use serde::Deserialize;
use serde_json::Value;

/// A page of them.
#[derive(Deserialize)]
pub(super) struct Page {
    pub(super) divergences: Vec<Value>,
    /// What to ask for next; `None` on the last page.
    pub(super) next: Option<i64>,
}

/// How often a divergence changed.
#[derive(Deserialize)]
pub(super) struct Revised {
    pub(super) revision: u32,
}

/// One divergence.
#[derive(Deserialize)]
pub(super) struct Told {
    pub(super) id: String,
    pub(super) map: String,
    pub(super) store: Option<String>,
    pub(super) key: String,
    pub(super) kind: String,
    pub(super) severity: Option<String>,
    pub(super) state: String,
    pub(super) times: u32,
    pub(super) revision: u32,
    pub(super) source: String,
    pub(super) seq: u64,
    pub(super) age_ms: i64,
    pub(super) opened_at_unix_ns: i64,
    pub(super) confirmed_at_unix_ns: Option<i64>,
    pub(super) resolved_at_unix_ns: Option<i64>,
    pub(super) resolved_how: Option<String>,
    pub(super) store_digest: String,
    pub(super) map_digest: String,
    pub(super) trace_id: Option<String>,
    pub(super) fields: Option<Vec<String>>,
    pub(super) acted: Option<Acted>,
    #[serde(default)]
    pub(super) history: Vec<Entry>,
    #[serde(default)]
    pub(super) history_dropped: u32,
}

/// What somebody did about it.
#[derive(Deserialize)]
pub(super) struct Acted {
    pub(super) what: String,
    pub(super) by: String,
    pub(super) why: String,
    pub(super) at_unix_ns: i64,
    pub(super) until_unix_ns: Option<i64>,
}

/// One thing that happened to it.
#[derive(Deserialize)]
pub(super) struct Entry {
    pub(super) revision: u32,
    pub(super) at_unix_ns: i64,
    pub(super) what: String,
    pub(super) by: Option<String>,
    pub(super) why: Option<String>,
}
