//! What stays bounded and sound whatever is reported: crowds of concurrent writes, and input that makes no sense.
#![allow(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    reason = "a test may panic; its numbers are small"
)]

use counterfoil_judge::{
    Digest, GROUPS_MAX, History, Interval, Kind, LIVE_WRITES_MAX, Legality, MERGED_DIGESTS_MAX, Observation,
    Reason, Scope, StoreLeg, Terms, Time, Verdict, Write, WriteId, judge, settle,
};
use proptest::prelude::*;
use std::collections::HashSet;

const TERMS: Terms =
    Terms { deadline: 50, lead: 0, give_up: None, patience: 50, expires: false, scope: Scope::Shared };

fn digest(value: u64) -> Digest {
    let mut bytes = [1; 16];
    bytes[..8].copy_from_slice(&value.to_le_bytes());
    Digest(bytes)
}

fn write(seq: u64, value: u64, begin: i64, end: Option<i64>) -> Write {
    let interval = Interval { begin: Time(begin), end: end.map_or(Time::MAX, Time) };
    let map = Interval::new(Time(begin), Time(end.unwrap_or(begin)));
    Write {
        id: WriteId { source: 1, seq },
        digest: digest(value),
        map: Some(map),
        order: None,
        store: Some(StoreLeg { interval, acknowledged: end.is_some() }),
        version: None,
        deadline: map.end.plus(TERMS.deadline),
        pending: true,
        held: false,
    }
}

fn read(begin: i64, end: i64, value: u64) -> Observation {
    Observation { at: Interval::new(Time(begin), Time(end)), digest: digest(value), version: None }
}

/// The rule by its definition, over all writes.
fn is_legal(writes: &[Write], read: &Observation) -> bool {
    let leg = |write: &Write| write.store.map(|leg| leg.interval);
    let settled = writes.iter().filter(|write| write.store.is_some_and(|leg| leg.acknowledged));
    let settled = settled.filter_map(leg).filter(|leg| leg.end < read.at.begin);
    let Some(newest) = settled.map(|leg| leg.begin).max() else { return true };
    let same = writes.iter().filter(|write| write.digest == read.digest).filter_map(leg);
    same.into_iter().any(|leg| leg.begin <= read.at.end && leg.end >= newest)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn merging_never_makes_a_possible_read_impossible(
        legs in proptest::collection::vec((0i64..300, 0i64..200, proptest::bool::weighted(0.97), 0u64..6), 200..500),
        mut reads in proptest::collection::vec((0i64..600, 0i64..8, 0u64..7), 40),
        prunes in any::<bool>(),
    ) {
        reads.sort_unstable();
        let (mut history, mut ended, mut merges) = (History::watched_since(Time::MIN), Vec::new(), 0);
        let mut writes = Vec::new();
        for (seq, (begin, length, known, value)) in (0u64..).zip(legs) {
            let write = write(seq, value, begin, known.then_some(begin + length));
            merges += u32::from(history.insert(write.clone(), &mut ended));
            writes.push(write);
        }
        prop_assert!(merges > 0 && history.live() <= LIVE_WRITES_MAX);
        prop_assert_eq!(ended.len() + history.pending(), writes.len(), "each event ends once");
        for (begin, length, value) in reads {
            if prunes {
                history.prune(Time(begin), None, &mut ended);
            }
            let read = read(begin, begin + length, value);
            let judgement = judge(&history, &read, &TERMS);
            prop_assert!(judgement.legality != Legality::Illegal || !is_legal(&writes, &read), "{:?}", read);
        }
    }
}

#[test]
fn a_crowd_of_writes_that_are_over_is_judged_as_if_nothing_had_been_merged() {
    let (mut history, mut ended) = (History::watched_since(Time::MIN), Vec::new());
    for n in 0..300 {
        history.insert(write(n, n % 3, 0, Some(100)), &mut ended);
    }
    history.insert(write(300, 9, 200, Some(210)), &mut ended);
    let label = |value| judge(&history, &read(300, 301, value), &TERMS).verdict.label();
    assert_eq!((label(9), label(1), label(7)), ("consistent", "stale", "foreign"));
}

