//! A map that reports itself.

use crate::map::MapEmitter;
use crate::write::DualWrite;
use std::borrow::Borrow;
use std::collections::HashMap;
use std::hash::{BuildHasher, Hash, RandomState};
use std::sync::atomic::Ordering;
use std::sync::{PoisonError, RwLock};
use std::time::Duration;

/// Locks that share the keys among them.
const STRIPES: usize = 64;

/// Values of a snapshot that are read under one lock.
const CHUNK_KEYS: usize = 256;

/// A hash map for many threads that reports each of its changes, with the order in which they happened.
///
/// Each change takes its [map order](DualWrite::order) and its interval under the lock of its key's stripe, so two
/// changes of one key are ordered as they happened even where their intervals touch. The numbers come from one counter
/// of the emitter. Have one `WatchedMap` for each map name: two under one name would be judged as one map.
pub struct WatchedMap<K, V> {
    emitter: MapEmitter,
    stripes: Box<[RwLock<HashMap<K, V>>]>,
    hasher: RandomState,
}

impl<K, V> WatchedMap<K, V>
where
    K: Eq + Hash + AsRef<[u8]>,
    V: AsRef<[u8]>,
{
    /// An empty map that reports as `emitter`'s map.
    #[must_use]
    pub fn new(emitter: MapEmitter) -> Self {
        let stripes = (0..STRIPES).map(|_| RwLock::default()).collect();
        Self { emitter, stripes, hasher: RandomState::new() }
    }

    /// A map that holds `entries` already, which nobody watched being written. They are told by [`WatchedMap::snapshot`].
    #[must_use]
    pub fn watch(emitter: MapEmitter, entries: impl IntoIterator<Item = (K, V)>) -> Self {
        let map = Self::new(emitter);
        for (key, value) in entries {
            map.stripe(&key).write().unwrap_or_else(PoisonError::into_inner).insert(key, value);
        }
        map
    }

    /// Tells all that the map holds, while others read and write it, and says whether that was done within `timeout`: it
    /// waits for the sidecar, so give it a thread of its own where the caller has something else to do. Once it is done, rows
    /// of the store that the map does not know can be found, until something is lost or the comparator starts over; so it is
    /// best done once in a while, not only at the start.
    ///
    /// Each stripe, a sixty-fourth of the map, is locked for reading: first while its keys are copied, then while a few
    /// hundred of its values are, at a time. Who writes to it waits no longer than for one of these.
    #[must_use = "if it was not done in time, rows that the map does not know are not found"]
    pub fn snapshot(&self, timeout: Duration) -> bool
    where
        K: Clone,
    {
        let snapshot = self.emitter.snapshot(timeout);
        let is_told = self.stripes.iter().all(|stripe| {
            let read = || stripe.read().unwrap_or_else(PoisonError::into_inner);
            // A key that comes later, or goes, is told by the event of that.
            let keys: Vec<K> = read().keys().cloned().collect();
            keys.chunks(CHUNK_KEYS).all(|keys| {
                snapshot.tell(|chunk| {
                    let map = read();
                    for (key, value) in keys.iter().filter_map(|key| Some((key, map.get(key)?))) {
                        chunk.held_in_order(key, value, self.next_order());
                    }
                })
            })
        });
        if is_told {
            snapshot.complete();
        }
        is_told
    }

    /// A clone of the key's value.
    pub fn get<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + ?Sized,
        V: Clone,
    {
        self.stripe(key).read().unwrap_or_else(PoisonError::into_inner).get(key).cloned()
    }

    /// How many keys have a value.
    #[must_use]
    pub fn len(&self) -> usize {
        self.stripes.iter().map(|stripe| stripe.read().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    /// Whether no key has a value.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Gives the key a value and reports that; returns the value it had. The store's part is left to the contract.
    pub fn put(&self, key: K, value: V) -> Option<V> {
        self.begin_put(key, value).1
    }

    /// Takes the key's value and reports that; returns it. The store's part is left to the contract.
    pub fn remove<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + AsRef<[u8]> + ?Sized,
    {
        self.begin_remove(key).1
    }

    /// Gives the key the value that was read from the store, and reports that; returns the value it had. Nothing is
    /// written to the store. For maps whose contract says `scope: process`: see [`MapEmitter::fill`].
    pub fn fill(&self, key: K, value: V) -> Option<V> {
        let (mut write, before) = self.begin_put(key, value);
        write.without_store_call();
        before
    }

    /// Drops the key's value from this map alone, and reports that; returns it. The store keeps its own. For maps whose
    /// contract says `scope: process`: see [`MapEmitter::fill`].
    pub fn evict<Q>(&self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + AsRef<[u8]> + ?Sized,
    {
        let (mut write, before) = self.begin_remove(key);
        write.without_store_call();
        before
    }

    /// Gives the key a value, calls `store`, and reports both as one event.
    ///
    /// # Errors
    ///
    /// What `store` returned, untouched. The map keeps the new value.
    pub fn dual_write_put<T, E>(
        &self,
        key: K,
        value: V,
        store: impl FnOnce() -> Result<T, E>,
    ) -> Result<T, E> {
        self.begin_put(key, value).0.store(store)
    }

    /// Takes the key's value, calls `store`, and reports both as one event.
    ///
    /// # Errors
    ///
    /// What `store` returned, untouched. The map keeps no value.
    pub fn dual_write_remove<Q, T, E>(&self, key: &Q, store: impl FnOnce() -> Result<T, E>) -> Result<T, E>
    where
        K: Borrow<Q>,
        Q: Eq + Hash + AsRef<[u8]> + ?Sized,
    {
        self.begin_remove(key).0.store(store)
    }

    /// Gives the key a value. Returns the write, whose map leg is over and whose store leg is the caller's to take, and
    /// the value the key had.
    pub fn begin_put(&self, key: K, value: V) -> (DualWrite, Option<V>) {
        let write = self.emitter.begin_put(&key, &value);
        self.change(write, self.stripe(&key), |map| map.insert(key, value))
    }

    /// Takes the key's value. Returns the write, whose map leg is over and whose store leg is the caller's to take, and
    /// the value.
    pub fn begin_remove<Q>(&self, key: &Q) -> (DualWrite, Option<V>)
    where
        K: Borrow<Q>,
        Q: Eq + Hash + AsRef<[u8]> + ?Sized,
    {
        let write = self.emitter.begin_remove(key);
        self.change(write, self.stripe(key), |map| map.remove(key))
    }

    fn change<R>(
        &self,
        mut write: DualWrite,
        stripe: &RwLock<HashMap<K, V>>,
        change: impl FnOnce(&mut HashMap<K, V>) -> R,
    ) -> (DualWrite, R) {
        let mut map = stripe.write().unwrap_or_else(PoisonError::into_inner);
        write.order(self.next_order());
        let result = write.map(|| change(&mut map));
        drop(map);
        (write, result)
    }

    /// The next number in the map's own order; to be taken under the lock of a stripe.
    fn next_order(&self) -> u64 {
        self.emitter.shared.order.fetch_add(1, Ordering::Relaxed)
    }

    fn stripe<Q: Hash + ?Sized>(&self, key: &Q) -> &RwLock<HashMap<K, V>> {
        let stripes = u64::try_from(self.stripes.len()).unwrap_or(u64::MAX);
        let at = usize::try_from(self.hasher.hash_one(key) % stripes).unwrap_or_default();
        self.stripes.get(at).expect("a remainder is below the number of stripes")
    }
}
