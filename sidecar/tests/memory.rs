//! While the comparator is away, memory does not grow with the spool. One test alone, as the gauge is the process's.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

mod house;

use counterfoil_proto::wire::emit::{AckLevel, Hello};
use house::{Comparator, Emitter, House, event, events, hello, seqs};

/// Bytes of batches that wait.
const WAITING_BYTES: u64 = 50 << 20;

/// What may be held: the window, what waits to be written (4 MiB and a batch), and a batch that is being handed in.
const HELD_BYTES_MAX: f64 = ((1 << 20) + (4 << 20) + 2 * (256 << 10)) as f64;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn fifty_megabytes_wait_on_disk_and_a_window_of_them_in_memory() {
    const KEY_BYTES: usize = 1_000;
    const FRAME_EVENTS: u64 = 50;
    let mut comparator = Comparator::start().await;
    comparator.dies().await;
    let folder = tempfile::tempdir().unwrap();
    let spool = format!("spool={{path: '{}'}}", folder.path().join("spool").display());
    let mut house = House::with(comparator, &["uplink.unacked_bytes_max=1048576", &spool]).await;
    let asked = Hello { ack: AckLevel::Spooled.into(), ..hello("a") };
    let (mut emitter, _) = Emitter::greeted(&house.socket(), asked).await;
    let frames = WAITING_BYTES / (KEY_BYTES as u64 * FRAME_EVENTS);
    let held = |house: &House| house.metric("counterfoil_uplink_unacknowledged_bytes");
    let mut most: f64 = 0.0;
    for frame in 0..frames {
        let first = frame * FRAME_EVENTS;
        let key = |seq: u64| format!("{seq:0KEY_BYTES$}");
        let writes = (first..first + FRAME_EVENTS).map(|seq| event(0, &key(seq), b"v")).collect();
        emitter.say(events(first, writes)).await;
        if frame % 20 == 19 {
            emitter.acked(first + FRAME_EVENTS).await;
            most = most.max(held(&house));
        }
    }
    let all = frames * FRAME_EVENTS;
    emitter.acked(all).await;
    assert!(house.metric("counterfoil_spool_used_bytes") > WAITING_BYTES as f64);
    assert!(most > 0.0 && most <= HELD_BYTES_MAX, "{most} bytes were held");
    house.comparator.comes_back().await;
    while house.metric("counterfoil_spool_unsent_entries") > 0.0 {
        tokio::task::yield_now().await;
        assert!(held(&house) <= HELD_BYTES_MAX);
    }
    let got = house.comparator.batches("a", |batches| seqs(batches).len() as u64 >= all).await;
    assert_eq!(seqs(&got), (0..all).collect::<Vec<_>>());
    assert!(house.metric("counterfoil_spool_reads_total") > 10.0);
}
