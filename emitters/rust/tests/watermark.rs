//! The watermark is true, at the pace of many threads and at the end.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

mod support;

use counterfoil_emitter::{Options, Stats};
use counterfoil_proto::wire::emit::LossReason;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;
use support::{FakeSidecar, PATIENCE};

/// [`support::Seen`] fails on an event or a loss that began before a watermark that came earlier. Slow store calls give
/// watermarks the time to pass a write that is not held; a flush after the other makes heartbeats as fast as it can.
#[test]
fn nothing_that_arrives_after_a_heartbeat_began_before_its_watermark() {
    const THREADS: u64 = 8;
    const WRITES: u64 = 4_000;
    const SLOW: Duration = Duration::from_micros(150);
    let sidecar = FakeSidecar::new();
    // Small enough that writes overflow the slots and the ring as well.
    let options =
        Options { open_writes: THREADS.try_into().unwrap(), ring_events: 256, ..Options::default() };
    let emitter = sidecar.connect_with(options);
    let mut peer = sidecar.accept_and_welcome();
    let serving = std::thread::spawn(move || {
        peer.serve();
        peer.seen
    });
    let writing = AtomicU64::new(THREADS);
    std::thread::scope(|scope| {
        for thread in 0..THREADS {
            let (cart, writing) = (emitter.map("cart"), &writing);
            scope.spawn(move || {
                for write in 0..WRITES {
                    let key = (thread * WRITES + write).to_le_bytes();
                    let slow = || {
                        std::thread::sleep(SLOW);
                        Ok::<_, ()>(())
                    };
                    match write % 4 {
                        0 => cart.put(key, "v"),
                        1 => cart.dual_write_remove(key, || (), || Err::<(), _>(())).unwrap_err(),
                        _ => cart.dual_write_put(key, "v", || (), slow).unwrap(),
                    }
                    // Now and then one more write is open than there are slots.
                    drop((write % 64 == 0).then(|| cart.open_write()));
                }
                writing.fetch_sub(1, Ordering::AcqRel);
            });
        }
        while writing.load(Ordering::Acquire) > 0 {
            assert!(emitter.flush(PATIENCE));
        }
    });
    assert!(emitter.flush(PATIENCE));
    let Stats { issued, acknowledged, lost, open, .. } = emitter.stats();
    assert_eq!((issued, acknowledged, open), (THREADS * WRITES, THREADS * WRITES, 0));
    assert!(emitter.close(PATIENCE));
    let seen = serving.join().unwrap();
    assert_eq!((seen.next_seq, seen.lost()), (issued, lost.ring_full));
    let told: std::collections::HashSet<_> = seen.events.iter().map(|told| &told.event.key).collect();
    assert_eq!(told.len(), seen.events.len(), "each write once");
    assert!(seen.watermark_ns > seen.events.iter().map(support::Told::begin_ns).max().unwrap());
}

#[test]
fn an_open_write_holds_the_watermark_until_it_is_told() {
    let sidecar = FakeSidecar::new();
    let emitter = sidecar.connect();
    let mut peer = sidecar.accept_and_welcome();
    let mut write = emitter.map("cart").begin_put("slow", "v");
    write.map(|| ());
    let beats = peer.seen.heartbeats;
    peer.read_until(|seen| seen.open == 1 && seen.heartbeats > beats + 3);
    let held = peer.seen.watermark_ns;
    write.store(|| Ok::<_, ()>(())).unwrap();
    drop(write);
    peer.read_until(|seen| seen.open == 0 && seen.watermark_ns > held);
    assert!(peer.seen.events[0].begin_ns() >= held, "told before the watermark passed it");
}

#[test]
fn a_write_open_at_the_end_is_declared_lost_and_what_comes_later_is_told_to_nobody() {
    let sidecar = FakeSidecar::new();
    let emitter = sidecar.connect();
    let cart = emitter.map("cart");
    let mut peer = sidecar.accept_and_welcome();
    let mut open = cart.begin_put("open", "v");
    open.map(|| ());
    cart.put("k", "v");
    let serving = std::thread::spawn(move || {
        peer.serve();
        peer.seen
    });
    assert!(emitter.close(PATIENCE));
    let seen = serving.join().unwrap();
    let [loss] = &seen.losses[..] else { panic!("{:?}", seen.losses) };
    assert_eq!((loss.count, loss.reason(), loss.buckets.len()), (1, LossReason::Unspecified, 0));
    assert_eq!(loss.end_ns, u64::try_from(i64::MAX).unwrap(), "nobody knows when it will have ended");
    assert_eq!((seen.events.len(), seen.bye), (1, true));
    drop(open);
    cart.put("too late", "v");
}

#[test]
fn a_flush_waits_for_what_came_before_it_while_others_go_on() {
    /// Fewer than the ring holds.
    const BEHIND_MAX: u64 = 1_000;
    let sidecar = FakeSidecar::new();
    let emitter = sidecar.connect();
    let mut peer = sidecar.accept_and_welcome();
    let serving = std::thread::spawn(move || {
        peer.serve();
        peer.seen
    });
    let going = AtomicBool::new(true);
    std::thread::scope(|scope| {
        let busy = emitter.map("cart");
        let (emitter, going) = (&emitter, &going);
        scope.spawn(move || {
            while going.load(Ordering::Relaxed) {
                let Stats { issued, acknowledged, .. } = emitter.stats();
                if issued < acknowledged + BEHIND_MAX {
                    busy.put("busy", "v");
                } else {
                    std::thread::yield_now();
                }
            }
        });
        let cart = emitter.map("cart");
        for round in 0..20_u64 {
            cart.put("mine", round.to_le_bytes());
            assert!(emitter.flush(PATIENCE));
            assert!(emitter.stats().acknowledged > round);
        }
        going.store(false, Ordering::Relaxed);
    });
    assert!(emitter.close(PATIENCE));
    let seen = serving.join().unwrap();
    assert_eq!(seen.lost(), 0);
    assert_eq!(seen.events.iter().filter(|told| told.event.key == "mine".as_bytes()).count(), 20);
}
