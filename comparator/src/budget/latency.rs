//! How long a store's reads take while it is well, learned by their number of keys.

use super::MS;
use counterfoil_judge::Time;

/// Sizes of reads that are told apart: powers of two, up to more keys than a read may have.
const SIZES: usize = 15;

/// A read strains the store if it takes so many times as long as usual.
const STRAINED_TIMES: f64 = 3.0;

/// A read that takes no longer than this more than usual never does: clocks and schedulers are not that exact.
const SLACK: f64 = 10.0 * MS as f64;

/// What is usual follows faster reads by this part of the difference, and slower ones by the next: a store that slows down
/// little by little shall not pass for a healthy one.
const FASTER_IN: f64 = 8.0;
const SLOWER_IN: f64 = 64.0;

/// A store that stays slow is taken for as slow as it is: what is usual grows by its own size in this time, in nanoseconds.
const ADAPTED_IN: f64 = 100e9;

/// One strained read makes what is usual grow by no more than this time is worth.
const ADAPT_STEP_MAX: i64 = 1_000 * MS;

/// The usual time of a store's reads, in nanoseconds.
pub(super) struct Latency {
    usual: [Option<f64>; SIZES],
    /// Above this a read strains the store, whatever is usual.
    target: Option<f64>,
    adapted_at: Option<Time>,
}

impl Latency {
    /// `target`, in nanoseconds, takes the place of what is learned.
    pub(super) fn new(target: Option<i64>) -> Self {
        Self { usual: [None; SIZES], target: target.map(|target| target as f64), adapted_at: None }
    }

    /// Learns of a read of `keys` keys that took `took` nanoseconds and ended at `now`. Gives how hard it strained the store:
    /// above 1, too hard.
    pub(super) fn learn(&mut self, keys: usize, took: i64, now: Time) -> f64 {
        let (place, took) = (place(keys), took.max(0) as f64);
        let bearable = self.bearable(place);
        let strain = self.target.or(bearable).map_or(0.0, |bearable| took / bearable);
        match bearable {
            Some(_) if strain > 1.0 => self.adapt(now),
            _ => self.follow(place, took),
        }
        strain
    }

    /// How long a read of this size may take, as far as can be told: three times what is usual for it or else for a larger
    /// one. Of a smaller one it is that too, or what is in proportion to it if that is more, and not both: a store that
    /// slows down is read in larger reads, which must not hide it.
    fn bearable(&self, place: usize) -> Option<f64> {
        let larger = self.usual.iter().skip(place).flatten().next();
        let larger = larger.map(|usual| (*usual, STRAINED_TIMES));
        let smaller = || {
            let sizes = self.usual.iter().take(place).rev().zip(1..);
            sizes.filter_map(|(usual, steps)| Some(((*usual)?, f64::from(1u32 << steps)))).next()
        };
        let (usual, times) = larger.or_else(smaller)?;
        Some((usual * times.max(STRAINED_TIMES)).max(usual + SLACK))
    }

    fn follow(&mut self, place: usize, took: f64) {
        let Some(usual) = self.usual.get_mut(place) else { return };
        let before = usual.unwrap_or(took);
        let part = if took < before { FASTER_IN } else { SLOWER_IN };
        *usual = Some(before + (took - before) / part);
    }

    fn adapt(&mut self, now: Time) {
        let since = self.adapted_at.map_or(0, |at| now.since(at)).clamp(0, ADAPT_STEP_MAX);
        self.adapted_at = Some(now);
        let growth = 1.0 + since as f64 / ADAPTED_IN;
        self.usual.iter_mut().flatten().for_each(|usual| *usual *= growth);
    }
}

/// The place of a read's size: the power of two it does not exceed.
fn place(keys: usize) -> usize {
    let power = keys.max(1).next_power_of_two().trailing_zeros();
    usize::try_from(power).unwrap_or(0).min(SIZES - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_larger_read_may_take_three_times_as_long_or_what_is_in_proportion_and_not_both() {
        for (keys, bearable_ms) in [(50, 60), (100, 60), (200, 60), (400, 80)] {
            for (took_ms, is_strained) in [(bearable_ms, false), (bearable_ms + 1, true)] {
                let mut latency = Latency::new(None);
                latency.learn(100, 20 * MS, Time(0));
                let strain = latency.learn(keys, took_ms * MS, Time(0));
                assert_eq!(strain > 1.0, is_strained, "{keys} keys in {took_ms} ms: {strain}");
            }
        }
    }
}
