//! Which open divergences somebody ignores: they do not stand against a pass.
//!
//! Looked up in the ledger once in a while and after each act. One that is not here counts, so being late with it never makes a
//! pass; until when one is ignored is asked of the wall clock by which a person said so.

use crate::contract::MapId;
use counterfoil_judge::WriteId;
use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

/// A divergence, by the write that should have shown and its key: rows that no map knows have no write of their own.
type ByWrite = HashMap<(MapId, WriteId), HashMap<Box<[u8]>, i64>>;

/// A divergence that is ignored.
pub(crate) struct IgnoredOne {
    /// The check.
    pub(crate) map: MapId,
    /// The write that should have shown.
    pub(crate) named: WriteId,
    /// Its key.
    pub(crate) key: Vec<u8>,
    /// Wall-clock time in nanoseconds since 1970 at which that is over; `None` for good.
    pub(crate) until_unix_ns: Option<i64>,
}

/// Those that are known to be ignored.
#[derive(Default)]
pub(crate) struct IgnoredOnes(RwLock<Arc<ByWrite>>);

impl IgnoredOnes {
    /// Takes these in place of those that were known.
    pub(crate) fn set(&self, ones: impl Iterator<Item = IgnoredOne>) {
        let mut by_write = ByWrite::new();
        for IgnoredOne { map, named, key, until_unix_ns } in ones {
            let until_unix_ns = until_unix_ns.unwrap_or(i64::MAX);
            by_write.entry((map, named)).or_default().insert(key.into(), until_unix_ns);
        }
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(by_write);
    }

    /// Tells of a check, a write and a key whether its divergence is ignored at a wall-clock time.
    pub(crate) fn at(&self, now_unix_ns: i64) -> impl Fn(MapId, WriteId, &[u8]) -> bool + use<> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner).clone();
        move |map, named, key| {
            let until = known.get(&(map, named)).and_then(|keys| keys.get(key));
            until.is_some_and(|until| *until > now_unix_ns)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_ignored_by_check_write_and_key_until_its_time_is_over() {
        let ones = IgnoredOnes::default();
        let named = |seq| WriteId { source: 1, seq };
        let one = |seq, key: &[u8], until_unix_ns| IgnoredOne {
            map: MapId(0),
            named: named(seq),
            key: key.to_vec(),
            until_unix_ns,
        };
        ones.set([one(1, b"a", None), one(1, b"b", Some(100)), one(2, b"c", Some(100))].into_iter());
        for (at, map, seq, key, expected) in [
            (99, 0, 1, b"a", true),
            (99, 0, 1, b"b", true),
            (99, 0, 2, b"c", true),
            (100, 0, 1, b"b", false),
            (i64::MAX - 1, 0, 1, b"a", true),
            (99, 1, 1, b"a", false),
            (99, 0, 2, b"a", false),
            (99, 0, 1, b"c", false),
        ] {
            assert_eq!(ones.at(at)(MapId(map), named(seq), key), expected, "{at} {map} {seq} {key:?}");
        }
        ones.set(std::iter::empty());
        assert!(!ones.at(0)(MapId(0), named(1), b"a"), "it was taken back");
    }
}
