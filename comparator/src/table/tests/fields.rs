//! What is told of the fields in which the store differs.

use super::*;
use counterfoil_digest::{Differing, Print};

const PRINTS: [Print; 2] = [Print([1; 8]), Print([2; 8])];

/// A write whose fields are told.
fn put_printed(table: &Table, write: Write, prints: &[Print], now: Time) {
    let key = &b"k"[..];
    let arrival = Arrival {
        map: MAP,
        hash: key_hash("cart", key),
        key,
        digested_under: KeyNumber::default(),
        write,
        marks: Marks::default(),
        prints,
        spellings: &[],
    };
    assert!(table.apply(Change::Writes(vec![arrival]), now).ended.is_empty());
}

fn price() -> Differing {
    Differing { names: vec!["price".into()], only_there: 0 }
}

/// A read at `now` of what is due, that differs in one field wherever its probe takes the fields along.
fn seen(probe: Probe, now: Time, digest: Digest) -> Observed {
    let fields = probe.against.fields.as_ref().map(|_| price());
    let apart = fields.map(|fields| Box::new(Apart { fields: Some(fields), hints: None }));
    Observed { probe, at: Interval::new(now, now), seen: Ok(Seen { digest, version: None, apart }) }
}

/// What is told of divergences by a read at `now`, and in which fields.
fn told(table: &Table, now: Time, digest: Digest) -> Vec<(Turn, Option<Differing>)> {
    let observed = all_due(table, now).into_iter().map(|probe| seen(probe, now, digest)).collect();
    let effects = table.apply(Change::Observed(observed), now);
    effects.turned.into_iter().map(|turned| (turned.turn, turned.fields.map(|fields| *fields))).collect()
}

#[test]
fn a_read_that_may_confirm_tells_the_fields_and_one_that_may_be_early_takes_none_along() {
    let table = table(1_000);
    put_printed(&table, write(1, A, 0, 10), &PRINTS, at(11));
    assert_eq!(told(&table, at(21), B), [(Turn::Opened, None)], "the deadline has not passed");
    assert_eq!(told(&table, at(1_011), B), [(Turn::Confirmed, Some(price()))]);
    assert_eq!(told(&table, at(5_000), A), [(Turn::Resolved("agreed"), None)]);
}

#[test]
fn a_row_that_changed_while_its_key_was_at_rest_is_told_with_its_fields() {
    let table = table(1_000);
    put_printed(&table, write(1, A, 0, 10), &PRINTS, at(11));
    assert_eq!(told(&table, at(21), A), []);
    let walk = Walk { store: 0, to: table.place(1, 1), limit: 1, untouched_since: at(4_000) };
    assert_eq!(table.rouse(Place::default(), &walk, at(5_000)).1, 1);
    let both = [(Turn::Opened, Some(price())), (Turn::Confirmed, Some(price()))];
    assert_eq!(told(&table, at(5_001), B), both);
}

#[test]
fn fields_are_held_against_the_newest_write_and_no_other() {
    for (prints, expected) in [(&PRINTS[..1], Some(2)), (&[], None)] {
        let table = table(1_000);
        put_printed(&table, write(1, A, 0, 10), &PRINTS, at(11));
        put_printed(&table, write(2, B, 20, 30), prints, at(31));
        let probes = all_due(&table, at(2_000));
        let along = probes[0].against.fields.as_ref().map(|printed| (printed.id.seq, printed.prints.len()));
        assert_eq!(along, expected.map(|seq| (seq, prints.len())));
    }
}

#[test]
fn the_fields_of_a_write_that_was_replaced_while_it_was_read_are_not_told_of_the_next() {
    let table = table(1_000);
    put_printed(&table, write(1, A, 0, 10), &PRINTS, at(11));
    let probes = all_due(&table, at(1_500));
    put_printed(&table, write(2, B, 20, 30), &PRINTS, at(1_501));
    let foreign = Digest([9; 16]);
    let observed = probes.into_iter().map(|probe| seen(probe, at(1_500), foreign)).collect();
    let effects = table.apply(Change::Observed(observed), at(1_502));
    let told: Vec<_> = effects.turned.iter().map(|it| (it.divergence.named.seq, &it.fields)).collect();
    assert_eq!(told, [(2, &None), (2, &None)], "{effects:?}");
}
