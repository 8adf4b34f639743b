//! A sidecar that is slow, silent, gone, or says no: nothing reaches the application, and nothing is lost in silence.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod support;

use counterfoil_digest::{BUCKETS, bucket, key_hash};
use counterfoil_emitter::{AckLevel, ConnectError, Emitter, Identity, Options};
use counterfoil_proto::wire::emit::{self, AckLevel as Told, LossReason, frame::Body};
use std::collections::BTreeSet;
use std::time::Duration;
use support::{FakeSidecar, PATIENCE, Peer, welcome};

fn buckets(loss: &emit::Loss) -> BTreeSet<usize> {
    (0..BUCKETS).filter(|bucket| loss.buckets[bucket / 8] & (1 << (bucket % 8)) != 0).collect()
}

/// Serves the connection on another thread until the farewell, and closes the emitter.
fn close(emitter: Emitter, mut peer: Peer) -> support::Seen {
    let serving = std::thread::spawn(move || {
        peer.serve();
        peer.seen
    });
    assert!(emitter.close(PATIENCE));
    serving.join().unwrap()
}

#[test]
fn an_identity_or_a_path_that_cannot_be_is_refused_but_an_absent_sidecar_is_not() {
    let nameless = Identity { service: String::new(), ..Identity::new("cart") };
    assert!(matches!(Emitter::connect("/nowhere", nameless), Err(ConnectError::Identity(_))));
    let endless = "x".repeat(200);
    let error = Emitter::connect(&endless, Identity::new("cart")).err().unwrap();
    assert!(matches!(&error, ConnectError::Path(_)) && error.to_string().contains("107 bytes"), "{error}");
    let emitter = Emitter::connect("/nowhere/emit.sock", Identity::new("cart")).unwrap();
    emitter.map("cart").put("k", "v");
    let stats = emitter.stats();
    assert_eq!((stats.issued, stats.sent, stats.connected), (1, 0, false));
    assert!(!emitter.flush(Duration::from_millis(1)));
    assert!(!emitter.close(Duration::from_millis(1)));
}

#[test]
fn what_does_not_fit_the_ring_is_declared_once_with_its_count_its_buckets_and_its_time() {
    let sidecar = FakeSidecar::new();
    let emitter = sidecar.connect_with(Options { ring_events: 8, ..Options::default() });
    let cart = emitter.map("cart");
    // The ring is left alone until the sidecar has said what it takes.
    (0..20_u8).for_each(|key| cart.put([key], "v"));
    let stats = emitter.stats();
    assert_eq!((stats.issued, stats.lost.ring_full, stats.lost.total()), (20, 12, 12));
    let mut peer = sidecar.accept_and_welcome();
    peer.read_until(|seen| seen.next_seq == 20);
    let loss = peer.seen.losses[0].clone();
    assert_eq!((loss.first_seq, loss.count, loss.reason()), (8, 12, LossReason::RingFull));
    let expected = (8..20_u8).map(|key| bucket(key_hash("cart", &[key]))).collect();
    assert_eq!(buckets(&loss), expected);
    assert!(loss.begin_ns > peer.seen.events[7].event.map_begin_ns && loss.end_ns >= loss.begin_ns);
    assert!(loss.end_ns < u64::try_from(counterfoil_clock::now().0).unwrap());
    cart.put("later", "v");
    peer.read_until(|seen| seen.next_seq == 21);
    peer.ack(21);
    let seen = close(emitter, peer);
    assert_eq!((seen.next_seq, seen.lost(), seen.losses.len()), (21, 12, 1));
}

#[test]
fn the_ring_is_bounded_in_bytes_too() {
    let sidecar = FakeSidecar::new();
    let emitter = sidecar.connect_with(Options { ring_bytes: 100_000, ..Options::default() });
    let cart = emitter.map("cart");
    (0..20_u8).for_each(|key| cart.put([key], vec![0; 10_000]));
    let lost = emitter.stats().lost.ring_full;
    assert!((11..20).contains(&lost), "{lost}");
    let mut peer = sidecar.accept_and_welcome();
    peer.read_until(|seen| seen.next_seq == 20);
    assert_eq!(peer.seen.lost(), lost);
}

