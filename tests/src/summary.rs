//! What the comparator says about a run, and the promise that its sums balance.

use serde::Deserialize;
use std::collections::BTreeMap;

/// `GET /v1/summary`.
#[derive(Clone, Debug, Deserialize)]
pub struct Summary {
    /// By name.
    pub maps: BTreeMap<String, MapSummary>,
    /// Counts of divergences.
    pub divergences: Divergences,
    /// Events taken in.
    pub accepted: u64,
    /// Events declared lost.
    pub lost: u64,
}

/// One map of the summary.
#[derive(Clone, Debug, Deserialize)]
pub struct MapSummary {
    /// Events taken in.
    pub events: u64,
    /// How they ended.
    pub outcomes: Outcomes,
    /// Undetermined events by reason.
    #[serde(default)]
    pub undetermined: BTreeMap<String, u64>,
    /// Verdicts by kind.
    #[serde(default)]
    pub verdicts: BTreeMap<String, u64>,
}

/// How events ended, and how many have not.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
pub struct Outcomes {
    /// The store was seen to agree.
    pub confirmed: u64,
    /// A later write came first.
    pub superseded: u64,
    /// Named by a confirmed divergence.
    pub divergent: u64,
    /// Nobody could tell.
    pub undetermined: u64,
    /// Left out on purpose.
    pub shed: u64,
    /// Without an outcome so far.
    pub open: u64,
}

impl Outcomes {
    /// All of them.
    #[must_use]
    pub fn sum(&self) -> u64 {
        self.confirmed + self.superseded + self.divergent + self.undetermined + self.shed + self.open
    }
}

/// Counts of divergences since the start.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub struct Divergences {
    /// Seen once.
    pub opened: u64,
    /// Seen to last.
    pub confirmed: u64,
    /// Seen to end.
    pub resolved: u64,
}

impl Summary {
    /// The comparator's summary.
    ///
    /// # Panics
    ///
    /// If it cannot be had or has another shape.
    #[must_use]
    pub fn of(http: u16) -> Self {
        let json = crate::http::json(http, "/v1/summary");
        serde_json::from_value(json.clone()).unwrap_or_else(|error| panic!("/v1/summary: {error} in {json}"))
    }

    /// The outcomes of one map.
    ///
    /// # Panics
    ///
    /// If the summary does not have the map.
    #[must_use]
    pub fn outcomes(&self, map: &str) -> Outcomes {
        self.maps.get(map).unwrap_or_else(|| panic!("no map {map} in {self:?}")).outcomes
    }

    /// Events without an outcome, over all maps.
    #[must_use]
    pub fn open(&self) -> u64 {
        self.maps.values().map(|map| map.outcomes.open).sum()
    }

    /// Whether each accepted event has exactly one outcome or is open, for every map and over all.
    #[must_use]
    pub fn is_balanced(&self) -> bool {
        let events: u64 = self.maps.values().map(|map| map.events).sum();
        self.accepted == events && self.maps.values().all(|map| map.events == map.outcomes.sum())
    }

    /// Holds the comparator to that.
    ///
    /// # Panics
    ///
    /// If the sums do not balance.
    pub fn assert_balanced(&self) {
        assert!(self.is_balanced(), "outcomes do not add up: {self:#?}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn summary(outcomes: &str, accepted: u64) -> Summary {
        let text = format!(
            r#"{{"maps": {{"cart": {{"events": 21, "outcomes": {outcomes}}}}},
            "divergences": {{"opened": 0, "confirmed": 0, "resolved": 0}}, "accepted": {accepted}, "lost": 0}}"#
        );
        serde_json::from_str(&text).expect("a summary")
    }

    #[test]
    fn outcomes_that_add_up_pass() {
        let all = r#"{"confirmed":1,"superseded":2,"divergent":3,"undetermined":4,"shed":5,"open":6}"#;
        let summary = summary(all, 21);
        summary.assert_balanced();
        assert_eq!(summary.open(), 6);
    }

    #[test]
    #[should_panic(expected = "do not add up")]
    fn an_event_that_ended_twice_or_never_is_caught() {
        let one_short = r#"{"confirmed":1,"superseded":2,"divergent":3,"undetermined":4,"shed":5,"open":5}"#;
        summary(one_short, 21).assert_balanced();
    }
}
