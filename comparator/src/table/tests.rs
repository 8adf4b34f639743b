#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use super::*;
use crate::config::WrittenGate;
use crate::contract::{Contract, Sample, Severity};
use crate::store::Lookup;
use counterfoil_digest::{Codec, MapDigesters, key_hash};
use counterfoil_judge::{
    Digest, Interval, Kind, Outcome, Reported, Scope, StoreLeg, StoreOutcome, Terms, Verdict, Write, WriteId,
};
use counterfoil_keys::{DeploymentKey, KeyNumber, Keyring, TenantName};
use std::collections::HashSet;

const MS: i64 = 1_000_000;
const TERMS: Terms = Terms {
    deadline: 1_000 * MS,
    lead: 0,
    give_up: None,
    patience: 1_000 * MS,
    expires: false,
    scope: Scope::Shared,
};
const PROBING: Probing = Probing { first_delay: 10 * MS, gap_min: 50 * MS, gap_max: 400 * MS };
const MAP: MapId = MapId(0);
const A: Digest = Digest([1; 16]);
const B: Digest = Digest([2; 16]);

fn table(keys_max: usize) -> Table {
    table_of(TERMS, keys_max)
}

fn table_of(terms: Terms, keys_max: usize) -> Table {
    let tenant = TenantName::default();
    let contract = Contract {
        name: "cart".into(),
        store: 0,
        is_reported: true,
        lookup: Lookup::Prefix("".into()),
        scan: None,
        digesters: MapDigesters::new(&keys().tenant(&tenant), "cart", Codec::Bytes),
        tenant,
        gate: WrittenGate::default().terms(&terms),
        terms,
        sample: Sample::ALL,
        severity: Severity::default(),
        cohorts: Vec::new(),
        values: None,
    };
    let table = Table::new(Arc::new(Contracts::new(vec![contract], Vec::new())), PROBING, keys_max);
    table.assume_calibrated();
    table
}

/// Two deployment keys.
fn keys() -> Keyring<DeploymentKey> {
    Keyring::new(vec![DeploymentKey::new("k1", [1; 32]), DeploymentKey::new("k2", [2; 32])]).unwrap()
}

fn write(seq: u64, digest: Digest, begin_ms: i64, end_ms: i64) -> Write {
    let leg = Interval::new(Time(begin_ms * MS), Time(end_ms * MS));
    let legs = Reported { map: Some(leg), store: Some((leg, StoreOutcome::Ok)) };
    let (map, store, deadline) = legs.under(&TERMS, 0);
    Write {
        id: WriteId { source: 0, seq },
        digest,
        map,
        order: None,
        store,
        version: None,
        deadline,
        pending: true,
        held: false,
    }
}

fn at(ms: i64) -> Time {
    Time(ms * MS)
}

fn put(table: &Table, key: &[u8], write: Write, now: Time) -> Effects {
    put_under(table, key, KeyNumber::default(), write, now)
}

fn put_under(table: &Table, key: &[u8], digested_under: KeyNumber, write: Write, now: Time) -> Effects {
    let hash = key_hash("cart", key);
    let marks = Marks::default();
    let arrival = Arrival { map: MAP, hash, key, digested_under, write, marks, prints: &[], spellings: &[] };
    table.apply(Change::Writes(vec![arrival]), now)
}

/// Probes of all that is due at `now`, whatever waits for it.
fn all_due(table: &Table, now: Time) -> Vec<Probe> {
    Class::ALL.into_iter().flat_map(|class| table.due(MAP, class, now, usize::MAX, 0)).collect()
}

/// Probes all that is due at `now` and lets each see `seen`.
fn look(table: &Table, now: Time, seen: Result<Digest, Reason>) -> Effects {
    let probes = all_due(table, now);
    let seen = seen.map(|digest| Seen::new(digest, None));
    let saw = |probe| Observed { probe, at: Interval::new(now, now), seen: seen.clone() };
    table.apply(Change::Observed(probes.into_iter().map(saw).collect()), now)
}

fn outcomes(effects: &Effects) -> Vec<(u64, Outcome)> {
    effects.ended.iter().map(|ended| (ended.id.seq, ended.outcome)).collect()
}

fn turns(effects: &Effects) -> Vec<Turn> {
    effects.turned.iter().map(|turned| turned.turn).collect()
}

mod calibrating;
mod capturing;
mod census;
mod fields;
mod keys;
mod rows;
mod waiting;

