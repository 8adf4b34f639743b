//! Each level is acknowledged when it is reached, and not before.

use crate::house::{Comparator, Emitter, House, PATIENCE, hello, plain};
use crate::life::Life;
use counterfoil_proto::wire::emit::{AckLevel, Hello};
use std::sync::atomic::Ordering;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_level_is_acknowledged_when_it_is_reached() {
    let folder = tempfile::tempdir().unwrap();
    let comparator = Comparator::start().await;
    comparator.got.acknowledges.send_replace(false);
    let life = Life::start(folder.path(), &comparator, &["batch.age_ms_max=1"]).await;
    for level in [AckLevel::Received, AckLevel::Spooled, AckLevel::Durable] {
        let (mut emitter, welcome) = life.greeted(level.as_str_name(), level).await;
        assert_eq!(welcome.ack(), level);
        emitter.say(plain(0, 3)).await;
        assert_eq!(emitter.acked(3).await, level, "the comparator is silent");
    }
    let (mut emitter, welcome) = life.greeted("accepted", AckLevel::Accepted).await;
    assert_eq!(welcome.ack(), AckLevel::Accepted);
    emitter.say(plain(0, 3)).await;
    let acked = tokio::spawn(async move { emitter.acked(3).await });
    let (mut later, _) = life.greeted("later", AckLevel::Durable).await;
    later.say(plain(0, 1)).await;
    later.acked(1).await;
    assert!(!acked.is_finished(), "although a later batch of another source is on disk");
    comparator.got.level.store(AckLevel::Accepted.into(), Ordering::Relaxed);
    comparator.got.acknowledges.send_replace(true);
    assert_eq!(acked.await.unwrap(), AckLevel::Accepted);
    life.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_received_is_acknowledged_before_it_is_in_a_batch_and_what_is_spooled_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let comparator = Comparator::start().await;
    let life =
        Life::start(folder.path(), &comparator, &["batch.age_ms_max=60000", "batch.events_max=5"]).await;
    let (mut received, _) = life.greeted("received", AckLevel::Received).await;
    received.say(plain(0, 3)).await;
    assert_eq!(received.acked(3).await, AckLevel::Received);
    let (mut spooled, _) = life.greeted("spooled", AckLevel::Spooled).await;
    spooled.say(plain(0, 8)).await;
    spooled.acked(5).await;
    let early = tokio::time::timeout(std::time::Duration::from_millis(100), spooled.acked(8)).await;
    assert!(early.is_err(), "three are in the open batch");
    spooled.say(plain(8, 2)).await;
    spooled.acked(10).await;
    life.stop().await;
}

#[tokio::test]
async fn without_a_spool_what_needs_one_is_not_granted() {
    let house = House::start(&[]).await;
    for (wanted, granted) in [
        (AckLevel::Unspecified, AckLevel::Received),
        (AckLevel::Spooled, AckLevel::Received),
        (AckLevel::Durable, AckLevel::Received),
        (AckLevel::Accepted, AckLevel::Accepted),
    ] {
        let asked = Hello { ack: wanted.into(), ..hello(wanted.as_str_name()) };
        let (mut emitter, welcome) = Emitter::greeted(&house.socket(), asked).await;
        assert_eq!(welcome.ack(), granted, "{wanted:?}");
        emitter.say(plain(0, 2)).await;
        // The comparator of these tests says that it has no journal, and that is passed on.
        assert_eq!(emitter.acked(2).await, AckLevel::Received, "{wanted:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_shell_may_ask_for_a_level_and_hears_it_before_the_end() {
    let folder = tempfile::tempdir().unwrap();
    let comparator = Comparator::start().await;
    comparator.got.acknowledges.send_replace(false);
    let life = Life::start(folder.path(), &comparator, &["drain_ms_max=0"]).await;
    let mut shell = life.emitter().await;
    let lines =
        "{\"hello\":{\"ack\":\"durable\"}}\n{\"put\":{\"map\":\"cart\",\"key\":\"k\",\"value\":\"v\"}}\n";
    shell.say_bytes(lines.as_bytes()).await;
    tokio::io::AsyncWriteExt::shutdown(&mut shell.stream).await.unwrap();
    let mut heard = Vec::new();
    while let Some(line) = tokio::time::timeout(PATIENCE, shell.hear_line()).await.unwrap() {
        heard.push(line);
    }
    assert!(heard[0].contains("\"ack\":\"durable\""), "{heard:?}");
    assert_eq!(heard.last().unwrap(), "{\"ack\":{\"level\":\"durable\",\"through_seq\":1}}");
    life.stop().await;
}
