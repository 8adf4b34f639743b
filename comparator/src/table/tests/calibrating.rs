//! Checks of which it is not known yet whether both sides write values in the same form.

use super::*;

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
    assert_eq!(table.census(), [Census { keys: 50, open: 0, divergences: 0 }]);
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
    table.rules.calibrations.found_unknown(MAP, b"k");
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
        let seen = if agrees { Ok(Seen { digest: A, version: None }) } else { Err(Reason::Store) };
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
