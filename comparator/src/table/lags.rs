//! How long after a write its key is first probed: learned per map, so that most checks need one read.

use super::MapId;
use crate::config::Probing;
use counterfoil_judge::Terms;
use std::sync::atomic::{AtomicI64, Ordering};

/// The first probe shall come too early for one write in this many: it sits at the 95th percentile of the lag.
const EARLY_IN: i64 = 20;

/// How strongly one observation moves the delay: by a fifth of it, when it came too early.
const STEP_IN: i64 = 5;

/// The delay of each map's first probe, in nanoseconds.
///
/// A stochastic approximation of a quantile (Robbins & Monro 1951): a first probe that came too early lengthens the delay,
/// one that did not shortens it by a nineteenth of that, so it rests where one in twenty comes too early. It costs one
/// number per map and no memory of past lags.
pub(super) struct Lags(Box<[AtomicI64]>);

impl Lags {
    pub(super) fn new(maps: usize, probing: &Probing) -> Self {
        Self((0..maps).map(|_| AtomicI64::new(probing.first_delay)).collect())
    }

    /// From the time at which a write of `map` may be expected in the store to the first probe.
    pub(super) fn delay(&self, map: MapId) -> i64 {
        self.0.get(map.index()).map_or(0, |delay| delay.load(Ordering::Relaxed))
    }

    /// Learns from a first probe whether it `agreed` with a write. The delay stays between the configured one and half of
    /// the contract's deadline. Two that learn at once may lose one step, which does no harm.
    pub(super) fn learn(&self, map: MapId, agreed: bool, terms: &Terms, probing: &Probing) {
        let Some(delay) = self.0.get(map.index()) else { return };
        let now = delay.load(Ordering::Relaxed);
        let step = now / STEP_IN + 1;
        let next = if agreed { now - step / (EARLY_IN - 1) } else { now + step };
        let longest = probing.first_delay.max(terms.deadline / 2);
        delay.store(next.clamp(probing.first_delay, longest), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use counterfoil_judge::Scope;

    const MS: i64 = 1_000_000;
    const PROBING: Probing = Probing { first_delay: 5 * MS, gap_min: 50 * MS, gap_max: 400 * MS };
    const TERMS: Terms = Terms {
        deadline: 2_000 * MS,
        lead: 0,
        give_up: None,
        patience: 0,
        expires: false,
        scope: Scope::Shared,
    };

    /// The delay after many first probes of writes whose lags run evenly up to `lag_max`.
    fn learned(lag_max: i64) -> i64 {
        let (lags, map) = (Lags::new(1, &PROBING), MapId(0));
        for n in 0..20_000 {
            let lag = (n * 7_919 % 1_000) * lag_max / 1_000;
            lags.learn(map, lags.delay(map) >= lag, &TERMS, &PROBING);
        }
        lags.delay(map)
    }

    #[test]
    fn the_first_probe_settles_near_the_95th_percentile_of_the_lag() {
        let delay = learned(400 * MS);
        assert!((340 * MS..=480 * MS).contains(&delay), "{delay}");
    }

    #[test]
    fn a_fast_store_is_probed_as_soon_as_configured_and_a_dead_one_within_half_of_the_deadline() {
        assert_eq!(learned(MS), 5 * MS);
        assert_eq!(learned(1_000_000 * MS), 1_000 * MS);
    }
}
