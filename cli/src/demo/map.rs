//! The application's map: a lock per key, and numbers taken under it that give the map's own order.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};

/// A map over keys that are known from the start.
pub(super) struct DemoMap {
    entries: Vec<Entry>,
    order: AtomicU64,
}

/// A key and what the map holds for it.
pub(super) struct Entry {
    pub(super) key: String,
    state: Mutex<State>,
}

/// What the lock of a key guards.
#[derive(Default)]
struct State {
    value: Option<Vec<u8>>,
    frozen: bool,
}

/// The right to change an entry: as long as it is held, nobody else writes to the key, in the map or in the store.
pub(super) struct Held<'a> {
    pub(super) key: &'a str,
    state: MutexGuard<'a, State>,
    order: &'a AtomicU64,
}

impl DemoMap {
    /// An empty map over `keys`.
    pub(super) fn new(keys: impl Iterator<Item = String>) -> Self {
        let entries = keys.map(|key| Entry { key, state: Mutex::default() }).collect();
        Self { entries, order: AtomicU64::new(0) }
    }

    /// Puts `value` before anybody watches.
    pub(super) fn preload(&mut self, at: usize, value: Vec<u8>) {
        if let Some(entry) = self.entries.get_mut(at) {
            entry.state.get_mut().unwrap_or_else(PoisonError::into_inner).value = Some(value);
        }
    }

    /// The key at `at`, unless somebody is writing to it.
    pub(super) fn try_hold(&self, at: usize) -> Option<Held<'_>> {
        let entry = self.entries.get(at)?;
        let state = match entry.state.try_lock() {
            Ok(state) => state,
            Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
            Err(TryLockError::WouldBlock) => return None,
        };
        Some(Held { key: &entry.key, state, order: &self.order })
    }

    /// The key at `at`, once nobody is writing to it; `None` if there is no such key.
    pub(super) fn hold(&self, at: usize) -> Option<Held<'_>> {
        let entry = self.entries.get(at)?;
        let state = entry.state.lock().unwrap_or_else(PoisonError::into_inner);
        Some(Held { key: &entry.key, state, order: &self.order })
    }
}

impl Held<'_> {
    /// Changes the entry; gives the change's position in the map's order.
    pub(super) fn set(&mut self, value: Option<&[u8]>) -> u64 {
        self.state.value = value.map(<[u8]>::to_vec);
        self.order.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether the store takes none of the key's writes, although it says that it does.
    pub(super) fn is_frozen(&self) -> bool {
        self.state.frozen
    }

    /// Lets the store take none of the key's writes from now on, or all of them again.
    pub(super) fn freeze(&mut self, frozen: bool) {
        self.state.frozen = frozen;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn a_key_is_held_by_one_writer_at_a_time_and_its_changes_are_numbered_in_order() {
        let mut map = DemoMap::new(["a", "b"].into_iter().map(str::to_owned));
        map.preload(1, b"old".to_vec());
        let mut held = map.try_hold(0).unwrap();
        assert!(map.try_hold(0).is_none());
        assert_eq!(map.hold(1).unwrap().state.value.as_deref(), Some(&b"old"[..]));
        assert!(map.try_hold(2).is_none() && map.hold(2).is_none());
        let first = held.set(Some(b"x"));
        assert_eq!(held.state.value.as_deref(), Some(&b"x"[..]));
        assert!(held.set(None) > first);
        assert!(held.state.value.is_none());
    }
}
