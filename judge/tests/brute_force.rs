//! The rule against a brute-force search over all linearizations: legality, the order between reads, and the figures of a
//! stale value.
#![allow(clippy::indexing_slicing, reason = "a test may panic")]

use counterfoil_judge::{
    Digest, History, Interval, Kind, Legality, Observation, Scope, StoreLeg, Terms, Time, Verdict, Write,
    WriteId, judge, settle,
};
use proptest::prelude::*;

const TERMS: Terms =
    Terms { deadline: 5, lead: 0, give_up: None, patience: 5, expires: false, scope: Scope::Shared };

/// A store leg: begin, end (`None`: outcome unknown), and which of a few values it wrote (0 is absence).
#[derive(Clone, Debug)]
struct Leg {
    begin: i64,
    end: Option<i64>,
    value: u8,
}

/// A read and the value it saw.
#[derive(Clone, Copy, Debug)]
struct Read {
    begin: i64,
    end: i64,
    value: u8,
}

fn digest(value: u8) -> Digest {
    Digest([value; 16])
}

fn leg() -> impl Strategy<Value = Leg> {
    (0i64..40, 0i64..12, proptest::bool::weighted(0.8), 0u8..4)
        .prop_map(|(begin, length, known, value)| Leg { begin, end: known.then_some(begin + length), value })
}

fn legs(most: usize) -> impl Strategy<Value = Vec<Leg>> {
    proptest::collection::vec(leg(), 0..=most)
}

/// The same, each with a value of its own.
fn distinct_legs(most: usize) -> impl Strategy<Value = Vec<Leg>> {
    legs(most).prop_map(|mut legs| {
        (0u8..).zip(&mut legs).for_each(|(value, leg)| leg.value = value);
        legs
    })
}

fn read() -> impl Strategy<Value = Read> {
    (0i64..60, 0i64..8, 0u8..5).prop_map(|(begin, length, value)| Read { begin, end: begin + length, value })
}

/// Reads one after the other.
fn reads(most: usize, values: u8) -> impl Strategy<Value = Vec<Read>> {
    let read = (1i64..20, 0i64..8, 0..values);
    proptest::collection::vec(read, 1..=most).prop_map(|steps| {
        let mut now = 0;
        let read = |(gap, length, value)| {
            let begin = now + gap;
            now = begin + length;
            Read { begin, end: now, value }
        };
        steps.into_iter().map(read).collect()
    })
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
        held: false,
    }
}

fn history(legs: &[Leg]) -> History {
    let mut history = History::watched_since(Time::MIN);
    for (seq, leg) in legs.iter().enumerate() {
        history.insert(write(seq, leg), &mut Vec::new());
    }
    history
}

impl Read {
    fn observation(&self) -> Observation {
        let at = Interval::new(Time(self.begin), Time(self.end));
        Observation { at, digest: digest(self.value), version: None }
    }
}

/// Whether some order of the operations, each at an instant within its interval, makes each read return its value. Writes
/// of unknown outcome may be left out. The value before the first write is not known, but it is one.
fn explained(legs: &[Leg], reads: &[Read]) -> bool {
    search(legs, reads, &mut vec![false; legs.len()], None)
}

fn search(legs: &[Leg], reads: &[Read], placed: &mut Vec<bool>, register: Option<u8>) -> bool {
    let Some((read, later)) = reads.split_first() else { return true };
    // The read may come next, unless an operation not placed yet must precede it.
    let must_precede_read =
        |(at, leg): (usize, &Leg)| !placed[at] && leg.end.is_some_and(|end| end < read.begin);
    let read_may_be_next = !legs.iter().enumerate().any(must_precede_read);
    if read_may_be_next
        && register.is_none_or(|now| now == read.value)
        && search(legs, later, placed, Some(read.value))
    {
        return true;
    }
    for at in 0..legs.len() {
        let begun_in_time = legs[at].begin <= read.end;
        let preceded = (0..legs.len()).any(|other| {
            !placed[other] && other != at && legs[other].end.is_some_and(|end| end < legs[at].begin)
        });
        if !placed[at] && begun_in_time && !preceded {
            placed[at] = true;
            let found = search(legs, reads, placed, Some(legs[at].value));
            placed[at] = false;
            if found {
                return true;
            }
        }
    }
    false
}

