//! What was counted, per check: for the summary and for Prometheus alike.

#[cfg(test)]
mod tests;

mod cohorts;
mod lag;
mod within;

pub(crate) use lag::Lag;
pub(crate) use within::Share;

use crate::contract::{Contract, Contracts, MapId, Severity};
use crate::gate;
use crate::metrics;
use crate::table::{Calibration, Ended};
use ::metrics::{Counter, Gauge};
use cohorts::Cohorts;
use counterfoil_judge::{Kind, Outcome, Reason, Shed, Verdict};
use lag::Lags;
use std::sync::atomic::{AtomicU64, Ordering};
use within::Within;

/// Name of the map, and of the store, where events of maps without a contract are counted.
pub(crate) const OTHER: &str = "other";

/// Names of the outcomes, in the order in which they are counted.
pub(crate) const OUTCOMES: [&str; 5] = ["confirmed", "superseded", "divergent", "undetermined", "shed"];

/// Places in that order.
const CONFIRMED: usize = 0;
const SUPERSEDED: usize = 1;
const DIVERGENT: usize = 2;
const UNDETERMINED: usize = 3;
const SHED: usize = 4;

const TURNS: [&str; 3] = ["opened", "confirmed", "resolved"];

/// What became of keys that were read twice in a row.
const TWICE: [&str; 2] = ["same", "differs"];

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
    /// How much its divergences matter.
    pub(crate) severity: Severity,
    events: Count,
    looked_up: Count,
    read_twice: Vec<Count>,
    within: Within,
    outcomes: Vec<Count>,
    /// Of those confirmed or divergent, how many told of values that the map held.
    held: AtomicU64,
    undetermined: Vec<Count>,
    shed: Vec<Count>,
    cohorts: Cohorts,
    verdicts: Vec<Count>,
    turns: Vec<Vec<Count>>,
    lags: Lags,
    /// None where there is no contract.
    calibration: Vec<(Calibration, Gauge)>,
}

impl Tally {
    /// The contract may say a `deadline`, in nanoseconds.
    fn new(map: &str, store: &str, is_first: bool, severity: Severity, deadline: Option<i64>) -> Self {
        let check @ [of_map, against] = [("map", map), ("store", store)];
        let counts =
            |labels: &[&str], metric: &'static counterfoil_telemetry::Metric, label: &'static str| {
                labels
                    .iter()
                    .map(|value| Count::new(metric.counter(&[of_map, against, (label, value)])))
                    .collect()
            };
        let reasons: Vec<_> = Reason::ALL.iter().map(|reason| reason.label()).collect();
        let shed: Vec<_> = Shed::ALL.iter().map(|reason| reason.label()).collect();
        let matters = ("severity", severity.label());
        let kind_turns = |kind: &&str| {
            let series = |turn: &&str| {
                metrics::TURNS.counter(&[of_map, against, ("kind", kind), ("turn", turn), matters])
            };
            TURNS.iter().map(|turn| Count::new(series(turn))).collect()
        };
        let in_state = |state: Calibration| {
            (state, metrics::CALIBRATION.gauge(&[of_map, against, ("state", state.label())]))
        };
        let tally = Self {
            map: map.to_owned(),
            store: store.to_owned(),
            is_first,
            severity,
            events: Count::new(if is_first { metrics::EVENTS.counter(&[of_map]) } else { Counter::noop() }),
            looked_up: Count::new(metrics::MAP_READ_KEYS.counter(&check)),
            read_twice: counts(&TWICE, &metrics::READ_TWICE, "result"),
            within: Within::new(check, deadline),
            outcomes: counts(&OUTCOMES, &metrics::OUTCOMES, "outcome"),
            held: AtomicU64::new(0),
            undetermined: counts(&reasons, &metrics::UNDETERMINED, "reason"),
            shed: counts(&shed, &metrics::SHED, "reason"),
            cohorts: Cohorts::default(),
            verdicts: counts(&Verdict::LABELS, &metrics::VERDICTS, "verdict"),
            turns: Kind::LABELS.iter().map(kind_turns).collect(),
            lags: Lags::new(&check),
            calibration: deadline.iter().flat_map(|_| Calibration::ALL).map(in_state).collect(),
        };
        tally.calibrated(Calibration::Calibrating);
        tally
    }

