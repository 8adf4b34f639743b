//! Which keys of a map are checked, where its contract does not want all of them.
//!
//! A key is in the sample or not for good, by its hash, so a key that is checked has its whole history. A larger sample has
//! every key of a smaller one. The lower half of the hash decides: its upper bits pick the shard that keeps a key, and a
//! sample of every shard's keys leaves the shards evenly filled.

/// How many values the deciding half of a hash has.
const ALL: u64 = 1 << 32;

/// A share of a map's keys, chosen by their hashes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sample {
    /// Keys are in whose lower half of the hash is below it.
    below: u64,
}

impl Sample {
    /// Every key.
    pub const ALL: Self = Self { below: ALL };

    /// That share of the keys; `None` if it is not above 0 and at most 1.
    #[must_use]
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is within 0..=2^32")]
    pub fn of(share: f64) -> Option<Self> {
        (share > 0.0 && share <= 1.0).then(|| Self { below: (share * ALL as f64).ceil() as u64 })
    }

    /// Whether the key of this [`key_hash`](counterfoil_digest::key_hash) is checked.
    #[must_use]
    pub const fn has(self, key_hash: u64) -> bool {
        key_hash % ALL < self.below
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use counterfoil_digest::{BUCKETS, bucket, key_hash};

    fn share(share: f64) -> Sample {
        Sample::of(share).expect("a share of the keys")
    }

    #[test]
    fn a_share_is_above_nothing_and_at_most_everything() {
        for wrong in [0.0, -0.5, 1.000_001, f64::NAN, f64::INFINITY] {
            assert_eq!(Sample::of(wrong), None, "{wrong}");
        }
        assert_eq!(Sample::of(1.0), Some(Sample::ALL));
        assert!(share(f64::MIN_POSITIVE).has(0) && !share(f64::MIN_POSITIVE).has(1));
        assert!(Sample::ALL.has(u64::MAX));
    }

    #[test]
    fn a_sample_has_its_share_of_the_keys_in_every_bucket_and_a_larger_one_has_them_all() {
        let hashes: Vec<_> = (0u32..100_000).map(|key| key_hash("cart", &key.to_le_bytes())).collect();
        let (small, large) = (share(0.1), share(0.3));
        let kept: Vec<_> = hashes.iter().filter(|hash| small.has(**hash)).collect();
        assert!((9_500..10_500).contains(&kept.len()), "{}", kept.len());
        assert!(kept.iter().all(|hash| large.has(**hash)));
        let buckets: std::collections::HashSet<_> = kept.iter().map(|hash| bucket(**hash)).collect();
        assert!(buckets.len() > BUCKETS * 99 / 100, "{} buckets", buckets.len());
    }
}
