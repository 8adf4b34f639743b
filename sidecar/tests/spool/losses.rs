//! What is lost with a process or on a disk is declared, exactly.

use crate::house::{Comparator, heartbeat, plain};
use crate::life::{Life, account};
use counterfoil_proto::wire::emit::AckLevel;
use counterfoil_proto::{BucketSet, LossReason};
use std::path::{Path, PathBuf};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_only_received_is_declared_lost_by_the_next_process() {
    let folder = tempfile::tempdir().unwrap();
    let comparator = Comparator::start().await;
    let overlays = ["batch.age_ms_max=60000", "batch.events_max=2"];
    let life = Life::start(folder.path(), &comparator, &overlays).await;
    let (mut emitter, _) = life.greeted("a", AckLevel::Received).await;
    emitter.say(plain(0, 1)).await;
    emitter.say(heartbeat(1, 700)).await;
    emitter.say(plain(1, 4)).await;
    emitter.acked(5).await;
    account(&comparator, "a", 4).await;
    life.kill();
    let life = Life::start(folder.path(), &comparator, &overlays).await;
    let (mut emitter, welcome) = life.greeted("a", AckLevel::Received).await;
    assert_eq!(welcome.next_seq, 4);
    emitter.say(plain(9, 2)).await;
    let got = account(&comparator, "a", 11).await;
    assert_eq!((got.accepted, &got.lost[..]), (6, &[(4, 5, LossReason::Sidecar)][..]));
    let losses: Vec<_> = got.batches.iter().flat_map(|batch| batch.header().losses.clone()).collect();
    assert_eq!((losses[0].during.begin.0, &losses[0].buckets), (700, &BucketSet::All));
    life.stop().await;
}

/// The segments of a spool, the oldest first.
fn segments(folder: &Path) -> Vec<PathBuf> {
    let files = std::fs::read_dir(folder.join("spool")).unwrap().map(|file| file.unwrap().path());
    let mut segments: Vec<_> =
        files.filter(|path| path.extension().is_some_and(|end| end == "seg")).collect();
    segments.sort();
    segments
}

/// Lets two sources fill some segments while the comparator is away, and damages them: what the comparator makes of the rest,
/// and of what comes after it, is exact.
async fn after_damage(damage: impl FnOnce(&[PathBuf])) {
    const EVENTS: u64 = 6_000;
    let folder = tempfile::tempdir().unwrap();
    let mut comparator = Comparator::start().await;
    comparator.dies().await;
    let overlays = ["batch={events_max: 20, age_ms_max: 1, bytes_max: 8192}", "spool.bytes_max=4194304"];
    let life = Life::start(folder.path(), &comparator, &overlays).await;
    let (mut a, _) = life.greeted("a", AckLevel::Durable).await;
    let (mut b, _) = life.greeted("b", AckLevel::Durable).await;
    for at in 0..EVENTS / 100 {
        a.say(plain(at * 100, 100)).await;
        b.say(plain(at * 100, 100)).await;
    }
    a.acked(EVENTS).await;
    b.acked(EVENTS).await;
    life.kill();
    damage(&segments(folder.path()));
    comparator.comes_back().await;
    let life = Life::start(folder.path(), &comparator, &overlays).await;
    for instance in ["a", "b"] {
        let (mut emitter, welcome) = life.greeted(instance, AckLevel::Accepted).await;
        assert!(welcome.next_seq <= EVENTS);
        emitter.say(plain(EVENTS, 40)).await;
        emitter.say(plain(EVENTS + 40, 40)).await;
        emitter.acked(EVENTS + 80).await;
    }
    let accounts =
        [account(&comparator, "a", EVENTS + 80).await, account(&comparator, "b", EVENTS + 80).await];
    for account in &accounts {
        assert_eq!(account.accepted + account.lost_sum(), EVENTS + 80, "all are accounted for");
        assert!(account.accepted >= 80 && (account.lost_sum() == 0 || account.chains > 1));
        assert!(account.lost.iter().all(|(_, _, reason)| *reason == LossReason::Sidecar));
    }
    assert!(accounts.iter().any(|account| account.lost_sum() > 0), "some were lost");
    life.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotten_segment_is_a_declared_loss_and_the_chain_goes_on() {
    after_damage(|segments| {
        assert!(segments.len() > 3, "{}", segments.len());
        let mut bytes = std::fs::read(&segments[1]).unwrap();
        let half = bytes.len() / 2;
        bytes[half..half + 8_000].fill(0xA5);
        std::fs::write(&segments[1], bytes).unwrap();
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_segment_is_a_declared_loss_and_the_chain_goes_on() {
    after_damage(|segments| std::fs::remove_file(&segments[2]).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_beginning_is_a_declared_loss_and_the_chain_goes_on() {
    after_damage(|segments| std::fs::remove_file(&segments[0]).unwrap()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_end_is_declared_by_the_next_batch_of_each_source() {
    after_damage(|segments| {
        for segment in &segments[segments.len() - 2..] {
            std::fs::remove_file(segment).unwrap();
        }
    })
    .await;
}
