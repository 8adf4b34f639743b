//! What an application's writes become on the socket.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod support;

use counterfoil_clock::now;
use counterfoil_emitter::{Change, Emitter, Identity, Interval, Report, Reported, StoreOutcome, Time};
use counterfoil_proto::wire::emit::{MapOrder, MapOutcome, Op, Stamps, StoreOutcome as Told};
use opentelemetry::baggage::BaggageExt;
use opentelemetry::trace::{TraceContextExt, Tracer, TracerProvider};
use opentelemetry::{Context, KeyValue};
use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use support::{FakeSidecar, events_of, ns};

#[test]
fn the_hello_names_the_source_its_clock_and_interval_order() {
    let sidecar = FakeSidecar::new();
    let identity = Identity::new("cart");
    let _emitter = Emitter::connect(&sidecar.path, identity.clone()).unwrap();
    let hello = sidecar.accept().hello;
    assert_eq!(
        (&hello.service, &hello.instance, hello.epoch),
        (&"cart".into(), &identity.instance, identity.epoch)
    );
    assert_eq!((hello.map_order(), hello.stamps(), hello.protocol), (MapOrder::Interval, Stamps::Emitter, 1));
    assert_eq!(hello.clock.unwrap().boot_id, counterfoil_clock::Domain::of_this_process().boot_id);
}

#[test]
fn an_instant_put_and_remove_carry_the_instant_of_the_call_and_no_store_leg() {
    let before = ns(now());
    let events = events_of(2, |cart| {
        cart.put("k", "v");
        cart.remove(b"k");
    });
    let after = ns(now());
    let [put, remove] = &events[..] else { panic!() };
    assert_eq!(
        (put.seq, &*put.map, put.event.op(), &put.event.key[..], &put.event.value[..]),
        (0, "cart", Op::Put, &b"k"[..], &b"v"[..])
    );
    assert_eq!((remove.event.op(), &remove.event.value[..]), (Op::Remove, &b""[..]));
    assert!(before <= put.event.map_begin_ns && put.event.map_end_ns <= remove.event.map_begin_ns);
    assert!(remove.event.map_end_ns <= after && put.event.map_begin_ns == put.event.map_end_ns);
    for told in [put, remove] {
        assert_eq!(
            (told.event.map_outcome(), told.event.store_outcome()),
            (MapOutcome::Done, Told::Unspecified)
        );
    }
}

#[test]
fn a_dual_write_carries_both_intervals_and_gives_back_what_the_store_said() {
    let (mut map_at, mut store_at) = (Time(0), Time(0));
    let events = events_of(1, |cart| {
        let stored = cart.dual_write_put(
            "k",
            "v",
            || map_at = now(),
            || {
                store_at = now();
                Ok::<_, ()>(7)
            },
        );
        assert_eq!(stored, Ok(7));
    });
    let event = &events[0].event;
    assert!(event.map_begin_ns <= ns(map_at) && ns(map_at) <= event.map_end_ns);
    assert!(event.store_begin_ns <= ns(store_at) && ns(store_at) <= event.store_end_ns);
    assert!(event.map_end_ns <= event.store_begin_ns, "one after the other");
    assert_eq!(event.store_outcome(), Told::Ok);
}

#[test]
fn a_store_error_is_unknown_unless_the_classifier_knows_better() {
    let events = events_of(4, |cart| {
        assert_eq!(cart.dual_write_remove("a", || (), || Err::<(), _>("time-out")), Err("time-out"));
        for (key, outcome) in [("b", StoreOutcome::Failed), ("c", StoreOutcome::Unknown)] {
            let mut write = cart.begin_put(key, "v");
            write.map(|| ());
            assert_eq!(write.store_with(|| Err::<(), _>(3), |_| outcome), Err(3));
        }
        let mut retried = cart.begin_put("d", "v");
        retried.map(|| ());
        retried.store(|| Err::<(), _>("time-out")).unwrap_err();
        retried.store(|| Ok::<_, ()>(())).unwrap();
        retried.finish();
    });
    let told: Vec<_> = events.iter().map(|told| (told.event.op(), told.event.store_outcome())).collect();
    let put = |outcome| (Op::Put, outcome);
    assert_eq!(told, [(Op::Remove, Told::Unknown), put(Told::Failed), put(Told::Unknown), put(Told::Ok)]);
}

#[test]
fn a_write_that_changed_neither_side_is_not_told() {
    let events = events_of(1, |cart| {
        drop(cart.begin_put("nothing", "v"));
        let mut refused = cart.begin_put("refused", "v");
        refused.store_with(|| Err::<(), _>(()), |()| StoreOutcome::Failed).unwrap_err();
        drop(refused);
        let mut store_only = cart.begin_put("store only", "v");
        store_only.store(|| Ok::<_, ()>(())).unwrap();
    });
    assert_eq!(
        (&events[0].event.key[..], events[0].event.map_outcome()),
        (&b"store only"[..], MapOutcome::Skipped)
    );
}

