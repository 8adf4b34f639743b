//! One row per arm of the rule: writes, a read, the verdict, and how the events end.
#![allow(
    clippy::indexing_slicing,
    clippy::cast_possible_truncation,
    clippy::cloned_ref_to_slice_refs,
    reason = "a test may panic; its numbers are small; its rows read alike"
)]

use counterfoil_judge::{
    Digest, History, Interval, Kind, Observation, Outcome, Reason, Reported, Scope, StoreOutcome, Terms,
    Time, Verdict, Write, WriteId, give_up, judge, settle,
};

const TERMS: Terms =
    Terms { deadline: 100, lead: 10, give_up: None, patience: 100, expires: false, scope: Scope::Shared };
const A: Digest = Digest([1; 16]);
const B: Digest = Digest([2; 16]);
const C: Digest = Digest([3; 16]);
const ABSENT: Digest = Digest::ABSENT;

fn leg(begin: i64, end: i64) -> Interval {
    Interval::new(Time(begin), Time(end))
}

/// A write whose map leg is `map` and whose store leg is as given.
fn write(seq: u64, digest: Digest, map: (i64, i64), store: Option<(i64, i64, StoreOutcome)>) -> Write {
    let reported = Reported {
        map: Some(leg(map.0, map.1)),
        store: store.map(|(begin, end, outcome)| (leg(begin, end), outcome)),
    };
    made(seq, digest, reported, &TERMS, 0)
}

fn made(seq: u64, digest: Digest, reported: Reported, terms: &Terms, error: i64) -> Write {
    let (map, store, deadline) = reported.under(terms, error);
    let id = WriteId { source: 1, seq };
    Write { id, digest, map, order: None, store, version: None, deadline, pending: true, held: false }
}

fn ok(seq: u64, digest: Digest, begin: i64, end: i64) -> Write {
    write(seq, digest, (begin, begin + 1), Some((begin + 1, end, StoreOutcome::Ok)))
}

fn history(writes: &[Write]) -> History {
    let mut history = History::watched_since(Time::MIN);
    for write in writes {
        history.insert(write.clone(), &mut Vec::new());
    }
    history
}

fn read(begin: i64, end: i64, digest: Digest) -> Observation {
    Observation { at: leg(begin, end), digest, version: None }
}

fn check(why: &str, writes: &[Write], read: Observation, terms: &Terms, expected: &str) {
    check_history(why, &history(writes), read, terms, expected);
}

fn check_history(why: &str, history: &History, read: Observation, terms: &Terms, expected: &str) {
    let verdict = judge(history, &read, terms).verdict;
    let got = match verdict {
        Verdict::Divergent(divergence) if divergence.confirmed => format!("{} confirmed", verdict.label()),
        Verdict::Divergent(_) => format!("{} opened", verdict.label()),
        Verdict::Undetermined(reason) => format!("undetermined {}", reason.label()),
        Verdict::Consistent { .. } | Verdict::InFlight => verdict.label().to_owned(),
    };
    assert_eq!(got, expected, "{why}");
}

#[test]
fn each_verdict_is_given_when_the_rule_says_so() {
    let put_a = ok(1, A, 0, 10);
    let put_b = ok(2, B, 20, 30);
    let removed = ok(3, ABSENT, 20, 30);
    let unknown = write(2, B, (20, 21), Some((21, 30, StoreOutcome::Unknown)));
    let failed = write(2, B, (20, 21), Some((21, 30, StoreOutcome::Failed)));
    let rows: &[(&str, &[Write], Observation, &str)] = &[
        ("both sides agree", &[put_a.clone()], read(11, 12, A), "consistent"),
        (
            "absent on both sides is agreement",
            &[put_a.clone(), removed.clone()],
            read(40, 41, ABSENT),
            "consistent",
        ),
        ("the store call is under way", &[put_a.clone(), put_b.clone()], read(25, 26, A), "in_flight"),
        (
            "so is it when the new value already shows",
            &[put_a.clone(), put_b.clone()],
            read(25, 26, B),
            "in_flight",
        ),
        ("a lost first write", &[put_a.clone()], read(11, 12, ABSENT), "missing opened"),
        (
            "a lost first write past its deadline",
            &[put_a.clone()],
            read(111, 112, ABSENT),
            "missing confirmed",
        ),
        ("a lost second write", &[put_a.clone(), put_b.clone()], read(31, 32, A), "stale opened"),
        (
            "a lost second write past its deadline",
            &[put_a.clone(), put_b.clone()],
            read(131, 132, A),
            "stale confirmed",
        ),
        ("a lost remove", &[put_a.clone(), removed.clone()], read(131, 132, A), "resurrected confirmed"),
        ("a remove of a value from before the watch", &[removed], read(131, 132, C), "resurrected confirmed"),
        ("a value nobody wrote", &[put_a.clone()], read(111, 112, C), "foreign confirmed"),
        (
            "nothing settled yet: it may be the baseline",
            &[unknown.clone()],
            read(22, 23, C),
            "undetermined baseline",
        ),
        (
            "an unknown write may still land",
            &[put_a.clone(), unknown.clone()],
            read(500, 501, A),
            "in_flight",
        ),
        ("an unknown write may have landed", &[put_a.clone(), unknown], read(500, 501, B), "in_flight"),
        (
            "a failed store leg within the deadline",
            &[put_a.clone(), failed.clone()],
            read(50, 51, A),
            "in_flight",
        ),
        ("a failed store leg past the deadline", &[put_a, failed], read(131, 132, A), "partial confirmed"),
    ];
    for (why, writes, read, expected) in rows {
        check(why, writes, *read, &TERMS, expected);
    }
}

