//! Attacks by somebody who has a key, or has seen what somebody sent who has.

use crate::house::{House, MEMORY_MIB_MAX, OF_ACME};
use bytes::Bytes;
use counterfoil_keys::SigningKey;
use counterfoil_proto::wire::emit::{Event, Events, Heartbeat, frame::Body};
use counterfoil_proto::wire::{Batch, Upload};
use counterfoil_tests::emit::{Client, now_ns, put};
use counterfoil_tests::sender::{batch, signed};
use counterfoil_tests::wait;
use serde_json::json;
use tonic::Code;

const REFUSED: &str = "counterfoil_receiver_refused_batches_total";

/// Names that nobody has configured, in all.
const NAMES: u32 = 1_000_000;

/// Names in one batch or frame.
const NAMES_AT_A_TIME: u32 = 10_000;

/// Series that may come with an attack, as of a reason that there was none of before. Not one for each name.
const NEW_SERIES_MAX: usize = 10;

/// Labels that no configuration has must not be those of a metric.
fn has_no_flood(before: &[String], after: &[String]) {
    let flooded: Vec<_> = after.iter().filter(|series| series.contains("flood")).collect();
    assert!(flooded.is_empty(), "{flooded:?}");
    assert!(after.len() <= before.len() + NEW_SERIES_MAX, "{} and then {}", before.len(), after.len());
}

fn names(kind: &str, from: u32) -> Vec<String> {
    (from..from + NAMES_AT_A_TIME).map(|number| format!("flood-{kind}={number}")).collect()
}

#[test]
fn a_million_maps_and_cohorts_and_as_many_services_as_fit_are_no_series_of_the_comparator() {
    const SOURCES_MAX: u32 = 200;
    let house = House::with(|setup| setup.comparator("/sources/sources_max", json!(SOURCES_MAX)));
    let acme = house.acme();
    let before = house.harness.comparator_series();
    let floods = (0..NAMES).step_by(NAMES_AT_A_TIME as usize);
    let batches = floods.map(|from| batch("flood", from.into(), names("map", from), names("cohort", from)));
    let uploads = acme.seal_chain(batches);
    let count = uploads.len() as u64;
    assert_eq!(acme.send(uploads).expect("they are taken"), count);
    let services =
        (0..SOURCES_MAX).map(|number| batch(&format!("flood-{number}"), 0, Vec::new(), Vec::new()));
    let refused =
        acme.send(services.map(|batch| acme.seal(&batch)).collect()).expect_err("there are too many");
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    assert!(house.harness.comparator_metric(REFUSED, &["reason=\"sources\""]) > 0.0);
    has_no_flood(&before, &house.harness.comparator_series());
    assert!(house.harness.summary().accepted >= NAMES.into(), "each event was counted");
    house.is_bounded([MEMORY_MIB_MAX, 2 * MEMORY_MIB_MAX]);
    assert_eq!(house.goes_on().undetermined, 0, "tenants share no doubt");
}

#[test]
fn a_million_maps_and_cohorts_and_many_services_are_no_series_of_the_sidecar() {
    const SERVICES: usize = 200;
    let house = House::with(|setup| {
        let setup = setup.sidecar("/limits/events_per_frame_max", json!(NAMES_AT_A_TIME));
        setup
            .sidecar("/limits/frame_bytes_max", json!(2 << 20))
            .sidecar("/cohort_keys", json!(["flood-cohort"]))
    });
    let before = house.harness.sidecar_series();
    for number in 0..SERVICES {
        let (client, _) = Client::welcomed(&house.harness.socket(), &format!("flood-{number}"));
        client.bye();
    }
    let (mut client, _) = Client::welcomed(&house.harness.socket(), "flood");
    client.discard_answers();
    for from in (0..NAMES).step_by(NAMES_AT_A_TIME as usize) {
        client.send(Body::Events(flood(from)));
    }
    client.send(Body::Heartbeat(Heartbeat {
        next_seq: NAMES.into(),
        watermark_ns: now_ns(),
        ..Default::default()
    }));
    client.bye();
    wait::until("each is counted as lost", || {
        let label = ["reason=\"unknown_map\""];
        let refused = house.harness.sidecar_metric("counterfoil_framer_events_refused_total", &label);
        (refused >= f64::from(NAMES)).then_some(())
    });
    has_no_flood(&before, &house.harness.sidecar_series());
    wait::until("and told", || (house.harness.summary().lost >= NAMES.into()).then_some(()));
    house.is_bounded([2 * MEMORY_MIB_MAX; 2]);
    house.goes_on();
}

