//! Values that the map was seen to hold, of which nobody knows who wrote them: what they prove, and that they accuse nobody.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use counterfoil_judge::{
    Digest, History, Interval, Observation, Outcome, Reported, Scope, StoreOutcome, Terms, Time, Verdict,
    Write, WriteId, judge, settle,
};
use proptest::prelude::*;

const TERMS: Terms =
    Terms { deadline: 100, lead: 0, give_up: None, patience: 100, expires: false, scope: Scope::Shared };
const A: Digest = Digest([1; 16]);
const B: Digest = Digest([2; 16]);
const C: Digest = Digest([3; 16]);
const ABSENT: Digest = Digest::ABSENT;

fn leg(begin: i64, end: i64) -> Interval {
    Interval::new(Time(begin), Time(end))
}

/// The map held `digest` at some instant of `[begin, end]`.
fn held(seq: u64, digest: Digest, (begin, end): (i64, i64), terms: &Terms) -> Write {
    let (map, store, deadline) = Reported { map: Some(leg(begin, end)), store: None }.held_under(terms, 0);
    let id = WriteId { source: 1, seq };
    Write { id, digest, map, order: None, store, version: None, deadline, pending: true, held: true }
}

/// A write whose call of the store was watched, or not.
fn written(seq: u64, digest: Digest, map: (i64, i64), store: Option<(i64, i64)>) -> Write {
    let store = store.map(|(begin, end)| (leg(begin, end), StoreOutcome::Ok));
    let (map, store, deadline) = Reported { map: Some(leg(map.0, map.1)), store }.under(&TERMS, 0);
    let id = WriteId { source: 1, seq };
    Write { id, digest, map, order: None, store, version: None, deadline, pending: true, held: false }
}

fn history(writes: &[Write]) -> History {
    let mut history = History::watched_since(Time::MIN);
    writes.iter().for_each(|write| _ = history.insert(write.clone(), &mut Vec::new()));
    history
}

fn verdict(writes: &[Write], at: i64, digest: Digest, terms: &Terms) -> String {
    let read = Observation { at: leg(at, at + 1), digest, version: None };
    match judge(&history(writes), &read, terms).verdict {
        Verdict::Divergent(it) => {
            format!("{} {}", it.kind.label(), if it.confirmed { "confirmed" } else { "opened" })
        }
        verdict => verdict.label().to_owned(),
    }
}

#[test]
fn what_the_map_held_is_to_be_in_the_store_by_the_deadline_and_nothing_older() {
    let held_a = held(1, A, (20, 25), &TERMS);
    let later = written(2, B, (40, 41), Some((41, 50)));
    for (why, writes, at, seen, expected) in [
        ("its writer may have landed long before", vec![held_a.clone()], 5, A, "in_flight"),
        ("it may still be on its way", vec![held_a.clone()], 60, B, "undetermined"),
        ("its call is over", vec![held_a.clone()], 126, A, "consistent"),
        ("past the deadline it is lost", vec![held_a.clone()], 126, ABSENT, "missing confirmed"),
        ("past the deadline another value is wrong", vec![held_a.clone()], 126, C, "inverted confirmed"),
        ("a later write takes its place", vec![held_a.clone(), later.clone()], 160, B, "consistent"),
        ("a later write is lost", vec![held_a.clone(), later.clone()], 160, A, "inverted confirmed"),
        ("a value nobody wrote is told at once", vec![held_a, later], 60, C, "foreign opened"),
    ] {
        assert_eq!(verdict(&writes, at, seen, &TERMS), expected, "{why}");
    }
}

#[test]
fn a_store_that_is_written_before_the_map_is_not_accused_by_what_the_map_held_in_between() {
    let before = held(1, A, (20, 20), &TERMS);
    let store_first = written(2, B, (21, 22), Some((18, 19)));
    assert_eq!(verdict(&[before.clone(), store_first.clone()], 130, B, &TERMS), "consistent");
    let another = written(3, C, (129, 130), Some((129, 140)));
    assert_eq!(verdict(&[before, store_first, another], 130, B, &TERMS), "in_flight");
}

#[test]
fn what_a_copy_held_says_nothing_of_who_wrote_the_store() {
    let terms = Terms { scope: Scope::Process, ..TERMS };
    let copy = held(1, A, (20, 25), &terms);
    assert_eq!((copy.store, copy.deadline), (None, Time(125)));
    assert_eq!(verdict(std::slice::from_ref(&copy), 30, A, &terms), "consistent");
    assert_eq!(verdict(&[copy], 126, B, &terms), "map_behind confirmed");
}

#[test]
fn that_the_map_held_nothing_makes_every_value_an_orphan_until_somebody_reports_a_write() {
    let nothing = Write { pending: false, ..held(0, ABSENT, (20, 30), &TERMS) };
    let put = written(1, A, (200, 201), Some((201, 210)));
    for (why, writes, at, seen, expected) in [
        ("a remove may still be on its way", vec![nothing.clone()], 60, A, "undetermined"),
        ("nobody holds it", vec![nothing.clone()], 140, A, "orphan confirmed"),
        ("there is none", vec![nothing.clone()], 140, ABSENT, "consistent"),
        ("somebody writes it", vec![nothing.clone(), put.clone()], 220, A, "consistent"),
        ("what is wrong then has another name", vec![nothing, put], 400, B, "foreign confirmed"),
    ] {
        assert_eq!(verdict(&writes, at, seen, &TERMS), expected, "{why}");
    }
}

