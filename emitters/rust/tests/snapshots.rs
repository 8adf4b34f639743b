//! What a map holds is told whole, while others write to it, and nobody loses anything by it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod support;

use counterfoil_clock::now;
use counterfoil_emitter::{Options, WatchedMap};
use counterfoil_proto::wire::emit::{MapOutcome, Op, StoreOutcome};
use std::collections::BTreeMap;
use std::time::Duration;
use support::{FakeSidecar, PATIENCE, Seen, Told, ns, welcome};

type Map = WatchedMap<Vec<u8>, Vec<u8>>;

fn key(n: u32) -> Vec<u8> {
    n.to_be_bytes().to_vec()
}

fn is_held(told: &Told) -> bool {
    told.event.map_outcome() == MapOutcome::Held
}

/// Lets `act` do something with a map of `keys` keys, each with the value `old`; gives what the sidecar saw.
fn with_map(keys: u32, options: Options, act: impl FnOnce(&Map)) -> Seen {
    let sidecar = FakeSidecar::new();
    let emitter = sidecar.connect_with(options);
    let mut peer = sidecar.accept();
    peer.welcome(welcome());
    let map = Map::watch(emitter.map("cart"), (0..keys).map(|n| (key(n), b"old".to_vec())));
    let serving = std::thread::spawn(move || {
        peer.serve();
        peer.seen
    });
    act(&map);
    assert!(emitter.close(PATIENCE));
    serving.join().unwrap()
}

#[test]
fn what_a_map_held_is_told_in_its_order_beside_live_writes_and_nothing_is_lost() {
    const KEYS: u32 = 100_000;
    const WRITES: u32 = 5_000;
    // More than half of it is never taken by the snapshot, and the writes fit the rest.
    let options = Options { ring_events: 6 * 5_000, ..Options::default() };
    let before = ns(now());
    let seen = with_map(KEYS, options, |map| {
        std::thread::scope(|scope| {
            for writer in 0..2u8 {
                scope.spawn(move || {
                    for n in 0..WRITES {
                        let key = key(n * 7_919 % KEYS);
                        match n % 3 {
                            0 => drop(map.remove(&key)),
                            _ => drop(map.put(key, vec![writer, 1])),
                        }
                    }
                });
            }
            scope.spawn(|| assert!(map.snapshot(PATIENCE)));
        });
    });
    assert_eq!(seen.lost(), 0, "the snapshot leaves room for writes");
    let held = seen.events.iter().filter(|told| is_held(told)).count();
    assert_eq!(seen.events.len() - held, 2 * WRITES as usize);
    let whole = &seen.snapshots[0];
    assert_eq!((seen.snapshots.len(), &whole.map[..]), (1, "cart"));
    let first_held = seen.events.iter().find(|told| is_held(told)).unwrap();
    assert!(whole.first_seq <= first_held.seq);
    assert!(whole.begin_ns >= before && whole.end_seq <= seen.next_seq);
    check_orders(&seen, whole.begin_ns, KEYS);
}

/// Each held value is what the last change before it, by the map's order, has left; and every key is told of.
fn check_orders(seen: &Seen, begin_ns: u64, keys: u32) {
    let mut of_keys: BTreeMap<&[u8], Vec<&Told>> = BTreeMap::new();
    for told in &seen.events {
        of_keys.entry(&told.event.key).or_default().push(told);
    }
    assert_eq!(of_keys.len(), keys as usize, "every key is told of");
    for events in of_keys.values_mut() {
        events.sort_by_key(|told| told.event.map_order.unwrap());
        let mut value = Some(b"old".to_vec());
        for told in events {
            let event = &told.event;
            match is_held(told) {
                true => {
                    assert_eq!(Some(event.value.to_vec()), value, "at {:?}", event.map_order);
                    assert_eq!((event.op(), event.store_outcome()), (Op::Put, StoreOutcome::Unspecified));
                    assert!(event.map_begin_ns >= begin_ns);
                }
                false => value = (event.op() == Op::Put).then(|| event.value.to_vec()),
            }
        }
    }
}

#[test]
fn a_snapshot_that_finds_no_room_in_time_is_given_up_and_loses_nothing() {
    let sidecar = FakeSidecar::new();
    let emitter = sidecar.connect_with(Options { ring_events: 100, ..Options::default() });
    let map = Map::watch(emitter.map("cart"), (0..1_000).map(|n| (key(n), b"old".to_vec())));
    assert!(!map.snapshot(Duration::from_millis(30)), "nobody reads");
    let stats = emitter.stats();
    assert_eq!((stats.issued, stats.lost.total()), (50, 0), "half of the ring is left to writes");
    for n in 0..50 {
        map.put(key(n), b"new".to_vec());
    }
    assert_eq!(emitter.stats().lost.total(), 0);
    let mut peer = sidecar.accept_and_welcome();
    let serving = std::thread::spawn(move || {
        peer.serve();
        peer.seen
    });
    assert!(emitter.close(PATIENCE));
    let seen = serving.join().unwrap();
    assert_eq!((seen.events.len(), seen.lost(), seen.snapshots.len()), (100, 0, 0));
}

#[test]
fn an_empty_map_is_whole_too_and_the_newest_snapshot_of_a_map_counts() {
    let mut began = Vec::new();
    let seen = with_map(0, Options::default(), |map| {
        for _ in 0..2 {
            began.push(ns(now()));
            assert!(map.snapshot(PATIENCE));
        }
    });
    assert_eq!((seen.events.len(), seen.snapshots.len()), (0, 1));
    assert!(seen.snapshots[0].begin_ns >= began[1]);
}

#[test]
fn a_value_that_cannot_be_told_is_declared_lost() {
    let seen = with_map(1, Options::default(), |map| {
        map.put(b"k".to_vec(), vec![0; 1 << 20]);
        assert!(map.snapshot(PATIENCE));
    });
    assert_eq!((seen.events.len(), seen.lost()), (1, 2), "its change and its value");
}
