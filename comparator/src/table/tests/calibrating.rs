//! Checks of which it is not known yet whether both sides write values in the same form.

use super::*;
use counterfoil_digest::{Difference, Hint, Print, Rule};
use std::sync::LazyLock;

const FOREIGN: Digest = Digest([9; 16]);

pub(super) fn uncalibrated_table() -> Table {
    let mut table = table(1_000);
    table.rules.calibrations = Calibrations::new(1);
    table
}

/// Puts `A` to as many keys, and looks at them when each has been due, however long the first probe is put off.
fn put_and_look(table: &Table, keys: u8, seen: Digest) -> Effects {
    for number in 0..keys {
        put(table, &[number], write(number.into(), A, 0, 1), at(2));
    }
    look(table, at(600), Ok(seen))
}

fn labels(effects: &Effects) -> Vec<&'static str> {
    effects.verdicts.iter().map(|(_, verdict)| verdict.label()).collect()
}

#[test]
fn values_of_another_form_are_one_turn_of_the_check_and_no_divergence() {
    let table = uncalibrated_table();
    let told = put_and_look(&table, 50, FOREIGN);
    assert_eq!((turns(&told), labels(&told)), (vec![], vec!["undetermined"; 50]));
    assert_eq!(told.calibrated, [(MAP, Calibration::Uncalibrated)]);
    assert!(table.calibration_sample(MAP).is_some_and(|key| key.len() == 1 && key[0] < 50));
    let late = look(&table, at(10_000), Ok(FOREIGN));
    let reason = Outcome::Undetermined(Reason::Representation);
    assert_eq!((late.ended.len(), turns(&late), late.calibrated.len()), (50, vec![], 0));
    assert!(late.ended.iter().all(|ended| ended.outcome == reason), "{late:?}");
    assert_eq!(table.census(), [Census { keys: 50, ..Census::default() }]);
}

#[test]
fn a_key_that_is_looked_at_again_and_again_is_counted_once() {
    let table = uncalibrated_table();
    put_and_look(&table, 1, FOREIGN);
    let mut looks = 1;
    for now in 600..1_900 {
        let told = look(&table, at(now), Ok(FOREIGN));
        looks += told.verdicts.len();
        assert!(told.calibrated.is_empty(), "{told:?}");
    }
    assert!(looks > 5, "{looks}");
    table.rules.calibrations.found_unknown(MAP, b"k", None);
    let agreed: Vec<_> = (0..9).map(|_| table.rules.calibrations.agreed(MAP)).collect();
    assert_eq!(agreed.last(), Some(&Some(Calibration::Calibrated)), "nine agree, two do not: {agreed:?}");
}

#[test]
fn what_was_held_back_is_told_once_the_check_is_calibrated() {
    let table = uncalibrated_table();
    let held_back = put_and_look(&table, 1, FOREIGN);
    assert_eq!((turns(&held_back), outcomes(&held_back)), (vec![], vec![]));
    for number in 1..8 {
        put(&table, &[number], write(number.into(), A, 20, 21), at(601));
    }
    let saw = |probe: Probe| {
        let agrees = probe.key != [0][..];
        let seen = if agrees { Ok(Seen::new(A, None)) } else { Err(Reason::Store) };
        Observed { probe, at: Interval::new(at(1_005), at(1_005)), seen }
    };
    let probes = table.due(MAP, Class::Fresh, at(1_005), usize::MAX, 0);
    let told = table.apply(Change::Observed(probes.into_iter().map(saw).collect()), at(1_005));
    assert_eq!(told.calibrated, [(MAP, Calibration::Calibrated)], "seven agree, one does not: {told:?}");
    let found = look(&table, at(1_500), Ok(FOREIGN));
    assert_eq!((turns(&found), labels(&found)), (vec![Turn::Opened, Turn::Confirmed], vec!["foreign"]));
    assert_eq!(outcomes(&found), [(0, Outcome::Divergent)]);
}

#[test]
fn what_no_form_explains_is_told_before_that() {
    let table = uncalibrated_table();
    let missing = put_and_look(&table, 1, Digest::ABSENT);
    assert_eq!((turns(&missing), labels(&missing)), (vec![Turn::Opened], vec!["missing"]));
    let table = uncalibrated_table();
    put(&table, b"k", write(1, A, 0, 10), at(11));
    put(&table, b"k", write(2, B, 20, 30), at(31));
    let stale = look(&table, at(600), Ok(A));
    assert_eq!(
        (turns(&stale), labels(&stale)),
        (vec![Turn::Opened], vec!["stale"]),
        "an older value is known"
    );
}

