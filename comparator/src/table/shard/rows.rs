//! Rows that no source told of.

use super::{Named, Shard};
use crate::contract::MapId;
use crate::table::Rules;
use crate::table::rows::{Found, NOBODY, Unknown};
use counterfoil_digest::bucket;
use counterfoil_judge::{Digest, Interval, Reported, Time, Write};
use counterfoil_keys::KeyNumber;

/// This part of a shard's keys at most may be rows that no source told of: a store that others use too must not shed events.
const UNTOLD_IN: usize = 64;

impl Shard {
    /// What the row of this key is, if that is known: a source told of it, or it is looked at, or told as an orphan.
    pub(in crate::table) fn find_told(&mut self, map: MapId, key: &[u8], hash: u64) -> Option<Found> {
        let slot = self.find(&row(map, key, hash))?;
        let entry = self.entry(slot)?;
        match (entry.is_untold(), entry.is_settled()) {
            (false, _) => Some(Found::Known),
            (true, false) => Some(Found::Suspected),
            // It was looked at and there was nothing to tell, then.
            (true, true) => None,
        }
    }

    /// The row of this key is one that the map cannot have held since the end of `since`, if nothing of its bucket was lost or
    /// forgotten since the begin of that: then it is looked at again.
    pub(in crate::table) fn suspect(
        &mut self,
        (map, key, hash): (MapId, &[u8], u64),
        since: Interval,
        now: Time,
        rules: &Rules,
    ) -> Found {
        let lost_until = rules.taints(map).map_or(Time::MAX, |taints| taints.of(bucket(hash)).0);
        if lost_until.max(self.forgotten_until) >= since.begin {
            return Found::Unknown(Unknown::Doubt);
        }
        let Some(contract) = rules.contracts.get(map) else { return Found::Unknown(Unknown::NoSnapshot) };
        let named = row(map, key, hash);
        let known = self.find(&named);
        if known.is_none() && self.untold > rules.keys_per_shard_max / UNTOLD_IN {
            return Found::Unknown(Unknown::Room);
        }
        let Some(slot) = known.or_else(|| self.add(&named, None, now, rules)) else {
            return Found::Unknown(Unknown::Room);
        };
        let forgotten_until = self.forgotten_until;
        let (leg, store, deadline) =
            Reported { map: Some(since), store: None }.held_under(&contract.terms, 0);
        let nothing = Write {
            id: NOBODY,
            digest: Digest::ABSENT,
            map: leg,
            order: None,
            store,
            version: None,
            deadline,
            pending: false,
            held: true,
        };
        // A write that has not been told yet, and is in the store, is told by then.
        let due = deadline.max(now.plus(contract.terms.deadline));
        if let Some(entry) = self.entry(slot) {
            entry.suspect(nothing, forgotten_until, due);
        }
        self.untold += usize::from(known.is_none());
        self.await_due(map, due, slot);
        Found::Suspected
    }
}

/// A row of the store under the name of its key. Rows are gone through where the processes' maps are one, and digests are only
/// compared with none at all.
fn row(map: MapId, key: &[u8], hash: u64) -> Named<'_> {
    Named { map, key, hash, copy: None, digested_under: KeyNumber::default() }
}