#[test]
fn two_writes_that_landed_in_the_other_order_are_inverted_past_the_deadline() {
    let mut first = write(1, A, (0, 20), Some((5, 30, StoreOutcome::Ok)));
    let mut second = write(2, B, (0, 20), Some((5, 30, StoreOutcome::Ok)));
    let unordered = [first.clone(), second.clone()];
    check("no order is known, so both ends are right", &unordered, read(200, 201, A), &TERMS, "consistent");
    (first.order, second.order) = (Some(1), Some(2));
    let ordered = [first, second];
    check("within the deadline", &ordered, read(100, 101, A), &TERMS, "in_flight");
    check("past the deadline", &ordered, read(200, 201, A), &TERMS, "inverted confirmed");
    check("the right end", &ordered, read(200, 201, B), &TERMS, "consistent");
}

#[test]
fn a_version_orders_writes_of_different_sources() {
    let mut old = ok(1, A, 0, 30);
    let mut new = ok(2, B, 0, 30);
    new.id.source = 2;
    (old.version, new.version) = (Some(1), Some(2));
    check(
        "older version stands",
        &[old.clone(), new.clone()],
        read(200, 201, A),
        &TERMS,
        "inverted confirmed",
    );
    check("newer version stands", &[old, new], read(200, 201, B), &TERMS, "consistent");
}

#[test]
fn one_sources_order_says_nothing_about_anothers() {
    let ordered = |seq, source, digest, order| {
        let write = ok(seq, digest, 0, 30);
        Write { order: Some(order), id: WriteId { source, seq }, ..write }
    };
    let both = [ordered(1, 1, A, 5), ordered(2, 2, B, 1)];
    check("the first may be the last", &both, read(200, 201, A), &TERMS, "consistent");
    check("so may the second", &both, read(200, 201, B), &TERMS, "consistent");
    let same_place = [ordered(1, 1, A, 5), ordered(2, 1, B, 5)];
    check("nor does a place that was given twice", &same_place, read(200, 201, A), &TERMS, "consistent");
}

#[test]
fn map_legs_that_touch_are_not_ordered() {
    let map = |seq, digest, map: (i64, i64)| write(seq, digest, map, Some((0, 30, StoreOutcome::Ok)));
    let touching = [map(1, A, (0, 10)), map(2, B, (10, 20))];
    check("at 10 either may have come first", &touching, read(300, 301, A), &TERMS, "consistent");
    let apart = [map(1, A, (0, 10)), map(2, B, (11, 20))];
    check("A came first", &apart, read(300, 301, A), &TERMS, "inverted confirmed");
}

#[test]
fn the_version_of_a_write_beside_other_bytes_is_corrupt() {
    let (mut first, mut second) = (ok(1, A, 0, 10), ok(2, B, 20, 30));
    (first.version, second.version) = (Some(1), Some(2));
    let both = [first, second];
    let versioned =
        |begin, digest, version| Observation { version: Some(version), ..read(begin, begin + 1, digest) };
    check("right version, right bytes", &both, versioned(31, B, 2), &TERMS, "consistent");
    check("right version, other bytes", &both, versioned(31, C, 2), &TERMS, "corrupt opened");
    check("past the deadline", &both, versioned(131, C, 2), &TERMS, "corrupt confirmed");
    check("the bytes of the older write", &both, versioned(131, A, 2), &TERMS, "corrupt confirmed");
    check("an older version with its own bytes", &both, versioned(131, A, 1), &TERMS, "stale confirmed");
    check("a version that nobody reported", &both, versioned(131, C, 3), &TERMS, "foreign confirmed");
    let unversioned = [ok(1, A, 0, 10)];
    check(
        "a store with versions, an application without",
        &unversioned,
        versioned(11, A, 7),
        &TERMS,
        "consistent",
    );
}

#[test]
fn a_store_leg_nobody_reported_is_supplied_by_the_contract() {
    let put = [write(1, A, (50, 51), None)];
    check(
        "before the deadline the old value is possible",
        &put,
        read(150, 151, C),
        &TERMS,
        "undetermined baseline",
    );
    check("the lead lets it land early", &put, read(40, 41, A), &TERMS, "in_flight");
    check("after the deadline it must show", &put, read(152, 153, C), &TERMS, "foreign confirmed");
    check("and it does", &put, read(152, 153, A), &TERMS, "consistent");
}

