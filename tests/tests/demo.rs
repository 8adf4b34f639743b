//! `counterfoil demo` from outside: everything planted is found, nothing else is, and the sums balance.

use counterfoil_tests::stores::{postgres_url, redis_url};
use counterfoil_tests::summary::Outcomes;
use serde_json::Value;
use std::process::Command;

/// The bugs that a demo plants.
const BUGS: [&str; 6] = ["dropped", "late", "reordered", "remove_lost", "corrupted", "foreign_writer"];

fn demo(arguments: &[&str]) -> Value {
    let mut command = Command::new(counterfoil_tests::counterfoil());
    let output = command.args(["demo", "--output", "json"]).args(arguments).output().expect("the demo runs");
    let progress = String::from_utf8_lossy(&output.stderr);
    let data = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "demo {arguments:?} ended with {}:\n{data}\n{progress}", output.status);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{error}: {data}"))
}

fn number(object: &Value, pointer: &str) -> u64 {
    object.pointer(pointer).and_then(Value::as_u64).unwrap_or_else(|| panic!("no {pointer} in {object}"))
}

fn assert_clean(object: &Value) {
    for bug in BUGS {
        let planted = number(object, &format!("/planted/{bug}"));
        assert!(planted > 0, "no {bug} was planted: {object}");
        assert_eq!(number(object, &format!("/found/{bug}")), planted, "{bug}: {object}");
    }
    assert_eq!(number(object, "/missed/total"), 0, "{object}");
    assert_eq!(number(object, "/false_alarms/total"), 0, "{object}");
    let outcomes = object.get("outcomes").cloned().unwrap_or_default();
    let outcomes: Outcomes = serde_json::from_value(outcomes).expect("outcomes are counts");
    assert_eq!(outcomes.sum(), number(object, "/events"), "{object}");
    assert_eq!(outcomes.open, 0, "{object}");
}

#[test]
fn a_demo_with_sqlite_needs_nothing_and_finds_every_bug() {
    assert_clean(&demo(&["--seconds", "8"]));
}

#[test]
fn a_demo_against_postgres_finds_every_bug() {
    assert_clean(&demo(&["--seconds", "5", "--seed", "2", "--store", &postgres_url()]));
}

#[test]
fn a_demo_against_redis_finds_every_bug() {
    assert_clean(&demo(&["--seconds", "5", "--seed", "3", "--store", &redis_url()]));
}

#[test]
fn a_demo_with_hot_keys_finds_those_that_are_frozen_and_confirms_the_others() {
    let object = demo(&["--hot", "95", "--seconds", "10", "--seed", "4"]);
    assert_clean(&object);
    let frozen = number(&object, "/planted/frozen");
    assert!(frozen > 0, "{object}");
    assert_eq!(number(&object, "/found/frozen"), frozen, "{object}");
    assert!(number(&object, "/hot/writes") > number(&object, "/events") / 2, "{object}");
    assert!(number(&object, "/hot/outcomes/confirmed") > 0, "{object}");
}

#[test]
fn a_demo_without_hot_keys_does_not_speak_of_them() {
    let object = demo(&["--seconds", "3", "--seed", "5"]);
    assert_eq!((object.get("hot"), object.pointer("/planted/frozen")), (None, None), "{object}");
}

#[test]
fn a_demo_in_a_pipe_prints_plain_tables_only() {
    let mut command = Command::new(counterfoil_tests::counterfoil());
    let output = command.args(["demo", "--seconds", "3"]).output().expect("the demo runs");
    let text = String::from_utf8(output.stdout).expect("text");
    assert!(output.status.success() && !text.contains('\u{1b}'), "{text}");
    for word in BUGS.into_iter().chain(["planted", "found", "missed", "false alarms", "coverage"]) {
        assert!(text.contains(word), "{word} in:\n{text}");
    }
}
