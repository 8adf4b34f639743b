#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use super::*;
use crate::wire;
use counterfoil_digest::Print;
use counterfoil_judge::{Interval, StoreOutcome};
use proptest::prelude::*;
use prost::Message;

fn header() -> Header {
    Header {
        service: "cart".into(),
        instance: "pod-1".into(),
        epoch: 3,
        clock: Domain { boot_id: "b".into(), offset_ns: -5 },
        first_seq: 40,
        watermark: Time(99),
        losses: Vec::new(),
        snapshots: vec![Snapshot { map: "a".into(), begin: Time(7), first_seq: 3, end_seq: 39 }],
        bye: false,
        previous_mac: Bytes::from_static(&[9; 32]),
        issued: 1_234,
    }
}

fn interval() -> impl Strategy<Value = Interval> {
    (0i64..1000, 0i64..1000).prop_map(|(a, b)| Interval::new(Time(a.min(b)), Time(a.max(b))))
}

type OwnedRow = (usize, Vec<u8>, Digest, Reported, Option<u64>, Option<u64>, Option<TraceRef>, Option<usize>);

/// The prints of an event's fields, and those of its sample.
fn prints() -> impl Strategy<Value = [Vec<Print>; 2]> {
    let prints = || proptest::collection::vec(any::<[u8; 8]>().prop_map(Print), 0..4);
    let some = proptest::option::of((prints(), prints()));
    some.prop_map(|some| some.map(|(fields, sample)| [fields, sample]).unwrap_or_default())
}

fn row() -> impl Strategy<Value = OwnedRow> {
    let outcome =
        prop_oneof![Just(StoreOutcome::Ok), Just(StoreOutcome::Failed), Just(StoreOutcome::Unknown)];
    let legs = (proptest::option::of(interval()), proptest::option::of((interval(), outcome)))
        .prop_map(|(map, store)| Reported { map, store });
    let trace = (1u8..9, 1u8..9).prop_map(|(t, s)| TraceRef { trace_id: [t; 16], span_id: [s; 8] });
    (
        0usize..3,
        proptest::collection::vec(any::<u8>(), 1..20),
        any::<[u8; 16]>().prop_map(Digest),
        legs,
        proptest::option::of(0u64..9),
        proptest::option::of(0u64..9),
        proptest::option::of(trace),
        proptest::option::of(0usize..2),
    )
}

proptest! {
    #[test]
    fn every_batch_survives_the_wire(rows in proptest::collection::vec((row(), prints()), 0..40)) {
        let mut builder = BatchBuilder::default();
        for name in ["a", "b", "c"] { builder.map(name); }
        for name in ["canary", "stable"] { builder.cohort(name); }
        let samples: Vec<_> = rows.iter().enumerate().filter(|(_, (_, [_, sample]))| !sample.is_empty())
            .map(|(row, (_, [_, sample]))| Sample { row, spellings: sample.clone().into() }).collect();
        let rows: Vec<Row<'_>> = rows.iter().map(
            |((map, key, digest, legs, map_order, version, trace, cohort), [prints, _])| Row {
                map: *map, key, digest: *digest, legs: *legs,
                held: legs.map.is_some() && legs.store.is_none() && digest.0[0] % 2 == 0, map_order: *map_order, version: *version, trace: *trace,
                cohort: *cohort, prints,
            },
        ).collect();
        for (at, row) in rows.iter().enumerate() {
            builder.push(row);
            samples.iter().filter(|sample| sample.row == at).for_each(|sample| builder.sample(&sample.spellings));
        }
        let estimate = builder.bytes();
        let bytes = builder.finish(header()).encode_to_vec();
        prop_assert!(builder.is_empty() && builder.bytes() == 0);
        let too_few = 300 + 12 * rows.len();
        prop_assert!(bytes.len() < estimate + too_few, "{} bytes were thought to be {estimate}", bytes.len());
        let columns = Columns::try_from(wire::Batch::decode(&bytes[..]).unwrap()).unwrap();
        prop_assert_eq!(columns.header(), &header());
        prop_assert_eq!(columns.len(), rows.len());
        prop_assert_eq!(columns.samples(), samples);
        let back: Vec<_> = columns.rows().collect();
        for (at, (row, back)) in rows.iter().zip(&back).enumerate() {
            prop_assert_eq!(back, &(40 + at as u64, row.clone()));
        }
    }
}

