//! The worker: carries out what is approved, has repaired keys read again, and minds the breakers.

use super::row::{Repair, RepairState};
use super::{COMPARATOR, Repairs, Terms};
use crate::ledger::LedgerError;
use crate::metrics;
use counterfoil_clock::now;
use counterfoil_judge::Time;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

/// From one look at the book to the next.
const TICK: Duration = Duration::from_millis(250);

/// From one look at what came of repairs, and at what automatic maps want, to the next, in ticks.
const MIND_EVERY: u32 = 4;

/// Repairs that are carried out at a time.
const AT_A_TIME: usize = 8;

/// Repairs that are looked at to find those that may be carried out now.
const WAITING_MAX: u32 = 1_000;

/// A minute, in nanoseconds.
const MINUTE_NS: i64 = 60_000_000_000;

/// What the worker remembers of a map.
#[derive(Default)]
struct OfMap {
    /// When repairs were begun in the last minute.
    begun: VecDeque<Time>,
    /// The fewest confirmed divergences since the first of these; `None` while the map is not repaired.
    open_min: Option<u64>,
}

impl OfMap {
    /// Lets go of what was begun more than a minute before `now`.
    fn forget(&mut self, now: Time) {
        self.begun.retain(|begun| now.since(*begun) < MINUTE_NS);
    }

    /// The fewest confirmed divergences while the map is repaired, of which there are `open` now; those where it is not.
    fn fewest(&mut self, open: u64, now: Time) -> u64 {
        self.forget(now);
        let fewest = self.open_min.map_or(open, |fewest| fewest.min(open));
        self.open_min = (!self.begun.is_empty()).then_some(fewest);
        self.open_min.unwrap_or(open)
    }
}

/// Carries out.
pub(crate) struct Worker {
    repairs: Arc<Repairs>,
    maps: HashMap<Arc<str>, OfMap>,
}

impl Worker {
    pub(crate) fn new(repairs: Arc<Repairs>) -> Self {
        let maps = repairs.maps.keys().map(|name| (name.clone(), OfMap::default())).collect();
        for map in repairs.maps.keys() {
            make_series(map);
        }
        Self { repairs, maps }
    }