#[test]
fn a_write_is_probed_once_and_confirmed() {
    let table = table(1_000);
    put(&table, b"k", write(1, A, 0, 10), at(11));
    assert!(table.due(MAP, Class::Fresh, at(20), 10, 0).is_empty(), "not before the first delay");
    let effects = look(&table, at(21), Ok(A));
    assert_eq!(outcomes(&effects), [(1, Outcome::Confirmed { lag: 11 * MS })]);
    assert_eq!(effects.verdicts[0].1.label(), "consistent");
    assert!(table.due(MAP, Class::Fresh, at(1_000_000), 10, 0).is_empty(), "nothing is left to learn");
    assert_eq!(table.census(), [Census { keys: 1, ..Census::default() }]);
}

#[test]
fn a_key_has_one_probe_under_way_at_most() {
    let table = table(1_000);
    put(&table, b"k", write(1, A, 0, 10), at(11));
    let first = table.due(MAP, Class::Fresh, at(30), 10, 0);
    put(&table, b"k", write(2, B, 31, 32), at(33));
    assert_eq!(first.len(), 1);
    assert!(table.due(MAP, Class::Fresh, at(1_000), 10, 0).is_empty(), "the first one is not back yet");
}

#[test]
fn a_lasting_divergence_is_opened_confirmed_right_after_its_deadline_and_resolved() {
    let table = table(1_000);
    put(&table, b"k", write(1, A, 0, 10), at(11));
    let opened = look(&table, at(21), Ok(Digest::ABSENT));
    assert_eq!((turns(&opened), outcomes(&opened)), (vec![Turn::Opened], vec![]));
    let mut now = 21;
    let confirmed = loop {
        now += 1;
        assert!(now < 1_020, "P5: confirmed within the deadline and one probe interval");
        let effects = look(&table, at(now), Ok(Digest::ABSENT));
        if !effects.turned.is_empty() {
            break effects;
        }
    };
    assert_eq!((turns(&confirmed), now), (vec![Turn::Confirmed], 1_011), "the deadline was at 1,010 ms");
    assert_eq!(outcomes(&confirmed), [(1, Outcome::Divergent)]);
    assert_eq!(table.census()[0].divergences, 1);
    let resolved = look(&table, at(5_000), Ok(A));
    assert_eq!((turns(&resolved), outcomes(&resolved)), (vec![Turn::Resolved("agreed")], vec![]));
    assert_eq!(table.census()[0].divergences, 0);
}

#[test]
fn a_deadline_that_passes_while_an_observation_waits_for_watermarks_is_looked_at_at_once() {
    let table = table(1_000);
    put(&table, b"k", write(1, A, 0, 10), at(11));
    let probes = table.due(MAP, Class::Fresh, at(21), 10, 0);
    let before = Interval::new(at(1_000), at(1_001));
    let saw = |probe| Observed { probe, at: before, seen: Ok(Seen::new(Digest::ABSENT, None)) };
    let effects = table.apply(Change::Observed(probes.into_iter().map(saw).collect()), at(1_300));
    assert_eq!(turns(&effects), [Turn::Opened], "read before the deadline at 1,010 ms, judged after it");
    assert_eq!(turns(&look(&table, at(1_300), Ok(Digest::ABSENT))), [Turn::Confirmed]);
}

#[test]
fn a_store_that_is_down_makes_events_undetermined_and_is_asked_again_until_it_answers() {
    let table = table(1_000);
    put(&table, b"k", write(1, A, 0, 10), at(11));
    let mut ended = Vec::new();
    for now in (20..4_000).step_by(10) {
        ended.extend(outcomes(&look(&table, at(now), Err(Reason::Store))));
    }
    assert_eq!(ended, [(1, Outcome::Undetermined(Reason::Store))], "once, out of patience");
    let found = look(&table, at(9_000), Ok(B));
    assert_eq!(turns(&found), [Turn::Opened, Turn::Confirmed], "the question was still open");
    assert!(outcomes(&found).is_empty(), "an event ends once");
}

