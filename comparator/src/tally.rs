//! What was counted, per check: for the summary and for Prometheus alike.

#[cfg(test)]
mod tests;
mod within;

pub(crate) use within::Share;

use crate::contract::{Contracts, MapId};
use crate::metrics;
use crate::table::Calibration;
use ::metrics::{Counter, Gauge, Histogram};
use counterfoil_judge::{Kind, Outcome, Reason, Verdict};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};
use within::Within;

/// Name of the map, and of the store, where events of maps without a contract are counted.
pub(crate) const OTHER: &str = "other";

/// Longest lag that is told apart, in microseconds: an hour.
const LAG_MAX_US: u64 = 3_600_000_000;

/// Names of the outcomes, in the order in which they are counted.
pub(crate) const OUTCOMES: [&str; 5] = ["confirmed", "superseded", "divergent", "undetermined", "shed"];

/// Places in that order.
const CONFIRMED: usize = 0;
const DIVERGENT: usize = 2;

const TURNS: [&str; 3] = ["opened", "confirmed", "resolved"];

/// A count that the process can read back, and its series.
struct Count {
    count: AtomicU64,
    series: Counter,
}

impl Count {
    fn new(series: Counter) -> Self {
        Self { count: AtomicU64::new(0), series }
    }

    fn add(&self, count: u64) {
        self.count.fetch_add(count, Ordering::Relaxed);
        self.series.increment(count);
    }

    fn get(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }
}

/// Counts of one check.
pub(crate) struct Tally {
    /// The map's name.
    pub(crate) map: String,
    /// The store's name.
    pub(crate) store: String,
    /// Whether it is that of the map's first store: what is counted once however many there are is counted here.
    pub(crate) is_first: bool,
    events: Count,
    looked_up: Count,
    within: Within,
    outcomes: Vec<Count>,
    /// Of those confirmed or divergent, how many told of values that the map held.
    held: AtomicU64,
    undetermined: Vec<Count>,
    verdicts: Vec<Count>,
    turns: Vec<Vec<Count>>,
    lag: Mutex<hdrhistogram::Histogram<u64>>,
    lag_series: Histogram,
    /// None where there is no contract.
    calibration: Vec<(Calibration, Gauge)>,
}

/// Quantiles of the lag, in milliseconds.
#[derive(Clone, Copy, PartialEq, Debug, serde::Serialize)]
pub(crate) struct Lag {
    /// Half of the confirmed writes were seen to agree within this.
    pub p50: f64,
    /// 95 of 100.
    pub p95: f64,
    /// 99 of 100.
    pub p99: f64,
    /// All.
    pub(crate) max: f64,
}

impl Tally {
    /// The contract may say a `deadline`, in nanoseconds.
    fn new(map: &str, store: &str, is_first: bool, deadline: Option<i64>) -> Self {
        let check @ [of_map, against] = [("map", map), ("store", store)];
        let counts =
            |labels: &[&str], metric: &'static counterfoil_telemetry::Metric, label: &'static str| {
                labels
                    .iter()
                    .map(|value| Count::new(metric.counter(&[of_map, against, (label, value)])))
                    .collect()
            };
        let reasons: Vec<_> = Reason::ALL.iter().map(|reason| reason.label()).collect();
        let kind_turns = |kind: &&str| {
            let series =
                |turn: &&str| metrics::TURNS.counter(&[of_map, against, ("kind", kind), ("turn", turn)]);
            TURNS.iter().map(|turn| Count::new(series(turn))).collect()
        };
        let in_state = |state: Calibration| {
            (state, metrics::CALIBRATION.gauge(&[of_map, against, ("state", state.label())]))
        };
        let tally = Self {
            map: map.to_owned(),
            store: store.to_owned(),
            is_first,
            events: Count::new(if is_first { metrics::EVENTS.counter(&[of_map]) } else { Counter::noop() }),
            looked_up: Count::new(metrics::MAP_READ_KEYS.counter(&check)),
            within: Within::new(check, deadline),
            outcomes: counts(&OUTCOMES, &metrics::OUTCOMES, "outcome"),
            held: AtomicU64::new(0),
            undetermined: counts(&reasons, &metrics::UNDETERMINED, "reason"),
            verdicts: counts(&Verdict::LABELS, &metrics::VERDICTS, "verdict"),
            turns: Kind::LABELS.iter().map(kind_turns).collect(),
            lag: Mutex::new(empty_histogram()),
            lag_series: metrics::LAG.histogram(&check),
            calibration: deadline.iter().flat_map(|_| Calibration::ALL).map(in_state).collect(),
        };
        tally.calibrated(Calibration::Calibrating);
        tally
    }

