#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use super::*;
use crate::engine::trial::{A, B, BASKET, CART, Trial, answer, at, header, heartbeat, writes};
use crate::table::Turn;
use counterfoil_judge::{Digest, Outcome, Reason, Verdict};

fn scheduler(trial: &Trial, concurrency: usize, keys_per_read_max: usize) -> Scheduler {
    let unbounded = trial.engine.contracts().readers()[0].bounds();
    Scheduler::new(trial.engine.clone(), vec![Bounds { concurrency, keys_per_read_max, ..unbounded }])
}

/// Sends off what is due at `now`, lets every read see `seen` at once, and takes them back. Gives how many keys were read.
fn read(scheduler: &mut Scheduler, now: i64, seen: Result<Digest, Reason>) -> usize {
    let requests = scheduler.send_off(at(now));
    let keys = requests.iter().map(|request| request.probes.len()).sum();
    requests.into_iter().for_each(|request| scheduler.take_back(answer(request, now, seen), at(now)));
    keys
}

fn outcomes(effects: &Effects) -> Vec<Outcome> {
    effects.ended.iter().map(|ended| ended.outcome).collect()
}

#[test]
fn an_observation_waits_for_the_watermark_of_every_live_source() {
    let trial = Trial::new();
    let mut scheduler = scheduler(&trial, 4, 100);
    trial.hear(&writes(header("a", 0, 20), "cart", &["k"], 0), 20);
    trial.hear(&heartbeat(header("b", 0, 20)), 20);
    assert_eq!((read(&mut scheduler, 30, Ok(A)), scheduler.waiting()), (1, 1));
    for (instance, watermark) in [("a", 30), ("b", 31)] {
        trial.hear(&heartbeat(header(instance, u64::from(instance == "a"), watermark)), 40);
        assert!(scheduler.tick(at(40)).verdicts.is_empty(), "one of them may still tell of a write");
        assert!(scheduler.send_off(at(4_000)).is_empty(), "what waits is not read again");
    }
    trial.hear(&heartbeat(header("a", 1, 31)), 50);
    let effects = scheduler.tick(at(50));
    assert!(matches!(outcomes(&effects)[..], [Outcome::Confirmed { .. }]), "{effects:?}");
    assert_eq!(scheduler.waiting(), 0);
}

#[test]
fn an_observation_waits_for_the_lead_of_its_own_map() {
    let trial = Trial::new();
    let mut scheduler = scheduler(&trial, 4, 100);
    trial.hear(&writes(header("a", 0, 20), "cart", &["k"], 0), 20);
    trial.hear(&writes(header("a", 1, 20), "basket", &["k"], 0), 20);
    assert_eq!(read(&mut scheduler, 30, Ok(A)), 2);
    for (watermark, judged) in [(31, Some(CART)), (230, None), (231, Some(BASKET))] {
        trial.hear(&heartbeat(header("a", 2, watermark)), watermark);
        let maps: Vec<_> = scheduler.tick(at(watermark)).verdicts.iter().map(|(map, _)| *map).collect();
        assert_eq!(maps, Vec::from_iter(judged), "basket's store may be written 200 ms before its map");
    }
}

#[test]
fn a_store_is_read_no_more_than_its_budget_allows_and_its_maps_take_turns() {
    let trial = Trial::new();
    let mut scheduler = scheduler(&trial, 1, 2);
    trial.hear(&writes(header("a", 0, 20), "cart", &["k", "l", "m"], 0), 20);
    trial.hear(&writes(header("a", 3, 20), "basket", &["k", "l", "m"], 0), 20);
    let mut reads = Vec::new();
    loop {
        let mut requests = scheduler.send_off(at(30));
        assert!(requests.len() <= 1, "one read at a time");
        let Some(request) = requests.pop() else { break };
        reads.push((request.map, request.probes.len()));
        scheduler.take_back(answer(request, 30, Ok(A)), at(30));
    }
    assert_eq!(reads, [(CART, 2), (BASKET, 2), (CART, 1), (BASKET, 1)]);
    trial.hear(&writes(header("a", 6, 20), "cart", &["n", "o", "p"], 10), 20);
    assert_eq!(scheduler.send_off(at(40)).len(), 1);
    assert!(scheduler.send_off(at(40)).is_empty(), "the first read is not back yet");
}

#[test]
fn no_more_observations_are_under_way_than_allowed() {
    let trial = Trial::new();
    let mut scheduler = scheduler(&trial, usize::MAX, 10_000);
    let keys: Vec<_> = (0..OBSERVATIONS_MAX + 1_000).map(|n| n.to_string()).collect();
    let mut first_seq = 0;
    for keys in keys.chunks(10_000) {
        let keys: Vec<_> = keys.iter().map(String::as_str).collect();
        trial.hear(&writes(header("a", first_seq, 20), "cart", &keys, 0), 20);
        first_seq += keys.len() as u64;
    }
    let mut requests = scheduler.send_off(at(30));
    let under_way: usize = requests.iter().map(|request| request.probes.len()).sum();
    assert_eq!((under_way, scheduler.send_off(at(30)).len()), (OBSERVATIONS_MAX, 0));
    scheduler.take_back(answer(requests.pop().unwrap(), 30, Ok(A)), at(30));
    assert!(scheduler.send_off(at(30)).is_empty(), "those that wait for watermarks count too");
    trial.hear(&heartbeat(header("a", first_seq, 31)), 31);
    assert_eq!(scheduler.tick(at(31)).ended.len(), 10_000);
    assert_eq!(read(&mut scheduler, 31, Ok(A)), 1_000);
}