/// Events that each name a map and a cohort of their own.
fn flood(from: u32) -> Events {
    let events = (0..NAMES_AT_A_TIME).map(|at| {
        let event = put("k", b"v");
        Event { map: at, cohort: at + 1, ..event }
    });
    let (maps, cohorts) = (names("map", from), names("cohort", from));
    Events { first_seq: from.into(), maps, cohorts, events: events.collect() }
}

/// A chain of batches with one event each, as somebody recorded it.
fn recorded(house: &House) -> Vec<Upload> {
    let batches = (0..20).map(|seq| batch("recorded", seq, vec![OF_ACME.to_owned()], Vec::new()));
    let uploads = house.acme().seal_chain(batches);
    assert_eq!(house.acme().send(uploads.clone()).expect("they are taken"), uploads.len() as u64);
    uploads
}

/// Events of the map of the tenant `acme` that were taken in.
fn taken(house: &House) -> u64 {
    house.harness.summary().maps.get(OF_ACME).map_or(0, |map| map.events)
}

#[test]
fn uploads_that_were_recorded_and_come_again_are_counted_and_not_applied_twice() {
    let house = House::new();
    let uploads = recorded(&house);
    let (events, duplicates) = (taken(&house), "counterfoil_receiver_duplicate_events_total");
    assert_eq!(events, uploads.len() as u64);
    let backwards: Vec<_> = uploads.iter().rev().cloned().collect();
    for (again, times) in [(&uploads, 1.0), (&backwards, 2.0)] {
        let acknowledged = house.acme().send(again.clone()).expect("they are ignored");
        assert_eq!(acknowledged, events);
        assert_eq!(house.harness.comparator_metric(duplicates, &[]), times * events as f64);
    }
    assert_eq!(taken(&house), events);
    house.is_bounded([MEMORY_MIB_MAX; 2]);
    assert_eq!(house.goes_on().undetermined, 0);
}

#[test]
fn uploads_that_somebody_changed_made_up_or_left_out_are_refused_and_counted() {
    let house = House::new();
    let uploads = recorded(&house);
    let events = taken(&house);
    let acme = house.acme();
    let next = batch("recorded", events, vec![OF_ACME.to_owned()], Vec::new());
    let last = uploads.last().expect("some were recorded").mac.clone();
    let good = acme.seal(&Batch { previous_mac: last, ..next.clone() });
    let flipped = good.batch.iter().map(|byte| byte ^ 1).collect::<Bytes>();
    let missing = Batch { previous_mac: vec![7; 32].into(), ..next };
    let rows: [(&str, Upload, Code); 8] = [
        ("code", Upload { batch: flipped, ..good.clone() }, Code::Unauthenticated),
        ("code", Upload { tenant: "default".to_owned(), ..good.clone() }, Code::Unauthenticated),
        ("tenant", Upload { tenant: "umbrella".to_owned(), ..good.clone() }, Code::PermissionDenied),
        ("key", Upload { key_id: "k2".to_owned(), ..good.clone() }, Code::Unauthenticated),
        ("signature", Upload { signature: vec![0; 64].into(), ..good.clone() }, Code::Unauthenticated),
        ("signature", signed(good.clone(), &SigningKey::new([1; 32])), Code::FailedPrecondition),
        ("order", acme.seal(&missing), Code::FailedPrecondition),
        (
            "too_large",
            Upload { batch: vec![0; (4 << 20) + 1].into(), ..good.clone() },
            Code::ResourceExhausted,
        ),
    ];
    for (reason, upload, code) in rows {
        let label = format!("reason=\"{reason}\"");
        let before = house.harness.comparator_metric(REFUSED, &[&label]);
        let status = acme.send(vec![upload]).expect_err(reason);
        assert_eq!(status.code(), code, "{reason}: {status}");
        assert_eq!(house.harness.comparator_metric(REFUSED, &[&label]), before + 1.0, "{reason}");
    }
    assert_eq!(taken(&house), events, "nothing of them was applied");
    assert_eq!(acme.send(vec![good]).expect("what is right is taken all the same"), 1);
    house.is_bounded([MEMORY_MIB_MAX; 2]);
    assert_eq!(house.goes_on().undetermined, 0);
}