/// A crowd of writes at once, each of a value of its own and of a source without a map order, merged as they come.
fn crowd(end: Option<i64>) -> History {
    let (mut history, mut ended) = (History::watched_since(Time::MIN), Vec::new());
    for n in 0..200 {
        history.insert(write(n, n, 0, end), &mut ended);
    }
    assert!(history.merged() > 0 && history.writes().all(|write| write.id.seq > 60));
    history
}

#[test]
fn any_of_a_merged_crowd_may_be_the_maps_last_until_the_map_certainly_moved_on() {
    let mut history = crowd(Some(100));
    let label = |history: &History, value| judge(history, &read(300, 301, value), &TERMS).verdict.label();
    assert_eq!((label(&history, 5), label(&history, 150)), ("consistent", "consistent"));
    assert_eq!(label(&history, 900), "foreign");
    history.insert(write(900, 900, 101, Some(110)), &mut Vec::new());
    assert_eq!((label(&history, 5), label(&history, 900)), ("stale", "consistent"));
    let Verdict::Divergent(divergence) = judge(&history, &read(300, 301, 5), &TERMS).verdict else {
        panic!()
    };
    assert_eq!(divergence.kind, Kind::Stale { versions: 1, at_least: 190 });
}

#[test]
fn a_merged_crowd_is_let_go_of_once_store_and_map_have_moved_on() {
    let mut history = crowd(Some(100));
    history.prune(Time(300), None, &mut Vec::new());
    assert!(history.merged() > 0, "any of them may be the last");
    history.insert(write(900, 900, 101, Some(110)), &mut Vec::new());
    history.prune(Time(110), None, &mut Vec::new());
    assert!(history.merged() > 0, "the write that followed has just ended");
    history.prune(Time(111), None, &mut Vec::new());
    assert_eq!((history.merged(), history.live()), (0, 1));
}

#[test]
fn a_merged_crowd_that_a_remove_followed_is_resurrected() {
    let mut history = crowd(Some(100));
    let removed = Write { digest: Digest::ABSENT, ..write(900, 900, 101, Some(110)) };
    history.insert(removed, &mut Vec::new());
    assert_eq!(judge(&history, &read(300, 301, 5), &TERMS).verdict.label(), "resurrected");
}

#[test]
fn a_merged_crowd_that_was_followed_in_the_map_can_still_be_the_stores_last() {
    let (mut history, mut ended) = (History::watched_since(Time::MIN), Vec::new());
    for n in 0..200 {
        let ordered = Write { order: Some(n), ..write(n, n, 0, Some(100)) };
        history.insert(ordered, &mut ended);
    }
    let label = |begin, value| judge(&history, &read(begin, begin + 1, value), &TERMS).verdict.label();
    assert_eq!((label(300, 199), label(300, 5)), ("consistent", "inverted"));
    assert_eq!((label(50, 5), label(120, 5)), ("in_flight", "in_flight"), "under way; within the deadline");
}

#[test]
fn a_merged_crowd_of_unknown_outcome_keeps_the_key_from_rest() {
    let mut history = crowd(None);
    history.insert(write(900, 900, 101, Some(110)), &mut Vec::new());
    let label = |value| judge(&history, &read(300, 301, value), &TERMS).verdict.label();
    assert_eq!((label(5), label(900)), ("in_flight", "in_flight"), "any of them may land at any time");
}

#[test]
fn a_merged_crowd_whose_deadline_has_passed_confirms_what_is_stale() {
    let mut history = crowd(Some(100));
    history.insert(write(900, 900, 101, Some(400)), &mut Vec::new());
    let confirmed = |begin, value| match judge(&history, &read(begin, begin + 1, value), &TERMS).verdict {
        Verdict::Divergent(divergence) => divergence.confirmed,
        other => panic!("{other:?}"),
    };
    assert!(confirmed(500, 5), "the write that followed is due");
    assert!(!confirmed(440, 5), "it may still be late");
}