#[test]
fn a_panic_in_a_closure_goes_through_and_leaves_the_outcome_unknown() {
    let events = events_of(2, |cart| {
        let store = || cart.dual_write_put("store", "v", || (), || -> Result<(), ()> { panic!("store") });
        assert!(catch_unwind(AssertUnwindSafe(store)).is_err());
        let map = || cart.dual_write_put("map", "v", || panic!("map"), || Ok::<_, ()>(()));
        assert!(catch_unwind(AssertUnwindSafe(map)).is_err());
    });
    for (told, key) in events.iter().zip(["store", "map"]) {
        assert_eq!(told.event.key, key.as_bytes());
        assert_eq!((told.event.map_outcome(), told.event.store_outcome()), (MapOutcome::Done, Told::Unknown));
        assert!(told.event.store_begin_ns <= told.event.store_end_ns && told.event.store_begin_ns > 0);
    }
}

#[test]
fn asynchronous_code_sets_the_legs_by_hand_and_a_cancelled_call_is_unknown() {
    let events = events_of(2, |cart| {
        let mut done = cart.begin_put("done", "v");
        done.store_began();
        done.map_began();
        done.map_ended();
        done.store_ended(StoreOutcome::Ok);
        done.order(41);
        done.version(42);
        done.finish();
        let mut cancelled = cart.begin_put("cancelled", "v");
        cancelled.map(|| ());
        cancelled.store_began();
    });
    let [done, cancelled] = &events[..] else { panic!() };
    assert!(done.event.store_begin_ns <= done.event.map_begin_ns);
    assert!(done.event.map_end_ns <= done.event.store_end_ns);
    assert_eq!((done.event.map_order, done.event.version), (Some(41), Some(42)));
    assert_eq!((cancelled.event.store_outcome(), cancelled.event.map_order), (Told::Unknown, None));
}

#[test]
fn a_report_keeps_its_own_intervals_and_its_guard_holds_the_watermark() {
    let events = events_of(1, |cart| {
        let open = cart.open_write();
        let begin = now();
        let legs = |leg, outcome| Reported { map: Some(leg), store: Some((leg, outcome)) };
        let leg = Interval::new(begin, now());
        let legs = legs(leg, StoreOutcome::Ok);
        let change = Change::Put(b"v");
        cart.emit(Report { key: b"k", change, legs, map_order: Some(1), version: Some(u64::MAX) });
        drop(open);
        let nothing = Reported { map: None, store: None };
        cart.emit(Report {
            key: b"k",
            change: Change::Remove,
            legs: nothing,
            map_order: None,
            version: None,
        });
        let event_begin = ns(begin);
        assert!(event_begin > 0);
    });
    assert_eq!(
        (events[0].event.map_order, events[0].event.version),
        (Some(1), None),
        "2^64 - 1 is no version"
    );
    assert!(events[0].event.map_begin_ns == events[0].event.store_begin_ns);
}

#[test]
fn the_span_and_the_listed_baggage_travel_but_nothing_else_of_the_context() {
    let sidecar = FakeSidecar::new();
    let emitter = sidecar.connect();
    let cart = emitter.map("cart");
    let tracer = opentelemetry_sdk::trace::SdkTracerProvider::builder().build().tracer("test");
    let baggage = [KeyValue::new("secret", "x"), KeyValue::new("ring", "canary"), KeyValue::new("zone", "b")];
    let context = Context::new().with_span(tracer.start("write")).with_baggage(baggage);
    let span = context.span().span_context().clone();
    let attached = context.attach();
    cart.put("before the welcome", "v");
    let mut peer = sidecar.accept();
    peer.welcome(support::welcome_with_cohorts(&["absent", "ring", "zone"]));
    peer.read_until(|seen| seen.heartbeats > 0);
    let write = cart.begin_put("with", "v");
    drop(attached);
    cart.put("without", "v");
    let mut write = write;
    write.map(|| ());
    write.finish();
    peer.read_until(|seen| seen.events.len() == 3);
    let events: HashMap<_, _> = peer.seen.events.iter().map(|told| (&told.event.key[..], told)).collect();
    let with = events[&b"with"[..]];
    assert_eq!(with.event.trace_id[..], span.trace_id().to_bytes());
    assert_eq!(with.event.span_id[..], span.span_id().to_bytes());
    assert_eq!(with.cohort.as_deref(), Some("ring=canary"));
    let without = events[&b"without"[..]];
    assert_eq!((without.event.trace_id.len(), without.event.span_id.len(), &without.cohort), (0, 0, &None));
    let before = events[&b"before the welcome"[..]];
    assert_eq!((before.event.trace_id.len(), &before.cohort), (16, &None), "no list, no cohort");
}
