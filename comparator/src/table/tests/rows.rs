//! Rows that the table does not know, and values that maps held before anybody watched.

use super::*;
use crate::table::rows::NOBODY;

/// All that the map held since then was told.
fn whole(table: &Table, since_ms: i64) {
    table.set_whole(MAP, Some(Interval::new(at(since_ms), at(since_ms + 1))));
}

fn rows(table: &Table, keys: &[&str], now: Time) -> Rows {
    let keys: Vec<_> = keys.iter().map(|key| key.as_bytes().to_vec()).collect();
    table.compare_rows(MAP, &keys, now)
}

fn unknown(why: Unknown) -> Rows {
    let unknown = Unknown::ALL.map(|other| u64::from(other == why));
    Rows { unknown, ..Rows::default() }
}

const SUSPECTED: Rows = Rows { known: 0, suspected: 1, unknown: [0; Unknown::ALL.len()] };
const KNOWN: Rows = Rows { known: 1, suspected: 0, unknown: [0; Unknown::ALL.len()] };

#[test]
fn of_a_row_that_nobody_told_of_it_is_said_why_nothing_is_known() {
    let table = table(1_000);
    put(&table, b"k", write(1, A, 0, 10), at(11));
    assert_eq!(rows(&table, &["k"], at(12)), KNOWN);
    assert_eq!(rows(&table, &["row"], at(12)), unknown(Unknown::NoSnapshot));
    whole(&table, 100);
    table.taint(&TenantName::default(), &BucketSet::All, at(100), Reason::Gap);
    assert_eq!(rows(&table, &["row"], at(102)), unknown(Unknown::Doubt));
    whole(&table, 101);
    assert_eq!(rows(&table, &["row"], at(102)), SUSPECTED);
    assert_eq!(rows(&table, &["row"], at(5_000)), SUSPECTED, "it is being looked at");
}

#[test]
fn before_values_were_seen_to_agree_nothing_is_said_of_a_row() {
    let table = super::calibrating::uncalibrated_table();
    whole(&table, 0);
    assert_eq!(rows(&table, &["row"], at(1)), unknown(Unknown::Representation));
}

#[test]
fn a_key_that_was_forgotten_since_all_was_told_is_in_doubt_and_not_an_orphan() {
    let table = table(64);
    whole(&table, 0);
    let keys: Vec<_> = (0..400).map(|n| format!("k{n}")).collect();
    for (key, n) in keys.iter().zip(0i64..) {
        let begin = 20 * n;
        put(&table, key.as_bytes(), write(n.unsigned_abs(), A, begin, begin + 1), at(begin + 2));
        look(&table, at(begin + 15), Ok(A));
    }
    let names: Vec<_> = keys.iter().map(String::as_str).collect();
    let rows = rows(&table, &names, at(20_000));
    assert_eq!((rows.suspected, rows.count()), (0, 400), "{rows:?}");
    assert!(rows.unknown[1] > 200, "those that were forgotten: {rows:?}");
}

#[test]
fn a_row_that_no_map_knows_is_an_orphan_after_the_deadline_until_it_is_gone() {
    let table = table(1_000);
    whole(&table, 100);
    assert_eq!(rows(&table, &["row"], at(2_000)), SUSPECTED);
    assert!(all_due(&table, at(2_999)).is_empty(), "a write may be on its way");
    let found = look(&table, at(3_000), Ok(A));
    assert_eq!(turns(&found), [Turn::Opened, Turn::Confirmed]);
    let divergence = found.turned[0].divergence;
    assert_eq!(
        (divergence.kind, divergence.named, divergence.expected),
        (Kind::Orphan, NOBODY, Digest::ABSENT)
    );
    assert!(found.ended.is_empty(), "no event tells of it");
    assert_eq!(rows(&table, &["row"], at(4_000)), SUSPECTED, "it is not told again");
    assert_eq!(turns(&look(&table, at(5_000), Ok(Digest::ABSENT))), [Turn::Resolved("agreed")]);
    assert_eq!(rows(&table, &["row"], at(6_000)), SUSPECTED, "should it come back, it is looked at again");
}

