//! The digest of a value, the same on both sides.

use counterfoil_judge::Digest;

/// The digest of the value with this number; 0 stands for no value.
#[must_use]
pub fn digest(value: u64) -> Digest {
    if value == 0 {
        return Digest::ABSENT;
    }
    let halves = u128::from(mixed(value)) << 64 | u128::from(mixed(!value));
    Digest(halves.to_le_bytes())
}

/// SplitMix64's finalizer (Steele, Lea and Flood 2014): a bijection that leaves no trace of the order of values.
pub(crate) fn mixed(value: u64) -> u64 {
    let value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn different_values_have_different_digests_and_only_0_is_absent() {
        let digests: BTreeSet<_> = (0..10_000).map(digest).collect();
        assert_eq!(digests.len(), 10_000);
        assert!(digest(0).is_absent() && !digest(1).is_absent());
    }
}