#[test]
fn batches_whose_columns_do_not_fit_are_refused() {
    let good = || {
        let mut builder = BatchBuilder::default();
        let map = builder.map("a");
        let legs = Reported { map: Some(Interval::new(Time(1), Time(2))), store: None };
        let row =
            Row { prints: &[Print([1; 8]), Print([2; 8])], ..Row::new(map, b"key", Digest([1; 16]), legs) };
        builder.push(&row);
        builder.sample(&[Print([3; 8])]);
        builder.finish(header())
    };
    assert!(Columns::try_from(good()).is_ok());
    let refused = |spoil: fn(&mut wire::Batch)| {
        let mut batch = good();
        spoil(&mut batch);
        Columns::try_from(batch).err().map(|error| error.to_string()).unwrap_or_default()
    };
    type Spoil = fn(&mut wire::Batch);
    let rows: [(Spoil, &str); 20] = [
        (|b| b.count = 2, "key_lengths has 1 entries for 2 events"),
        (|b| b.count = u32::MAX, "for 4294967295 events"),
        (|b| b.digests = Bytes::from_static(b"short"), "digests"),
        (|b| b.key_lengths = vec![4], "add up to 4 bytes"),
        (|b| b.map_index = vec![1], "map_index points to entry 1"),
        (|b| b.maps.clear(), "map_index points to entry 0 of a dictionary of 0"),
        (|b| b.cohort_index = vec![1], "cohort_index points to entry 0"),
        (|b| b.first_seq = u64::MAX, "leaves no room"),
        (|b| b.service.clear(), "service is empty"),
        (|b| b.field_counts = vec![2, 0], "field_counts has 2 entries for 1 events"),
        (
            |b| b.field_counts = vec![3],
            "field_counts add up to 3 prints of 8 bytes, field_prints has 16 bytes",
        ),
        (|b| b.field_counts.clear(), "field_counts add up to 0 prints"),
        (|b| b.field_prints = Bytes::from_static(&[0; 15]), "field_prints has 15 bytes"),
        (|b| b.field_prints.clear(), "field_prints has 0 bytes"),
        (|b| b.field_counts = vec![66], "field_counts has 66 for one event; send at most 65"),
        (|b| b.samples[0].row = 1, "samples[0].row is 1; rows are those of the batch's 1 events"),
        (|b| b.samples.push(b.samples[0].clone()), "samples[1].row is 0"),
        (
            |b| b.samples[0].prints.clear(),
            "samples[0].prints has 0 bytes; send 8 bytes for each of 1 to 1024",
        ),
        (|b| b.samples[0].prints = Bytes::from_static(&[0; 15]), "samples[0].prints has 15 bytes"),
        (|b| b.samples[0].prints = Bytes::from_static(&[0; 8 * 1_025]), "samples[0].prints has 8200 bytes"),
    ];
    for (spoil, expected) in rows {
        let message = refused(spoil);
        assert!(message.contains(expected), "{message:?} should say {expected:?}");
    }
}

#[test]
fn a_batch_without_prints_is_read_as_ever_and_one_with_them_has_them() {
    let columns = |bytes: &[u8]| Columns::try_from(wire::Batch::decode(bytes).unwrap()).unwrap();
    let plain = columns(include_bytes!("../../../fuzz/corpus/batch/seed-plain"));
    assert_eq!((plain.len(), plain.samples()), (1, &[][..]));
    assert!(plain.rows().all(|(_, row)| row.key == b"user-7" && row.prints.is_empty()));
    let all = columns(include_bytes!("../../../fuzz/corpus/batch/seed-all-columns"));
    let prints: Vec<_> = all.rows().map(|(_, row)| row.prints.to_vec()).collect();
    let two = |number: u8| vec![Print([number; 8]), Print([9; 8])];
    assert_eq!(prints, [vec![], two(1), two(2), two(3)]);
    assert_eq!(all.samples(), [Sample { row: 3, spellings: [Print([5; 8])].into() }]);
}