/// Versions and age of a stale read by their definition, given how late each write may have happened.
fn stale_by_definition(legs: &[Leg], ends: &[Option<i64>], read: &Read) -> Option<(u32, i64)> {
    let same = (0..legs.len()).filter(|&at| legs[at].value == read.value && legs[at].begin <= read.end);
    let read_end = same.filter_map(|at| ends[at]).max()?;
    let between = (0..legs.len()).filter(|&at| legs[at].begin > read_end);
    let ends: Vec<i64> = between.filter_map(|at| ends[at]).filter(|&end| end < read.begin).collect();
    let first = ends.iter().min()?;
    Some((u32::try_from(ends.len()).ok()?, read.begin - first))
}

/// The reads that begin after the one before was judged.
fn one_at_a_time(reads: &[Read], early: i64, waits: bool) -> Vec<Read> {
    let mut judged_at = -1;
    let mut begins_after = |read: &&Read| {
        let after = read.begin > judged_at;
        if after {
            judged_at = read.end + if waits { early } else { 0 };
        }
        after
    };
    reads.iter().filter(|read| begins_after(read)).copied().collect()
}

/// What a judge that prunes between reads says of each read. With `waits`, each read waits for `early` until it is judged,
/// and writes arrive meanwhile.
fn judged(legs: &[Leg], reads: &[Read], early: i64, waits: bool) -> Vec<(Legality, Verdict)> {
    let mut history = History::watched_since(Time::MIN);
    let mut waiting: Vec<(usize, &Leg)> = legs.iter().enumerate().collect();
    let mut ended = Vec::new();
    let mut insert = |history: &mut History, until: i64| {
        waiting.retain(|(seq, leg)| {
            let arrives = leg.begin <= until;
            if arrives {
                history.insert(write(*seq, leg), &mut Vec::new());
            }
            !arrives
        });
    };
    let mut verdicts = Vec::new();
    for read in reads {
        let observation = read.observation();
        insert(&mut history, read.end);
        if waits {
            insert(&mut history, read.end + early);
            history.prune(Time(read.end + early), Some(observation.at), &mut ended);
        }
        let judgement = judge(&history, &observation, &TERMS);
        settle(&mut history, &observation, &judgement, &TERMS, &mut ended);
        history.prune(Time(read.end + if waits { early } else { 0 }), None, &mut ended);
        verdicts.push((judgement.legality, judgement.verdict));
    }
    verdicts
}

/// The same with a write of unknown outcome that is never read: the key is never at rest.
fn never_at_rest(legs: &[Leg]) -> Vec<Leg> {
    legs.iter().cloned().chain([Leg { begin: -10, end: None, value: 99 }]).collect()
}

/// The same with every outcome known.
fn all_known(legs: &[Leg]) -> Vec<Leg> {
    legs.iter().map(|leg| Leg { end: leg.end.or(Some(leg.begin + 8)), ..leg.clone() }).collect()
}

fn is_confirmed(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::Divergent(divergence) if divergence.confirmed)
}

