//! Rows that the table does not know, and values that maps held before anybody watched.

use super::*;
use crate::table::rows::NOBODY;
use crate::table::{Place, Scanned, Seen, Walk};

/// All that the map held since then was told.
fn whole(table: &Table, since_ms: i64) {
    table.set_whole(MAP, Some(Interval::new(at(since_ms), at(since_ms + 1))));
}

/// Rows of these keys, seen just now, of which nothing is known but that they are there.
fn rows(table: &Table, keys: &[&str], now: Time) -> Rows {
    scanned(table, keys, Err(Reason::Store), (now, now))
}

/// Rows of these keys, seen to hold `seen` at the first instant, compared at the second one.
fn scanned(table: &Table, keys: &[&str], seen: Result<Digest, Reason>, (at, now): (Time, Time)) -> Rows {
    let seen = seen.map(|digest| Seen::new(digest, None));
    let row = |key: &&str| Scanned { key: key.as_bytes().to_vec(), seen: seen.clone() };
    let rows: Vec<_> = keys.iter().map(row).collect();
    table.compare_rows(MAP, &rows, Interval::new(at, at), now)
}

/// How many keys at rest a sweep that comes to all of them at `now` has read.
fn swept(table: &Table, now: Time) -> usize {
    let walk = Walk { store: 0, to: table.place(1, 1), limit: usize::MAX, untouched_since: now };
    table.rouse(Place::default(), &walk, now).1
}

fn unknown(why: Unknown) -> Rows {
    let unknown = Unknown::ALL.map(|other| u64::from(other == why));
    Rows { unknown, ..Rows::default() }
}

const NO_ROWS: Rows = Rows { known: 0, agreeing: 0, suspected: 0, unknown: [0; Unknown::ALL.len()] };
const SUSPECTED: Rows = Rows { suspected: 1, ..NO_ROWS };
const KNOWN: Rows = Rows { known: 1, ..NO_ROWS };
const AGREEING: Rows = Rows { agreeing: 1, ..KNOWN };

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
fn a_row_that_agrees_stands_for_one_look_of_the_sweep_and_one_that_does_not_is_looked_up() {
    let table = table(1_000);
    put(&table, b"k", write(1, A, 0, 10), at(11));
    look(&table, at(26), Ok(A));
    assert_eq!(scanned(&table, &["k"], Ok(A), (at(30), at(31))), AGREEING);
    assert_eq!(swept(&table, at(40)), 0, "the scan showed it");
    assert_eq!(swept(&table, at(50)), 1, "that was one look");
    look(&table, at(51), Ok(A));
    assert_eq!(scanned(&table, &["k"], Err(Reason::Store), (at(60), at(61))), KNOWN, "it was there, no more");
    assert_eq!(swept(&table, at(62)), 1);
    look(&table, at(63), Ok(A));
    assert_eq!(scanned(&table, &["k"], Ok(B), (at(5_000), at(5_001))), KNOWN);
    let found = look(&table, at(5_002), Ok(B));
    assert_eq!(turns(&found), [Turn::Opened, Turn::Confirmed], "the lookup tells it");
}

#[test]
fn what_a_scan_saw_of_a_key_says_nothing_where_the_key_was_not_at_rest_before_it() {
    let table = table(1_000);
    put(&table, b"k", write(1, A, 0, 10), at(11));
    assert_eq!(scanned(&table, &["k"], Ok(A), (at(12), at(13))), KNOWN, "an event waits");
    look(&table, at(26), Ok(A));
    for (seen_at, what) in [(0, "before the write"), (10, "at its end")] {
        assert_eq!(scanned(&table, &["k"], Ok(A), (at(seen_at), at(30))), KNOWN, "{what}");
        assert_eq!(scanned(&table, &["k"], Ok(B), (at(seen_at), at(30))), KNOWN, "{what}");
        assert!(all_due(&table, at(100)).is_empty(), "{what}: nothing is looked up");
    }
    assert_eq!(scanned(&table, &["k"], Ok(A), (at(11), at(30))), AGREEING);
    assert_eq!(swept(&table, at(40)), 0);
    put(&table, b"k", write(2, B, 50, 60), at(61));
    look(&table, at(80), Ok(B));
    assert_eq!(scanned(&table, &["k"], Ok(A), (at(45), at(81))), KNOWN, "it has been written since");
    assert!(all_due(&table, at(100)).is_empty(), "nothing is looked up");
}

#[test]
fn before_values_were_seen_to_agree_a_row_that_differs_is_not_looked_up() {
    let table = super::calibrating::uncalibrated_table();
    put(&table, b"k", write(1, A, 0, 10), at(11));
    look(&table, at(600), Ok(A));
    assert_eq!(scanned(&table, &["k"], Ok(B), (at(5_000), at(5_001))), KNOWN);
    assert!(all_due(&table, at(6_000)).is_empty());
}

#[test]
fn a_key_that_takes_the_place_of_one_that_a_scan_showed_is_read_by_the_sweep() {
    let table = table(64);
    let keys: Vec<_> = (0..400).map(|n| format!("k{n}")).collect();
    for (key, n) in keys.iter().zip(0i64..) {
        let begin = 20 * n;
        put(&table, key.as_bytes(), write(n.unsigned_abs(), A, begin, begin + 1), at(begin + 2));
        look(&table, at(begin + 15), Ok(A));
        if n < 200 {
            scanned(&table, &[key], Ok(A), (at(begin + 16), at(begin + 17)));
        }
    }
    let names: Vec<_> = keys.iter().take(200).map(String::as_str).collect();
    let (kept, shown) = (table.census()[0].keys, rows(&table, &names, at(10_000)).known);
    assert!(shown < 100, "{shown} are left of those that were shown, others have their places");
    assert_eq!(swept(&table, at(20_000)) as u64, kept as u64 - shown);
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
