//! The key table: for each key the writes that can still matter, when to look at the store next, and what is open.
//!
//! # Design
//!
//! Keys are spread over shards by the top bits of their hash; each shard is one lock, taken once per batch and not per
//! event. Everything that changes a shard goes through one synchronous function, [`Table::apply`]: it takes a
//! [`Change`] and the present time and gives [`Effects`]. It reads no clock, does no I/O and waits for nothing, so a
//! simulation can drive it as the comparator does. Whoever calls it carries the effects out.
//!
//! # Invariants
//!
//! - Each event that enters through [`Change::Writes`] appears in exactly one [`Ended`].
//! - At most one probe of a key is under way.
//! - Digests under different deployment keys are never compared: each key of the table has its history under one of them, and
//!   what was known under another became doubt.
//! - Before a check is calibrated, no divergence is told that a difference of form alone would look like.
//! - A key with an open event, an open divergence or a probe under way is never forgotten.

mod calibration;
mod captured;
mod change;
mod class;
mod entry;
mod lags;
mod live;
mod queue;
mod rest;
mod rows;
mod shard;
mod shedding;
mod taints;
mod wholes;

pub use calibration::{Calibration, FieldHint, Hints, StoreNoise};
pub use captured::Captured;
pub use change::{
    Against, Apart, Arrival, Change, Effects, Ended, Marks, Observed, Printed, Probe, Seen, Turn, Turned,
    Unresolved,
};
pub use class::{Class, PerClass};
pub use rest::{Place, Walk};
pub(crate) use rows::NOBODY;
pub use rows::{Rows, Scanned, Unknown};
pub(crate) use taints::Taints;

use crate::config::Probing;
use crate::contract::{Contracts, MapId};
use bytes::{Bytes, BytesMut};
use calibration::Calibrations;
use counterfoil_digest::{bucket, key_hash};
use counterfoil_judge::{Interval, Reason, Scope, Time, WriteId};
use counterfoil_keys::TenantName;
use counterfoil_proto::BucketSet;
use entry::Entry;
use lags::Lags;
use live::Live;
use shard::Shard;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use wholes::Wholes;

/// How many shards; a power of two.
const SHARDS: usize = 64;

/// Keys of probes that may share an allocation, and keep it as long as any of them is there.
const KEYS_IN_ROOM_MAX: usize = 512;

/// How many keys and events a table holds.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Census {
    /// Keys.
    pub keys: usize,
    /// Events without an outcome, counted one by one.
    pub open: u64,
    /// Divergences not resolved.
    pub divergences: u64,
    /// Of these, those confirmed whose writes had to show at the instant that was asked about, or later, and that nobody ignores.
    pub confirmed_since: u64,
    /// The same before that instant.
    pub confirmed_before: u64,
    /// Those confirmed that somebody ignores.
    pub ignored: u64,
    /// When the oldest open event was begun, if there is one.
    pub oldest_open: Option<Time>,
}

/// What a shard needs to know to change.
pub(crate) struct Rules {
    pub(crate) contracts: Arc<Contracts>,
    /// Of each tenant, in their order.
    taints: Box<[Taints]>,
    pub(crate) probing: Probing,
    live: Live,
    lags: Lags,
    calibrations: Calibrations,
    wholes: Wholes,
    /// Whether what a divergence is confirmed from goes along with it.
    captures: bool,
    keys_per_shard_max: usize,
}

impl Rules {
    /// The hash of a key; 0 for a map without a contract.
    fn hash(&self, map: MapId, key: &[u8]) -> u64 {
        self.contracts.get(map).map_or(0, |contract| key_hash(&contract.name, key))
    }

    /// The doubt about keys of the tenant whose map it is.
    fn taints(&self, map: MapId) -> Option<&Taints> {
        let tenant = &self.contracts.get(map)?.tenant;
        self.taints.get(self.contracts.tenant_place(tenant)?)
    }

    /// Whether the processes' maps are one, or each has its own.
    fn scope(&self, map: MapId) -> Scope {
        self.contracts.get(map).map_or(Scope::Shared, |contract| contract.terms.scope)
    }
}

/// The keys of all maps.
pub struct Table {
    shards: Box<[Mutex<Shard>]>,
    rules: Rules,
}

impl Table {
    /// An empty table that keeps at most `keys_max` keys.
    #[must_use]
    pub fn new(contracts: Arc<Contracts>, probing: Probing, keys_max: usize) -> Self {
        let checks = contracts.iter().len();
        let shards = (0..SHARDS).map(|_| Mutex::new(Shard::new(checks))).collect();
        let rules = Rules {
            taints: contracts.tenants().iter().map(|_| Taints::none()).collect(),
            live: Live::default(),
            lags: Lags::new(checks, &probing),
            calibrations: Calibrations::new(checks),
            wholes: Wholes::new(checks),
            captures: false,
            contracts,
            probing,
            keys_per_shard_max: keys_max / SHARDS + 1,
        };
        Self { shards, rules }
    }