#[test]
fn keys_without_a_value_on_either_side_calibrate_nothing() {
    let table = uncalibrated_table();
    for number in 0..10 {
        let begin = i64::from(number);
        let remove = write(number.into(), Digest::ABSENT, begin, begin + 1);
        put(&table, &[number], remove, at(begin + 2));
        assert!(look(&table, at(begin + 600), Ok(Digest::ABSENT)).calibrated.is_empty());
    }
    assert_eq!(table.calibration(MAP), Calibration::Calibrating);
}

/// A write whose spellings are told.
fn sampled(number: u8, seq: u64, now: Time) -> Arrival<'static> {
    let key = KEYS.get(usize::from(number)..=usize::from(number)).unwrap();
    let begin = now.0 / MS - 2;
    Arrival {
        map: MAP,
        hash: key_hash("cart", key),
        key,
        digested_under: KeyNumber::default(),
        write: write(seq, A, begin, begin + 1),
        marks: Marks::default(),
        prints: &[],
        spellings: &[Print([7; 8])],
    }
}

/// A key for each number.
static KEYS: LazyLock<Vec<u8>> = LazyLock::new(|| (0..100).collect());

fn as_number() -> Hint {
    let field: counterfoil_digest::Path = "price".parse().unwrap();
    let rule = Some(Rule::Numbers(field.clone(), None));
    Hint { field, difference: Difference::SameNumber, rule }
}

/// Looks at all that is due at `now`: each finds a value of another form, and says so where its probe has spellings along.
fn look_with_hints(table: &Table, now: Time) -> Effects {
    let saw = |probe: Probe| {
        let hints = probe.against.spellings.as_ref().map(|_| vec![as_number()]);
        let apart = hints.map(|hints| Box::new(Apart { fields: None, hints: Some(hints) }));
        let seen = Ok(Seen { digest: FOREIGN, version: None, apart });
        Observed { probe, at: Interval::new(now, now), seen }
    };
    let probes = all_due(table, now);
    table.apply(Change::Observed(probes.into_iter().map(saw).collect()), now)
}

#[test]
fn what_reads_say_of_sampled_writes_is_counted_once_each_and_shown_while_the_check_is_uncalibrated() {
    let table = uncalibrated_table();
    for number in 0..10 {
        let arrival = sampled(number, number.into(), at(2));
        assert!(table.apply(Change::Writes(vec![arrival]), at(2)).ended.is_empty());
    }
    assert!(look_with_hints(&table, at(600)).calibrated.is_empty());
    look_with_hints(&table, at(700));
    assert_eq!(table.calibration_hints(MAP), None, "ten reads decide nothing");
    assert_eq!(put_and_look_at(&table, 10..20), [(MAP, Calibration::Uncalibrated)]);
    let shown = table.calibration_hints(MAP).unwrap();
    assert_eq!((shown.of, shown.always(), shown.fields.len()), (10, 1, 1));
    assert_eq!(shown.fields[0], FieldHint { hint: as_number(), times: 10 });
    (0..50).for_each(|_| _ = table.rules.calibrations.agreed(MAP));
    assert_eq!((table.calibration(MAP), table.calibration_hints(MAP)), (Calibration::Calibrated, None));
}

/// Puts values to keys of which nothing is sampled, and finds others.
fn put_and_look_at(table: &Table, keys: std::ops::Range<u8>) -> Vec<(MapId, Calibration)> {
    for number in keys {
        put(table, &[number], write(number.into(), A, 700, 701), at(702));
    }
    look_with_hints(table, at(900)).calibrated
}

#[test]
fn spellings_go_along_until_the_check_is_calibrated_and_those_of_a_replaced_write_say_nothing() {
    let table = uncalibrated_table();
    let along = |number: u8| {
        let found = table.rules.calibrations.spellings_of(MAP, &[number], KeyNumber::default());
        found.map(|marked| marked.id.seq)
    };
    for number in 0..40 {
        _ = table.apply(Change::Writes(vec![sampled(number, number.into(), at(2))]), at(2));
    }
    assert_eq!((along(7), along(8), along(39)), (None, Some(8), Some(39)), "32 are kept");
    _ = table.apply(Change::Writes(vec![sampled(39, 50, at(5))]), at(5));
    assert_eq!((along(8), along(39)), (Some(8), Some(50)), "one of each key");
    put(&table, &[39], write(51, B, 8, 9), at(10));
    look_with_hints(&table, at(900));
    assert_eq!(along(39), Some(50), "what was read stands beside the later write");
    assert_eq!(table.calibration_hints(MAP).map(|shown| shown.of), Some(31));
    table.rules.calibrations.assume();
    assert_eq!(along(39), None, "it is known by now");
    _ = table.apply(Change::Writes(vec![sampled(1, 60, at(1_000))]), at(1_000));
    assert_eq!(along(1), None, "nothing is kept any more");
}
