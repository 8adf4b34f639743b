//! Names: of a divergence, and of a key that signs.

use crate::text::Hex;

/// What a divergence's id is derived from, besides its parts.
const DIVERGENCE: &str = "counterfoil 2026 divergence id v1";

/// How many bytes of its hash name a public key.
const KEY_ID_BYTES: usize = 16;

/// The id of the divergence about the write `seq` of `source` to `key` of `map`: the same from the same facts, whoever computes it
/// and whenever. `store` is named unless it is the map's first one, so that an id stays what it is when the map gets a second.
#[must_use]
pub fn divergence_id(map: &str, key: &[u8], source: &str, store: Option<&str>, seq: u64) -> [u8; 16] {
    let mut hash = blake3::Hasher::new_derive_key(DIVERGENCE);
    let mut add = |part: &[u8]| {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part);
    };
    [map.as_bytes(), key, source.as_bytes()].into_iter().for_each(&mut add);
    store.into_iter().for_each(|store| add(store.as_bytes()));
    hash.update(&seq.to_le_bytes());
    let mut id = [0; 16];
    hash.finalize_xof().fill(&mut id);
    id
}

/// The id of a public key: the first half of its BLAKE3 hash.
#[must_use]
pub fn key_id(public: &[u8; 32]) -> Hex<KEY_ID_BYTES> {
    let mut id = [0; KEY_ID_BYTES];
    blake3::Hasher::new().update(public).finalize_xof().fill(&mut id);
    Hex(id)
}
