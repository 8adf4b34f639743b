//! Keys at rest: nothing waits for them to be read, but that the sweep comes to them.

use super::{Shard, Slot};
use crate::table::{Rules, Walk};
use counterfoil_judge::Time;

/// Keys of one store of which a scan showed that it agrees, since the sweep came to them last: a bit for each place.
#[derive(Clone, Default)]
pub(super) struct Shown(Vec<u64>);

impl Shown {
    pub(super) fn set(&mut self, slot: Slot) {
        let (word, bit) = place(slot);
        if word >= self.0.len() {
            self.0.resize(word + 1, 0);
        }
        self.0.get_mut(word).into_iter().for_each(|bits| *bits |= bit);
    }

    /// Whether it is one of them; from now on it is none.
    pub(super) fn take(&mut self, slot: Slot) -> bool {
        let (word, bit) = place(slot);
        self.0.get_mut(word).is_some_and(|bits| std::mem::replace(bits, *bits & !bit) & bit != 0)
    }

    /// How many from `slot` on are all of them, and from now on none; 0 unless a word of them begins there.
    fn take_word(&mut self, slot: Slot) -> Slot {
        let (word, bit) = place(slot);
        let whole = self.0.get_mut(word).filter(|bits| bit == 1 && **bits == u64::MAX);
        whole.map_or(0, |bits| {
            *bits = 0;
            u64::BITS
        })
    }
}

/// The word that a slot's bit stands in, and the bit.
fn place(slot: Slot) -> (usize, u64) {
    (usize::try_from(slot / u64::BITS).unwrap_or(usize::MAX), 1 << (slot % u64::BITS))
}

impl Shard {
    /// How many places for keys there are, taken or not.
    pub(in crate::table) fn slots(&self) -> Slot {
        Slot::try_from(self.entries.len()).unwrap_or(Slot::MAX)
    }

    /// How many keys of the store from `slot` on a scan showed to agree since the last walk, as far as that can be told at once.
    pub(in crate::table) fn pass_shown(&mut self, slot: Slot, store: usize) -> Slot {
        self.shown.get_mut(store).map_or(0, |shown| shown.take_word(slot))
    }

    pub(super) fn set_shown(&mut self, slot: Slot, store: usize) {
        if store >= self.shown.len() {
            self.shown.resize(store + 1, Shown::default());
        }
        self.shown.get_mut(store).into_iter().for_each(|shown| shown.set(slot));
    }

    /// Lets the key at `slot` wait for a read, if it is at rest and one of those that the walk is for; gives whether it is. What
    /// a scan showed since the last walk need not be read again.
    pub(in crate::table) fn rouse(&mut self, slot: Slot, walk: &Walk, now: Time, rules: &Rules) -> bool {
        let Some(entry) = self.entry(slot) else { return false };
        let map = entry.map();
        let is_of_store = rules.contracts.get(map).is_some_and(|contract| contract.store == walk.store);
        let is_wanted = is_of_store && entry.rests_since(walk.untouched_since, rules);
        let is_shown = is_of_store && self.shown.get_mut(walk.store).is_some_and(|shown| shown.take(slot));
        if !is_wanted || is_shown {
            return false;
        }
        self.entry(slot).into_iter().for_each(|entry| entry.rouse(now));
        self.await_due(map, now, slot);
        true
    }
}