#[test]
fn a_key_that_never_rests_is_still_judged() {
    // A write each 10 ns, overlapping: never quiet. The store stands still on the first value.
    let writes: Vec<_> =
        (0..40).map(|n| ok(n, Digest([n as u8 + 1; 16]), n as i64 * 10, n as i64 * 10 + 15)).collect();
    check("right at once", &writes[..12], read(105, 106, writes[9].digest), &TERMS, "in_flight");
    check("an old value is stale", &writes[..12], read(105, 106, A), &TERMS, "stale opened");
    check("and confirmed once deadlines have passed", &writes, read(395, 396, A), &TERMS, "stale confirmed");
}

#[test]
fn a_value_nobody_is_known_to_have_written_is_confirmed_on_a_busy_key_when_it_outlasts_a_deadline() {
    let mut busy = history(&[ok(1, A, 0, 10), ok(2, B, 200, 210)]);
    check_history(
        "a process not heard of yet may have written it",
        &busy,
        read(211, 212, C),
        &TERMS,
        "foreign opened",
    );
    observe(&mut busy, read(211, 212, C));
    for n in 0..20 {
        busy.insert(ok(n + 3, B, 215 + n as i64 * 10, 230 + n as i64 * 10), &mut Vec::new());
    }
    check_history("writes made since are not due", &busy, read(300, 301, C), &TERMS, "foreign opened");
    check_history("one that began since is due", &busy, read(401, 402, C), &TERMS, "foreign confirmed");
}

#[test]
fn stale_counts_the_versions_between_and_for_how_long() {
    let writes = [ok(1, A, 0, 10), ok(2, B, 20, 30), ok(3, C, 40, 50)];
    let judgement = judge(&history(&writes), &read(80, 81, A), &TERMS);
    let Verdict::Divergent(divergence) = judgement.verdict else { panic!("{judgement:?}") };
    assert_eq!(divergence.kind, Kind::Stale { versions: 2, at_least: 50 });
    assert_eq!((divergence.named, divergence.expected), (writes[2].id, C));
}

#[test]
fn doubt_is_undetermined_until_an_acknowledged_write_began_after_it() {
    for reason in [Reason::Gap, Reason::SourceLost, Reason::Clock, Reason::Shed, Reason::Baseline] {
        let mut blind = history(&[ok(1, A, 0, 10)]);
        blind.blind_until(Time(50), reason);
        for digest in [ABSENT, B] {
            let verdict = judge(&blind, &read(200, 201, digest), &TERMS).verdict;
            assert_eq!(verdict, Verdict::Undetermined(reason), "{digest}");
        }
        let agreeing = judge(&blind, &read(200, 201, A), &TERMS).verdict;
        assert_eq!(agreeing, Verdict::Undetermined(reason), "the map may have moved on unseen");
        blind.insert(ok(2, B, 60, 70), &mut Vec::new());
        let verdict = judge(&blind, &read(200, 201, ABSENT), &TERMS).verdict;
        assert_eq!(verdict.label(), "missing", "a fresh baseline ends the doubt");
    }
}

/// A write of unknown outcome that is never read: its key is never at rest.
fn never_landing() -> Write {
    write(99, Digest([99; 16]), (-500, -499), Some((-499, -498, StoreOutcome::Unknown)))
}

#[test]
fn what_shares_an_instant_is_not_before() {
    let put = ok(1, A, 0, 10);
    let put_alone = [put.clone()];
    check("the read begins as the store call ends", &put_alone, read(10, 11, ABSENT), &TERMS, "in_flight");
    check("so the value before it is possible", &put_alone, read(10, 11, C), &TERMS, "undetermined baseline");
    assert_eq!(outcomes(&put_alone, read(10, 11, A)), [], "and the event does not end");
    let failed = write(2, B, (20, 21), Some((21, 30, StoreOutcome::Failed)));
    let half = [put.clone(), failed];
    check("the deadline is now", &half, read(130, 131, A), &TERMS, "in_flight");
    check("the deadline has passed", &half, read(131, 132, A), &TERMS, "partial confirmed");
    let versioned = [Write { version: Some(2), ..ok(2, B, 20, 30) }];
    let corrupt = |begin| Observation { version: Some(2), ..read(begin, begin + 1, C) };
    check("corrupt as the deadline comes", &versioned, corrupt(130), &TERMS, "corrupt opened");
    check("corrupt after it", &versioned, corrupt(131), &TERMS, "corrupt confirmed");
    // A store that is late within its deadline takes A at 110 at the latest.
    let followed = |begin: i64| [put.clone(), ok(2, B, begin - 1, begin + 5), never_landing()];
    check("a write that began then", &followed(110), read(900, 901, A), &TERMS, "stale opened");
    check("a write that began later", &followed(111), read(900, 901, A), &TERMS, "stale confirmed");
}