#[test]
fn in_doubt_an_orphan_is_none_and_one_whose_value_changes_stays_one() {
    let nothing = Write { pending: false, ..held(0, ABSENT, (20, 30), &TERMS) };
    let mut key = history(&[nothing]);
    let read = |at, digest| Observation { at: leg(at, at + 1), digest, version: None };
    for (at, seen) in [(140, A), (150, B), (160, A)] {
        let judgement = judge(&key, &read(at, seen), &TERMS);
        assert_eq!(judgement.verdict.label(), "orphan", "{at}");
        settle(&mut key, &read(at, seen), &judgement, &TERMS, &mut Vec::new());
    }
    key.blind_until(Time(20), counterfoil_judge::Reason::Gap);
    assert_eq!(judge(&key, &read(170, A), &TERMS).verdict.label(), "undetermined");
}

#[test]
fn the_event_of_a_held_value_ends_once_when_a_read_after_its_deadline_saw_it() {
    let mut key = history(&[held(1, A, (20, 25), &TERMS)]);
    assert!(!key.awaits_a_write() && key.pending() == 1);
    let mut ended = Vec::new();
    for at in [30, 126, 140] {
        let read = Observation { at: leg(at, at + 1), digest: A, version: None };
        let judgement = judge(&key, &read, &TERMS);
        settle(&mut key, &read, &judgement, &TERMS, &mut ended);
    }
    assert!(matches!(ended[..], [(WriteId { seq: 1, .. }, Outcome::Confirmed { .. })]), "{ended:?}");
}

/// What a correct application did to a key: by the instants at which map and store took each write, in the same order in both.
#[derive(Clone, Debug)]
struct Done {
    map: Vec<i64>,
    store: Vec<i64>,
    /// Whether the call of the store was watched.
    watched: Vec<bool>,
}

impl Done {
    fn value(instants: &[i64], at: i64) -> Digest {
        let writes = instants.iter().take_while(|instant| **instant <= at).count();
        Digest([u8::try_from(writes).unwrap(); 16])
    }

    /// What is told of the writes that the map took from `watch` on, and of what it held at `held`.
    fn told(&self, watch: i64, held_at: Option<i64>) -> Vec<Write> {
        let reported = (0..self.map.len()).filter(|at| self.map[*at] >= watch).map(|at| {
            let (map, store) = (self.map[at], self.store[at]);
            let call = self.watched[at].then_some((store - 3, store + 2));
            let seq = u64::try_from(at).unwrap() + 1;
            written(seq, Self::value(&self.map, map), (map - 1, map + 1), call)
        });
        let held_at = held_at.map(|at| held(99, Self::value(&self.map, at), (at - 2, at + 3), &TERMS));
        reported.chain(held_at).collect()
    }
}

fn done() -> impl Strategy<Value = Done> {
    let step = (4i64..200, -20i64..95, any::<bool>());
    proptest::collection::vec(step, 1..7).prop_map(|steps| {
        let (mut done, mut map, mut store) = (Done { map: vec![], store: vec![], watched: vec![] }, 0, 0);
        for (later, lag, watched) in steps {
            map += later;
            // A call that is watched may come before the map changes; for the others the contract has no lead.
            store = (store + 1).max(map + if watched { lag } else { lag.max(0) });
            done.map.push(map);
            done.store.push(store.min(map + 95).max(done.store.last().map_or(i64::MIN, |last| last + 1)));
            done.watched.push(watched);
        }
        done
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 30_000, ..ProptestConfig::default() })]

    #[test]
    fn a_correct_application_is_never_accused_whatever_its_map_was_seen_to_hold(
        done in done(), watch in 0i64..200, later in 0i64..200, reads in proptest::collection::vec(1i64..1_200, 1..5),
    ) {
        let mut key = history(&done.told(watch, Some(watch + 3 + later)));
        let mut reads = reads;
        reads.sort_unstable();
        for at in reads {
            // What began before the watch over the map may land until a deadline later.
            let at = at.max(watch + 101);
            let digest = Done::value(&done.store, at);
            let read = Observation { at: leg(at, at), digest: if digest == Digest([0; 16]) { ABSENT } else { digest }, version: None };
            let judgement = judge(&key, &read, &TERMS);
            prop_assert!(!matches!(judgement.verdict, Verdict::Divergent(_)), "{:?} at {at}", judgement.verdict);
            settle(&mut key, &read, &judgement, &TERMS, &mut Vec::new());
        }
    }

    #[test]
    fn what_the_store_lacks_of_a_map_at_rest_is_found_past_the_deadline(at in 20i64..200, extra in 102i64..300) {
        let key = [held(1, A, (at - 2, at + 3), &TERMS)];
        prop_assert_eq!(verdict(&key, at + 3 + extra, ABSENT, &TERMS), "missing confirmed");
    }
}