#[test]
fn what_a_tick_does_not_get_to_is_left_to_the_next() {
    let trial = Trial::new();
    let mut scheduler = scheduler(&trial, 3, 1_500);
    let keys: Vec<_> = (0..4_500).map(|n| n.to_string()).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    trial.hear(&writes(header("a", 0, 20), "cart", &keys, 0), 20);
    assert_eq!(read(&mut scheduler, 30, Ok(A)), 4_500);
    assert!(scheduler.tick(at(30)).ended.is_empty() && !scheduler.is_behind(), "nothing may be judged yet");
    trial.hear(&heartbeat(header("a", 4_500, 31)), 31);
    for (judged, is_behind) in [(3_000, true), (1_500, false)] {
        assert_eq!((scheduler.tick(at(31)).ended.len(), scheduler.is_behind()), (judged, is_behind));
    }
}

#[test]
fn a_store_is_short_while_more_keys_are_due_than_reads_may_be_made() {
    let trial = Trial::new();
    let mut scheduler = scheduler(&trial, 1, 2);
    assert!(!scheduler.is_short(0), "nothing is wanted");
    trial.hear(&writes(header("a", 0, 20), "cart", &["k", "l", "m"], 0), 20);
    for (keys, is_short) in [(2, true), (1, false)] {
        let mut requests = scheduler.send_off_to(0, at(30));
        let request = requests.pop().unwrap();
        assert_eq!((request.probes.len(), scheduler.is_short(0)), (keys, is_short));
        scheduler.take_back(answer(request, 30, Ok(A)), at(30));
    }
    assert!(!scheduler.is_short(1), "there is no such store");
}

#[test]
fn a_read_that_told_nothing_leaves_its_key_to_be_read_again() {
    let trial = Trial::new();
    let mut scheduler = scheduler(&trial, 1, 10);
    trial.hear(&writes(header("a", 0, 1_000), "cart", &["k"], 0), 20);
    assert_eq!(read(&mut scheduler, 30, Err(Reason::Store)), 1);
    let effects = scheduler.tick(at(30));
    assert_eq!(effects.verdicts, [(CART, Verdict::Undetermined(Reason::Store))]);
    assert_eq!(read(&mut scheduler, 500, Ok(A)), 1);
    assert!(matches!(outcomes(&scheduler.tick(at(500)))[..], [Outcome::Confirmed { .. }]));
}

/// Source a is heard of at `begin` and writes a new key then, which b may write too; the store is read 30 ms later.
fn write_while_other_is_silent(trial: &Trial, scheduler: &mut Scheduler, seq: u64, begin: i64) -> Effects {
    trial.hear(&heartbeat(header("a", seq, begin)), begin);
    assert!(scheduler.tick(at(begin)).verdicts.is_empty());
    let key = begin.to_string();
    trial.hear(&writes(header("a", seq, begin + 100), "cart", &[&key], begin), begin + 10);
    assert!(read(scheduler, begin + 30, Ok(B)) > 0);
    scheduler.tick(at(begin + 40))
}

#[test]
fn while_a_source_is_lost_every_key_is_in_doubt_and_a_deadline_after_its_expiry_none_is() {
    let trial = Trial::new();
    let mut scheduler = scheduler(&trial, 1, 10);
    trial.hear(&heartbeat(header("a", 0, 0)), 0);
    trial.hear(&heartbeat(header("b", 0, 0)), 0);
    let held_up = write_while_other_is_silent(&trial, &mut scheduler, 0, 5_000);
    assert!(held_up.verdicts.is_empty(), "the silent one is waited for");
    let doubt = (CART, Verdict::Undetermined(Reason::SourceLost));
    trial.hear(&heartbeat(header("a", 1, 10_000)), 10_000);
    assert_eq!(scheduler.tick(at(10_001)).verdicts, [doubt], "lost");
    let lost = write_while_other_is_silent(&trial, &mut scheduler, 1, 65_000);
    assert!(lost.verdicts.iter().all(|verdict| *verdict == doubt) && !lost.verdicts.is_empty(), "{lost:?}");
    trial.hear(&heartbeat(header("a", 2, 70_000)), 70_000);
    assert!(scheduler.tick(at(69_999)).ended.is_empty());
    assert!(trial.engine.sources().has_lost());
    assert!(scheduler.tick(at(70_001)).ended.is_empty());
    assert!(!trial.engine.sources().has_lost(), "silent for 10 s and 60 s");
    let expired = write_while_other_is_silent(&trial, &mut scheduler, 2, 71_002);
    let turns: Vec<_> = expired.turned.iter().map(|turned| (&*turned.key, turned.turn)).collect();
    assert_eq!(turns, [(b"71002".as_slice(), Turn::Opened)], "{expired:?}");
}

mod budgets;
mod sweeping;
mod twice;