#[test]
fn a_value_that_stands_still_is_confirmed_once_a_write_that_began_later_is_due() {
    let rows = [(212, "foreign opened"), (213, "foreign confirmed")];
    for (begin, expected) in rows {
        let mut busy = history(&[ok(1, A, 0, 10), never_landing()]);
        observe(&mut busy, read(211, 212, C));
        busy.insert(ok(2, B, begin - 1, begin + 5), &mut Vec::new());
        check_history("seen until 212", &busy, read(900, 901, C), &TERMS, expected);
    }
}

#[test]
fn a_value_that_came_back_on_a_busy_key_is_confirmed_when_it_outlasts_a_deadline() {
    let mut busy = history(&[ok(1, A, 20, 60), ok(2, B, 20, 60), never_landing()]);
    observe(&mut busy, read(170, 171, B));
    for (begin, expected) in [(180, "opened"), (270, "opened"), (271, "confirmed"), (272, "confirmed")] {
        let expected = format!("reverted {expected}");
        check_history("B was read at 170", &busy, read(begin, begin + 1, A), &TERMS, &expected);
    }
}

#[test]
fn a_late_store_cannot_take_again_what_was_seen_in_it() {
    let mut busy = history(&[ok(1, C, -300, -290), write(2, A, (0, 1), None), never_landing()]);
    observe(&mut busy, read(20, 21, A));
    busy.insert(ok(3, B, 30, 40), &mut Vec::new());
    check_history("B is due at 140", &busy, read(140, 141, A), &TERMS, "stale opened");
    check_history("A had landed by 21", &busy, read(141, 142, A), &TERMS, "stale confirmed");
}

#[test]
fn a_value_on_which_the_store_stands_still_is_recognised_however_many_writes_follow() {
    let mut key = history(&[ok(1, A, 0, 10), ok(2, B, 0, 10)]);
    observe(&mut key, read(11, 12, A));
    for n in 0..40 {
        let begin = 1_000 + n as i64 * 20;
        key.insert(ok(n + 3, Digest([n as u8 + 10; 16]), begin, begin + 10), &mut Vec::new());
        key.prune(Time(begin + 11), None, &mut Vec::new());
    }
    check_history("all others between are forgotten", &key, read(3_000, 3_001, A), &TERMS, "stale confirmed");
}

#[test]
fn what_another_copy_knows_of_the_key_is_the_store_alone() {
    let ordered = Write { order: Some(3), ..ok(1, A, 0, 10) };
    let copy = history(&[ordered.clone(), ok(2, B, 20, 30)]).for_another_copy();
    let known: Vec<_> = copy.writes().collect();
    assert_eq!(known[0], Write { map: None, order: None, pending: false, ..ordered });
    assert_eq!((known.len(), copy.pending()), (2, 0));
}

#[test]
fn a_divergence_tells_when_the_write_it_names_had_ended() {
    let ended = |write: Write| match judge(&history(&[write]), &read(500, 501, ABSENT), &TERMS).verdict {
        Verdict::Divergent(divergence) => divergence.ended,
        other => panic!("{other:?}"),
    };
    assert_eq!(ended(ok(1, A, 0, 10)), Time(10));
    assert_eq!(
        ended(write(1, A, (0, 40), Some((1, 10, StoreOutcome::Ok)))),
        Time(40),
        "its map leg was longer"
    );
}

#[test]
fn a_divergence_names_the_last_write_of_the_map_that_had_ended() {
    let named = |writes: [Write; 2], begin| {
        let read = read(begin, begin + 1, C);
        match judge(&history(&writes), &read, &TERMS).verdict {
            Verdict::Divergent(divergence) => divergence.named.seq,
            other => panic!("{other:?}"),
        }
    };
    let (first, second) = (ok(1, A, 0, 20), ok(2, B, 0, 20));
    let first = Write { map: Some(leg(0, 20)), ..first };
    let second = Write { map: Some(leg(5, 20)), ..second };
    assert_eq!(named([first.clone(), second.clone()], 30), 2, "its map leg began later");
    assert_eq!(named([second.clone(), first.clone()], 30), 2, "in whatever order they were reported");
    let long = |end| Write { map: Some(leg(5, 20)), ..ok(2, B, 0, end) };
    assert_eq!(named([first.clone(), long(30)], 30), 1, "the second has just ended");
    assert_eq!(named([first.clone(), long(29)], 30), 2, "the second had ended");
    assert_eq!(named([long(200), first], 30), 1, "the second is under way");
}

