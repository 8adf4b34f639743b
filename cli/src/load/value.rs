//! Values that a workload only tells the size of.

use counterfoil_digest::key_hash;
use rand::rngs::SmallRng;
use rand::{RngCore, SeedableRng};

/// `bytes` bytes that follow from the key and the number of the write, and from nothing else: the next write to the key
/// has other ones.
pub(super) fn value(map: &str, key: &str, number: u64, bytes: usize) -> Vec<u8> {
    let mut value = vec![0; bytes];
    SmallRng::seed_from_u64(key_hash(map, key.as_bytes()) ^ number.rotate_left(32)).fill_bytes(&mut value);
    value
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_follows_from_its_key_and_its_number() {
        let one = value("m", "k", 1, 100);
        assert_eq!(one.len(), 100);
        assert_eq!(one, value("m", "k", 1, 100));
        assert!(one != value("m", "k", 2, 100) && one != value("m", "l", 1, 100));
        assert!(value("m", "k", 1, 0).is_empty());
    }
}
