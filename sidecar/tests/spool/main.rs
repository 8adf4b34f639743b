//! The spool: what was acknowledged outlives the sidecar, each level means what it says, and what is lost is declared.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

#[path = "../house/mod.rs"]
mod house;
mod levels;
mod life;
mod losses;
mod room;

use counterfoil_proto::wire::Upload;
use counterfoil_proto::wire::emit::AckLevel;
use house::{Comparator, heartbeat, plain};
use life::{Life, account};

/// Two events to a batch, and a signing key that outlives the process.
fn kept_key(folder: &std::path::Path) -> Vec<String> {
    let file = folder.join("signing");
    if !file.exists() {
        counterfoil_keys::create_file(&file, &"1d".repeat(32)).unwrap();
    }
    vec!["batch.events_max=2".to_owned(), format!("signing={{file: '{}'}}", file.display())]
}

fn strs(overlays: &[String]) -> Vec<&str> {
    overlays.iter().map(String::as_str).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_not_accepted_is_sent_again_by_the_next_process_with_the_same_numbers_and_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let mut comparator = Comparator::start().await;
    let overlays = kept_key(folder.path());
    let life = Life::start(folder.path(), &comparator, &strs(&overlays)).await;
    comparator.got.acknowledges.send_replace(false);
    let (mut emitter, welcome) = life.greeted("a", AckLevel::Spooled).await;
    assert_eq!((welcome.next_seq, welcome.ack()), (0, AckLevel::Spooled));
    emitter.say(plain(0, 6)).await;
    assert_eq!(emitter.acked(6).await, AckLevel::Spooled);
    comparator.uploads(|uploads| !uploads.is_empty()).await;
    life.kill();
    comparator.dies().await;
    let first_life = comparator.uploads(|_| true).await;
    comparator.got.acknowledges.send_replace(true);
    comparator.comes_back().await;
    let life = Life::start(folder.path(), &comparator, &strs(&overlays)).await;
    let (mut emitter, welcome) = life.greeted("a", AckLevel::Spooled).await;
    assert_eq!(welcome.next_seq, 6, "the emitter is told where to go on");
    assert_eq!(emitter.acked(6).await, AckLevel::Spooled, "what it sent before is still safe");
    emitter.say(plain(6, 2)).await;
    let got = account(&comparator, "a", 8).await;
    assert_eq!((got.accepted, got.lost_sum(), got.chains), (8, 0, 1), "the chain goes on");
    let uploads = comparator.uploads(|_| true).await;
    let second_life = &uploads[first_life.len()..];
    let numbers: Vec<_> = second_life.iter().map(|upload| upload.number).collect();
    assert_eq!(numbers, [1, 2, 3, 4]);
    let same = |one: &Upload, other: &Upload| (&one.batch, &one.mac) == (&other.batch, &other.mac);
    assert!(first_life.iter().zip(second_life).all(|(one, other)| same(one, other)));
    life.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_signing_key_of_its_own_each_process_begins_a_new_chain() {
    let folder = tempfile::tempdir().unwrap();
    let comparator = Comparator::start().await;
    for lives in 1..=3 {
        let life = Life::start(folder.path(), &comparator, &["batch.events_max=2"]).await;
        let (mut emitter, welcome) = life.greeted("a", AckLevel::Spooled).await;
        assert_eq!(welcome.next_seq, (lives - 1) * 4);
        emitter.say(plain((lives - 1) * 4, 4)).await;
        emitter.acked(lives * 4).await;
        life.kill();
    }
    let life = Life::start(folder.path(), &comparator, &[]).await;
    let got = account(&comparator, "a", 12).await;
    assert_eq!((got.accepted, got.lost_sum(), got.chains), (12, 0, 3));
    life.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_accepted_is_not_sent_again_after_an_orderly_stop() {
    let folder = tempfile::tempdir().unwrap();
    let comparator = Comparator::start().await;
    let life = Life::start(folder.path(), &comparator, &[]).await;
    let (mut emitter, _) = life.greeted("a", AckLevel::Accepted).await;
    emitter.say(plain(0, 3)).await;
    emitter.say(heartbeat(9, 5_000)).await;
    emitter.acked(3).await;
    drop(emitter);
    life.stop().await;
    let before = comparator.uploads(|uploads| !uploads.is_empty()).await.len();
    let life = Life::start(folder.path(), &comparator, &[]).await;
    let (mut emitter, welcome) = life.greeted("a", AckLevel::Accepted).await;
    assert_eq!(welcome.next_seq, 3);
    emitter.say(plain(3, 1)).await;
    emitter.acked(4).await;
    let uploads = comparator.uploads(|uploads| uploads.len() > before).await;
    assert_eq!(uploads.len(), before + 1);
    assert_eq!(account(&comparator, "a", 4).await.batches.last().unwrap().header().issued, 9);
    life.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_comparator_misses_a_batch_a_new_chain_begins_and_the_stream_goes_on() {
    let folder = tempfile::tempdir().unwrap();
    let comparator = Comparator::start().await;
    let life = Life::start(folder.path(), &comparator, &[]).await;
    let (mut a, _) = life.greeted("a", AckLevel::Accepted).await;
    let (mut b, _) = life.greeted("b", AckLevel::Accepted).await;
    for emitter in [&mut a, &mut b] {
        emitter.say(plain(0, 2)).await;
        emitter.acked(2).await;
    }
    comparator.got.misses.store(true, std::sync::atomic::Ordering::Relaxed);
    for first in [2, 4] {
        a.say(plain(first, 2)).await;
        b.say(plain(first, 2)).await;
        a.acked(first + 2).await;
        b.acked(first + 2).await;
    }
    let [a, b] = [account(&comparator, "a", 6).await, account(&comparator, "b", 6).await];
    assert_eq!((a.accepted, b.accepted, a.lost_sum() + b.lost_sum()), (6, 6, 0));
    assert!(a.chains + b.chains > 2, "one of them began another chain");
    life.stop().await;
}