    /// Runs until `stop`; what is under way then is looked at again in the next life.
    pub(crate) async fn run(mut self, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(TICK);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut count = 0_u32;
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            let is_to_mind = count.is_multiple_of(MIND_EVERY);
            count = count.wrapping_add(1);
            if let Some(Err(error)) = stop.run_until_cancelled(self.tick(is_to_mind)).await {
                tracing::error!(%error, "repairs are not carried out: the ledger cannot be written");
            }
        }
    }

    async fn tick(&mut self, is_to_mind: bool) -> Result<(), LedgerError> {
        if is_to_mind {
            self.follow().await?;
            self.mind_breakers().await?;
            self.approve_automatic().await?;
            self.repairs.book.forget_former().await?;
        }
        let waiting = self.repairs.book.waiting(WAITING_MAX).await?;
        let may = self.those_that_may(waiting).await?;
        self.carry_all(may).await
    }

    /// Those that may be carried out now: of maps whose breaker is closed, and within their rate.
    async fn those_that_may(&mut self, waiting: Vec<Repair>) -> Result<Vec<Repair>, LedgerError> {
        let breakers = self.repairs.book.breakers().await?;
        let is_open = |map: &str| breakers.iter().any(|breaker| breaker.map == map && breaker.why.is_some());
        let now = now();
        let mut may = Vec::new();
        let waiting = self.repairs.ours(waiting);
        for repair in waiting {
            let terms = self.repairs.maps.get(repair.map.as_str());
            let is_due = self.repairs.retries.is_due(&repair.id, now);
            if is_open(&repair.map) || !is_due || may.len() >= AT_A_TIME {
                continue;
            }
            let rate = terms.map_or(usize::MAX, |terms| terms.rate_per_minute_max);
            let of_map = self.maps.entry(repair.map.as_str().into()).or_default();
            of_map.forget(now);
            if of_map.begun.len() < rate {
                of_map.begun.push_back(now);
                may.push(repair);
            }
        }
        Ok(may)
    }

    async fn carry_all(&self, repairs: Vec<Repair>) -> Result<(), LedgerError> {
        let mut tasks = JoinSet::new();
        for repair in repairs {
            let all = Arc::clone(&self.repairs);
            tasks.spawn(async move {
                let come = all.carry(&repair).await?;
                if let Some(state) = come {
                    note(&repair, state);
                }
                if let (Some(RepairState::Applied), Some(terms)) = (come, all.maps.get(repair.map.as_str())) {
                    all.look_now(terms, &repair);
                }
                Ok::<_, LedgerError>(())
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.map_err(|_| LedgerError::Stopped)??;
        }
        Ok(())
    }

    /// Notes what was seen of repaired divergences since.
    async fn follow(&self) -> Result<(), LedgerError> {
        for (repair, state) in self.repairs.book.follow().await? {
            note(&repair, state);
        }
        Ok(())
    }

    async fn mind_breakers(&mut self) -> Result<(), LedgerError> {
        for terms in self.repairs.maps.values() {
            let mut counts = self.repairs.book.counts(&terms.name).await?;
            let of_map = self.maps.entry(terms.name.clone()).or_default();
            counts.open_min = of_map.fewest(counts.open, now());
            let why = terms.breaker.opens(&counts);
            if why.is_some() && self.repairs.book.set_breaker(&terms.name, why.clone(), COMPARATOR).await? {
                tracing::error!(
                    map = &*terms.name,
                    why,
                    "repairs of the map stop; look at why, then `counterfoil repair breaker close --map`"
                );
            }
            let is_open = self.repairs.book.breaker(&terms.name).await?.is_some();
            if is_open {
                // What it is once somebody closed it is what a rise is held against then.
                of_map.open_min = None;
            }
            metrics::REPAIR_BREAKER.gauge(&[("map", &terms.name)]).set(if is_open { 1.0 } else { 0.0 });
        }
        Ok(())
    }

    async fn approve_automatic(&self) -> Result<(), LedgerError> {
        let is_automatic = |terms: &&Terms| terms.is_automatic;
        for terms in self.repairs.maps.values().filter(is_automatic) {
            if self.repairs.book.breaker(&terms.name).await?.is_some() {
                continue;
            }
            for approval in self.repairs.plan_automatic(terms).await? {
                self.repairs.approve(COMPARATOR, approval).await?;
            }
        }
        Ok(())
    }
}

/// Counts and logs what a repair came to.
fn note(repair: &Repair, state: RepairState) {
    metrics::REPAIRS.counter(&[("map", &repair.map), ("result", state.as_str())]).increment(1);
    tracing::info!(repair = repair.id, map = repair.map, kind = repair.kind, "repair {}", state.as_str());
}

/// So that a rate has something to begin with.
fn make_series(map: &str) {
    for state in RepairState::ALL {
        if !matches!(state, RepairState::Approved | RepairState::Applying) {
            metrics::REPAIRS.counter(&[("map", map), ("result", state.as_str())]).increment(0);
        }
    }
    metrics::REPAIR_BREAKER.gauge(&[("map", map)]).set(0.0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rise_is_held_against_the_fewest_divergences_of_the_minute_in_which_the_map_is_repaired() {
        let mut of_map = OfMap::default();
        assert_eq!(of_map.fewest(7, Time(0)), 7);
        of_map.begun.push_back(Time(0));
        let seen: Vec<_> = [(9, 1), (4, 2), (30, 3), (30, MINUTE_NS), (31, MINUTE_NS + 1)]
            .into_iter()
            .map(|(open, at)| of_map.fewest(open, Time(at)))
            .collect();
        assert_eq!(seen, [9, 4, 4, 30, 31], "a minute later nothing is repaired any more");
    }
}
