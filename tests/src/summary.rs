//! What the comparator says about a run, and the promise that its sums balance.

use serde::Deserialize;
use std::collections::BTreeMap;

/// `GET /v1/summary`.
#[derive(Clone, Debug, Deserialize)]
pub struct Summary {
    /// By name.
    pub maps: BTreeMap<String, MapSummary>,
    /// How the stores are.
    #[serde(default)]
    pub stores: Vec<StoreSummary>,
    /// How far the sweep has come, by the store's name.
    #[serde(default)]
    pub sweep: serde_json::Value,
    /// Counts of divergences.
    pub divergences: Divergences,
    /// Events taken in.
    pub accepted: u64,
    /// Events declared lost.
    pub lost: u64,
}

/// One store of the summary.
#[derive(Clone, Debug, Deserialize)]
pub struct StoreSummary {
    /// Its name.
    pub name: String,
    /// `healthy`, `slow`, `refusing` or `down`.
    pub state: String,
    /// Why it is refusing or down; `None` while it is not.
    pub reason: Option<String>,
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
    /// How soon writes were seen to agree; `None` where the comparator does not say.
    pub within: Option<Vec<Within>>,
    /// Keys looked up for each confirmed event; `None` before one was confirmed.
    pub reads_per_confirmed: Option<f64>,
}

/// How many writes were seen to agree within one age.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Within {
    /// Name of the age: `1s`, `10s`, `1m`, `5m` or `deadline`.
    pub age: String,
    /// The age in milliseconds; `None` for the deadline where there is no contract.
    pub age_ms: Option<u64>,
    /// Of confirmed and divergent writes, those that agreed within it; `None` before there is one.
    pub share: Option<f64>,
    /// −log10(1 − share), at most 9; `None` as above.
    pub nines: Option<f64>,
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
        Self::read(crate::http::json(http, "/v1/summary"))
    }

    /// The summary that this document is.
    ///
    /// # Panics
    ///
    /// If it has another shape.
    #[must_use]
    pub fn read(json: serde_json::Value) -> Self {
        serde_json::from_value(json.clone()).unwrap_or_else(|error| panic!("/v1/summary: {error} in {json}"))
    }

    /// The outcomes of one map.
    ///
    /// # Panics
    ///
    /// If the summary does not have the map.
    #[must_use]
    pub fn outcomes(&self, map: &str) -> Outcomes {
        self.map(map).outcomes
    }

    /// How many writes of one map were seen to agree within the age of this name.
    ///
    /// # Panics
    ///
    /// If the summary does not have the map, or the map does not have the age.
    #[must_use]
    pub fn within(&self, map: &str, age: &str) -> &Within {
        let found = self.map(map).within.iter().flatten().find(|within| within.age == age);
        found.unwrap_or_else(|| panic!("no age {age} of map {map} in {self:?}"))
    }

    /// Keys looked up for each confirmed event of one map.
    ///
    /// # Panics
    ///
    /// If the summary does not have the map, or nothing of it was confirmed.
    #[must_use]
    pub fn reads_per_confirmed(&self, map: &str) -> f64 {
        let reads = self.map(map).reads_per_confirmed;
        reads.unwrap_or_else(|| panic!("no reads per confirmed event of map {map} in {self:?}"))
    }

    fn map(&self, map: &str) -> &MapSummary {
        self.maps.get(map).unwrap_or_else(|| panic!("no map {map} in {self:?}"))
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

    const ALL: &str = r#"{"confirmed":1,"superseded":2,"divergent":3,"undetermined":4,"shed":5,"open":6}"#;

    /// What `more` says of the map stands behind its outcomes.
    fn summary_with(outcomes: &str, accepted: u64, more: &str) -> Summary {
        let text = format!(
            r#"{{"maps": {{"cart": {{"events": 21, "outcomes": {outcomes}{more}}}}},
            "divergences": {{"opened": 0, "confirmed": 0, "resolved": 0}}, "accepted": {accepted}, "lost": 0}}"#
        );
        serde_json::from_str(&text).expect("a summary")
    }

    fn summary(outcomes: &str, accepted: u64) -> Summary {
        summary_with(outcomes, accepted, "")
    }

    #[test]
    fn outcomes_that_add_up_pass() {
        let summary = summary(ALL, 21);
        summary.assert_balanced();
        assert_eq!(summary.open(), 6);
    }

    #[test]
    #[should_panic(expected = "do not add up")]
    fn an_event_that_ended_twice_or_never_is_caught() {
        let one_short = r#"{"confirmed":1,"superseded":2,"divergent":3,"undetermined":4,"shed":5,"open":5}"#;
        summary(one_short, 21).assert_balanced();
    }

    #[test]
    fn ages_are_found_by_name() {
        let more = r#", "reads_per_confirmed": 1.5, "within": [
            {"age": "1s", "age_ms": 1000, "share": 0.9, "nines": 1.0},
            {"age": "deadline", "age_ms": null, "share": null, "nines": null}]"#;
        let summary = summary_with(ALL, 21, more);
        let first = Within { age: "1s".into(), age_ms: Some(1000), share: Some(0.9), nines: Some(1.0) };
        assert_eq!(*summary.within("cart", "1s"), first);
        assert_eq!(summary.within("cart", "deadline").share, None);
        assert!((summary.reads_per_confirmed("cart") - 1.5).abs() < 1e-9);
    }

    #[test]
    #[should_panic(expected = "no age 1s of map cart")]
    fn an_age_that_is_not_told_is_missed_where_it_is_used() {
        let _within = summary(ALL, 21).within("cart", "1s").share;
    }

    #[test]
    #[should_panic(expected = "no reads per confirmed event of map cart")]
    fn reads_that_are_not_told_are_missed_where_they_are_used() {
        let _reads = summary(ALL, 21).reads_per_confirmed("cart");
    }
}
