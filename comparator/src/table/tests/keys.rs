//! Writes whose digests are under different deployment keys, as while one key takes another's place.

use super::*;
use proptest::prelude::*;

/// The digest of a value under a key.
fn digest(value: u8, key: KeyNumber) -> Digest {
    Digest([value * 16 + u8::try_from(key.index()).unwrap() + 1; 16])
}

fn numbers() -> [KeyNumber; 2] {
    ["k1", "k2"].map(|id| keys().number(id).unwrap())
}

/// Reads what is due at `now`; each read finds `value`, and digests it as its probe asks for.
fn find(table: &Table, now: Time, value: u8) -> Effects {
    let saw = |probe: Probe| {
        let seen = Ok(Seen::new(digest(value, probe.against.digested_under), None));
        Observed { probe, at: Interval::new(now, now), seen }
    };
    let probes = all_due(table, now);
    table.apply(Change::Observed(probes.into_iter().map(saw).collect()), now)
}

#[test]
fn a_key_goes_on_under_the_next_writes_key_and_what_was_open_under_the_last_one_ends_in_doubt() {
    let ([k1, k2], table) = (numbers(), table(1_000));
    put_under(&table, b"k", k1, write(1, digest(1, k1), 0, 10), at(11));
    let changed = put_under(&table, b"k", k2, write(2, digest(2, k2), 20, 30), at(31));
    assert_eq!(outcomes(&changed), [(1, Outcome::Undetermined(Reason::Baseline))]);
    let confirmed = find(&table, at(60), 2);
    assert!(matches!(outcomes(&confirmed)[..], [(2, Outcome::Confirmed { .. })]), "{confirmed:?}");
    assert_eq!(table.census(), [Census { keys: 1, ..Census::default() }]);
}

#[test]
fn an_old_value_is_doubt_while_its_write_may_land_and_a_divergence_after_that() {
    let [k1, k2] = numbers();
    for (begin, is_told) in [(20, false), (41, true)] {
        let table = table(1_000);
        put_under(&table, b"k", k1, write(1, digest(1, k1), 0, 40), at(41));
        put_under(&table, b"k", k2, write(2, digest(2, k2), begin, 50), at(51));
        let told = find(&table, at(80), 1);
        assert_eq!(turns(&told) == [Turn::Opened], is_told, "begun at {begin}: {told:?}");
        let doubt = told.verdicts == [(MAP, Verdict::Undetermined(Reason::Baseline))];
        assert_eq!(doubt, !is_told, "begun at {begin}: {told:?}");
    }
}

#[test]
fn a_read_for_one_key_tells_nothing_about_writes_under_another() {
    let ([k1, k2], table) = (numbers(), table(1_000));
    put_under(&table, b"k", k1, write(1, digest(1, k1), 0, 10), at(11));
    let probes = table.due(MAP, Class::Fresh, at(40), 10, 0);
    put_under(&table, b"k", k2, write(2, digest(1, k2), 12, 20), at(41));
    let saw = |probe| {
        let seen = Ok(Seen::new(digest(1, k1), None));
        Observed { probe, at: Interval::new(at(40), at(40)), seen }
    };
    let effects = table.apply(Change::Observed(probes.into_iter().map(saw).collect()), at(42));
    assert_eq!(effects.verdicts, [(MAP, Verdict::Undetermined(Reason::Baseline))]);
    assert!(effects.ended.is_empty() && effects.turned.is_empty(), "{effects:?}");
    let again = find(&table, at(500), 1);
    assert!(matches!(outcomes(&again)[..], [(2, Outcome::Confirmed { .. })]), "{again:?}");
}

#[test]
fn a_key_with_a_write_of_unknown_outcome_under_another_key_is_not_forgotten() {
    let ([k1, k2], table) = (numbers(), table(64));
    let unknown = write(1, digest(1, k1), 0, 10);
    let legs = Reported { map: unknown.map, store: unknown.map.map(|leg| (leg, StoreOutcome::Unknown)) };
    let (_, store, deadline) = legs.under(&TERMS, 0);
    put_under(&table, b"k", k1, Write { store, deadline, ..unknown }, at(11));
    put_under(&table, b"k", k2, write(2, digest(2, k2), 20, 30), at(31));
    for now in (60..6_000).step_by(100) {
        find(&table, at(now), 2);
    }
    assert_eq!(table.census()[0].open, 0);
    for n in 0..2_000u64 {
        put_under(&table, &n.to_le_bytes(), k2, write(n + 3, digest(2, k2), 6_000, 6_001), at(6_002));
    }
    let again = put_under(&table, b"k", k2, write(9_000, digest(3, k2), 6_010, 6_020), at(6_021));
    assert!(again.ended.is_empty(), "it still has its place");
    let told: Vec<_> = (6_040..8_500).step_by(20).flat_map(|now| turns(&find(&table, at(now), 1))).collect();
    assert!(!told.is_empty(), "others are divergent");
    assert!(table.doubt(MAP, key_hash("cart", b"k")) < Time::MAX, "no other key is in doubt for it");
}