#[test]
fn a_row_that_a_source_tells_of_late_is_no_orphan_and_an_orphan_that_is_written_resolves() {
    let table = table(1_000);
    whole(&table, 100);
    assert_eq!(rows(&table, &["late", "row"], at(2_000)).suspected, 2);
    put(&table, b"late", write(1, A, 1_995, 2_005), at(2_010));
    let found = look(&table, at(3_000), Ok(A));
    assert_eq!(outcomes(&found), [(1, Outcome::Confirmed { lag: 995 * MS })]);
    assert_eq!((turns(&found).len(), &found.turned[0].key[..]), (2, &b"row"[..]), "{found:?}");
    put(&table, b"row", write(2, B, 4_000, 4_010), at(4_011));
    assert_eq!(turns(&look(&table, at(4_500), Ok(B))), [Turn::Resolved("agreed")]);
    assert_eq!(rows(&table, &["late", "row"], at(5_000)).known, 2);
}

#[test]
fn a_row_that_was_read_before_its_key_was_first_written_is_an_orphan_only_while_all_is_told() {
    for is_whole in [true, false] {
        let table = table(1_000);
        whole(&table, 100);
        assert_eq!(rows(&table, &["row"], at(2_000)), SUSPECTED);
        let probes = all_due(&table, at(3_000));
        let seen = Ok(Seen::new(A, None));
        let saw = |probe| Observed { probe, at: Interval::new(at(3_000), at(3_001)), seen: seen.clone() };
        let observed = probes.into_iter().map(saw).collect();
        put(&table, b"row", write(1, B, 3_010, 3_020), at(3_021));
        if !is_whole {
            table.set_whole(MAP, None);
        }
        let found = table.apply(Change::Observed(observed), at(3_030));
        let kinds: Vec<_> = found.turned.iter().map(|turned| turned.divergence.kind).collect();
        assert_eq!(kinds, if is_whole { vec![Kind::Orphan; 2] } else { Vec::new() });
        let agreed = look(&table, at(3_500), Ok(B));
        assert_eq!(turns(&agreed).len(), usize::from(is_whole), "the write takes its place");
        assert!(matches!(outcomes(&agreed)[..], [(1, Outcome::Confirmed { .. })]), "{agreed:?}");
    }
}

#[test]
fn what_is_lost_before_a_row_was_looked_at_again_leaves_nothing_to_tell() {
    for doubt in [true, false] {
        let table = table(1_000);
        whole(&table, 100);
        assert_eq!(rows(&table, &["row"], at(2_000)), SUSPECTED);
        match doubt {
            true => table.taint(&TenantName::default(), &BucketSet::All, at(2_500), Reason::Gap),
            false => table.set_whole(MAP, None),
        }
        let found = look(&table, at(3_000), Ok(A));
        assert!(found.turned.is_empty(), "{found:?}");
        let seen = if doubt { Unknown::Doubt } else { Unknown::NoSnapshot };
        look(&table, at(20_000), Ok(A));
        assert_eq!(rows(&table, &["row"], at(20_001)), unknown(seen));
        whole(&table, 15_000);
        assert_eq!(rows(&table, &["row"], at(20_002)), SUSPECTED, "all was told anew");
        let found = look(&table, at(30_000), Ok(A));
        assert_eq!(turns(&found), [Turn::Opened, Turn::Confirmed]);
    }
}

#[test]
fn a_store_of_many_others_leaves_the_table_to_the_keys_of_the_map() {
    let table = table(64_000);
    whole(&table, 100);
    let keys: Vec<_> = (0..10_000).map(|n| format!("r{n}")).collect();
    let names: Vec<_> = keys.iter().map(String::as_str).collect();
    let rows = rows(&table, &names, at(2_000));
    assert!((500..1_100).contains(&rows.suspected), "{rows:?}");
    assert_eq!(rows.suspected + rows.unknown[3], 10_000, "{rows:?}");
}

#[test]
fn a_held_value_waits_behind_writes_is_read_once_after_its_deadline_and_teaches_no_lag() {
    let table = table(1_000);
    let leg = Some(Interval::new(at(100), at(100)));
    let (map, store, deadline) = Reported { map: leg, store: None }.held_under(&TERMS, 0);
    let held = Write { map, store, deadline, held: true, ..write(1, A, 100, 100) };
    put(&table, b"k", held, at(101));
    assert_eq!(rows(&table, &["k"], at(102)), KNOWN);
    assert!(all_due(&table, at(1_109)).is_empty(), "nothing is learned before its deadline");
    assert!(table.due(MAP, Class::Fresh, at(1_111), 10, 0).is_empty());
    let delay = table.first_delay(MAP);
    let effects = look(&table, at(1_111), Ok(A));
    assert!(matches!(effects.ended[..], [Ended { held: true, outcome: Outcome::Confirmed { .. }, .. }]));
    assert_eq!(table.first_delay(MAP), delay);
    assert!(all_due(&table, at(100_000)).is_empty());
}
