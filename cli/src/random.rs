//! Random choices that a seed repeats: independent streams, and keys of unequal popularity.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

/// Spreads stream numbers over the seed space (the 64-bit golden ratio), so that neighbours share nothing.
const STREAM_STEP: u64 = 0x9e37_79b9_7f4a_7c15;

/// The generator of stream `stream` under `seed`: the same pair gives the same choices.
pub(crate) fn stream(seed: u64, stream: u64) -> SmallRng {
    SmallRng::seed_from_u64(seed ^ stream.wrapping_add(1).wrapping_mul(STREAM_STEP))
}

/// Draws ranks below `n` with probability proportional to `1 / (rank + 1)^skew`.
pub(crate) struct Zipf {
    cumulative: Vec<f64>,
}

impl Zipf {
    /// A distribution over `n` ranks, at least one.
    pub(crate) fn new(n: usize, skew: f64) -> Self {
        let mut sum = 0.0;
        let mut rank = 0.0;
        let cumulative = std::iter::repeat_with(|| {
            rank += 1.0;
            sum += f64::powf(rank, -skew);
            sum
        });
        Self { cumulative: cumulative.take(n.max(1)).collect() }
    }

    /// The next rank; 0 is the most popular.
    pub(crate) fn draw(&self, rng: &mut impl Rng) -> usize {
        let total = self.cumulative.last().copied().unwrap_or(1.0);
        let at = rng.random_range(0.0..total);
        self.cumulative.partition_point(|&sum| sum <= at).min(self.cumulative.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn draws(seed: u64) -> Vec<usize> {
        let (zipf, mut rng) = (Zipf::new(20_000, 1.25), stream(seed, 3));
        (0..50_000).map(|_| zipf.draw(&mut rng)).collect()
    }

    #[test]
    fn the_same_seed_draws_the_same_ranks_and_another_seed_does_not() {
        assert_eq!(draws(7), draws(7));
        assert_ne!(draws(7), draws(8));
        assert_ne!(stream(7, 0).random::<u64>(), stream(7, 1).random::<u64>());
    }

    #[test]
    fn a_few_hundred_hot_ranks_take_four_fifths_and_cold_ones_still_come() {
        let draws = draws(1);
        let hot = draws.iter().filter(|&&rank| rank < 300).count();
        assert!(hot > draws.len() * 4 / 5, "{hot} of {}", draws.len());
        assert!(draws.iter().any(|&rank| rank > 10_000));
        assert!(draws.iter().all(|&rank| rank < 20_000));
    }

    #[test]
    fn a_single_rank_is_always_drawn() {
        assert_eq!(Zipf::new(0, 1.0).draw(&mut stream(1, 1)), 0);
    }
}