/// A write of one value to the key: begin, length, when within it the store takes it, and the key of its digest.
type Put = (i64, i64, i64, usize, u8);

fn puts() -> impl Strategy<Value = Vec<Put>> {
    proptest::collection::vec((0i64..400, 0i64..60, 0i64..=100, 0usize..2, 0u8..4), 1..24)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, cases: 400, ..ProptestConfig::default() })]

    /// A store that takes every write within its leg is never called divergent, whatever keys the writers use.
    #[test]
    fn writers_that_use_different_keys_by_turns_cause_no_false_alarm_and_every_event_ends_once(puts in puts()) {
        let (numbers, table) = (numbers(), table(1_000));
        let mut landed: Vec<(i64, usize, u8)> = Vec::new();
        let mut reported: Vec<(i64, u64, Put)> = Vec::new();
        for (seq, put) in (0..).zip(&puts) {
            let (begin, length, part, _, value) = *put;
            landed.push((begin + length * part / 100, reported.len(), value));
            reported.push((begin + length + 1, seq, *put));
        }
        landed.sort_unstable();
        reported.sort_unstable();
        let mut ended = Vec::new();
        let mut reported = reported.into_iter().peekable();
        for now in 0..4_000 {
            while let Some((_, seq, (begin, length, _, key, value))) = reported.next_if(|it| it.0 <= now) {
                let key = numbers[key];
                let write = write(seq, digest(value, key), begin, begin + length);
                ended.extend(outcomes(&put_under(&table, b"k", key, write, at(now))));
            }
            // Whatever begins before this instant has been reported: no watermark would let a read be judged sooner.
            let is_passed = puts.iter().all(|(begin, length, ..)| *begin > now || begin + length < now);
            let value = landed.iter().take_while(|(when, ..)| *when <= now).last().map(|(_, _, value)| *value);
            if let (true, Some(value)) = (is_passed, value) {
                let told = find(&table, at(now), value);
                prop_assert!(told.turned.is_empty(), "{now}: {:?}", told.turned);
                ended.extend(outcomes(&told));
            }
        }
        let mut seqs: Vec<_> = ended.iter().map(|(seq, _)| *seq).collect();
        seqs.sort_unstable();
        prop_assert_eq!(seqs, (0..puts.len() as u64).collect::<Vec<_>>());
    }
}

mod of_copies {
    use super::*;

    fn copies() -> Table {
        let table = table_of(Terms { scope: Scope::Process, ..TERMS }, 1_000);
        (1..=3).for_each(|source| table.set_live(source, true));
        table
    }

    fn by(source: u32, write: Write) -> Write {
        Write { id: WriteId { source, ..write.id }, ..write }
    }

    #[test]
    fn a_copy_has_doubt_about_what_another_wrote_under_another_key_until_its_own_next_write() {
        let ([k1, k2], table) = (numbers(), copies());
        put_under(&table, b"k", k1, by(1, write(1, digest(1, k1), 0, 10)), at(11));
        find(&table, at(40), 1);
        put_under(&table, b"k", k2, by(2, write(1, digest(2, k2), 50, 60)), at(61));
        let told: Vec<_> = (80..2_000).step_by(20).flat_map(|now| turns(&find(&table, at(now), 2))).collect();
        assert!(told.is_empty(), "what it should follow cannot be told: {told:?}");
        put_under(&table, b"k", k2, by(1, write(2, digest(3, k2), 2_000, 2_010)), at(2_011));
        let told: Vec<_> =
            (2_040..3_200).step_by(20).flat_map(|now| turns(&find(&table, at(now), 2))).collect();
        assert_eq!(told, [Turn::Opened, Turn::Confirmed], "its write was lost");
    }

    #[test]
    fn a_new_copy_beside_one_under_another_key_begins_in_doubt() {
        let ([k1, k2], table) = (numbers(), copies());
        put_under(&table, b"k", k1, by(1, write(1, digest(1, k1), 0, 40)), at(41));
        put_under(&table, b"k", k2, by(2, write(1, digest(2, k2), 20, 30)), at(42));
        let told = find(&table, at(80), 1);
        assert!(told.turned.is_empty(), "the first write may have come last: {told:?}");
    }
}