#[test]
fn events_are_given_up_when_their_patience_is_over() {
    for (now, expected) in [(210, vec![]), (211, vec![(1, Outcome::Undetermined(Reason::Store))])] {
        let (mut key, mut ended) = (history(&[ok(1, A, 0, 10)]), Vec::new());
        give_up(&mut key, Time(now), Reason::Store, &TERMS, &mut ended);
        let ended: Vec<_> = ended.into_iter().map(|(id, outcome)| (id.seq, outcome)).collect();
        assert_eq!(ended, expected, "deadline 110 and patience 100");
    }
}

#[test]
fn absence_in_a_store_that_expires_values_proves_no_remove() {
    let terms = Terms { expires: true, ..TERMS };
    let removed = write(2, ABSENT, (20, 21), Some((21, 30, StoreOutcome::Unknown)));
    let mut key = history(&[ok(1, A, 0, 10), removed]);
    let absent = read(40, 41, ABSENT);
    let judgement = judge(&key, &absent, &terms);
    let mut ended = Vec::new();
    settle(&mut key, &absent, &judgement, &terms, &mut ended);
    assert!(ended.iter().all(|(id, _)| id.seq != 2), "it may have expired: {ended:?}");
}

#[test]
fn a_key_at_rest_takes_no_memory_besides_its_own() {
    let at_rest = |history: &History| format!("{history:?}").contains("rest: None");
    let mut key = history(&[ok(1, A, 0, 10)]);
    assert!(at_rest(&key), "one write, nothing left behind");
    observe(&mut key, read(5, 6, A));
    key.prune(Time(6), None, &mut Vec::new());
    assert!(!at_rest(&key), "that it was read before its end is news");
    let mut key = history(&[ok(1, A, 0, 10)]);
    observe(&mut key, read(11, 12, A));
    key.prune(Time(12), None, &mut Vec::new());
    assert!(at_rest(&key), "the read tells nothing that the write does not");
    observe(&mut key, read(20, 21, B));
    key.prune(Time(21), None, &mut Vec::new());
    assert!(!at_rest(&key), "the store stands on another value");
    let mut doubted = history(&[ok(1, A, 100, 110)]);
    doubted.blind_until(Time(200), Reason::Gap);
    doubted.prune(Time(300), None, &mut Vec::new());
    assert!(!at_rest(&doubted), "the reason for the doubt is kept");
    let mut over = history(&[]);
    over.blind_until(Time(50), Reason::Gap);
    over.insert(ok(1, A, 100, 110), &mut Vec::new());
    over.prune(Time(300), None, &mut Vec::new());
    assert!(at_rest(&over), "the doubt is over");
}

#[test]
fn the_map_is_known_again_when_a_write_began_after_the_doubt() {
    for (begin, expected) in [(50, "undetermined gap"), (51, "consistent")] {
        let mut key = history(&[]);
        key.blind_until(Time(50), Reason::Gap);
        key.insert(ok(1, A, begin, begin + 10), &mut Vec::new());
        check_history("doubt until 50", &key, read(200, 201, A), &TERMS, expected);
    }
    let failed = write(2, B, (20, 21), Some((21, 30, StoreOutcome::Failed)));
    let mut half = history(&[ok(1, A, 0, 10), failed]);
    half.blind_until(Time(500), Reason::Gap);
    check_history("possible, and nobody knows the map", &half, read(600, 601, A), &TERMS, "undetermined gap");
}

#[test]
fn the_first_reason_for_doubt_until_the_same_instant_stays() {
    let mut blind = history(&[ok(1, A, 0, 10)]);
    blind.blind_until(Time(50), Reason::Gap);
    blind.blind_until(Time(50), Reason::SourceLost);
    check_history("doubted once", &blind, read(200, 201, B), &TERMS, "undetermined gap");
}

#[test]
fn a_value_from_before_the_watch_is_inverted_where_the_map_certainly_moved_on() {
    // The contract's lead lets the store leg begin at 40, before what nobody reported had ended, the map leg after it.
    let mut key = history(&[write(1, A, (50, 51), None)]);
    key.blind_until(Time(45), Reason::Baseline);
    check_history("within the deadline", &key, read(140, 141, C), &TERMS, "undetermined baseline");
    check_history("an older value stands", &key, read(200, 201, C), &TERMS, "inverted confirmed");
    check_history("none stands", &key, read(200, 201, ABSENT), &TERMS, "missing confirmed");
}

#[test]
fn a_history_gives_back_what_was_put_into_it() {
    let mut versioned = ok(2, B, 20, 30);
    (versioned.version, versioned.order) = (Some(7), Some(8));
    let writes = [ok(1, A, 0, 10), versioned, write(3, ABSENT, (40, 41), None)];
    assert_eq!(history(&writes).writes().collect::<Vec<_>>(), writes);
}

