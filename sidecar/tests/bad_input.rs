//! Bad input on the socket: each kind has a clear message, a counter, and no effect on another connection.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

mod house;

use counterfoil_proto::LossReason;
use counterfoil_proto::wire::emit::{Hello, frame::Body};
use counterfoil_sidecar::BuildError;
use counterfoil_telemetry::Telemetry;
use house::{Emitter, House, build, event, events, heartbeat, hello, plain};
use tokio::io::AsyncWriteExt;

/// Lets `bad` do its worst while a bystander goes on, and checks that the bystander notices nothing and that the
/// counter of `series` moved. Gives the refusal.
async fn refused(house: &House, reason: &str, bad: impl AsyncFnOnce(&mut Emitter)) -> String {
    let series = format!("counterfoil_framer_refused_frames_total{{reason=\"{reason}\"}}");
    let (mut bystander, _) = house.greeted(reason).await;
    bystander.say(plain(0, 3)).await;
    bystander.acked(3).await;
    let before = house.metric(&series);
    let mut emitter = house.emitter().await;
    bad(&mut emitter).await;
    let message = emitter.refused().await;
    assert!(house.metric(&series) > before, "{series} did not move");
    bystander.say(plain(3, 3)).await;
    bystander.acked(6).await;
    message
}

fn assert_says(message: &str, expected: &str) {
    assert!(message.contains(expected), "{message:?} should say {expected:?}");
}

#[tokio::test]
async fn an_oversize_frame_is_refused_by_its_length() {
    let house = House::start(&[]).await;
    let message = refused(&house, "oversize", async |emitter| {
        emitter.say(Body::Hello(hello("bad"))).await;
        emitter.say(plain(0, 2)).await;
        emitter.say_bytes(&[0x81, 0x80, 0x04]).await;
    })
    .await;
    assert_says(&message, "frame has 65537 bytes; limits.frame_bytes_max is 65536");
    let came_before = house.comparator.batches("bad", |batches| house::seqs(batches).len() == 2).await;
    assert_eq!(house::seqs(&came_before), [0, 1], "what came before the bad frame is delivered");
}

#[tokio::test]
async fn a_frame_with_too_many_events_is_refused() {
    let house = House::start(&["limits.events_per_frame_max=10"]).await;
    let message = refused(&house, "oversize", async |emitter| {
        emitter.say(Body::Hello(hello("bad"))).await;
        emitter.say(plain(0, 11)).await;
    })
    .await;
    assert_says(&message, "limits.events_per_frame_max is 10");
}

#[tokio::test]
async fn an_unknown_protocol_version_is_refused() {
    let house = House::start(&[]).await;
    let message = refused(&house, "protocol", async |emitter| {
        emitter.say(Body::Hello(Hello { protocol: 9, ..hello("bad") })).await;
    })
    .await;
    assert_says(&message, "hello.protocol is 9; this sidecar speaks 1");
}

#[tokio::test]
async fn garbage_is_refused() {
    let house = House::start(&[]).await;
    let message = refused(&house, "garbage", async |emitter| emitter.say_bytes(&[0xff; 64]).await).await;
    assert_says(&message, "varint");
    let message = refused(&house, "garbage", async |emitter| {
        emitter.say_bytes(&[4, 0xff, 0xff, 0xff, 0xff]).await;
    })
    .await;
    assert_says(&message, "not a protobuf Frame");
}

#[tokio::test]
async fn a_truncated_frame_is_refused() {
    let house = House::start(&[]).await;
    let message = refused(&house, "truncated", async |emitter| {
        emitter.say(Body::Hello(hello("bad"))).await;
        emitter.say_bytes(&[9, 1, 2]).await;
        emitter.stream.shutdown().await.unwrap();
    })
    .await;
    assert_says(&message, "ended within a frame of which 3 bytes had come");
}

#[tokio::test]
async fn a_frame_that_never_ends_is_refused() {
    let house = House::start(&["limits.frame_timeout_ms=50"]).await;
    let message = refused(&house, "timeout", async |emitter| {
        emitter.say(Body::Hello(hello("bad"))).await;
        emitter.say_bytes(&[9, 1, 2]).await;
    })
    .await;
    assert_says(&message, "limits.frame_timeout_ms, 50 ms");
}

#[tokio::test]
async fn a_connection_that_says_nothing_is_refused() {
    let house = House::start(&["limits.handshake_timeout_ms=50"]).await;
    let message = refused(&house, "timeout", async |_| {}).await;
    assert_says(&message, "limits.handshake_timeout_ms, 50 ms");
}

#[tokio::test]
async fn a_connection_that_falls_silent_is_refused() {
    let house = House::start(&["limits.idle_timeout_ms=400"]).await;
    let mut emitter = house.greeted("bad").await.0;
    assert_says(&emitter.refused().await, "limits.idle_timeout_ms, 400 ms");
}

#[tokio::test]
async fn frames_out_of_order_are_refused() {
    let house = House::start(&[]).await;
    let message = refused(&house, "order", async |emitter| emitter.say(plain(0, 1)).await).await;
    assert_says(&message, "before hello");
    let message = refused(&house, "sequence", async |emitter| {
        emitter.say(Body::Hello(hello("bad"))).await;
        emitter.say(plain(0, 2)).await;
        emitter.say(plain(3, 2)).await;
    })
    .await;
    assert_says(
        &message,
        "events.first_seq is 3 but 2 comes next; declare what was lost in heartbeat.losses",
    );
}