#[test]
fn every_event_ends_exactly_once_on_a_hot_key() {
    let table = table(1_000);
    let (mut ended, mut last) = (Vec::new(), A);
    for n in 0..2_000u64 {
        let now = i64::try_from(n).unwrap() * 3;
        last = Digest([u8::try_from(n % 250).unwrap() + 1; 16]);
        ended.extend(outcomes(&put(&table, b"hot", write(n, last, now, now + 5), at(now + 6))));
        ended.extend(outcomes(&look(&table, at(now + 6), Ok(last))));
    }
    for now in (6_100..9_000).step_by(100) {
        ended.extend(outcomes(&look(&table, at(now), Ok(last))));
    }
    let distinct: HashSet<_> = ended.iter().map(|(seq, _)| *seq).collect();
    assert_eq!((ended.len(), distinct.len()), (2_000, 2_000));
    assert_eq!(table.census()[0].open, 0);
    let confirmed = ended.iter().filter(|(_, outcome)| matches!(outcome, Outcome::Confirmed { .. })).count();
    assert!(confirmed > 40, "a key that never rests is confirmed all along: {confirmed}");
    assert!(ended.iter().all(|(_, how)| matches!(how, Outcome::Confirmed { .. } | Outcome::Superseded)));
}

#[test]
fn a_divergence_that_a_later_lost_write_takes_over_is_resolved_and_opened_anew() {
    let table = table(1_000);
    put(&table, b"k", write(1, A, 0, 10), at(11));
    look(&table, at(21), Ok(Digest::ABSENT));
    put(&table, b"k", write(2, B, 30, 40), at(41));
    let effects = look(&table, at(200), Ok(Digest::ABSENT));
    assert_eq!(turns(&effects), [Turn::Resolved("superseded"), Turn::Opened]);
    assert_eq!(effects.turned[1].divergence.named.seq, 2);
}

#[test]
fn a_tainted_key_is_undetermined() {
    let table = table(1_000);
    put(&table, b"k", write(1, A, 0, 10), at(11));
    table.taint(&TenantName::default(), &BucketSet::All, at(500), Reason::Gap);
    let effects = look(&table, at(600), Ok(B));
    assert_eq!(effects.verdicts, [(MAP, Verdict::Undetermined(Reason::Gap))]);
    assert!(effects.turned.is_empty());
}

#[test]
fn settled_keys_make_room_for_new_ones_and_then_events_are_shed() {
    let table = table(64);
    let mut now = 0;
    let mut shed = 0;
    for n in 0..1_000u64 {
        now += 1;
        shed += put(&table, &n.to_le_bytes(), write(n, A, now, now), at(now)).ended.len();
    }
    let kept = table.census()[0].keys;
    assert!(kept <= 128, "{kept} keys");
    assert_eq!(u64::try_from(shed).unwrap() + table.census()[0].open, 1_000, "shed or open");
    for now in (2_000..6_000).step_by(100) {
        look(&table, at(now), Ok(A));
    }
    assert_eq!(table.census()[0].open, 0, "those in doubt ran out of patience");
    let after = put(&table, b"new", write(5_000, A, 6_001, 6_002), at(6_003));
    assert!(after.ended.is_empty(), "a settled key made room");
    assert!(table.census()[0].keys <= kept);
}

mod copies {
    //! Maps of which each process has a copy of its own.
    use super::*;

    fn copies() -> Table {
        let table = table_of(TERMS_OF_COPIES, 1_000);
        (1..=3).for_each(|source| table.set_live(source, true));
        table
    }

    const TERMS_OF_COPIES: Terms = Terms { scope: Scope::Process, ..TERMS };

    fn by(source: u32, write: Write) -> Write {
        Write { id: WriteId { source, ..write.id }, ..write }
    }

    /// The copy takes in what the store holds, or drops it.
    fn follows(write: Write) -> Write {
        Write { store: None, ..write }
    }

    #[test]
    fn a_copy_that_did_not_follow_is_behind_until_it_does() {
        let table = copies();
        put(&table, b"k", by(1, write(1, A, 0, 10)), at(11));
        look(&table, at(30), Ok(A));
        put(&table, b"k", by(2, write(1, B, 100, 110)), at(111));
        assert!(turns(&look(&table, at(130), Ok(B))).is_empty(), "the writer's own copy agrees");
        assert!(turns(&look(&table, at(1_100), Ok(B))).is_empty(), "the other one has time until 1,110 ms");
        let behind = look(&table, at(1_112), Ok(B));
        assert_eq!(turns(&behind), [Turn::Opened, Turn::Confirmed]);
        let divergence = behind.turned[0].divergence;
        assert_eq!((divergence.kind, divergence.named.source), (Kind::MapBehind, 1));
        put(&table, b"k", by(1, follows(write(2, B, 1_200, 1_201))), at(1_202));
        assert_eq!(turns(&look(&table, at(1_600), Ok(B))), [Turn::Resolved("agreed")]);
    }