    /// Shows what is known of the form of values.
    pub(crate) fn calibrated(&self, now: Calibration) {
        self.calibration.iter().for_each(|(state, series)| series.set(f64::from(u8::from(*state == now))));
    }

    /// Counts accepted events.
    pub(crate) fn accepted(&self, count: u64) {
        self.events.add(count);
    }

    /// Counts keys of the map that were looked up in the store, each time anew.
    pub(crate) fn looked_up(&self, keys: u64) {
        self.looked_up.add(keys);
    }

    /// Counts an event that ended. One that told of a value that the map `held` says nothing about how long writes take.
    pub(crate) fn ended(&self, outcome: Outcome, held: bool) {
        if held && matches!(outcome, Outcome::Confirmed { .. } | Outcome::Divergent) {
            self.held.fetch_add(1, Ordering::Relaxed);
        }
        let (place, lag, reason) = match outcome {
            Outcome::Confirmed { lag } => (CONFIRMED, Some(lag).filter(|_| !held), None),
            Outcome::Superseded => (1, None, None),
            Outcome::Divergent => (DIVERGENT, None, None),
            Outcome::Undetermined(reason) => (3, None, Some(reason)),
            Outcome::Shed => (4, None, None),
        };
        add(&self.outcomes, Some(place));
        if let Some(reason) = reason {
            add(&self.undetermined, Reason::ALL.iter().position(|&other| other == reason));
        }
        if let Some(lag) = lag {
            self.within.confirmed(lag);
            let microseconds = u64::try_from(lag / 1_000).unwrap_or(0).clamp(1, LAG_MAX_US);
            self.lag_series.record(std::time::Duration::from_micros(microseconds).as_secs_f64());
            self.lag.lock().unwrap_or_else(PoisonError::into_inner).saturating_record(microseconds);
        }
    }

    /// Counts a verdict.
    pub(crate) fn judged(&self, verdict: &Verdict) {
        add(&self.verdicts, Verdict::LABELS.iter().position(|label| *label == verdict.label()));
    }

    /// Counts a turn of a divergence of some kind: `opened`, `confirmed` or `resolved`.
    pub(crate) fn turned(&self, kind: &str, turn: &str) {
        let kind = Kind::LABELS.iter().position(|label| *label == kind);
        if let Some(turns) = kind.and_then(|kind| self.turns.get(kind)) {
            add(turns, TURNS.iter().position(|label| *label == turn));
        }
    }

    /// Events accepted.
    #[must_use]
    pub(crate) fn events(&self) -> u64 {
        self.events.get()
    }

    /// Of the writes of which it is known whether they agreed in the end (confirmed or divergent), the share that was seen
    /// to agree within each age.
    #[must_use]
    pub(crate) fn within(&self) -> Vec<Share> {
        self.within.shares(|| {
            let held = self.held.load(Ordering::Relaxed);
            (self.ended_as(CONFIRMED) + self.ended_as(DIVERGENT)).saturating_sub(held)
        })
    }

    /// Keys looked up for each confirmed event; `None` before one was confirmed.
    #[must_use]
    pub(crate) fn reads_per_confirmed(&self) -> Option<f64> {
        let confirmed = self.ended_as(CONFIRMED);
        (confirmed > 0).then(|| self.looked_up.get() as f64 / confirmed as f64)
    }