#[tokio::test]
async fn an_event_that_breaks_the_protocol_refuses_its_whole_frame() {
    let house = House::start(&[]).await;
    let message = refused(&house, "event", async |emitter| {
        emitter.say(Body::Hello(hello("bad"))).await;
        let mut frame = vec![event(0, "a", b"v"), event(0, "b", b"v")];
        frame[1].trace_id = bytes::Bytes::from_static(b"short");
        emitter.say(events(0, frame)).await;
    })
    .await;
    assert_says(&message, "events[1].trace_id");
    let (_, welcome) = house.greeted("bad").await;
    assert_eq!(welcome.next_seq, 0, "nothing of the frame was taken in");
}

/// An event that no batch can take is declared lost at its own number; the stream goes on.
async fn lost(house: &House, reason: &str, bad: counterfoil_proto::wire::emit::Event) {
    let series = format!("counterfoil_framer_events_refused_total{{reason=\"{reason}\"}}");
    let before = house.metric(&series);
    let (mut emitter, _) = house.greeted(reason).await;
    let (map, key) = (["cart", "notes", "unknown"][bad.map as usize], bad.key.clone());
    emitter.say(events(0, vec![event(0, "a", b"v"), bad, event(0, "b", b"v")])).await;
    emitter.acked(3).await;
    emitter.say(heartbeat(3, 9_000)).await;
    let batches = house.comparator.batches(reason, |batches| house::seqs(batches).len() == 2).await;
    assert_eq!(house::seqs(&batches), [0, 2]);
    let losses: Vec<_> = batches.iter().flat_map(|columns| columns.header().losses.clone()).collect();
    assert_eq!(losses.len(), 1);
    assert_eq!((losses[0].first_seq, losses[0].count, losses[0].reason), (1, 1, LossReason::Limit));
    assert_eq!((losses[0].during.begin.0, losses[0].during.end.0), (1_000, 2_000));
    let bucket = counterfoil_digest::bucket(counterfoil_digest::key_hash(map, &key));
    assert!((0..1_024).all(|other| losses[0].buckets.contains(other) == (other == bucket)));
    assert!(house.metric(&series) > before, "{series} did not move");
}

#[tokio::test]
async fn events_that_no_batch_can_take_are_declared_lost_and_the_stream_goes_on() {
    let house = House::start(&["limits.key_bytes_max=8", "limits.value_bytes_max=16"]).await;
    lost(&house, "unknown_map", event(2, "k", b"v")).await;
    lost(&house, "key_too_long", event(0, "123456789", b"v")).await;
    lost(&house, "key_empty", event(0, "", b"v")).await;
    lost(&house, "value_too_long", event(0, "k", &[0; 17])).await;
    lost(&house, "not_text", event(1, "k", &[0xff])).await;
}

#[tokio::test]
async fn a_peer_that_is_not_allowed_is_turned_away() {
    let house = House::start(&["socket.allow_uids=[4000000000]"]).await;
    let series = "counterfoil_listener_refused_peers_total{reason=\"peer\"}";
    let before = house.metric(series);
    let mut emitter = house.emitter().await;
    emitter.say(Body::Hello(hello("bad"))).await;
    assert_says(&emitter.refused().await, "socket.allow_uids");
    let mut shell = house.emitter().await;
    shell.say_bytes(b"{\"bye\":{}}\n").await;
    assert_says(&shell.hear_line().await.unwrap(), "\"refusal\":");
    assert!(house.metric(series) >= before + 2.0);
}

#[tokio::test]
async fn connections_over_the_limit_are_turned_away_until_one_ends() {
    let house = House::start(&["socket.connections_max=1"]).await;
    let (mut first, _) = house.greeted("first").await;
    let mut second = house.emitter().await;
    second.say(Body::Hello(hello("second"))).await;
    assert_says(&second.refused().await, "socket.connections_max");
    first.say(plain(0, 1)).await;
    first.acked(1).await;
    first.say(Body::Bye(counterfoil_proto::wire::emit::Bye {})).await;
    assert_eq!(first.hear().await, None);
    house.greeted("third").await;
}

#[tokio::test]
async fn a_second_sidecar_on_the_same_socket_is_refused_and_the_first_goes_on() {
    let house = House::start(&[]).await;
    let second = build(house.folder.path(), house.comparator.address, &[], &house.telemetry).await;
    let error = second.err().expect("the socket is taken");
    assert!(matches!(error, BuildError::Socket(_)));
    assert_says(&error.to_string(), "socket.path: another process listens on");
    let (mut emitter, _) = house.greeted("a").await;
    emitter.say(plain(0, 1)).await;
    emitter.acked(1).await;
}

#[tokio::test]
async fn a_key_file_that_cannot_be_read_names_its_key() {
    let telemetry = Telemetry::install("test", &counterfoil_telemetry::Written::default()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let nowhere = "127.0.0.1:1".parse().unwrap();
    let error =
        build(folder.path(), nowhere, &["keys[0].file=/nonexistent"], &telemetry).await.err().unwrap();
    assert_says(&error.to_string(), "keys[0].file");
    assert!(!folder.path().join("emit.sock").exists());
}

#[tokio::test]
async fn a_connection_over_its_rate_is_not_read_for_a_while_and_loses_nothing() {
    let house = House::start(&["limits.events_per_second_max=2000"]).await;
    let series = "counterfoil_framer_throttles_total";
    let before = house.metric(series);
    let (mut emitter, _) = house.greeted("fast").await;
    for frame in 0..5 {
        emitter.say(plain(frame * 500, 500)).await;
        emitter.acked((frame + 1) * 500).await;
    }
    emitter.say(plain(2_500, 1)).await;
    emitter.acked(2_501).await;
    assert!(house.metric(series) > before, "{series} did not move");
    let got = house.comparator.batches("fast", |batches| house::seqs(batches).len() == 2_501).await;
    assert_eq!(house::seqs(&got), (0..2_501).collect::<Vec<_>>());
}
