//! Legality against a brute-force search over all linearizations.
#![allow(clippy::indexing_slicing, reason = "a test may panic")]

use counterfoil_judge::{
    Digest, History, Interval, Legality, Observation, StoreLeg, Terms, Time, Verdict, Write, WriteId, judge,
};
use proptest::prelude::*;

const TERMS: Terms = Terms { deadline: 5, lead: 0, give_up: None, patience: 5, expires: false };

/// A store leg: begin, end (`None`: outcome unknown), and which of a few values it wrote (0 is absence).
#[derive(Clone, Debug)]
struct Leg {
    begin: i64,
    end: Option<i64>,
    value: u8,
}

fn digest(value: u8) -> Digest {
    Digest([value; 16])
}

fn leg() -> impl Strategy<Value = Leg> {
    (0i64..40, 0i64..12, proptest::bool::weighted(0.8), 0u8..4)
        .prop_map(|(begin, length, known, value)| Leg { begin, end: known.then_some(begin + length), value })
}

fn write(seq: usize, leg: &Leg) -> Write {
    let interval = Interval { begin: Time(leg.begin), end: leg.end.map_or(Time::MAX, Time) };
    let map_end = leg.end.unwrap_or(leg.begin);
    Write {
        id: WriteId { source: 1, seq: seq as u64 },
        digest: digest(leg.value),
        map: Some(Interval::new(Time(leg.begin), Time(map_end))),
        order: None,
        store: Some(StoreLeg { interval, acknowledged: leg.end.is_some() }),
        version: None,
        deadline: Time(map_end + TERMS.deadline),
        pending: true,
    }
}

/// Whether some order of the operations, each at an instant within its interval, makes the read return `value`.
/// Writes of unknown outcome may be left out. Nothing is known of the value before the first write.
fn explained(legs: &[Leg], read: (i64, i64), value: u8) -> bool {
    search(legs, read, value, &mut vec![false; legs.len()], None)
}

fn search(legs: &[Leg], read: (i64, i64), value: u8, placed: &mut Vec<bool>, register: Option<u8>) -> bool {
    // The read may come next, unless an operation not placed yet must precede it.
    let must_precede_read = |(at, leg): (usize, &Leg)| !placed[at] && leg.end.is_some_and(|end| end < read.0);
    let read_may_be_next = !legs.iter().enumerate().any(must_precede_read);
    if read_may_be_next && register.is_none_or(|now| now == value) {
        return true;
    }
    for at in 0..legs.len() {
        let begun_in_time = legs[at].begin <= read.1;
        let preceded = (0..legs.len()).any(|other| {
            !placed[other] && other != at && legs[other].end.is_some_and(|end| end < legs[at].begin)
        });
        if !placed[at] && begun_in_time && !preceded {
            placed[at] = true;
            let found = search(legs, read, value, placed, Some(legs[at].value));
            placed[at] = false;
            if found {
                return true;
            }
        }
    }
    false
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn legality_is_what_a_search_over_all_linearizations_finds(
        legs in proptest::collection::vec(leg(), 0..6),
        begin in 0i64..60, length in 0i64..8, value in 0u8..5,
    ) {
        let mut history = History::watched_since(Time::MIN);
        for (seq, leg) in legs.iter().enumerate() { history.insert(write(seq, leg), &mut Vec::new()); }
        let at = Interval::new(Time(begin), Time(begin + length));
        let judgement = judge(&history, &Observation { at, digest: digest(value), version: None }, &TERMS);
        let legal = judgement.legality != Legality::Illegal;
        prop_assert_eq!(legal, explained(&legs, (begin, begin + length), value));
    }

    #[test]
    fn pruning_changes_no_verdict_on_legality(
        legs in proptest::collection::vec(leg(), 0..6),
        begin in 0i64..60, length in 0i64..8, value in 0u8..5, pruned_at in 0i64..60,
    ) {
        let mut history = History::watched_since(Time::MIN);
        for (seq, leg) in legs.iter().enumerate() { history.insert(write(seq, leg), &mut Vec::new()); }
        history.prune(Time(pruned_at.min(begin)), None, &mut Vec::new());
        let at = Interval::new(Time(begin), Time(begin + length));
        let judgement = judge(&history, &Observation { at, digest: digest(value), version: None }, &TERMS);
        let legal = judgement.legality != Legality::Illegal;
        prop_assert_eq!(legal, explained(&legs, (begin, begin + length), value));
    }

    #[test]
    fn pruning_after_the_read_and_before_its_judgement_changes_nothing_for_it(
        legs in proptest::collection::vec(leg(), 0..7),
        begin in 0i64..60, length in 0i64..8, value in 0u8..5, later in 0i64..60, returned in any::<bool>(),
    ) {
        let at = Interval::new(Time(begin), Time(begin + length));
        let read = Observation { at, digest: digest(value), version: None };
        let mut history = History::watched_since(Time::MIN);
        for (seq, leg) in legs.iter().enumerate() { history.insert(write(seq, leg), &mut Vec::new()); }
        let before = judge(&history, &read, &TERMS);
        let reading = Interval { begin: at.begin, end: if returned { at.end } else { Time::MAX } };
        history.prune(Time(begin + length + later), Some(reading), &mut Vec::new());
        let after = judge(&history, &read, &TERMS);
        prop_assert_eq!(before.legality, after.legality);
        prop_assert_eq!(before.verdict.label(), after.verdict.label());
        // And the next read is judged as if nothing had been dropped.
        history.prune(Time(begin + length + later), None, &mut Vec::new());
        let next = (begin + length + later, begin + 2 * length + later);
        let at = Interval::new(Time(next.0), Time(next.1));
        let judgement = judge(&history, &Observation { at, digest: digest(value), version: None }, &TERMS);
        prop_assert_eq!(judgement.legality != Legality::Illegal, explained(&legs, next, value));
    }

    #[test]
    fn widening_never_invents_a_divergence(
        legs in proptest::collection::vec(leg(), 1..6),
        begin in 0i64..60, length in 0i64..8, value in 0u8..5, error in 0i64..9,
    ) {
        let at = Interval::new(Time(begin), Time(begin + length));
        let read = Observation { at, digest: digest(value), version: None };
        let illegal = |error: i64| {
            let mut history = History::watched_since(Time::MIN);
            for (seq, leg) in legs.iter().enumerate() {
                let mut write = write(seq, leg);
                write.store.as_mut().expect("made with a store leg").interval = write.store
                    .expect("made with a store leg").interval.widened(error);
                history.insert(write, &mut Vec::new());
            }
            judge(&history, &read, &TERMS).legality == Legality::Illegal
        };
        prop_assert!(illegal(0) || !illegal(error));
    }

    #[test]
    fn an_illegal_read_is_never_called_in_flight(
        legs in proptest::collection::vec(leg(), 1..6),
        begin in 0i64..60, length in 0i64..8, value in 0u8..5,
    ) {
        let mut history = History::watched_since(Time::MIN);
        for (seq, leg) in legs.iter().enumerate() { history.insert(write(seq, leg), &mut Vec::new()); }
        let at = Interval::new(Time(begin), Time(begin + length));
        let judgement = judge(&history, &Observation { at, digest: digest(value), version: None }, &TERMS);
        if judgement.legality == Legality::Illegal {
            prop_assert!(matches!(judgement.verdict, Verdict::Divergent(_)), "{:?}", judgement.verdict);
        }
    }
}
