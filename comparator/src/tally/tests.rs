#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use super::*;
use crate::table::Marks;
use counterfoil_judge::WriteId;
use counterfoil_telemetry::Telemetry;

const MS: i64 = 1_000_000;

fn tally() -> Tally {
    Tally::new("cart", "main", true, Severity::Critical, Some(30_000 * MS))
}

fn ended(tally: &Tally, outcome: Outcome, held: bool, times: usize) {
    let id = WriteId { source: 0, seq: 0 };
    let event = Ended { map: MapId(0), id, outcome, held, marks: Marks::default() };
    tally.ended(&vec![event; times]);
}

fn confirm(tally: &Tally, lag_ms: i64, times: usize) {
    ended(tally, Outcome::Confirmed { lag: lag_ms * MS }, false, times);
}

fn shares(tally: &Tally) -> Vec<(&'static str, Option<i64>, Option<f64>)> {
    tally.within().iter().map(|it| (it.age, it.age_ms, it.share)).collect()
}

#[test]
fn nothing_is_said_of_a_share_before_there_is_a_sample() {
    let tally = tally();
    for other in [Outcome::Superseded, Outcome::Shed(Shed::Sampled), Outcome::Undetermined(Reason::Gap)] {
        ended(&tally, other, false, 1);
    }
    assert!(tally.within().iter().all(|it| it.share.is_none() && it.nines.is_none()));
    assert_eq!(tally.reads_per_confirmed(), None);
}

#[test]
fn coverage_is_of_what_was_to_be_checked_and_tells_a_sample_from_want_of_room() {
    let tally = tally();
    assert_eq!((tally.coverage(), tally.shed()), (None, vec![]));
    ended(&tally, Outcome::Shed(Shed::Sampled), false, 90);
    assert_eq!(tally.coverage(), None, "none of them was to be checked");
    confirm(&tally, 1, 6);
    ended(&tally, Outcome::Divergent, false, 1);
    ended(&tally, Outcome::Superseded, false, 1);
    ended(&tally, Outcome::Undetermined(Reason::Gap), false, 1);
    ended(&tally, Outcome::Shed(Shed::Room), false, 1);
    assert_eq!(tally.coverage(), Some(0.7));
    assert_eq!(tally.shed(), [("room", 1), ("sampled", 90)]);
    assert_eq!(tally.outcomes().last(), Some(&("shed", 91)));
}

#[test]
fn each_age_has_its_share_of_the_writes_that_agreed_or_diverged() {
    let tally = tally();
    confirm(&tally, 1_000, 4);
    confirm(&tally, 1_001, 3);
    confirm(&tally, 60_000, 2);
    ended(&tally, Outcome::Divergent, false, 1);
    ended(&tally, Outcome::Superseded, false, 1);
    let expected = [
        ("1s", Some(1_000), Some(0.4)),
        ("10s", Some(10_000), Some(0.7)),
        ("1m", Some(60_000), Some(0.9)),
        ("5m", Some(300_000), Some(0.9)),
        ("deadline", Some(30_000), Some(0.7)),
    ];
    assert_eq!(shares(&tally), expected);
}

#[test]
fn what_a_map_held_is_counted_as_an_outcome_and_in_no_share_or_lag() {
    let tally = tally();
    for outcome in [Outcome::Confirmed { lag: 5 * MS }, Outcome::Divergent] {
        ended(&tally, outcome, true, 1);
    }
    assert!(tally.within().iter().all(|it| it.share.is_none()) && tally.lag().is_none());
    confirm(&tally, 1, 1);
    assert!(tally.within().iter().all(|it| it.share == Some(1.0)));
    assert_eq!(tally.outcomes()[..3], [("confirmed", 2), ("superseded", 0), ("divergent", 1)]);
}

#[test]
fn nines_count_the_missing_and_end_at_nine() {
    let tally = tally();
    ended(&tally, Outcome::Divergent, false, 1);
    let nines = || tally.within()[0].nines.unwrap();
    assert_eq!(nines().to_bits(), 0f64.to_bits(), "none of one, and no minus before it");
    confirm(&tally, 1, 9);
    assert!((nines() - 1.0).abs() < 1e-12, "9 of 10, not {}", nines());
    confirm(&tally, 1, 9_990);
    assert!((nines() - 4.0).abs() < 1e-12, "9,999 of 10,000, not {}", nines());
    let flawless = self::tally();
    confirm(&flawless, 1, 1);
    assert!(flawless.within().iter().all(|it| it.share == Some(1.0) && it.nines == Some(9.0)));
}

#[test]
fn reads_are_told_per_confirmed_event() {
    let tally = tally();
    tally.looked_up(5);
    assert_eq!(tally.reads_per_confirmed(), None, "nothing to divide by");
    confirm(&tally, 1, 2);
    tally.looked_up(1);
    assert_eq!(tally.reads_per_confirmed(), Some(3.0));
}

#[test]
fn every_series_is_at_0_from_the_start_and_counts_with_the_summary() {
    let telemetry = Telemetry::install("test", &counterfoil_telemetry::Written::default()).unwrap();
    let tally = Tally::new("tallied", "main", true, Severity::Info, Some(5 * MS));
    let second = Tally::new("tallied", "spare", false, Severity::Info, None);
    let other = Tally::new(OTHER, OTHER, true, Severity::Info, None);
    let value = |series: &str| {
        let text = telemetry.render_metrics();
        let line = text.lines().find_map(|line| line.strip_prefix(series).map(str::to_owned));
        line.unwrap_or_else(|| panic!("no {series} in {text}")).trim().parse::<u64>().unwrap()
    };
    let within = |map: &str, store: &str, age: &str| {
        let labels = format!("map=\"{map}\",store=\"{store}\",age=\"{age}\"");
        value(&format!("counterfoil_outcome_within_events_total{{{labels}}}"))
    };
    for age in ["1s", "10s", "1m", "5m", "deadline"] {
        assert_eq!(within("tallied", "main", age), 0, "{age}");
        within(OTHER, OTHER, age);
    }
    let read_keys = "counterfoil_prober_map_read_keys_total{map=\"tallied\",store=\"main\"}";
    assert_eq!(value(read_keys), 0);
    let twice = ["same", "differs"].map(|result| {
        let labels = format!("map=\"tallied\",store=\"main\",result=\"{result}\"");
        format!("counterfoil_prober_read_twice_keys_total{{{labels}}}")
    });
    assert_eq!(twice.each_ref().map(|series| value(series)), [0, 0]);
    tally.read_twice(5, 2);
    assert_eq!(twice.each_ref().map(|series| value(series)), [5, 2]);
    confirm(&tally, 6, 1);
    tally.looked_up(7);
    let seen = ["1s", "deadline"].map(|age| within("tallied", "main", age));
    assert_eq!((seen, value(read_keys)), ([1, 0], 7));
    assert_eq!(within("tallied", "spare", "1s"), 0, "the stores of a map are counted each by itself");
    [&tally, &second].iter().for_each(|check| check.accepted(3));
    assert_eq!(value("counterfoil_receiver_events_total{map=\"tallied\"}"), 3, "its events are counted once");
    assert_eq!(other.within()[4], Share { age: "deadline", age_ms: None, share: None, nines: None });
}
