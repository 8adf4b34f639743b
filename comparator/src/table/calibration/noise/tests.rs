#![allow(clippy::indexing_slicing, reason = "a test may panic")]

use super::*;
use crate::table::Against;
use counterfoil_digest::{Difference, Path};
use counterfoil_judge::Time;

/// After how many keys the store is found to be noisy, where `+` said the same twice and `-` did not; and whether it is in the end.
fn found(keys: &str) -> (Vec<usize>, bool) {
    let mut noise = Noise::default();
    let differing = || vec![Hint { field: Path::default(), difference: Difference::Other, rule: None }];
    let learn = |key| noise.learn(&[if key == '-' { differing() } else { Vec::new() }]);
    let found = keys.chars().map(learn).zip(1..).filter_map(|(is_found, count)| is_found.then_some(count));
    (found.collect(), noise.is_noisy())
}

#[test]
fn a_store_is_noisy_once_five_keys_and_four_in_five_differ_and_busy_keys_do_not_make_it_so() {
    for (keys, expected) in [
        ("----", (vec![], false)),
        ("-----", (vec![5], true)),
        ("----+", (vec![], false)),
        ("+-----", (vec![6], true)),
        ("++--------", (vec![10], true)),
        ("++-------", (vec![], false)),
        ("-++++++++++", (vec![], false)),
        ("-+-+-+-+-+-+-+-+-+-+", (vec![], false)),
        ("-----+++++", (vec![5], false)),
        ("-----+++++---------------", (vec![5], true)),
        ("", (vec![], false)),
    ] {
        assert_eq!(found(keys), expected, "{keys}");
    }
}

#[test]
fn fields_that_differ_are_counted_over_all_keys() {
    let field = |name: &str| Hint {
        field: name.parse().expect("a name is a path"),
        difference: Difference::Other,
        rule: None,
    };
    let mut noise = Noise::default();
    assert!(!noise.learn(&[vec![field("at")], vec![], vec![field("at"), field("name")]]));
    let told = noise.told();
    assert_eq!((told.keys_read_twice, told.differing, told.hints.of, told.is_noisy), (3, 2, 2, false));
    let fields: Vec<_> = told.hints.fields.iter().map(|it| (it.hint.field.to_string(), it.times)).collect();
    assert_eq!(fields, [("at".to_owned(), 2), ("name".to_owned(), 1)]);
}

fn probes(keys: std::ops::Range<usize>) -> Vec<Probe> {
    let probe = |key: usize| Probe {
        shard: 0,
        slot: 0,
        due: Time(0),
        key: key.to_string().into(),
        is_read_twice: false,
        against: Against::default(),
    };
    keys.map(probe).collect()
}

fn chosen(probes: &[Probe]) -> Vec<&[u8]> {
    probes.iter().filter(|probe| probe.is_read_twice).map(|probe| &probe.key[..]).collect()
}

#[test]
fn each_key_is_chosen_once_within_the_limit_and_no_more_than_so_many_in_all() {
    let mut noise = Noise::default();
    let mut first = probes(0..3);
    assert_eq!((noise.choose(&mut first, 2), chosen(&first)), (2, vec![&b"0"[..], b"1"]));
    let mut again = probes(0..3);
    assert_eq!((noise.choose(&mut again, 9), chosen(&again)), (1, vec![&b"2"[..]]));
    noise.release(b"1");
    let mut released = probes(0..3);
    assert_eq!((noise.choose(&mut released, 9), chosen(&released)), (1, vec![&b"1"[..]]));
    let mut many = probes(3..300);
    assert_eq!(noise.choose(&mut many, usize::MAX), KEYS_MAX - 3);
    assert_eq!((noise.choose(&mut probes(300..400), usize::MAX), noise.room()), (0, 0));
}
