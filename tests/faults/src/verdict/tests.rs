#![allow(clippy::unwrap_used, reason = "a test may panic")]
//! Each promise, kept and broken.

use super::*;
use crate::book::Bug;
use crate::told::SourceTold;
use serde_json::json;
use std::collections::BTreeMap;

const SOURCE: &str = "faults/app-0/7";
const STRICT: Promise = Promise { keeps_acknowledged: true, declares_losses: true, resumes: true };

/// A life in which one source used numbers up to `next`: `lost` of them are declared, `undeclared` missing.
fn life(next: u64, lost: u64, undeclared: u64) -> Life {
    let accepted = next - lost - undeclared;
    let told = SourceTold {
        source: SOURCE.to_owned(),
        next_seq: next,
        accepted,
        lost: BTreeMap::from([("sidecar".to_owned(), lost)]),
        undeclared,
    };
    Life { sources: vec![told], summary: summary(accepted, 0, 0) }
}

fn summary(
    events: u64,
    undetermined: u64,
    confirmed_divergences: u64,
) -> counterfoil_tests::summary::Summary {
    let outcomes = json!({ "confirmed": events - undetermined, "superseded": 0, "divergent": 0,
        "undetermined": undetermined, "shed": 0, "open": 0 });
    let divergences = json!({ "opened": 0, "confirmed": confirmed_divergences, "resolved": 0 });
    let maps = json!({ "cart": { "events": events, "outcomes": outcomes } });
    let summary = json!({ "maps": maps, "divergences": divergences, "accepted": events, "lost": 0 });
    serde_json::from_value(summary).unwrap()
}

fn book(issued: u64, acknowledged: u64) -> Book {
    let source = SourceBook { name: SOURCE.to_owned(), issued: Some(issued), acknowledged, own_losses: 0 };
    Book { sources: vec![source], planted: Vec::new() }
}

fn planted() -> Planted {
    Planted { key: "p:0:1".to_owned(), bug: Bug::Stale, at_ns: 5_000 * MS, at_unix_ns: 105_000 * MS }
}

fn row(key: &str, kind: &str, confirmed: bool) -> Divergence {
    serde_json::from_value(json!({ "id": format!("{key}{kind}"), "key": key, "kind": kind, "times": 1,
        "opened_at_unix_ns": 105_200 * MS, "confirmed_at_unix_ns": confirmed.then_some(105_700 * MS) }))
    .unwrap()
}

fn judged(
    book: &Book,
    lives: &[Life],
    divergences: &[Divergence],
    promise: Promise,
    doubts: &[Span],
) -> Findings {
    let case = Case { book, lives, divergences, promise, doubts, deadline_ns: 500 * MS, wall_is_true: true };
    findings(&case)
}

#[test]
fn a_round_in_which_all_went_well_has_no_breach_and_a_detection_time() {
    let mut book = book(100, 100);
    book.planted.push(planted());
    let findings = judged(&book, &[life(100, 0, 0)], &[row("p:0:1", "stale", true)], STRICT, &[]);
    assert_eq!(findings.breaches(), Vec::<String>::new());
    assert_eq!((findings.found, findings.detection_ms), (1, vec![700.0]));
}

#[test]
fn what_was_acknowledged_and_is_missing_is_lost_whether_declared_or_not() {
    for (life, lost) in [(life(100, 7, 0), 7), (life(100, 0, 7), 7), (life(93, 0, 0), 7)] {
        let kept = judged(&book(100, 100), std::slice::from_ref(&life), &[], STRICT, &[]);
        assert_eq!(kept.acknowledged_lost, lost, "{life:?}");
        let weaker = Promise { keeps_acknowledged: false, ..STRICT };
        let forgone = judged(&book(100, 100), &[life], &[], weaker, &[]);
        assert_eq!((forgone.acknowledged_lost, forgone.forgone), (0, lost));
    }
}

#[test]
fn what_the_emitter_declared_lost_itself_was_never_acknowledged_as_an_event() {
    let mut book = book(100, 100);
    book.sources[0].own_losses = 7;
    let findings = judged(&book, &[life(100, 7, 0)], &[], STRICT, &[]);
    assert_eq!(findings.breaches(), Vec::<String>::new());
}

#[test]
fn numbers_that_nobody_declared_are_a_breach_unless_nobody_could() {
    let findings = judged(&book(100, 0), &[life(100, 0, 3)], &[], STRICT, &[]);
    assert!(findings.breaches().iter().any(|text| text.contains("3 numbers are missing")), "{findings:?}");
    let weaker = Promise { keeps_acknowledged: false, declares_losses: false, resumes: false };
    let findings = judged(&book(100, 0), &[life(100, 0, 3)], &[], weaker, &[]);
    assert_eq!(findings.breaches(), Vec::<String>::new());
}