fn is_stale(verdict: &Verdict) -> Option<(u32, i64)> {
    match verdict {
        Verdict::Divergent(divergence) => match divergence.kind {
            Kind::Stale { versions, at_least } => Some((versions, at_least)),
            _ => None,
        },
        _ => None,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(30_000))]

    #[test]
    fn legality_of_a_read_is_what_a_search_over_all_linearizations_finds(legs in legs(6), read in read()) {
        let judgement = judge(&history(&legs), &read.observation(), &TERMS);
        prop_assert_eq!(judgement.legality != Legality::Illegal, explained(&legs, &[read]));
    }

    #[test]
    fn legality_after_other_reads_is_exact_where_each_value_is_written_once(
        legs in distinct_legs(6), reads in reads(4, 7), early in 0i64..15, waits in any::<bool>(),
    ) {
        let (mut possible, reads) = (Vec::new(), one_at_a_time(&reads, early, waits));
        for (read, (legality, _)) in reads.iter().zip(judged(&legs, &reads, early, waits)) {
            possible.push(*read);
            let legal = explained(&legs, &possible);
            prop_assert_eq!(legality != Legality::Illegal, legal, "{:?}", possible);
            if !legal {
                possible.pop();
            }
        }
    }

    #[test]
    fn no_read_that_has_an_explanation_is_called_impossible_where_values_repeat(
        legs in legs(6), reads in reads(4, 4), early in 0i64..15, waits in any::<bool>(),
    ) {
        let (mut possible, reads) = (Vec::new(), one_at_a_time(&reads, early, waits));
        for (read, (legality, _)) in reads.iter().zip(judged(&legs, &reads, early, waits)) {
            possible.push(*read);
            let legal = explained(&legs, &possible);
            prop_assert!(legality != Legality::Illegal || !legal, "{:?}", possible);
            if legality == Legality::Illegal {
                possible.pop();
            } else if !legal {
                break;
            }
        }
    }

    #[test]
    fn a_store_that_went_back_is_reverted_and_a_value_overwritten_for_certain_is_not(
        later_legs in distinct_legs(6), reads in reads(4, 7), early in 0i64..15, waits in any::<bool>(),
    ) {
        // A first write that has ended before every read: nothing is explained by the unknown.
        let first = Leg { begin: -10, end: Some(-9), value: 99 };
        let legs: Vec<Leg> = std::iter::once(first).chain(later_legs).collect();
        let reads = one_at_a_time(&reads, early, waits);
        let mut known = legs.clone();
        for (read, (legality, verdict)) in reads.iter().zip(judged(&legs, &reads, early, waits)) {
            match verdict {
                Verdict::Divergent(divergence) if legality == Legality::Illegal => {
                    let alone = explained(&known, &[*read]);
                    prop_assert_eq!(divergence.kind == Kind::Reverted, alone, "{:?} {:?}", verdict, read);
                    let ends: Vec<_> = known.iter().map(|leg| leg.end).collect();
                    if let Some(found) = is_stale(&verdict) {
                        prop_assert_eq!(Some(found), stale_by_definition(&known, &ends, read));
                    }
                }
                _ => for leg in known.iter_mut().filter(|leg| leg.value == read.value) {
                    leg.end = Some(leg.end.map_or(read.end, |end| end.min(read.end)));
                },
            }
        }
    }

    #[test]
    fn what_is_confirmed_on_a_busy_key_is_impossible_even_for_a_store_that_is_late_within_the_deadline(
        more in legs(7), reads in reads(5, 4), early in 0i64..15, waits in any::<bool>(),
    ) {
        let legs = never_at_rest(&all_known(&more));
        let late: Vec<Leg> = legs.iter().map(|leg| Leg { end: leg.end.map(|end| end + TERMS.deadline), ..leg.clone() }).collect();
        let reads = one_at_a_time(&reads, early, waits);
        let verdicts = judged(&legs, &reads, early, waits);
        for (count, (_, verdict)) in (1..).zip(verdicts) {
            if !explained(&late, &reads[..count]) {
                break;
            }
            prop_assert!(!is_confirmed(&verdict), "{:?} {:?}", verdict, &reads[..count]);
        }
    }

    #[test]
    fn on_a_busy_key_with_distinct_values_all_that_is_impossible_for_a_late_store_is_confirmed(
        more in distinct_legs(7), read in read(), pruned in 0i64..60,
    ) {
        let legs = never_at_rest(&more);
        let late: Vec<Leg> = legs.iter().map(|leg| Leg { end: leg.end.map(|end| end + TERMS.deadline), ..leg.clone() }).collect();
        let mut history = history(&legs);
        history.prune(Time(pruned.min(read.begin)), None, &mut Vec::new());
        let verdict = judge(&history, &read.observation(), &TERMS).verdict;
        let was_written = more.iter().any(|leg| leg.value == read.value && leg.begin <= read.end);
        let impossible = !explained(&late, &[read]);
        prop_assert_eq!(is_confirmed(&verdict), impossible && was_written, "{:?}", verdict);
    }

    #[test]
    fn versions_and_age_of_a_stale_value_are_exact(
        legs in legs(8), read in read(), pruned in 0i64..60, waits in any::<bool>(),
    ) {
        let mut history = history(&legs);
        history.prune(Time(pruned.min(read.begin)), None, &mut Vec::new());
        if waits {
            history.prune(Time(read.end + pruned), Some(read.observation().at), &mut Vec::new());
        }
        let judgement = judge(&history, &read.observation(), &TERMS);
        if let Some(found) = is_stale(&judgement.verdict) {
            let ends: Vec<_> = legs.iter().map(|leg| leg.end).collect();
            prop_assert_eq!(Some(found), stale_by_definition(&legs, &ends, &read));
        }
    }

    #[test]
    fn pruning_changes_no_verdict_on_legality(legs in legs(6), read in read(), pruned_at in 0i64..60) {
        let mut history = history(&legs);
        history.prune(Time(pruned_at.min(read.begin)), None, &mut Vec::new());
        let judgement = judge(&history, &read.observation(), &TERMS);
        prop_assert_eq!(judgement.legality != Legality::Illegal, explained(&legs, &[read]));
    }

    #[test]
    fn pruning_after_the_read_and_before_its_judgement_changes_nothing_for_it(
        legs in legs(7), read in read(), later in 0i64..60, returned in any::<bool>(),
    ) {
        let at = read.observation().at;
        let mut history = history(&legs);
        let before = judge(&history, &read.observation(), &TERMS);
        let reading = Interval { begin: at.begin, end: if returned { at.end } else { Time::MAX } };
        history.prune(Time(read.end + later), Some(reading), &mut Vec::new());
        let after = judge(&history, &read.observation(), &TERMS);
        prop_assert_eq!(before.legality, after.legality);
        prop_assert_eq!(before.verdict.label(), after.verdict.label());
        prop_assert_eq!(is_confirmed(&before.verdict), is_confirmed(&after.verdict));
        // And the next read is judged as if nothing had been dropped.
        history.prune(Time(read.end + later), None, &mut Vec::new());
        let next = Read { begin: read.end + later, end: 2 * read.end - read.begin + later, value: read.value };
        let judgement = judge(&history, &next.observation(), &TERMS);
        prop_assert_eq!(judgement.legality != Legality::Illegal, explained(&legs, &[next]));
    }

    #[test]
    fn widening_never_invents_a_divergence(legs in legs(6), read in read(), error in 0i64..9) {
        let illegal = |error: i64| {
            let mut history = History::watched_since(Time::MIN);
            for (seq, leg) in legs.iter().enumerate() {
                let mut write = write(seq, leg);
                write.store = write.store.map(|leg| StoreLeg { interval: leg.interval.widened(error), ..leg });
                history.insert(write, &mut Vec::new());
            }
            judge(&history, &read.observation(), &TERMS).legality == Legality::Illegal
        };
        prop_assert!(illegal(0) || !illegal(error));
    }

    #[test]
    fn an_illegal_read_is_never_called_in_flight(legs in legs(6), read in read()) {
        let judgement = judge(&history(&legs), &read.observation(), &TERMS);
        if judgement.legality == Legality::Illegal {
            prop_assert!(!matches!(judgement.verdict, Verdict::InFlight), "{:?}", judgement);
        }
    }
}