#[test]
fn a_write_tells_when_it_began_and_ended() {
    let times = |write: Write| (write.begun().0, write.ended().0, write.ended_wholly().0);
    assert_eq!(times(ok(1, A, 5, 10)), (5, 10, 10));
    assert_eq!(times(write(1, A, (5, 20), Some((2, 10, StoreOutcome::Ok)))), (2, 10, 20));
    assert_eq!(times(write(1, A, (5, 20), Some((6, 10, StoreOutcome::Failed)))), (5, 20, 20));
    let reported = Reported { map: Some(leg(7, 9)), store: Some((leg(3, 10), StoreOutcome::Ok)) };
    assert_eq!(reported.begun(), Time(3));
    assert_eq!(Reported { store: None, ..reported }.begun(), Time(7));
}

#[test]
fn another_store_than_the_reported_one_has_the_leg_that_the_contract_supplies() {
    let process = Terms { scope: Scope::Process, ..TERMS };
    let map = Some(leg(20, 21));
    let supplied = Some((8, 123, true));
    for (reported_map, outcome, terms, expected) in [
        (map, Some(StoreOutcome::Ok), TERMS, supplied),
        (map, Some(StoreOutcome::Unknown), TERMS, supplied),
        (map, Some(StoreOutcome::Failed), TERMS, supplied),
        (map, None, TERMS, supplied),
        (map, Some(StoreOutcome::Ok), process, supplied),
        (map, Some(StoreOutcome::Failed), process, None),
        (None, Some(StoreOutcome::Ok), TERMS, Some((18, 142, false))),
        (None, Some(StoreOutcome::Failed), TERMS, Some((18, 142, false))),
        (None, None, TERMS, None),
    ] {
        let reported = Reported { map: reported_map, store: outcome.map(|outcome| (leg(30, 40), outcome)) };
        let (_, store, deadline) = reported.elsewhere_under(&terms, 2);
        let store = store.map(|leg| (leg.interval.begin.0, leg.interval.end.0, leg.acknowledged));
        assert_eq!(store, expected, "{reported:?}");
        assert!(store.is_none_or(|(_, end, _)| end == deadline.0), "{reported:?}: {deadline:?}");
    }
}

#[test]
fn a_digest_is_shown_in_hexadecimal_and_absence_by_name() {
    assert_eq!((A.to_string(), ABSENT.to_string()), ("01".repeat(16), "absent".to_owned()));
    assert!(format!("{A:?}").contains("0101") && format!("{ABSENT:?}").contains("absent"));
}

#[test]
fn a_store_that_expires_values_is_not_blamed_for_absence() {
    let expires = Terms { expires: true, ..TERMS };
    check("expired", &[ok(1, A, 0, 10)], read(200, 201, ABSENT), &expires, "undetermined expired");
    check("wrong all the same", &[ok(1, A, 0, 10)], read(200, 201, B), &expires, "foreign confirmed");
    let busy = [ok(1, A, 0, 10), ok(2, B, 20, 30)];
    check("expired beside a write", &busy, read(25, 26, ABSENT), &expires, "undetermined expired");
    check("not written yet", &[ok(1, A, 0, 10)], read(5, 6, ABSENT), &expires, "in_flight");
}

#[test]
fn clock_error_widens_both_legs() {
    let reported = Reported { map: Some(leg(0, 1)), store: Some((leg(1, 10), StoreOutcome::Ok)) };
    let exact = made(1, A, reported, &TERMS, 0);
    let vague = made(1, A, reported, &TERMS, 5);
    check("certainly acknowledged", &[exact], read(12, 13, ABSENT), &TERMS, "missing opened");
    check("perhaps not yet", &[vague], read(12, 13, ABSENT), &TERMS, "in_flight");
}

#[test]
fn an_unknown_write_whose_value_was_read_happened() {
    let unknown = write(2, B, (20, 21), Some((21, 30, StoreOutcome::Unknown)));
    let mut resolved = history(&[ok(1, A, 0, 10), unknown]);
    assert_eq!(observe(&mut resolved, read(40, 41, B))[1], (2, Outcome::Confirmed { lag: 20 }));
    assert_eq!(judge(&resolved, &read(50, 51, B), &TERMS).verdict.label(), "consistent");
    assert_eq!(judge(&resolved, &read(50, 51, A), &TERMS).verdict.label(), "stale");
}

fn outcomes(writes: &[Write], read: Observation) -> Vec<(u64, Outcome)> {
    let mut history = history(writes);
    let ended = observe(&mut history, read);
    assert_eq!(history.pending() + ended.len(), writes.len(), "each event ends at most once");
    ended
}

fn observe(history: &mut History, read: Observation) -> Vec<(u64, Outcome)> {
    let judgement = judge(history, &read, &TERMS);
    let mut ended = Vec::new();
    settle(history, &read, &judgement, &TERMS, &mut ended);
    ended.into_iter().map(|(id, outcome)| (id.seq, outcome)).collect()
}