    fn ended_as(&self, outcome: usize) -> u64 {
        self.outcomes.get(outcome).map_or(0, Count::get)
    }

    /// Events ended, in the order of [`OUTCOMES`].
    #[must_use]
    pub(crate) fn outcomes(&self) -> Vec<(&'static str, u64)> {
        OUTCOMES.into_iter().zip(self.outcomes.iter().map(Count::get)).collect()
    }

    /// Events that ended undetermined, by reason; reasons that did not occur are left out.
    #[must_use]
    pub(crate) fn undetermined(&self) -> Vec<(&'static str, u64)> {
        let counts =
            Reason::ALL.iter().map(|reason| reason.label()).zip(self.undetermined.iter().map(Count::get));
        counts.filter(|(_, count)| *count > 0).collect()
    }

    /// Verdicts by label.
    #[must_use]
    pub(crate) fn verdicts(&self) -> Vec<(&'static str, u64)> {
        Verdict::LABELS.into_iter().zip(self.verdicts.iter().map(Count::get)).collect()
    }

    /// Divergences opened, confirmed and resolved.
    #[must_use]
    pub(crate) fn turns(&self) -> Vec<(&'static str, u64)> {
        let sum = |turn: usize| self.turns.iter().filter_map(|turns| turns.get(turn)).map(Count::get).sum();
        TURNS.into_iter().enumerate().map(|(at, turn)| (turn, sum(at))).collect()
    }

    /// Quantiles of the lag; `None` before anything was confirmed.
    #[must_use]
    pub(crate) fn lag(&self) -> Option<Lag> {
        let lag = self.lag.lock().unwrap_or_else(PoisonError::into_inner);
        let ms = |quantile: f64| {
            std::time::Duration::from_micros(lag.value_at_quantile(quantile)).as_secs_f64() * 1e3
        };
        (!lag.is_empty()).then(|| Lag { p50: ms(0.5), p95: ms(0.95), p99: ms(0.99), max: ms(1.0) })
    }
}

fn add(counts: &[Count], at: Option<usize>) {
    if let Some(count) = at.and_then(|at| counts.get(at)) {
        count.add(1);
    }
}

/// Two significant digits up to an hour: about 20 KiB a map.
fn empty_histogram() -> hdrhistogram::Histogram<u64> {
    hdrhistogram::Histogram::new_with_bounds(1, LAG_MAX_US, 2).expect("the bounds are constants that fit")
}

/// The tallies of all checks, and one for maps without a contract.
pub(crate) struct Tallies(Vec<Tally>);

impl Tallies {
    /// All counts at 0, and their series in existence.
    #[must_use]
    pub(crate) fn new(contracts: &Contracts) -> Self {
        let of_contracts = contracts.iter().zip(0..).map(|(contract, id)| {
            let store = contracts.store_name(MapId(id)).unwrap_or(OTHER);
            Tally::new(&contract.name, store, contract.is_reported, Some(contract.terms.deadline))
        });
        Self(of_contracts.chain([Tally::new(OTHER, OTHER, true, None)]).collect())
    }

    /// The tally of a check; that of [`OTHER`] for a map that has no contract.
    #[must_use]
    pub(crate) fn of(&self, map: MapId) -> Option<&Tally> {
        self.0.get(map.index()).or(self.0.last())
    }

    /// The tally of the map of this name and the store of that name; of the map's first one if no store is named.
    #[must_use]
    pub(crate) fn named(&self, map: &str, store: Option<&str>) -> Option<&Tally> {
        let is_against = |tally: &Tally| store.map_or(tally.is_first, |store| tally.store == store);
        self.0.iter().find(|tally| tally.map == map && is_against(tally))
    }

    /// The tallies in the order of the contracts, [`OTHER`] last.
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &Tally> {
        self.0.iter()
    }
}
