//! What the comparator says of itself over HTTP.

use counterfoil_tests::http;
use counterfoil_tests::summary::Summary;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;

/// Divergences asked for at a time.
const PAGE_ROWS: u32 = 500;

/// One source of `GET /v1/sources`.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct SourceTold {
    pub(crate) source: String,
    pub(crate) next_seq: u64,
    pub(crate) accepted: u64,
    pub(crate) lost: BTreeMap<String, u64>,
    pub(crate) undeclared: u64,
}

impl SourceTold {
    /// Numbers declared lost, for whatever reason.
    pub(crate) fn declared_lost(&self) -> u64 {
        self.lost.values().sum()
    }

    /// The first number that these figures speak of; `None` if they speak of more numbers than there are.
    pub(crate) fn first(&self) -> Option<u64> {
        self.next_seq.checked_sub(self.accepted + self.declared_lost() + self.undeclared)
    }
}

/// One divergence of `GET /v1/divergences`.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Divergence {
    pub(crate) id: String,
    pub(crate) key: String,
    pub(crate) kind: String,
    /// How often it was opened.
    pub(crate) times: u32,
    pub(crate) opened_at_unix_ns: i64,
    pub(crate) confirmed_at_unix_ns: Option<i64>,
    pub(crate) resolved_how: Option<String>,
}

impl Divergence {
    /// A later write of the key took its place before it was confirmed: what the store held while that write was under way is
    /// told of the write before.
    pub(crate) fn was_superseded(&self) -> bool {
        self.confirmed_at_unix_ns.is_none() && self.resolved_how.as_deref() == Some("superseded")
    }
}

/// What one life of the comparator process said last.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    pub(crate) sources: Vec<SourceTold>,
    pub(crate) summary: Summary,
}

impl Life {
    /// Asks the comparator at `port`.
    pub(crate) fn of(port: u16) -> Result<Self, String> {
        Ok(Self { sources: sources(port)?, summary: ask(port, "/v1/summary")? })
    }

    /// Events that ended undetermined, over all maps.
    pub(crate) fn undetermined(&self) -> u64 {
        self.summary.maps.values().map(|map| map.outcomes.undetermined).sum()
    }

    /// Numbers declared lost, over all sources.
    pub(crate) fn declared_lost(&self) -> u64 {
        self.sources.iter().map(SourceTold::declared_lost).sum()
    }

    /// Events that were applied to the key table, over all maps.
    pub(crate) fn applied(&self) -> u64 {
        self.summary.maps.values().map(|map| map.events).sum()
    }
}

/// The sources that the comparator at `port` knows.
pub(crate) fn sources(port: u16) -> Result<Vec<SourceTold>, String> {
    #[derive(Deserialize)]
    struct Page {
        sources: Vec<SourceTold>,
    }
    Ok(ask::<Page>(port, "/v1/sources")?.sources)
}

/// Every divergence that the comparator at `port` has in its ledger.
pub(crate) fn divergences(port: u16) -> Result<Vec<Divergence>, String> {
    #[derive(Deserialize)]
    struct Page {
        divergences: Vec<Divergence>,
        next: Option<i64>,
    }
    let mut all = Vec::new();
    let mut after = String::new();
    loop {
        let page: Page = ask(port, &format!("/v1/divergences?limit={PAGE_ROWS}{after}"))?;
        all.extend(page.divergences);
        match page.next {
            None => return Ok(all),
            Some(cursor) => after = format!("&after={cursor}"),
        }
    }
}

fn ask<T: DeserializeOwned>(port: u16, path: &str) -> Result<T, String> {
    let (status, body) = http::get(port, path).map_err(|error| format!("GET {path}: {error}"))?;
    if status != 200 {
        return Err(format!("GET {path}: {status} {body}"));
    }
    serde_json::from_str(&body).map_err(|error| format!("GET {path}: {error} in {body}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_figures_of_a_source_begin_where_their_sum_ends() {
        let lost = BTreeMap::from([("ring_full".to_owned(), 3), ("sidecar".to_owned(), 2)]);
        let told = SourceTold { next_seq: 100, accepted: 60, lost, undeclared: 5, ..Default::default() };
        assert_eq!(told.first(), Some(30));
        assert_eq!(SourceTold { accepted: 96, ..told }.first(), None, "more than there are");
    }
}