#[test]
fn each_event_ends_as_the_observation_says() {
    let (put_a, put_b) = (ok(1, A, 0, 10), ok(2, B, 20, 30));
    let both = [put_a.clone(), put_b];
    assert_eq!(outcomes(&[put_a.clone()], read(11, 12, A)), [(1, Outcome::Confirmed { lag: 11 })]);
    assert_eq!(
        outcomes(&both, read(31, 32, B)),
        [(1, Outcome::Superseded), (2, Outcome::Confirmed { lag: 11 })],
        "the newer one was seen, the older one alone was not"
    );
    assert_eq!(
        outcomes(&both, read(25, 26, A)),
        [(1, Outcome::Confirmed { lag: 25 })],
        "the newer one is under way"
    );
    assert_eq!(outcomes(&both, read(31, 32, A)), [], "opened, not confirmed");
    let failed = write(2, B, (20, 21), Some((21, 30, StoreOutcome::Failed)));
    assert_eq!(
        outcomes(&[put_a.clone(), failed], read(50, 51, A)),
        [(1, Outcome::Confirmed { lag: 50 })],
        "the other has until its deadline"
    );
    assert_eq!(outcomes(&both, read(131, 132, A)), [(1, Outcome::Superseded), (2, Outcome::Divergent)]);
    let in_turn = [both[1].clone(), both[0].clone()];
    assert_eq!(
        outcomes(&in_turn, read(131, 132, A)),
        [(2, Outcome::Divergent), (1, Outcome::Superseded)],
        "whichever was reported first"
    );
    assert_eq!(outcomes(&[put_a], read(5, 6, A)), [], "a read that began before the end proves nothing");
    let unknown = write(1, A, (20, 21), Some((21, 30, StoreOutcome::Unknown)));
    assert_eq!(outcomes(std::slice::from_ref(&unknown), read(200, 201, ABSENT)), [], "within patience");
    assert_eq!(
        outcomes(&[unknown], read(222, 223, ABSENT)),
        [(1, Outcome::Undetermined(Reason::Unresolved))],
        "out of patience"
    );
}

#[test]
fn dropped_writes_end_superseded_and_leave_what_a_verdict_needs() {
    let writes: Vec<_> =
        (0..50).map(|n| ok(n, Digest([n as u8 + 1; 16]), n as i64 * 20, n as i64 * 20 + 10)).collect();
    let mut pruned = history(&writes);
    let mut ended = Vec::new();
    pruned.prune(Time(2_000), None, &mut ended);
    assert_eq!(pruned.live(), 1, "only the last write can still matter");
    assert_eq!(ended.len(), 49);
    assert!(ended.iter().all(|(_, outcome)| *outcome == Outcome::Superseded));
    let label = |digest| judge(&pruned, &read(2_000, 2_001, digest), &TERMS).verdict.label();
    assert_eq!(label(Digest([50; 16])), "consistent");
    assert_eq!(label(Digest([49; 16])), "stale", "the tail is remembered");
    assert_eq!(label(ABSENT), "missing");
}

#[test]
fn a_store_that_goes_back_to_an_older_concurrent_value_is_reverted() {
    let (mut a, mut b) = (ok(1, A, 20, 60), ok(2, B, 20, 60));
    (a.order, b.order) = (Some(1), Some(2));
    let mut key = history(&[ok(0, C, 0, 10), a, b]);
    observe(&mut key, read(30, 31, A));
    check_history("A took effect, then B", &key, read(40, 41, B), &TERMS, "in_flight");
    observe(&mut key, read(40, 41, B));
    check_history(
        "both are still under way, yet A is over",
        &key,
        read(50, 51, A),
        &TERMS,
        "reverted opened",
    );
    check_history("at rest and past the deadline", &key, read(170, 171, A), &TERMS, "reverted confirmed");
    check_history("B stays", &key, read(170, 171, B), &TERMS, "consistent");
    check_history("what was seen before is gone too", &key, read(50, 51, C), &TERMS, "stale opened");
}

#[test]
fn trusting_the_emitters_order_would_call_overlapping_map_legs_inverted() {
    // Two threads of one process: 2 was emitted after 1, but the map took it first, and so did the store.
    let mut first = write(1, A, (10, 40), Some((45, 50, StoreOutcome::Ok)));
    let mut second = write(2, B, (20, 30), Some((31, 35, StoreOutcome::Ok)));
    let as_declared = [first.clone(), second.clone()];
    check("the map holds A, and so does the store", &as_declared, read(300, 301, A), &TERMS, "consistent");
    (first.order, second.order) = (Some(1), Some(2));
    let trusted = [first, second];
    check(
        "a false alarm, had numbers been trusted",
        &trusted,
        read(300, 301, A),
        &TERMS,
        "inverted confirmed",
    );
}

