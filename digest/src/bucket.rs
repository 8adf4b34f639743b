//! The hash of a key, the same everywhere: it picks the bucket that a loss taints and the shard that keeps a key.

use xxhash_rust::xxh3::{Xxh3Default, xxh3_64};

/// How many buckets keys are sorted into for declared losses.
pub const BUCKETS: usize = 1024;

/// Names and keys up to this length together are joined on the stack: half the cost of hashing in pieces.
const JOINED_BYTES_MAX: usize = 240;

/// XXH3-64 of the map's name, a zero byte and the key.
#[must_use]
pub fn key_hash(map: &str, key: &[u8]) -> u64 {
    let mut joined = [0; JOINED_BYTES_MAX];
    let length = map.len() + 1 + key.len();
    if let Some((name, rest)) = joined.split_at_mut_checked(map.len())
        && let Some(place) = rest.get_mut(1..=key.len())
    {
        name.copy_from_slice(map.as_bytes());
        place.copy_from_slice(key);
        return xxh3_64(joined.get(..length).unwrap_or_default());
    }
    let mut hash = Xxh3Default::new();
    hash.update(map.as_bytes());
    hash.update(&[0]);
    hash.update(key);
    hash.digest()
}

/// The bucket of a key hash: its top ten bits, below [`BUCKETS`].
#[must_use]
pub fn bucket(key_hash: u64) -> usize {
    // Ten bits always fit.
    usize::try_from(key_hash >> 54).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_plain_xxh3_of_the_joined_bytes() {
        for length in [0, 1, 200, 234, 235, 236, 1000] {
            let key = vec![7; length];
            assert_eq!(key_hash("cart", &key), xxh3_64(&[b"cart\0", &key[..]].concat()), "{length}");
        }
        assert_eq!(bucket(u64::MAX), BUCKETS - 1);
        assert_eq!(bucket(0), 0);
    }
}