#[test]
fn what_breaks_a_limit_is_lost_with_its_reason_before_and_after_the_limits_are_told() {
    let sidecar = FakeSidecar::new();
    let emitter = sidecar.connect();
    let cart = emitter.map("cart");
    cart.put("too large for anyone", vec![0; 1 << 20]);
    cart.put("", "a key is not empty");
    cart.put("too large for this one", vec![0; 101]);
    cart.put("k", vec![0; 100]);
    let mut peer = sidecar.accept();
    let limits = emit::Limits { key_bytes_max: 50, value_bytes_max: 100, ..Default::default() };
    peer.welcome(emit::Welcome { limits: Some(limits), ..welcome() });
    peer.read_until(|seen| seen.next_seq == 4);
    assert_eq!((peer.seen.events.len(), peer.seen.losses.len()), (1, 1));
    let loss = &peer.seen.losses[0];
    let keys = [&b"too large for anyone"[..], b"", b"too large for this one"];
    assert_eq!((loss.count, loss.reason()), (3, LossReason::Limit));
    assert_eq!(buckets(loss), keys.iter().map(|key| bucket(key_hash("cart", key))).collect());
    let mut write = cart.begin_put([0; 51], "the key is too large");
    write.store(|| Ok::<_, ()>(())).unwrap();
    write.finish();
    assert_eq!(emitter.stats().lost.limit, 4);
    peer.read_until(|seen| seen.next_seq == 5);
    assert_eq!(peer.seen.losses[1].reason(), LossReason::Limit);
}

#[test]
fn an_event_that_fits_the_limits_but_no_frame_is_lost_and_the_others_are_split_into_frames() {
    let sidecar = FakeSidecar::new();
    let emitter = sidecar.connect();
    let cart = emitter.map("cart");
    (0..10_u8).for_each(|key| cart.put([key], vec![0; 400]));
    cart.put("huge", vec![0; 1_000]);
    let mut peer = sidecar.accept();
    let limits = emit::Limits { frame_bytes_max: 1_000, events_per_frame_max: 3, ..Default::default() };
    peer.welcome(emit::Welcome { limits: Some(limits), ..welcome() });
    peer.read_until(|seen| seen.next_seq == 11);
    assert_eq!((peer.seen.events.len(), peer.seen.lost()), (10, 1));
    let frames = peer.frames.iter().filter(|frame| matches!(frame, Body::Events(_))).count();
    assert_eq!(frames, 10, "two such events do not fit");
    (0..6_u8).for_each(|key| cart.put([key], ""));
    peer.read_until(|seen| seen.next_seq == 17);
    let largest = peer
        .frames
        .iter()
        .map(|frame| if let Body::Events(events) = frame { events.events.len() } else { 0 });
    assert!(largest.max().unwrap() <= 3);
}

#[test]
fn writes_to_a_map_that_the_sidecar_does_not_know_are_declared_lost() {
    let sidecar = FakeSidecar::new();
    let emitter = sidecar.connect();
    emitter.map("unheard-of").put("k", "v");
    emitter.map("cart").put("k", "v");
    let mut peer = sidecar.accept();
    peer.welcome(emit::Welcome { maps: vec!["cart".to_owned()], ..welcome() });
    peer.read_until(|seen| seen.next_seq == 2);
    assert_eq!((&*peer.seen.events[0].map, peer.seen.lost()), ("cart", 1));
    assert_eq!(emitter.stats().lost.unknown_map, 1);
}

#[test]
fn after_a_lost_connection_what_was_not_acknowledged_comes_again_without_a_hole() {
    let sidecar = FakeSidecar::new();
    let emitter = sidecar.connect_with(Options { ring_events: 4, ..Options::default() });
    let cart = emitter.map("cart");
    (0..6_u8).for_each(|key| cart.put([key], "v"));
    let mut first = sidecar.accept_and_welcome();
    first.read_until(|seen| seen.next_seq == 6);
    cart.put("more", "v");
    first.read_until(|seen| seen.next_seq == 7);
    let (hello, events, losses) = (first.hello.clone(), first.seen.events.clone(), first.seen.losses.clone());
    drop(first);
    cart.put("meanwhile", "v");

    // A sidecar that remembers nothing gets everything, the declared loss in its place.
    let mut second = sidecar.accept_and_welcome();
    assert_eq!(second.hello, hello);
    second.read_until(|seen| seen.next_seq == 8);
    assert_eq!((&second.seen.events[..5], &second.seen.losses), (&events[..], &losses));
    drop(second);

    // One that remembers six gets the seventh and the eighth.
    let mut third = sidecar.accept();
    third.welcome(emit::Welcome { next_seq: 6, ..welcome() });
    third.read_until(|seen| seen.next_seq == 8);
    assert_eq!(third.seen.events.iter().map(|told| told.seq).collect::<Vec<_>>(), [6, 7]);
    third.ack(8);
    let seen = close(emitter, third);
    assert_eq!(seen.next_seq, 8);
}

