//! How soon writes were seen to agree: "N nines of writes within T". Counted exactly, not read off a histogram, because
//! nines are about the few that are missing.

use super::Count;
use crate::metrics;
use serde::Serialize;

/// Name of the age that each contract says for itself.
const DEADLINE: &str = "deadline";

/// The ages that are the same for all maps, in nanoseconds.
const AGES: [(&str, i64); 4] =
    [("1s", 1_000_000_000), ("10s", 10_000_000_000), ("1m", 60_000_000_000), ("5m", 300_000_000_000)];

/// Nines beyond this are not told apart: nobody has seen that many writes.
const NINES_MAX: f64 = 9.0;

/// Counts of the writes that were seen to agree within each age.
pub(super) struct Within(Vec<Age>);

struct Age {
    label: &'static str,
    /// In nanoseconds; `None` for the deadline of a map that has no contract, where nothing is ever confirmed.
    age: Option<i64>,
    count: Count,
}

/// How many writes agreed within one age, in the API.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub(crate) struct Share {
    /// Name of the age: 1s, 10s, 1m, 5m or deadline.
    pub(crate) age: &'static str,
    /// The age in milliseconds; `null` for the deadline of a map that has no contract.
    pub(crate) age_ms: Option<i64>,
    /// Of the writes of which it is known whether they agreed in the end, those seen to agree within the age; `null` before
    /// there is one.
    pub(crate) share: Option<f64>,
    /// −log10(1 − share), at most 9; `null` as above.
    pub(crate) nines: Option<f64>,
}

impl Within {
    /// All counts at 0 and their series, with these labels, in existence; `deadline` in nanoseconds.
    pub(super) fn new([map, store]: [(&'static str, &str); 2], deadline: Option<i64>) -> Self {
        let ages = AGES.map(|(label, age)| (label, Some(age))).into_iter().chain([(DEADLINE, deadline)]);
        let counted = ages.map(|(label, age)| {
            let count = Count::new(metrics::WITHIN.counter(&[map, store, ("age", label)]));
            Age { label, age, count }
        });
        Self(counted.collect())
    }

    /// Counts writes that were seen to agree so many nanoseconds after them.
    pub(super) fn confirmed(&self, lags: &[i64]) {
        for it in &self.0 {
            let is_within = |lag: &&i64| it.age.is_some_and(|age| **lag <= age);
            it.count.add(lags.iter().filter(is_within).count() as u64);
        }
    }

    /// The share of each age among as many writes as `known` gives. It is asked after the counts were read, so that writes
    /// counted meanwhile make no share greater than 1.
    pub(super) fn shares(&self, known: impl FnOnce() -> u64) -> Vec<Share> {
        let counts: Vec<_> = self.0.iter().map(|it| it.count.get()).collect();
        let known = known();
        self.0.iter().zip(counts).map(|(it, count)| it.share(count, known)).collect()
    }
}

impl Age {
    fn share(&self, count: u64, known: u64) -> Share {
        let missing = known.saturating_sub(count);
        let of_known = |part: u64| (known > 0).then(|| part as f64 / known as f64);
        Share {
            age: self.label,
            age_ms: self.age.map(|age| age / 1_000_000),
            share: of_known(known - missing),
            nines: of_known(missing).map(nines),
        }
    }
}

/// The nines of a share from what is missing to it; this way round, what floating point cuts off is small.
fn nines(missing: f64) -> f64 {
    missing.recip().log10().min(NINES_MAX)
}
