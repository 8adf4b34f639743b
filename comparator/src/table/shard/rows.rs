//! Rows that no source told of.

use super::{Named, Shard, Slot};
use crate::contract::MapId;
use crate::table::Calibration;
use crate::table::Rules;
use crate::table::rows::{Found, NOBODY, Scanned, Unknown};
use counterfoil_digest::bucket;
use counterfoil_judge::{Digest, Interval, Observation, Reported, Time, Verdict, Write};
use counterfoil_keys::KeyNumber;

/// This part of a shard's keys at most may be rows that no source told of: a store that others use too must not shed events.
const UNTOLD_IN: usize = 64;

impl Shard {
    /// What a row that was there within `at` is, if that is known: a source told of its key, or it is looked at, or told as an
    /// orphan.
    pub(in crate::table) fn meet(
        &mut self,
        (map, scanned, hash): (MapId, &Scanned, u64),
        at: Interval,
        now: Time,
        rules: &Rules,
    ) -> Option<Found> {
        let slot = self.find(&row(map, &scanned.key, hash))?;
        let entry = self.entry(slot)?;
        match (entry.is_untold(), entry.is_settled()) {
            (false, _) => Some(self.compare(slot, scanned, at, now, rules)),
            (true, false) => Some(Found::Suspected),
            // It was looked at and there was nothing to tell, then.
            (true, true) => None,
        }
    }

    /// Compares a row with what is known of its key. Nothing is concluded of one that differs but that it has to be looked up,
    /// and nothing at all while the two sides may only write it differently.
    fn compare(&mut self, slot: Slot, scanned: &Scanned, at: Interval, now: Time, rules: &Rules) -> Found {
        let (Some(entry), Ok(seen)) = (self.entry(slot), &scanned.seen) else { return Found::Known };
        let read = Observation { at, digest: seen.digest, version: seen.version };
        let map = entry.map();
        match entry.shown_by(&read, rules) {
            Some(Verdict::Consistent { .. }) => {
                let store = rules.contracts.get(map).map_or(0, |contract| contract.store);
                self.set_shown(slot, store);
                return Found::Agreeing;
            }
            Some(Verdict::Divergent(_)) if rules.calibrations.of(map) == Calibration::Calibrated => {
                entry.rouse(now);
                self.await_due(map, now, slot);
            }
            _ => {}
        }
        Found::Known
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