#[test]
fn the_last_eight_overwritten_values_are_remembered_and_more_while_a_store_may_be_late_with_them() {
    let mut history = History::watched_since(Time::MIN);
    for n in 0..100 {
        history.insert(write(n, n, n as i64, Some(n as i64)), &mut Vec::new());
        history.prune(Time(n as i64 + 1), None, &mut Vec::new());
    }
    let label = |history: &History, value| judge(history, &read(500, 501, value), &TERMS).verdict.label();
    assert_eq!((label(&history, 60), label(&history, 98)), ("stale", "stale"), "due at 110 and later");
    assert_eq!(label(&history, 40), "foreign", "due at 90");
    history.prune(Time(500), None, &mut Vec::new());
    assert_eq!((label(&history, 90), label(&history, 91)), ("foreign", "stale"), "eight are left");
}

#[test]
fn a_frozen_value_on_a_key_without_rest_is_confirmed_within_a_quarter_of_a_deadline_of_the_proof() {
    let mut history = History::watched_since(Time::MIN);
    history.insert(write(0, 900, 0, Some(10)), &mut Vec::new());
    history.insert(write(1, 901, 0, None), &mut Vec::new());
    let mut confirmed_at = None;
    for now in 11..400 {
        if now % 3 == 0 {
            let n = now as u64;
            history.insert(write(n, n, now, Some(now + 4)), &mut Vec::new());
        }
        let read = read(now, now, 900);
        let judgement = judge(&history, &read, &TERMS);
        settle(&mut history, &read, &judgement, &TERMS, &mut Vec::new());
        history.prune(Time(now), None, &mut Vec::new());
        if matches!(judgement.verdict, Verdict::Divergent(divergence) if divergence.confirmed) {
            confirmed_at.get_or_insert(now);
        }
    }
    // A store late within its deadline took 900 by 60; the write that began at 63 is due at 117.
    let confirmed_at = confirmed_at.expect("it is confirmed");
    assert!((118..118 + TERMS.deadline / 4).contains(&confirmed_at), "{confirmed_at}");
}

/// When the writes of [`merged_beside_unknown`] happen: before zero, so that no instant is one by default.
const BASE: i64 = -1_000;

/// A value that was overwritten; then a crowd that ended at `BASE + 100` and was merged, whose write number 2 began last, at
/// `BASE + 60`; all that is kept beside it may land at any time.
fn merged_beside_unknown() -> History {
    let (mut history, mut ended) = (History::watched_since(Time::MIN), Vec::new());
    history.insert(write(0, 500, BASE, Some(BASE + 1)), &mut ended);
    history.insert(write(1, 501, BASE + 2, Some(BASE + 3)), &mut ended);
    history.prune(Time(BASE + 4), None, &mut ended);
    for n in 2..33 {
        history.insert(write(n, n, BASE + 62 - n as i64, Some(BASE + 100)), &mut ended);
    }
    let map = Some(Interval::new(Time(BASE + 5), Time(BASE + 100)));
    for n in 33..66 {
        history.insert(Write { map, ..write(n, n, BASE + 5, None) }, &mut ended);
    }
    assert_eq!((history.merged(), history.live()), (32, 33));
    history
}

#[test]
fn a_merged_write_is_the_newest_once_all_of_its_group_have_ended() {
    let history = merged_beside_unknown();
    let rows = [
        (100, 999, "undetermined", false),
        (101, 999, "foreign", false),
        (101, 500, "stale", false),
        (150, 500, "stale", false),
        (151, 500, "stale", true),
        (160, 999, "foreign", false),
    ];
    for (begin, value, label, confirmed) in rows {
        let verdict = judge(&history, &read(BASE + begin, BASE + begin + 1, value), &TERMS).verdict;
        assert_eq!(verdict.label(), label, "{value} read at {begin}");
        if let Verdict::Divergent(divergence) = verdict {
            assert_eq!(divergence.named.seq, 2, "{value} read at {begin}");
            assert_eq!(divergence.confirmed, confirmed, "{value} read at {begin}");
        }
    }
}

#[test]
fn a_key_is_not_at_rest_while_a_merged_write_is_under_way() {
    let (mut history, mut ended) = (History::watched_since(Time::MIN), Vec::new());
    for n in 0..32 {
        history.insert(write(n, n, 0, Some(100)), &mut ended);
    }
    for n in 32..65 {
        history.insert(Write { store: None, ..write(n, n, 0, Some(120)) }, &mut ended);
    }
    assert_eq!((history.merged(), history.live()), (32, 33));
    for (begin, label) in [(50, "in_flight"), (100, "in_flight"), (101, "consistent")] {
        let judgement = judge(&history, &read(begin, begin + 1, 5), &TERMS);
        assert_eq!(judgement.verdict.label(), label, "read at {begin}");
    }
}

