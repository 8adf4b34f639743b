//! A key table full of keys, driven as the comparator drives its own: events in batches, probes, observations.

use crate::cpu::cpu_ns_of;
use counterfoil_comparator::config::{Probing, WrittenGate};
use counterfoil_comparator::contract::{Contract, Contracts, MapId, Sample, Severity};
use counterfoil_comparator::store::Lookup;
use counterfoil_comparator::table::{Arrival, Change, Class, Marks, Observed, Probe, Seen, Table};
use counterfoil_digest::{Codec, MapDigesters, key_hash};
use counterfoil_judge::{
    Digest, Interval, Outcome, Reported, Scope, StoreOutcome, Terms, Time, Write, WriteId,
};
use counterfoil_keys::{DeploymentKey, KeyNumber, Keyring, TenantName};
use counterfoil_proto::TraceRef;
use std::sync::Arc;

/// Events in a batch, and probes in a read.
const BATCH: usize = 500;
/// A prime that divides no number of keys: they are written in an order that is not theirs.
const KEY_STEP: u64 = 104_729;

const MAP: MapId = MapId(0);
const MAP_NAME: &str = "cart";

const MS: i64 = 1_000_000;
/// From one write of a key to its next.
const ROUND: i64 = 10_000 * MS;
/// From the begin of a write to its arrival.
const ARRIVED_AFTER: i64 = 2 * MS;
/// From the begin of a write to the read that sees it.
const READ_AFTER: i64 = 1_000 * MS;
const PROBING: Probing = Probing { first_delay: 10 * MS, gap_min: 50 * MS, gap_max: 400 * MS };
const TERMS: Terms = Terms {
    deadline: 5_000 * MS,
    lead: 0,
    give_up: None,
    patience: 5_000 * MS,
    expires: false,
    scope: Scope::Shared,
};

/// What the events look like.
#[derive(Clone, Copy)]
pub(crate) struct Form {
    /// How many keys there are.
    pub(crate) keys: u64,
    /// Bytes of a key.
    pub(crate) key_bytes: usize,
    /// Whether each event names the span it happened in.
    pub(crate) traced: bool,
}

impl Form {
    /// Hands out the `round`th write of every key, from 1 on, in batches.
    pub(crate) fn each_batch(self, round: u8, mut take: impl FnMut(Vec<Arrival<'_>>)) {
        let mut numbers = (0..self.keys).map(|n| n * KEY_STEP % self.keys);
        let width = self.key_bytes;
        loop {
            let batch = numbers.by_ref().take(BATCH);
            let keys: Vec<_> = batch.map(|number| (number, format!("{number:0width$}"))).collect();
            if keys.is_empty() {
                return;
            }
            take(keys.iter().map(|(number, key)| self.arrival(*number, key.as_bytes(), round)).collect());
        }
    }

    fn arrival(self, number: u64, key: &[u8], round: u8) -> Arrival<'_> {
        let span = TraceRef { trace_id: [round; 16], span_id: number.to_le_bytes() };
        Arrival {
            map: MAP,
            hash: key_hash(MAP_NAME, key),
            key,
            digested_under: KeyNumber::default(),
            write: write(number + self.keys * u64::from(round), round),
            marks: Marks { trace: self.traced.then_some(span), cohort: None },
            prints: &[],
            spellings: &[],
        }
    }
}

/// Both legs were watched and took a millisecond, at the same time.
fn write(seq: u64, round: u8) -> Write {
    let leg = Interval::new(written_at(round), written_at(round).plus(MS));
    let legs = Reported { map: Some(leg), store: Some((leg, StoreOutcome::Ok)) };
    let (map, store, deadline) = legs.under(&TERMS, 0);
    let id = WriteId { source: 1, seq };
    Write {
        id,
        digest: digest(round),
        map,
        order: None,
        store,
        version: None,
        deadline,
        pending: true,
        held: false,
    }
}

fn written_at(round: u8) -> Time {
    Time(i64::from(round) * ROUND)
}

/// What every key holds after a round.
fn digest(round: u8) -> Digest {
    Digest([round; 16])
}

/// The table, and how often its keys were written.
pub(crate) struct Crowd {
    table: Table,
    form: Form,
    round: u8,
}

impl Crowd {
    /// No key yet, and room for all.
    pub(crate) fn new(form: Form) -> Self {
        let tenant = TenantName::default();
        let keys = Keyring::of(DeploymentKey::new("k1", [7; 32]).tenant(&tenant));
        let contract = Contract {
            name: MAP_NAME.into(),
            tenant,
            store: 0,
            is_reported: true,
            lookup: Lookup::Prefix("".into()),
            scan: None,
            digesters: MapDigesters::new(&keys, MAP_NAME, Codec::Bytes),
            terms: TERMS,
            sample: Sample::ALL,
            severity: Severity::default(),
            cohorts: Vec::new(),
            values: None,
            gate: WrittenGate::default().terms(&TERMS),
        };
        let contracts = Arc::new(Contracts::new(vec![contract], Vec::new()));
        // The shards are not filled evenly.
        let keys_max = usize::try_from(2 * form.keys).unwrap_or(usize::MAX);
        Self { table: Table::new(contracts, PROBING, keys_max), form, round: 0 }
    }

    /// Writes every key once. Gives the CPU time per event that taking them in costs, in nanoseconds.
    pub(crate) fn write(&mut self) -> f64 {
        self.round += 1;
        let now = written_at(self.round).plus(ARRIVED_AFTER);
        let mut spent = 0.0;
        self.form.each_batch(self.round, |arrivals| {
            spent += cpu_ns_of(|| self.table.apply(Change::Writes(arrivals), now));
        });
        assert_eq!(self.open_events(), self.form.keys, "each key waits for its last write to be confirmed");
        spent / self.form.keys as f64
    }

    /// Probes every key, which agrees. Gives the CPU time per key in nanoseconds, from taking the probe to the verdict.
    pub(crate) fn confirm(&mut self) -> f64 {
        let now = written_at(self.round).plus(READ_AFTER);
        let (mut spent, mut confirmed) = (0.0, 0);
        for turn in 0.. {
            let mut probes = Vec::new();
            spent += cpu_ns_of(|| probes = self.table.due(MAP, Class::Fresh, now, BATCH, turn));
            if probes.is_empty() {
                break;
            }
            let observed: Vec<_> = probes.into_iter().map(|probe| self.agreeing(probe)).collect();
            spent += cpu_ns_of(|| confirmed += self.judge(observed, now));
        }
        assert_eq!((confirmed, self.open_events()), (self.form.keys, 0), "each key is confirmed");
        spent / self.form.keys as f64
    }

    fn agreeing(&self, probe: Probe) -> Observed {
        let at = written_at(self.round).plus(READ_AFTER);
        let seen = Ok(Seen::new(digest(self.round), None));
        Observed { probe, at: Interval::new(at, at.plus(MS)), seen }
    }

    /// Gives how many events were confirmed.
    fn judge(&self, observed: Vec<Observed>, now: Time) -> u64 {
        let looked = self.table.apply(Change::Looked(&observed), now.plus(MS));
        let judged = self.table.apply(Change::Observed(observed), now.plus(2 * MS));
        let ended = looked.ended.iter().chain(&judged.ended);
        ended.filter(|ended| matches!(ended.outcome, Outcome::Confirmed { .. })).count() as u64
    }

    fn open_events(&self) -> u64 {
        self.table.census().iter().map(|of_map| of_map.open).sum()
    }
}
