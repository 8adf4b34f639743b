//! What the gate asks of a table: confirmed divergences by age, and the oldest event that waits.

use super::*;

fn confirmed(table: &Table, since: i64) -> (u64, u64) {
    let [census] = table.census_since(at(since), |_, _, _| false)[..] else { panic!("one map") };
    (census.confirmed_since, census.confirmed_before)
}

#[test]
fn a_divergence_counts_once_it_is_confirmed_by_when_its_write_had_to_show() {
    let table = table(1_000);
    put(&table, b"k", write(1, A, 0, 10), at(11));
    look(&table, at(21), Ok(Digest::ABSENT));
    assert_eq!(confirmed(&table, 0), (0, 0), "it may still show");
    look(&table, at(1_011), Ok(Digest::ABSENT));
    assert_eq!(confirmed(&table, 1_010), (1, 0), "the deadline was then");
    assert_eq!(confirmed(&table, 1_011), (0, 1));
    look(&table, at(5_000), Ok(A));
    assert_eq!(confirmed(&table, 0), (0, 0), "it is resolved");
}

#[test]
fn what_somebody_ignores_is_counted_apart_and_by_check_write_and_key() {
    let table = table(1_000);
    for (seq, key) in [(1, b"k"), (2, b"l")] {
        put(&table, key, write(seq, A, 0, 10), at(11));
    }
    look(&table, at(1_011), Ok(Digest::ABSENT));
    let census = |ignored: fn(MapId, WriteId, &[u8]) -> bool| {
        let [census] = table.census_since(at(0), ignored)[..] else { panic!("one map") };
        (census.confirmed_since, census.ignored, census.divergences)
    };
    assert_eq!(census(|_, _, _| false), (2, 0, 2));
    let is_first = |map, write: WriteId, key: &[u8]| map == MapId(0) && write.seq == 1 && key == b"k";
    assert_eq!(census(is_first), (1, 1, 2), "it is open all the same");
}

#[test]
fn the_oldest_open_event_is_told_by_its_begin_until_it_ends() {
    let table = table(1_000);
    let oldest = || table.census()[0].oldest_open;
    assert_eq!(oldest(), None);
    put(&table, b"later", write(2, A, 40, 50), at(51));
    put(&table, b"first", write(1, A, 30, 60), at(61));
    assert_eq!(oldest(), Some(at(30)));
    look(&table, at(100), Ok(A));
    assert_eq!(oldest(), None, "both ended");
}

#[test]
fn an_event_of_a_value_that_the_map_held_begins_when_the_map_was_looked_at() {
    let table = table(1_000);
    let begun_at_any_time = StoreLeg { interval: Interval::new(Time::MIN, at(70)), acknowledged: true };
    let held = Write { held: true, store: Some(begun_at_any_time), ..write(1, A, 60, 70) };
    put(&table, b"k", held, at(71));
    assert_eq!(table.census()[0].oldest_open, Some(at(60)));
}