#[test]
fn counts_and_ages_of_merged_writes_between_are_told_as_far_as_they_are_known() {
    let mut history = History::watched_since(Time::MIN);
    history.insert(write(0, 900, 0, Some(10)), &mut Vec::new());
    history.insert(write(1, 1, 12, Some(15)), &mut Vec::new());
    history.prune(Time(16), None, &mut Vec::new());
    for n in 2..=80 {
        history.insert(write(n, n, 20, Some(100)), &mut Vec::new());
    }
    assert!(history.merged() > 0);
    let Verdict::Divergent(divergence) = judge(&history, &read(300, 301, 900), &TERMS).verdict else {
        panic!()
    };
    assert_eq!(divergence.kind, Kind::Stale { versions: 80, at_least: 285 });
}

#[test]
fn ten_thousand_concurrent_writes_stay_within_bounds_and_leave_doubt_and_no_alarm() {
    let (mut history, mut ended) = (History::watched_since(Time::MIN), Vec::new());
    for n in 0..10_000 {
        history.insert(write(n, n, 0, Some(1_000 + n as i64)), &mut ended);
        assert!(history.live() <= LIVE_WRITES_MAX && history.merged() <= MERGED_DIGESTS_MAX);
    }
    let distinct: HashSet<_> = ended.iter().map(|(id, _)| id.seq).collect();
    assert_eq!((ended.len(), distinct.len()), (10_000 - history.pending(), ended.len()));
    for value in [0, 9_000, 9_999] {
        assert_eq!(
            judge(&history, &read(500, 501, value), &TERMS).verdict.label(),
            verdict_of(value),
            "{value}"
        );
    }
    let forgotten = judge(&history, &read(20_000, 20_001, 0), &TERMS).verdict;
    assert_eq!(forgotten, Verdict::Undetermined(Reason::Shed), "its digest had to be forgotten");
    const { assert!(GROUPS_MAX < LIVE_WRITES_MAX) };
}

/// The first ones were forgotten, the others explain themselves.
fn verdict_of(value: u64) -> &'static str {
    if value == 0 { "undetermined" } else { "in_flight" }
}

#[test]
fn input_that_makes_no_sense_neither_panics_nor_raises_an_alarm() {
    let backwards = Interval::new(Time(90), Time(10));
    assert_eq!(backwards, Interval { begin: Time(10), end: Time(90) }, "the wider reading");
    let far = i64::MAX - 1;
    let versioned =
        |seq, version, begin| Write { version: Some(version), ..write(seq, seq, begin, Some(begin + 5)) };
    let rows: [(&str, Vec<Write>); 5] = [
        ("equal numbers", vec![write(1, 1, 0, Some(10)), write(1, 2, 20, Some(30))]),
        ("versions that go backwards", vec![versioned(1, 9, 0), versioned(2, 3, 20), versioned(3, 9, 40)]),
        ("the far future", vec![write(1, 1, far - 1, Some(far)), write(2, 2, 0, Some(far))]),
        ("no legs", vec![Write { map: None, store: None, ..write(1, 1, 0, Some(1)) }]),
        ("the same write again and again", vec![write(1, 1, 0, Some(10)); 500]),
    ];
    for (why, writes) in rows {
        let (mut history, mut ended) = (History::watched_since(Time::MIN), Vec::new());
        for write in &writes {
            history.insert(write.clone(), &mut ended);
        }
        for (begin, value) in [(50, 1), (60, 2), (70, 3), (far - 2, 2)] {
            let read = read(begin, begin + 1, value);
            let judgement = judge(&history, &read, &TERMS);
            settle(&mut history, &read, &judgement, &TERMS, &mut ended);
            history.prune(Time(begin + 1), None, &mut ended);
        }
        assert!(ended.len() <= writes.len(), "{why}: each event ends at most once");
        assert_eq!(ended.len() + history.pending(), writes.len(), "{why}");
    }
}