    /// From now on what a divergence is confirmed from goes along with it.
    pub(crate) fn capture(&mut self) {
        self.rules.captures = true;
    }

    /// Changes the table at `now`, and says what has to be done after it.
    #[must_use]
    pub fn apply(&self, change: Change<'_>, now: Time) -> Effects {
        let mut effects = Effects::default();
        match change {
            Change::Writes(arrivals) => {
                for (mut shard, arrivals) in self.by_shard(arrivals, |arrival| shard_of(arrival.hash)) {
                    for arrival in arrivals {
                        shard.write(arrival, now, &self.rules, &mut effects);
                    }
                }
            }
            Change::Reopen(unresolved) => {
                let hash = |unresolved: &Unresolved| self.rules.hash(unresolved.map, &unresolved.key);
                for (mut shard, unresolved) in self.by_shard(unresolved, |each| shard_of(hash(each))) {
                    for each in unresolved {
                        shard.reopen(&each, hash(&each), now, &self.rules);
                    }
                }
            }
            Change::Looked(observed) => {
                for (mut shard, observed) in
                    self.by_shard(observed.iter().collect(), |&observed| observed.shard())
                {
                    observed.into_iter().for_each(|observed| shard.looked(observed));
                }
            }
            Change::Observed(observed) => {
                for (mut shard, observed) in self.by_shard(observed, Observed::shard) {
                    for observed in observed {
                        shard.observe(&observed, now, &self.rules, &mut effects);
                    }
                }
            }
        }
        effects
    }

    /// How many keys of `map` wait for a probe at `now` in each class, at most.
    #[must_use]
    pub fn ready(&self, map: MapId, now: Time) -> PerClass<usize> {
        let of_shards = self.shards.iter().map(|shard| lock(shard).ripen(map, now));
        of_shards.fold(PerClass::default(), |sum, of| PerClass::of(|class| sum.get(class) + of.get(class)))
    }

    /// Takes up to `limit` probes of `map` and `class` that are due at `now`, in each shard those with the earliest deadline
    /// first. `turn` picks the shard to begin with, so that with a small limit none starves.
    #[must_use]
    pub fn due(&self, map: MapId, class: Class, now: Time, limit: usize, turn: usize) -> Vec<Probe> {
        self.take((map, now), limit, turn, |shard, room, take| shard.due(map, class, now, room, take))
    }

    /// Takes up to `limit` probes of `map` and `class` that are due at `now`, and whose deadline (or, where no event waits,
    /// the instant at which they were due) passed more than `patience` nanoseconds ago.
    #[must_use]
    pub fn overdue(
        &self,
        map: MapId,
        class: Class,
        (now, patience): (Time, i64),
        limit: usize,
    ) -> Vec<Probe> {
        let overdue = |shard: &mut Shard, room, take: &mut dyn FnMut(u32, &Entry, Time)| {
            shard.overdue(map, class, (now, patience), room, take);
        };
        self.take((map, now), limit, 0, overdue)
    }

    /// Takes up to `limit` probes of `map` at `now` from the shards one after the other.
    fn take(
        &self,
        (map, now): (MapId, Time),
        limit: usize,
        turn: usize,
        take: impl Fn(&mut Shard, usize, &mut dyn FnMut(u32, &Entry, Time)),
    ) -> Vec<Probe> {
        let (mut probes, mut keys) = (Vec::<Probe>::new(), BytesMut::new());
        for step in 0..SHARDS {
            let at = turn.wrapping_add(step) % SHARDS;
            if probes.len() >= limit {
                break;
            }
            if let (Some(shard), Ok(number)) = (self.shards.get(at), u32::try_from(at)) {
                let room = limit - probes.len();
                take(&mut lock(shard), room, &mut |slot, entry, due| {
                    let key = copied(entry.key(), &mut keys, limit - probes.len());
                    let digested_under = entry.digested_under();
                    let fields = entry.fields_to_compare(now);
                    let spellings = self.rules.calibrations.spellings_of(map, &key, digested_under);
                    let against = Against { digested_under, fields, spellings };
                    probes.push(Probe { shard: number, slot, due, key, is_read_twice: false, against });
                });
            }
        }
        probes
    }

    /// Whether nothing is open of the map's key but a divergence: no write of it waits for its outcome. Of a map whose processes have
    /// copies, nothing is told.
    #[must_use]
    pub fn is_only_divergent(&self, map: MapId, key: &[u8]) -> bool {
        let hash = self.rules.hash(map, key);
        self.shards.get(shard_of(hash)).is_some_and(|shard| lock(shard).is_only_divergent(map, key, hash))
    }

