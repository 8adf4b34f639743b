//! Maps that report themselves, and copies that follow the store.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod support;

use counterfoil_clock::now;
use counterfoil_emitter::{Options, WatchedMap};
use counterfoil_proto::wire::emit::{MapOutcome, Op, StoreOutcome};
use support::{FakeSidecar, Told, events_of, ns, welcome};

/// The event says that there was no store call: one that was certainly not applied, at the instants of the map leg.
fn assert_map_alone(told: &Told) {
    let event = &told.event;
    assert_eq!((event.map_outcome(), event.store_outcome()), (MapOutcome::Done, StoreOutcome::Failed));
    assert!(event.map_begin_ns > 0 && event.map_begin_ns <= event.map_end_ns);
    assert_eq!(
        (event.store_begin_ns, event.store_end_ns),
        (event.map_begin_ns, event.map_end_ns),
        "the instants of the map leg"
    );
}

#[test]
fn a_fill_and_an_eviction_are_instants_without_a_store_call() {
    let before = ns(now());
    let events = events_of(2, |cart| {
        cart.fill("k", "as the store has it");
        cart.evict(b"k");
    });
    let after = ns(now());
    let [fill, evict] = &events[..] else { panic!() };
    let told = |told: &Told| (told.event.op(), told.event.key.to_vec(), told.event.value.to_vec());
    assert_eq!(told(fill), (Op::Put, b"k".to_vec(), b"as the store has it".to_vec()));
    assert_eq!(told(evict), (Op::Remove, b"k".to_vec(), Vec::new()));
    assert!(before <= fill.event.map_begin_ns && fill.event.map_begin_ns == fill.event.map_end_ns);
    assert!(fill.event.map_end_ns <= evict.event.map_begin_ns && evict.event.map_end_ns <= after);
    events.iter().for_each(assert_map_alone);
}

#[test]
fn a_watched_map_fills_and_evicts_in_its_own_order_and_gives_back_what_it_had() {
    let events = events_of(4, |cart| {
        let map = WatchedMap::<Vec<u8>, Vec<u8>>::new(cart.clone());
        assert_eq!(map.fill(b"k".to_vec(), b"read".to_vec()), None);
        assert_eq!(map.put(b"k".to_vec(), b"written".to_vec()), Some(b"read".to_vec()));
        assert_eq!(map.fill(b"k".to_vec(), b"read again".to_vec()), Some(b"written".to_vec()));
        assert_eq!(map.get(&b"k"[..]), Some(b"read again".to_vec()));
        assert_eq!((map.evict(&b"k"[..]), map.is_empty()), (Some(b"read again".to_vec()), true));
    });
    let [fill, put, again, evict] = &events[..] else { panic!() };
    assert_eq!((fill.event.op(), evict.event.op()), (Op::Put, Op::Remove));
    assert_eq!((&fill.event.value[..], &again.event.value[..]), (&b"read"[..], &b"read again"[..]));
    assert_eq!(put.event.store_outcome(), StoreOutcome::Unspecified, "a put is not a fill");
    [fill, again, evict].into_iter().for_each(assert_map_alone);
    assert!(events.windows(2).all(|pair| pair[0].event.map_order < pair[1].event.map_order));
    assert!(events.iter().all(|told| told.event.map_order.is_some()));
}

#[test]
fn the_orders_of_a_watched_map_follow_its_changes() {
    const THREADS: u8 = 4;
    const CHANGES: u8 = 200;
    let sidecar = FakeSidecar::new();
    let emitter = sidecar.connect_with(Options::default());
    let mut peer = sidecar.accept();
    peer.welcome(welcome());
    let map = WatchedMap::<Vec<u8>, Vec<u8>>::new(emitter.map("cart"));
    let serving = std::thread::spawn(move || {
        peer.serve();
        peer.seen
    });
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let map = &map;
            scope.spawn(move || {
                for change in 0..CHANGES {
                    map.dual_write_put(b"hot".to_vec(), vec![thread, change], || Ok::<_, ()>(())).unwrap();
                }
            });
        }
    });
    let last = map.get(&b"hot"[..]).unwrap();
    assert_eq!((map.len(), map.remove(&b"hot"[..]), map.is_empty()), (1, Some(last.clone()), true));
    assert!(emitter.close(support::PATIENCE));
    let mut events = serving.join().unwrap().events;
    events.sort_by_key(|told| told.event.map_order.unwrap());
    assert_eq!(events.len(), usize::from(THREADS) * usize::from(CHANGES) + 1);
    assert!(events.windows(2).all(|pair| pair[0].event.map_order < pair[1].event.map_order));
    assert!(
        events.windows(2).all(|pair| pair[0].event.map_end_ns <= pair[1].event.map_begin_ns),
        "under one lock"
    );
    let [.., put, remove] = &events[..] else { panic!() };
    assert_eq!((remove.event.op(), &put.event.value[..]), (Op::Remove, &last[..]));
}