#[test]
fn a_store_write_nobody_watched_is_confirmed_by_the_first_read_that_only_it_explains() {
    let unwatched = [ok(1, A, 0, 10), write(2, B, (50, 51), None)];
    assert_eq!(outcomes(&unwatched, read(60, 61, B))[1], (2, Outcome::Confirmed { lag: 10 }));
    let toggling = [ok(1, B, 0, 10), write(2, B, (50, 51), None)];
    assert_eq!(outcomes(&toggling, read(60, 61, B)).len(), 1, "the older write explains it as well");
}

#[test]
fn a_value_that_was_seen_while_its_call_was_under_way_is_not_what_the_call_left_behind() {
    let writes = [ok(1, A, 0, 10), ok(2, B, 20, 40)];
    let mut history = history(&writes);
    assert_eq!(
        observe(&mut history, read(30, 31, B)),
        [(1, Outcome::Superseded)],
        "only the write explains it"
    );
    assert_eq!(observe(&mut history, read(35, 36, B)), [], "the call may still change it");
    check_history("somebody else did", &history, read(41, 42, C), &TERMS, "foreign opened");
    assert_eq!(observe(&mut history, read(41, 42, B)), [(2, Outcome::Confirmed { lag: 21 })]);
}

#[test]
fn doubt_keeps_no_event_from_being_confirmed() {
    let mut blind = history(&[ok(1, A, 0, 10)]);
    blind.blind_until(Time(50), Reason::SourceLost);
    assert_eq!(observe(&mut blind, read(20, 21, A)), [(1, Outcome::Confirmed { lag: 20 })]);
}

/// A copy of source 1 that put A, while source 2 wrote B to the store.
fn copy_and_foreign_write() -> [Write; 2] {
    let mut foreign = ok(7, B, 200, 210);
    (foreign.id.source, foreign.map, foreign.pending) = (2, None, false);
    [ok(1, A, 0, 10), foreign]
}

#[test]
fn a_copy_that_does_not_follow_the_store_within_the_deadline_is_behind() {
    let terms = Terms { scope: Scope::Process, ..TERMS };
    let [put, foreign] = copy_and_foreign_write();
    let both = [put.clone(), foreign.clone()];
    check("the copy has time to follow", &both, read(250, 251, B), &terms, "in_flight");
    check("it did not", &both, read(320, 321, B), &terms, "map_behind confirmed");
    check(
        "in one shared map it is the store leg of half a write",
        &both,
        read(320, 321, B),
        &TERMS,
        "partial confirmed",
    );
    check(
        "the other source's own copy tells that the store is stale",
        &both,
        read(320, 321, A),
        &terms,
        "consistent",
    );
    check(
        "and nothing of what else is wrong with its write",
        &both,
        read(320, 321, ABSENT),
        &terms,
        "in_flight",
    );
    let fill = write(2, B, (230, 231), Some((230, 231, StoreOutcome::Failed)));
    check("it followed", &[put.clone(), foreign.clone(), fill], read(320, 321, B), &terms, "consistent");
    let evict = write(2, ABSENT, (230, 231), Some((230, 231, StoreOutcome::Failed)));
    check("it let go of the key", &[put, foreign, evict], read(320, 321, B), &terms, "consistent");
    let old_fill = write(2, A, (230, 231), Some((230, 231, StoreOutcome::Failed)));
    let reload = write(2, C, (230, 231), Some((230, 231, StoreOutcome::Failed)));
    check(
        "it took in what the store never held",
        &[both[0].clone(), reload],
        read(340, 341, A),
        &terms,
        "map_behind confirmed",
    );
    check(
        "it took in an old value",
        &[both[1].clone(), old_fill],
        read(340, 341, B),
        &terms,
        "map_behind confirmed",
    );
}

#[test]
fn a_copy_is_judged_for_what_its_own_source_wrote() {
    let terms = Terms { scope: Scope::Process, ..TERMS };
    let of_source = |source, write: Write| Write { id: WriteId { source, ..write.id }, ..write };
    let put = of_source(5, ok(1, A, 0, 10));
    check("its own write is lost", &[put.clone()], read(11, 12, ABSENT), &terms, "missing opened");
    let store_only = Write { map: None, ..of_source(5, ok(2, B, 20, 30)) };
    check(
        "its own write skipped the map",
        &[put.clone(), store_only],
        read(200, 201, B),
        &terms,
        "inverted confirmed",
    );
    let versioned = |source, map: bool| {
        let write = Write { version: Some(7), ..of_source(source, ok(2, B, 20, 30)) };
        if map { write } else { Write { map: None, pending: false, ..write } }
    };
    let seen = Observation { version: Some(7), ..read(31, 32, C) };
    check("its own version, other bytes", &[put.clone(), versioned(5, true)], seen, &terms, "corrupt opened");
    check("another copy's version", &[put, versioned(6, false)], seen, &terms, "in_flight");
    let shared = [ok(1, A, 0, 10), of_source(2, ok(2, B, 1, 10))];
    check("in one map it is everybody's business", &shared, read(11, 12, C), &TERMS, "foreign opened");
}