#[test]
fn what_is_seen_is_not_yet_safe_where_more_was_asked_for() {
    let sidecar = FakeSidecar::new();
    let emitter = sidecar.connect_with(Options { ack: AckLevel::Durable, ..Options::default() });
    emitter.map("cart").put("k", "v");
    let mut first = sidecar.accept_and_welcome();
    assert_eq!(first.hello.ack(), Told::Durable);
    first.read_until(|seen| seen.next_seq == 1);
    drop(first);
    let mut second = sidecar.accept();
    second.send(Body::Welcome(emit::Welcome { ack: Told::Durable.into(), next_seq: 1, ..welcome() }));
    second.read_until(|seen| seen.next_seq == 1);
    second.ack(1);
    assert!(emitter.flush(PATIENCE));
}

#[test]
fn a_sidecar_that_does_not_read_costs_events_but_no_call_waits_for_it() {
    const WRITES: u64 = 20_000;
    let sidecar = FakeSidecar::new();
    let emitter =
        sidecar.connect_with(Options { ring_events: 100, replay_bytes: 100_000, ..Options::default() });
    let cart = emitter.map("cart");
    let mut peer = sidecar.accept_and_welcome();
    for key in 0..WRITES {
        cart.dual_write_put(key.to_le_bytes(), vec![0; 500], || (), || Ok::<_, ()>(())).unwrap();
    }
    let stats = emitter.stats();
    assert_eq!((stats.issued, stats.acknowledged), (WRITES, 0));
    assert!(stats.lost.ring_full > WRITES / 2, "{stats:?}");
    // It wakes up: everything is accounted for.
    let serving = std::thread::spawn(move || {
        peer.serve();
        peer.seen
    });
    assert!(emitter.flush(PATIENCE));
    let stats = emitter.stats();
    assert_eq!((stats.acknowledged, stats.sent), (WRITES, WRITES));
    assert!(emitter.close(PATIENCE));
    let seen = serving.join().unwrap();
    assert_eq!((seen.next_seq, seen.lost()), (WRITES, stats.lost.ring_full));
}

#[test]
fn a_sidecar_that_accepts_and_never_speaks_holds_nobody_at_the_end() {
    let sidecar = FakeSidecar::new();
    let emitter = sidecar.connect();
    emitter.map("cart").put("k", "v");
    let _silent = sidecar.accept();
    drop(emitter);
}

#[test]
fn a_refusal_is_kept_and_a_frame_that_is_refused_again_and_again_becomes_a_loss() {
    let sidecar = FakeSidecar::new();
    let emitter = sidecar.connect();
    emitter.map("cart").put("poison", "v");
    for _ in 0..3 {
        let mut peer = sidecar.accept_and_welcome();
        peer.read_until(|seen| seen.events.len() == 1);
        peer.refuse("events.value is not json; set `maps[].codec`");
    }
    let mut peer = sidecar.accept_and_welcome();
    peer.read_until(|seen| seen.next_seq == 1);
    assert_eq!((peer.seen.events.len(), peer.seen.lost()), (0, 1));
    let stats = emitter.stats();
    assert_eq!((stats.refusals, stats.reconnects, stats.lost.abandoned), (3, 3, 1));
    assert_eq!(stats.last_refusal.as_deref(), Some("events.value is not json; set `maps[].codec`"));
    let seen = close(emitter, peer);
    assert_eq!(seen.next_seq, 1);
}

#[test]
fn garbage_from_the_other_side_ends_the_connection_and_nothing_else() {
    let sidecar = FakeSidecar::new();
    let emitter = sidecar.connect();
    emitter.map("cart").put("k", "v");
    let mut mumbling = sidecar.accept();
    mumbling.send_raw(&[0xff; 64]);
    let mut newer = sidecar.accept();
    newer.send(Body::Welcome(emit::Welcome { protocol: 2, ..welcome() }));
    let mut peer = sidecar.accept_and_welcome();
    peer.read_until(|seen| seen.next_seq == 1);
    assert!(emitter.stats().last_refusal.unwrap().contains("welcome.protocol is 2"));
    let seen = close(emitter, peer);
    assert_eq!(seen.events.len(), 1);
}