#[test]
fn events_applied_beyond_those_accepted_are_duplicates() {
    let mut twice = life(100, 0, 0);
    twice.summary = summary(104, 0, 0);
    assert_eq!(judged(&book(100, 100), &[twice], &[], STRICT, &[]).duplicates_applied, 4);
    let mut more = life(100, 0, 0);
    more.sources[0].accepted = 102;
    assert_eq!(judged(&book(100, 100), &[more], &[], STRICT, &[]).duplicates_applied, 2);
}

#[test]
fn events_without_an_outcome_at_rest_are_not_conserved() {
    let mut open = life(100, 0, 0);
    open.summary.maps.get_mut("cart").unwrap().outcomes.open = 1;
    let findings = judged(&book(100, 100), &[open], &[], STRICT, &[]);
    assert_eq!(findings.unconserved.len(), 1, "{findings:?}");
}

#[test]
fn a_divergence_is_a_false_alarm_where_nothing_was_planted_or_too_early_or_misnamed() {
    let mut book = book(100, 100);
    book.planted.push(planted());
    let early = Divergence { opened_at_unix_ns: 104_000 * MS, ..row("p:0:1", "stale", true) };
    for row in [row("k:5", "missing", false), early, row("p:0:1", "foreign", true)] {
        let findings =
            judged(&book, &[life(100, 0, 0)], std::slice::from_ref(&row), STRICT, &[(0, 9_000 * MS)]);
        assert_eq!(findings.false_alarms.len(), 1, "{row:?}");
    }
}

#[test]
fn a_bug_that_was_not_found_is_excused_by_doubt_only_if_the_comparator_owns_up_to_it() {
    let mut book = book(100, 100);
    book.planted.push(planted());
    let mut doubtful = life(100, 0, 0);
    doubtful.summary = summary(100, 1, 0);
    let (near, far) = ([(4_000 * MS, 4_500 * MS)], [(8_000 * MS, 9_000 * MS)]);
    for (life, doubts, lost) in [
        (life(100, 0, 0), &near, 1),
        (doubtful.clone(), &far, 1),
        (doubtful, &near, 0),
        (life(100, 1, 0), &near, 0),
    ] {
        let findings = judged(&book, &[life], &[row("p:0:1", "stale", false)], STRICT, doubts);
        assert_eq!((findings.alerts_lost.len(), findings.in_doubt), (lost, 1 - lost));
    }
}

#[test]
fn a_bug_that_was_told_twice_is_repeated() {
    let mut book = book(100, 100);
    book.planted.push(planted());
    let again = Divergence { times: 2, ..row("p:0:1", "stale", true) };
    let two = [row("p:0:1", "stale", true), row("p:0:1", "foreign", true)];
    let lives = [life(50, 0, 0), life(100, 0, 0)];
    assert_eq!(judged(&book, &lives, &[again], STRICT, &[]).alerts_repeated.len(), 1);
    assert_eq!(judged(&book, &lives, &two, STRICT, &[]).alerts_repeated.len(), 1);
    let superseded = Some("superseded".to_owned());
    let of_write_before = Divergence { resolved_how: superseded, ..row("p:0:1", "foreign", false) };
    let two = [of_write_before, row("p:0:1", "stale", true)];
    assert_eq!(judged(&book, &lives, &two, STRICT, &[]).alerts_repeated, Vec::<String>::new());
    let mut counting = lives;
    counting.iter_mut().for_each(|life| life.summary.divergences.confirmed = 1);
    let once = [row("p:0:1", "stale", true)];
    assert_eq!(judged(&book, &counting, &once, STRICT, &[]).alerts_repeated.len(), 1);
}

#[test]
fn a_later_life_goes_on_where_the_earlier_one_ended_or_knows_all_of_it() {
    let mut second = life(100, 0, 0);
    second.sources[0].accepted = 40;
    second.summary = summary(40, 0, 0);
    let with_hole = judged(&book(100, 100), &[life(50, 0, 0), second.clone()], &[], STRICT, &[]);
    assert_eq!(with_hole.acknowledged_lost, 10, "from 50 to 60");
    let whole = judged(&book(100, 100), &[life(60, 0, 0), second], &[], STRICT, &[]);
    assert_eq!(whole.breaches(), Vec::<String>::new());
    let resumed = judged(&book(100, 100), &[life(60, 2, 0), life(100, 2, 0)], &[], STRICT, &[]);
    assert_eq!(resumed.acknowledged_lost, 2, "declared once, counted once");
}
