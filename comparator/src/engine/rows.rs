//! From the rows of a batch to writes in the table.

use super::{Admitted, Engine, NO_CONTRACT, Standing};
use crate::clocks::Translation;
use crate::contract::{Contract, MapId, Sample};
use crate::table::{Arrival, Change, Effects, Ended, Marks};
use counterfoil_digest::{Print, bucket, key_hash};
use counterfoil_judge::{Interval, Outcome, Reason, Reported, Shed, Time, Write, WriteId};
use counterfoil_keys::{KeyNumber, TenantName};
use counterfoil_proto::{BucketSet, Columns, Row};
use std::sync::atomic::Ordering;

/// A map that a batch names.
#[derive(Clone, Copy)]
struct Named<'a> {
    name: &'a str,
    /// None if the source's tenant has no contract for it.
    checks: &'a [MapId],
    /// The same for all its checks but for what differs between its stores.
    contract: Option<&'a Contract>,
}

const NAMELESS: Named<'_> = Named { name: "", checks: &[], contract: None };

impl Named<'_> {
    fn has_in_sample(&self, hash: u64) -> bool {
        self.contract.map_or(Sample::ALL, |contract| contract.sample).has(hash)
    }

    /// What is told along with the row's outcome; `cohorts` is the batch's dictionary.
    fn marks(&self, row: &Row<'_>, cohorts: &[String]) -> Marks {
        let cohort = row.cohort.and_then(|place| cohorts.get(place));
        let cohort = cohort.zip(self.contract).and_then(|(name, contract)| contract.cohort(name));
        Marks { trace: row.trace, cohort }
    }
}

impl Engine {
    /// Puts the rows of a batch from number `first_new` on into the table, each once for every check of its map. Others end
    /// at once: those whose keys the contract's sample leaves out, and those that nothing can be said about, which are of a
    /// map that the source's tenant has no contract for, or in times that nothing relates to the comparator's or that have
    /// not come yet.
    pub(super) fn apply(
        &self,
        admitted: &Admitted,
        first_new: u64,
        translation: Option<Translation>,
        standing: Standing,
        at: Time,
    ) -> Effects {
        let Admitted { columns, key, source, .. } = admitted;
        let Standing { is_open, .. } = standing;
        let maps: Vec<_> = columns.maps().iter().map(|name| self.named(&source.name.tenant, name)).collect();
        let mut counts = vec![0u64; maps.len()];
        let (mut arrivals, mut ended) = (Vec::with_capacity(columns.len()), Vec::new());
        for (seq, row) in columns.rows().filter(|(seq, _)| *seq >= first_new) {
            if let Some(count) = counts.get_mut(row.map) {
                *count += 1;
            }
            let map = maps.get(row.map).copied().unwrap_or(NAMELESS);
            let (checks, hash) = (map.checks, key_hash(map.name, row.key));
            let (id, marks) = (WriteId { source: source.id, seq }, map.marks(&row, columns.cohorts()));
            let end = |map, outcome| Ended { map, id, outcome, held: row.held, marks };
            match translation.filter(|clock| !is_to_come(&row, *clock, at)) {
                _ if checks.is_empty() => {
                    ended.push(end(NO_CONTRACT, Outcome::Undetermined(Reason::NoContract)));
                }
                _ if !map.has_in_sample(hash) => {
                    ended.extend(checks.iter().map(|map| end(*map, Outcome::Shed(Shed::Sampled))));
                }
                Some(clock) => {
                    let spellings = spellings(columns, seq);
                    let of_checks =
                        checks.iter().filter_map(|map| self.arrival(*map, hash, id, *key, &row, clock));
                    arrivals.extend(of_checks.map(|arrival| {
                        let write = Write { pending: is_open, ..arrival.write };
                        Arrival { write, marks, spellings, ..arrival }
                    }));
                }
                None => {
                    let mut buckets = BucketSet::none();
                    buckets.insert(bucket(hash));
                    self.doubt(&source.name.tenant, &buckets, at, Reason::Clock);
                    ended.extend(checks.iter().map(|map| end(*map, Outcome::Undetermined(Reason::Clock))));
                }
            }
        }
        let counts = maps.iter().map(|map| map.checks).zip(counts).filter(|(_, count)| *count > 0);
        let accepted = if is_open { self.accept(counts) } else { Vec::new() };
        if is_open {
            let outcomes = accepted.iter().map(|(_, count)| count).sum();
            source.await_outcomes(
                first_new,
                columns.header().first_seq.saturating_add(columns.len() as u64),
                outcomes,
            );
        }
        let mut effects = self.table.apply(Change::Writes(arrivals), at);
        if is_open {
            effects.ended.extend(ended);
        }
        effects.accepted = accepted;
        effects
    }

    fn named<'a>(&'a self, tenant: &TenantName, name: &'a str) -> Named<'a> {
        let checks = self.contracts.find(tenant, name);
        let contract = checks.first().and_then(|first| self.contracts.get(*first));
        Named { name, checks, contract }
    }

    /// Counts the events of each map for each of its checks, before the table has them.
    fn accept<'a>(&self, counts: impl Iterator<Item = (&'a [MapId], u64)>) -> Vec<(MapId, u64)> {
        let checks = |checks: &'a [MapId]| if checks.is_empty() { &[NO_CONTRACT] } else { checks };
        let accepted: Vec<_> =
            counts.flat_map(|(of_map, count)| checks(of_map).iter().map(move |map| (*map, count))).collect();
        for (map, count) in &accepted {
            if let Some(accepted) = self.accepted_of(*map) {
                accepted.fetch_add(*count, Ordering::Release);
            }
        }
        accepted
    }

    fn arrival<'a>(
        &self,
        map: MapId,
        hash: u64,
        id: WriteId,
        digested_under: KeyNumber,
        row: &Row<'a>,
        clock: Translation,
    ) -> Option<Arrival<'a>> {
        let contract = self.contracts.get(map)?;
        let move_leg = |leg: Interval| clock.interval(leg);
        let legs = Reported {
            map: row.legs.map.map(move_leg),
            store: row.legs.store.map(|(leg, outcome)| (move_leg(leg), outcome)),
        };
        // That the map held nothing is no event.
        let held = row.held && !row.digest.is_absent();
        let (map_leg, store, deadline) = match contract.is_reported {
            _ if held => legs.held_under(&contract.terms, clock.error),
            true => legs.under(&contract.terms, clock.error),
            false => legs.elsewhere_under(&contract.terms, clock.error),
        };
        let write = Write {
            id,
            digest: row.digest,
            map: map_leg,
            order: row.map_order,
            store,
            version: row.version,
            deadline,
            pending: true,
            held,
        };
        Some(Arrival {
            map,
            hash,
            key: row.key,
            digested_under,
            write,
            marks: Marks::default(),
            prints: row.prints,
            spellings: &[],
        })
    }
}

/// Whether a leg is told to have ended after `at`, when it was heard of: no clock error explains that.
fn is_to_come(row: &Row<'_>, clock: Translation, at: Time) -> bool {
    let after = |leg: Interval| clock.earliest(leg.end) > at;
    row.legs.map.is_some_and(after) || row.legs.store.is_some_and(|(leg, _)| after(leg))
}

/// The spellings of the value of event `seq`, which few events come with.
fn spellings(columns: &Columns, seq: u64) -> &[Print] {
    let row = usize::try_from(seq.saturating_sub(columns.header().first_seq)).unwrap_or(usize::MAX);
    let place = columns.samples().binary_search_by_key(&row, |sample| sample.row).ok();
    place.and_then(|place| columns.samples().get(place)).map_or(&[], |sample| &*sample.spellings)
}
