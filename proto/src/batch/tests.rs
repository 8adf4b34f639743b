#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use super::*;
use crate::wire;
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
    fn every_batch_survives_the_wire(rows in proptest::collection::vec(row(), 0..40)) {
        let mut builder = BatchBuilder::default();
        for name in ["a", "b", "c"] { builder.map(name); }
        for name in ["canary", "stable"] { builder.cohort(name); }
        let rows: Vec<Row<'_>> = rows.iter().map(|(map, key, digest, legs, map_order, version, trace, cohort)| Row {
            map: *map, key, digest: *digest, legs: *legs, held: legs.map.is_some() && legs.store.is_none() && digest.0[0] % 2 == 0, map_order: *map_order, version: *version, trace: *trace,
            cohort: *cohort,
        }).collect();
        for row in &rows { builder.push(row); }
        let bytes = builder.finish(header()).encode_to_vec();
        prop_assert!(builder.is_empty());
        let columns = Columns::try_from(wire::Batch::decode(&bytes[..]).unwrap()).unwrap();
        prop_assert_eq!(columns.header(), &header());
        prop_assert_eq!(columns.len(), rows.len());
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
        let row = Row {
            map,
            key: b"key",
            digest: Digest([1; 16]),
            legs,
            held: false,
            map_order: None,
            version: None,
            trace: None,
            cohort: None,
        };
        builder.push(&row);
        builder.finish(header())
    };
    assert!(Columns::try_from(good()).is_ok());
    let refused = |spoil: fn(&mut wire::Batch)| {
        let mut batch = good();
        spoil(&mut batch);
        Columns::try_from(batch).err().map(|error| error.to_string()).unwrap_or_default()
    };
    type Spoil = fn(&mut wire::Batch);
    let rows: [(Spoil, &str); 9] = [
        (|b| b.count = 2, "key_lengths has 1 entries for 2 events"),
        (|b| b.count = u32::MAX, "for 4294967295 events"),
        (|b| b.digests = Bytes::from_static(b"short"), "digests"),
        (|b| b.key_lengths = vec![4], "add up to 4 bytes"),
        (|b| b.map_index = vec![1], "map_index points to entry 1"),
        (|b| b.maps.clear(), "map_index points to entry 0 of a dictionary of 0"),
        (|b| b.cohort_index = vec![1], "cohort_index points to entry 0"),
        (|b| b.first_seq = u64::MAX, "leaves no room"),
        (|b| b.service.clear(), "service is empty"),
    ];
    for (spoil, expected) in rows {
        let message = refused(spoil);
        assert!(message.contains(expected), "{message:?} should say {expected:?}");
    }
}
