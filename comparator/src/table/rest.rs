//! Going through the keys that are at rest, from the first shard to the last.

use super::{SHARDS, Table, lock};
use counterfoil_judge::Time;

/// Most places that are looked at by one call, so that it takes a bounded time: below a millisecond.
const LOOKS_MAX: usize = 8_192;

/// A place among the keys of a table.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Place {
    shard: u32,
    slot: u32,
}

/// Which keys are to be roused.
#[derive(Clone, Copy, Debug)]
pub struct Walk {
    /// Those of the maps in this store.
    pub store: usize,
    /// Those before this place.
    pub to: Place,
    /// So many at most.
    pub limit: usize,
    /// Those that nobody wrote to since.
    pub untouched_since: Time,
}

impl Table {
    /// The place before which `done` parts of `whole` of the keys stand, about.
    #[must_use]
    pub fn place(&self, done: i64, whole: i64) -> Place {
        let whole = i128::from(whole.max(1));
        let done = i128::from(done).clamp(0, whole) * SHARDS as i128;
        let shard = u32::try_from(done / whole).unwrap_or(u32::MAX);
        let slots = self.shard_at(shard).map_or(0, |shard| lock(shard).slots());
        let slot = i128::from(slots) * (done % whole) / whole;
        Place { shard, slot: u32::try_from(slot).unwrap_or(u32::MAX) }
    }

    /// Lets keys that are at rest wait for a read at `now`, from `from` on; gives how far it came, and how many those are.
    #[must_use]
    pub fn rouse(&self, from: Place, walk: &Walk, now: Time) -> (Place, usize) {
        let (mut place, mut keys) = (from, 0);
        for _ in 0..LOOKS_MAX {
            if place >= walk.to || keys >= walk.limit {
                break;
            }
            let Some(mut shard) = self.shard_at(place.shard).map(lock) else { break };
            if place.slot >= shard.slots() {
                place = Place { shard: place.shard + 1, slot: 0 };
                continue;
            }
            let passed = shard.pass_shown(place.slot, walk.store);
            if passed == 0 {
                keys += usize::from(shard.rouse(place.slot, walk, now, &self.rules));
            }
            place.slot += passed.max(1);
        }
        (place, keys)
    }

    fn shard_at(&self, at: u32) -> Option<&std::sync::Mutex<super::Shard>> {
        self.shards.get(usize::try_from(at).ok()?)
    }
}