    /// Has the map's key read at `now` if it is to be read at all: what is in the store may have changed.
    pub fn rouse_one(&self, map: MapId, key: &[u8], now: Time) {
        let hash = self.rules.hash(map, key);
        if let Some(shard) = self.shards.get(shard_of(hash)) {
            lock(shard).rouse_one(map, key, hash, now);
        }
    }

    /// Writes to the tenant's keys of `buckets` that nobody reported may land until `until`.
    pub fn taint(&self, tenant: &TenantName, buckets: &BucketSet, until: Time, reason: Reason) {
        let place = self.rules.contracts.tenant_place(tenant);
        if let Some(taints) = place.and_then(|place| self.rules.taints.get(place)) {
            taints.add(buckets, until, reason);
        }
    }

    /// Until when writes that nobody reported to the map's key with this hash may have landed; [`Time::MIN`] if there are
    /// none.
    #[must_use]
    pub fn doubt(&self, map: MapId, hash: u64) -> Time {
        self.rules.taints(map).map_or(Time::MIN, |taints| taints.of(bucket(hash)).0)
    }

    /// Notes whether a source lives: a copy of its own has to follow the store only as long as it does.
    pub fn set_live(&self, source: u32, lives: bool) {
        self.rules.live.set(source, lives);
    }

    /// Notes since when all that the map of a check holds was told, if it was: some instant of `since`.
    pub fn set_whole(&self, map: MapId, since: Option<Interval>) {
        self.rules.wholes.set(map, since);
    }

    /// From the time at which a write of `map` may be expected in the store to the first probe of its key, in
    /// nanoseconds: the learned 95th percentile of the lag.
    #[must_use]
    pub fn first_delay(&self, map: MapId) -> i64 {
        self.rules.lags.delay(map)
    }

    /// How many of the buckets are closed to new keys for lack of room, and how often one was opened again.
    #[must_use]
    pub fn shedding(&self) -> (u32, u64) {
        let of = |shard| {
            let shard = lock(shard);
            (shard.shedding().closed(), shard.shedding().reopened())
        };
        self.shards.iter().map(of).fold((0, 0), |sum, of| (sum.0 + of.0, sum.1 + of.1))
    }

    /// Counts the keys and open events of each map, one by one.
    #[must_use]
    pub fn census(&self) -> Vec<Census> {
        self.census_since(Time::MIN, |_, _, _| false)
    }

    /// The same; confirmed divergences are told apart by whether `is_ignored` says so of their check, write and key, and by
    /// whether their writes had to show before `since`.
    #[must_use]
    pub fn census_since(
        &self,
        since: Time,
        is_ignored: impl Fn(MapId, WriteId, &[u8]) -> bool,
    ) -> Vec<Census> {
        let contracts = self.rules.contracts.iter();
        let ended_since: Vec<_> = contracts.map(|contract| since.minus(contract.terms.deadline)).collect();
        let mut census = vec![Census::default(); ended_since.len()];
        for shard in &self.shards {
            lock(shard).count(&ended_since, &is_ignored, &mut census);
        }
        census
    }

    /// Sorts items by shard and gives each shard locked, with its items.
    fn by_shard<T>(
        &self,
        items: Vec<T>,
        shard_of: impl Fn(&T) -> usize,
    ) -> impl Iterator<Item = (MutexGuard<'_, Shard>, Vec<T>)> {
        let mut sorted: Vec<Vec<T>> = (0..SHARDS).map(|_| Vec::new()).collect();
        for item in items {
            if let Some(shard) = sorted.get_mut(shard_of(&item) % SHARDS) {
                shard.push(item);
            }
        }
        let filled = self.shards.iter().zip(sorted).filter(|(_, items)| !items.is_empty());
        filled.map(|(shard, items)| (lock(shard), items))
    }
}

/// A panic while a shard was locked leaves it as it was between two keys; going on is better than going blind.
fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A copy of a key that lies in `room`, with those of about `more` others: one request to the allocator serves them all.
fn copied(key: &[u8], room: &mut BytesMut, more: usize) -> Bytes {
    if room.capacity() < key.len() {
        *room = BytesMut::with_capacity(key.len().saturating_mul(more.clamp(1, KEYS_IN_ROOM_MAX)));
    }
    room.extend_from_slice(key);
    room.split().freeze()
}

/// The shard of a hash: its top bits.
fn shard_of(hash: u64) -> usize {
    usize::try_from(hash >> (u64::BITS - SHARDS.trailing_zeros())).unwrap_or(0)
}

const _: () = assert!(SHARDS.is_power_of_two() && SHARDS > 1);

#[cfg(test)]
mod tests;