    #[test]
    fn a_write_that_comes_while_the_copy_is_read_has_still_to_be_followed() {
        let table = copies();
        put(&table, b"k", by(1, write(1, A, 0, 10)), at(11));
        let probes = table.due(MAP, Class::Fresh, at(30), 10, 0);
        put(&table, b"k", by(2, write(1, B, 31, 40)), at(41));
        let at_read = Interval::new(at(30), at(31));
        let saw = |probe| Observed { probe, at: at_read, seen: Ok(Seen::new(A, None)) };
        let effects = table.apply(Change::Observed(probes.into_iter().map(saw).collect()), at(60));
        assert!(turns(&effects).is_empty());
        let turned: Vec<_> =
            (80..1_400).step_by(50).flat_map(|now| turns(&look(&table, at(now), Ok(B)))).collect();
        assert_eq!(turned, [Turn::Opened, Turn::Confirmed]);
    }

    #[test]
    fn a_copy_that_dropped_the_value_or_whose_process_ended_follows_nothing() {
        let table = copies();
        for source in [1, 2] {
            put(&table, b"k", by(source, write(1, A, 0, 10)), at(11));
        }
        look(&table, at(30), Ok(A));
        put(&table, b"k", by(1, follows(write(2, Digest::ABSENT, 40, 41))), at(42));
        table.set_live(2, false);
        put(&table, b"k", by(3, write(1, B, 100, 110)), at(111));
        for now in (130..3_000).step_by(100) {
            assert!(turns(&look(&table, at(now), Ok(B))).is_empty(), "{now}");
        }
        assert_eq!((table.census()[0].open, table.census()[0].divergences), (0, 0));
    }

    #[test]
    fn a_copy_that_took_in_an_old_value_is_behind_though_it_came_last() {
        let table = copies();
        put(&table, b"k", by(1, write(1, A, 0, 10)), at(11));
        put(&table, b"k", by(1, write(2, B, 20, 30)), at(31));
        look(&table, at(60), Ok(B));
        put(&table, b"k", by(2, follows(write(1, A, 70, 71))), at(72));
        let turned: Vec<_> =
            (80..1_400).step_by(50).flat_map(|now| turns(&look(&table, at(now), Ok(B)))).collect();
        assert_eq!(turned, [Turn::Opened, Turn::Confirmed]);
    }

    #[test]
    fn a_lost_write_is_told_by_the_copy_that_made_it_and_by_no_other() {
        let table = copies();
        put(&table, b"k", by(1, write(1, A, 0, 10)), at(11));
        put(&table, b"k", by(2, write(1, B, 20, 30)), at(31));
        let mut named = Vec::new();
        for now in (60..1_400).step_by(50) {
            let effects = look(&table, at(now), Ok(A));
            named.extend(effects.turned.iter().map(|turned| (turned.divergence.named.source, turned.turn)));
        }
        assert_eq!(named, [(2, Turn::Opened), (2, Turn::Confirmed)]);
    }
}

#[test]
fn a_million_keys_at_once_stay_within_the_tables_bound() {
    const KEYS: u64 = 1_000_000;
    let table = table(10_000);
    let hash = |n: u64| key_hash("cart", &n.to_le_bytes());
    let keys: Vec<_> = (0..KEYS).map(|n| (n, n.to_le_bytes())).collect();
    let arrival = |(n, key): &'static (u64, [u8; 8])| Arrival {
        map: MAP,
        hash: hash(*n),
        key,
        digested_under: KeyNumber::default(),
        write: write(*n, A, 0, 10),
        marks: Marks::default(),
        prints: &[],
        spellings: &[],
    };
    let keys: &'static [(u64, [u8; 8])] = keys.leak();
    let effects = table.apply(Change::Writes(keys.iter().map(arrival).collect()), at(11));
    let census = table.census()[0];
    assert!(census.keys <= 10_000 + SHARDS, "{}", census.keys);
    assert_eq!(effects.ended.len() as u64 + census.open, KEYS, "shed or open");
    assert_eq!(table.shedding().0, 1_024, "every bucket was closed");
}
