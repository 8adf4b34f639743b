//! Little room: a full spool sheds by key, a failing disk stands in nobody's way.

use crate::house::{Comparator, Emitter, PATIENCE, event, events};
use crate::life::{Account, Life, account};
use counterfoil_digest::{bucket, key_hash};
use counterfoil_proto::wire::emit::{AckLevel, Event};
use std::collections::{BTreeMap, BTreeSet};

const KEYS: u64 = 400;

/// A spool of the least size, with small batches and little memory beside it.
const SMALL: [&str; 4] = [
    "spool.bytes_max=1048576",
    "batch={bytes_max: 8192, age_ms_max: 1}",
    "uplink.unacked_bytes_max=131072",
    "limits.key_bytes_max=64",
];

/// A write of every key, each with the number of the round as its version.
async fn say_round(emitter: &mut Emitter, round: u64) {
    let write = |key: u64| Event { version: Some(round), ..event(0, &format!("key-{key}"), b"value") };
    emitter.say(events(round * KEYS, (0..KEYS).map(write).collect())).await;
}

/// The versions of each key that were accepted.
fn versions(account: &Account) -> BTreeMap<Vec<u8>, Vec<u64>> {
    let mut versions: BTreeMap<Vec<u8>, Vec<u64>> = BTreeMap::new();
    for batch in &account.batches {
        for (_, row) in batch.rows() {
            versions.entry(row.key.to_vec()).or_default().push(row.version.unwrap());
        }
    }
    versions
}

/// Says rounds until far more was said than there is room for, lets the comparator come, and then says one more.
async fn crowd(life: &Life, comparator: &mut Comparator, rounds: u64) -> Account {
    let (mut emitter, _) = life.greeted("a", AckLevel::Received).await;
    for round in 0..rounds {
        tokio::time::timeout(PATIENCE, say_round(&mut emitter, round)).await.expect("nothing holds it up");
        tokio::time::timeout(PATIENCE, emitter.acked((round + 1) * KEYS)).await.expect("nor its acks");
    }
    comparator.comes_back().await;
    let until_room = until_all_are_kept(&mut emitter, comparator, rounds);
    tokio::time::timeout(PATIENCE, until_room).await.expect("there is room again")
}

/// Says rounds from number `round` on until none of one is shed. What is shed last is told once there is room for it, thus a
/// round is known after the next one was said.
async fn until_all_are_kept(emitter: &mut Emitter, comparator: &Comparator, mut round: u64) -> Account {
    loop {
        say_round(emitter, round).await;
        let said = (round + 1) * KEYS;
        emitter.acked(said).await;
        let got = account(comparator, "a", round * KEYS).await;
        if versions(&got).values().filter(|versions| versions.contains(&(round - 1))).count() as u64 == KEYS {
            let got = account(comparator, "a", said).await;
            assert_eq!(got.accepted + got.lost_sum(), said, "all are accounted for");
            return got;
        }
        round += 1;
    }
}

/// Asserts that keys were shed by bucket: those of a lower bucket first, each from one write on until it was let in again.
fn assert_shed_by_bucket(account: &Account) {
    let of = |key: &[u8]| bucket(key_hash("cart", key));
    let mut shed_from: BTreeMap<usize, u64> = BTreeMap::new();
    let mut missing = BTreeSet::new();
    for (key, versions) in versions(account) {
        let kept = versions.iter().zip(0..).take_while(|(version, at)| *version == at).count() as u64;
        let again: Vec<_> = versions[usize::try_from(kept).unwrap()..].to_vec();
        assert!(again.windows(2).all(|pair| pair[0] + 1 == pair[1]), "a history with holes: {versions:?}");
        let before = shed_from.insert(of(&key), kept);
        assert!(before.is_none_or(|before| before.abs_diff(kept) <= 1), "keys of a bucket go together");
        if again.first().is_some_and(|first| *first > kept) {
            missing.insert(of(&key));
        }
    }
    assert!(!missing.is_empty(), "something was shed");
    let kept: Vec<_> = shed_from.values().copied().collect();
    assert!(kept.windows(2).all(|pair| pair[0] <= pair[1] + 1), "a higher bucket is kept longer: {kept:?}");
    assert!(kept.first() < kept.last(), "some keys were kept longer than others");
    let declared = |bucket| {
        let mut losses = account.batches.iter().flat_map(|batch| &batch.header().losses);
        losses.any(|loss| loss.buckets.contains(bucket))
    };
    assert!(missing.iter().all(|bucket| declared(*bucket)), "doubt falls on every key that was shed");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_spool_sheds_by_bucket_declares_it_and_opens_again() {
    let folder = tempfile::tempdir().unwrap();
    let mut comparator = Comparator::start().await;
    comparator.dies().await;
    let life = Life::start(folder.path(), &comparator, &SMALL).await;
    let got = crowd(&life, &mut comparator, 80).await;
    assert_shed_by_bucket(&got);
    life.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_disk_holds_nobody_up_and_what_finds_no_room_in_memory_is_shed() {
    let folder = tempfile::tempdir().unwrap();
    let mut comparator = Comparator::start().await;
    comparator.dies().await;
    let life = Life::start(folder.path(), &comparator, &SMALL).await;
    // What was begun goes on, and no other segment can be begun in a directory that is gone.
    let (mut first, _) = life.greeted("first", AckLevel::Spooled).await;
    first.say(events(0, vec![event(0, "k", b"v")])).await;
    assert_eq!(first.acked(1).await, AckLevel::Spooled);
    std::fs::remove_dir_all(folder.path().join("spool")).unwrap();
    let got = crowd(&life, &mut comparator, 40).await;
    assert!(got.lost_sum() > 0);
    life.stop().await;
}