    fn of_contract(contract: &Contract, store: &str) -> Self {
        let Contract { name, is_reported, severity, terms, cohorts, .. } = contract;
        let tally = Self::new(name, store, *is_reported, *severity, Some(terms.deadline));
        Self { cohorts: Cohorts::new(cohorts, [("map", name), ("store", store)]), ..tally }
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

    /// Counts keys that were read twice in a row: those that said the same twice, and those that did not.
    pub(crate) fn read_twice(&self, same: u64, differing: u64) {
        self.read_twice.iter().zip([same, differing]).for_each(|(count, keys)| count.add(keys));
    }

    /// Counts events that ended together, also for their cohorts if the contract names any. One that told of a value that the map
    /// held says nothing about how long writes take.
    pub(crate) fn ended(&self, events: &[Ended]) {
        let (mut outcomes, mut lags) = ([0; OUTCOMES.len()], Vec::with_capacity(events.len()));
        for &Ended { outcome, held, marks, .. } in events {
            if held && matches!(outcome, Outcome::Confirmed { .. } | Outcome::Divergent) {
                self.held.fetch_add(1, Ordering::Relaxed);
            }
            match outcome {
                Outcome::Confirmed { lag } => lags.extend((!held).then_some(lag)),
                Outcome::Superseded | Outcome::Divergent => {}
                Outcome::Undetermined(reason) => {
                    add(&self.undetermined, Reason::ALL.iter().position(|&other| other == reason), 1);
                }
                Outcome::Shed(reason) => {
                    add(&self.shed, Shed::ALL.iter().position(|&other| other == reason), 1);
                }
            }
            self.cohorts.ended(marks.cohort, outcome);
            outcomes.get_mut(place(outcome)).into_iter().for_each(|count| *count += 1);
        }
        self.within.confirmed(&lags);
        self.lags.add(&lags);
        outcomes.into_iter().enumerate().for_each(|(at, count)| add(&self.outcomes, Some(at), count));
    }

    /// Counts so many verdicts that have this label.
    pub(crate) fn judged(&self, label: &str, verdicts: usize) {
        let at = Verdict::LABELS.iter().position(|other| *other == label);
        add(&self.verdicts, at, verdicts as u64);
    }

    /// Counts a turn of a divergence of some kind: `opened`, `confirmed` or `resolved`. The trace of the write becomes the
    /// exemplar of the count.
    pub(crate) fn turned(&self, kind: &str, turn: &str, trace_id: Option<[u8; 16]>) {
        let at = Kind::LABELS.iter().position(|label| *label == kind);
        let turns = at.and_then(|kind| self.turns.get(kind));
        let count = turns.zip(TURNS.iter().position(|label| *label == turn));
        let Some(count) = count.and_then(|(turns, turn)| turns.get(turn)) else { return };
        count.add(1);
        if let Some(trace_id) = trace_id {
            let (check, severity) = ([("map", &*self.map), ("store", &*self.store)], self.severity.label());
            let [map, store] = check;
            let labels = [map, store, ("kind", kind), ("turn", turn), ("severity", severity)];
            metrics::TURNS.exemplify(&labels, trace_id);
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

    /// Keys that were looked up in the store, each time anew.
    #[must_use]
    pub(crate) fn keys_looked_up(&self) -> u64 {
        self.looked_up.get()
    }

    /// Keys looked up for each confirmed event; `None` before one was confirmed.
    #[must_use]
    pub(crate) fn reads_per_confirmed(&self) -> Option<f64> {
        let confirmed = self.ended_as(CONFIRMED);
        (confirmed > 0).then(|| self.keys_looked_up() as f64 / confirmed as f64)
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
        some(Reason::ALL.iter().map(|reason| reason.label()), &self.undetermined)
    }

    /// Events that were left out, by reason; reasons that did not occur are left out.
    #[must_use]
    pub(crate) fn shed(&self) -> Vec<(&'static str, u64)> {
        some(Shed::ALL.iter().map(|reason| reason.label()), &self.shed)
    }

    /// Events ended, by the cohorts that the contract names, in the order of [`OUTCOMES`].
    pub(crate) fn cohorts(&self) -> impl Iterator<Item = (&str, Vec<(&'static str, u64)>)> {
        self.cohorts.outcomes()
    }

    /// Of the events that ended and were to be checked, the share of which it is known whether they agreed; `None` before
    /// one ended. What the contract's sample leaves out was not to be checked.
    #[must_use]
    pub(crate) fn coverage(&self) -> Option<f64> {
        let known = self.ended_as(CONFIRMED) + self.ended_as(DIVERGENT);
        let left_out = self.left_out();
        let ended: u64 = self.outcomes.iter().map(Count::get).sum();
        // The counts are not read at one instant.
        let to_be_checked = ended.saturating_sub(left_out);
        (to_be_checked > 0).then(|| known as f64 / to_be_checked as f64)
    }

    /// How events ended, as the gate counts: of each cohort that the contract names and of the others, or of all together where
    /// it names none.
    #[must_use]
    pub(crate) fn ended_by_cohort(&self) -> Vec<gate::Ended> {
        let cohorts: Vec<_> = self.cohorts.ended_each().collect();
        if cohorts.is_empty() { vec![ended(&self.outcomes, self.left_out())] } else { cohorts }
    }

    /// Events outside the contract's sample.
    fn left_out(&self) -> u64 {
        let sampled = Shed::ALL.iter().position(|&reason| reason == Shed::Sampled);
        sampled.and_then(|at| self.shed.get(at)).map_or(0, Count::get)
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
        self.lags.quantiles()
    }
}

/// The place of an outcome in [`OUTCOMES`].
const fn place(outcome: Outcome) -> usize {
    match outcome {
        Outcome::Confirmed { .. } => CONFIRMED,
        Outcome::Superseded => SUPERSEDED,
        Outcome::Divergent => DIVERGENT,
        Outcome::Undetermined(_) => UNDETERMINED,
        Outcome::Shed(_) => SHED,
    }
}

/// As the gate counts, of counts in the order of [`OUTCOMES`]; so many of those shed are outside the sample.
fn ended(outcomes: &[Count], left_out: u64) -> gate::Ended {
    let of = |place: usize| outcomes.get(place).map_or(0, Count::get);
    gate::Ended {
        confirmed: of(CONFIRMED),
        divergent: of(DIVERGENT),
        superseded: of(SUPERSEDED),
        // The counts are not read at one instant.
        unknown: of(UNDETERMINED) + of(SHED).saturating_sub(left_out),
    }
}

/// The counts that are not 0.
fn some(labels: impl Iterator<Item = &'static str>, counts: &[Count]) -> Vec<(&'static str, u64)> {
    labels.zip(counts.iter().map(Count::get)).filter(|(_, count)| *count > 0).collect()
}

fn add(counts: &[Count], at: Option<usize>, more: u64) {
    if let Some(count) = at.and_then(|at| counts.get(at)).filter(|_| more > 0) {
        count.add(more);
    }
}

/// The tallies of all checks, and one for maps without a contract.
pub(crate) struct Tallies(Vec<Tally>);

impl Tallies {
    /// All counts at 0, and their series in existence.
    #[must_use]
    pub(crate) fn new(contracts: &Contracts) -> Self {
        let of_contracts = contracts.iter().zip(0..).map(|(contract, id)| {
            let store = contracts.store_name(MapId(id)).unwrap_or(OTHER);
            Tally::of_contract(contract, store)
        });
        Self(of_contracts.chain([Tally::new(OTHER, OTHER, true, Severity::default(), None)]).collect())
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
