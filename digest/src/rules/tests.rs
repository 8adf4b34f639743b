#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::*;
use crate::{Codec, Form};

fn canonical(codec: Codec, rules: &str, value: &str) -> String {
    let form = Form::new(codec, &serde_saphyr::from_str(rules).unwrap()).unwrap();
    String::from_utf8(form.canonical(value.as_bytes()).unwrap().into_owned()).unwrap()
}

#[test]
fn each_rule_makes_one_text_of_those_that_mean_the_same() {
    for (rules, value, expected) in [
        (
            "ignore: [a, b.c, d.*.e]",
            r#"{"a":1,"b":{"c":1,"x":2},"d":[{"e":1},{"e":2,"f":3}]}"#,
            r#"{"b":{"x":2},"d":[{},{"f":3}]}"#,
        ),
        ("ignore: [a.*]", r#"{"a":[1,2],"b":1}"#, r#"{"a":[],"b":1}"#),
        ("ignore: ['*.at']", r#"{"x":{"at":1},"y":{"at":2,"z":3}}"#, r#"{"x":{},"y":{"z":3}}"#),
        (r"ignore: ['a\.b']", r#"{"a.b":1,"a":{"b":2}}"#, r#"{"a":{"b":2}}"#),
        ("trimmed: [a]", r#"{"a":" x  ","b":" x  "}"#, r#"{"a":" x","b":" x  "}"#),
        (
            "numbers: [{fields: [a.*]}]",
            r#"{"a":["12.50",1.25e1,"+012.5","x",true,null]}"#,
            r#"{"a":[12.5,12.5,12.5,"x",true,null]}"#,
        ),
        ("numbers: [{fields: [a], decimals: 2}]", r#"{"a":"0.125","b":0.125}"#, r#"{"a":0.12,"b":0.125}"#),
        (
            "timestamps: [{fields: [a], precision: ms}]",
            r#"{"a":"2026-11-23 12:00:00.1239+02","b":1}"#,
            r#"{"a":"2026-11-23T10:00:00.123Z","b":1}"#,
        ),
        (
            "timestamps: [{fields: ['*'], precision: s, epoch: ms}]",
            r#"{"a":1795428000999,"b":"1795428000000","c":"2026-11-23T10:00:00Z","d":"later","e":true}"#,
            r#"{"a":"2026-11-23T10:00:00Z","b":"2026-11-23T10:00:00Z","c":"2026-11-23T10:00:00Z","d":"later","e":true}"#,
        ),
        (
            "timestamps: [{fields: [a.*], precision: s}, {fields: ['*.*'], precision: us, epoch: ms}]",
            r#"{"a":[0.1]}"#,
            r#"{"a":["1970-01-01T00:00:00Z"]}"#,
        ),
        ("timestamps: [{fields: [a]}]", r#"{"a":1795428000}"#, r#"{"a":1795428000}"#),
        (
            "null_is_absent: true",
            r#"{"a":null,"b":{"c":null},"d":[null,{"e":null}]}"#,
            r#"{"b":{},"d":[null,{}]}"#,
        ),
        ("sets: [a]", r#"{"a":[3,1,"1",3.0,{"b":1}],"b":[2,1]}"#, r#"{"a":["1",1,3,{"b":1}],"b":[2,1]}"#),
        ("{sets: [a, a.*]}", r#"{"a":[[2,1],[1,2],[3]]}"#, r#"{"a":[[1,2],[3]]}"#),
        (
            "{sets: [a], ignore: [a.*.id], numbers: [{fields: [a.*.n]}]}",
            r#"{"a":[{"id":1,"n":"2"},{"id":2,"n":2.0}]}"#,
            r#"{"a":[{"n":2}]}"#,
        ),
        ("{trimmed: [a], numbers: [{fields: [a]}]}", r#"{"a":"12.0  "}"#, r#"{"a":12}"#),
    ] {
        for codec in [Codec::Json, Codec::Columns] {
            assert_eq!(canonical(codec, rules, value), expected, "{rules} of {value}");
            assert_eq!(canonical(codec, rules, expected), expected, "{rules} once more");
        }
    }
}

#[test]
fn a_rule_about_numbers_is_exact_where_others_are_doubles() {
    let value = r#"{"a":9007199254740993,"b":9007199254740993,"c":"1e400"}"#;
    let rules = "numbers: [{fields: [a, c]}]";
    let doubles = r#"{"a":9007199254740993,"b":9007199254740992,"c":"1e400"}"#;
    assert_eq!(canonical(Codec::Json, rules, value), doubles, "1e400 could not be read back as JSON");
    let exact = r#"{"a":9007199254740993,"b":9007199254740993,"c":1e+400}"#;
    assert_eq!(canonical(Codec::Columns, rules, value), exact);
}

#[test]
fn the_value_itself_is_a_point() {
    assert_eq!(canonical(Codec::Json, "numbers: [{fields: ['.']}]", r#""1.50""#), "1.5");
    assert_eq!(canonical(Codec::Json, "sets: ['.']", "[2,1,2]"), "[1,2]");
}

#[test]
fn rules_that_cannot_be_used_are_all_told_with_their_place() {
    let problems = |codec, rules: &str| {
        let problems = Form::new(codec, &serde_saphyr::from_str(rules).unwrap()).unwrap_err();
        problems.into_iter().map(|it| format!("{}: {}", it.path, it.message)).collect::<Vec<_>>()
    };
    let check = |codec, rules, expected: &[&str]| {
        let problems = problems(codec, rules);
        assert_eq!(problems.len(), expected.len(), "{problems:#?}");
        for (problem, expected) in problems.iter().zip(expected) {
            assert!(problem.starts_with(expected), "{expected} in {problem}");
        }
    };
    check(
        Codec::Json,
        "{ignore: [., '*', a..b], numbers: [{fields: [a, '']}], timestamps: [{fields: [a]}], sets: [\"a\\n\"]}",
        &[
            "rules.ignore[0]: nothing would be left",
            "rules.ignore[1]: nothing would be left",
            "rules.ignore[2]: has an empty name",
            "rules.numbers[0].fields[1]: has an empty name",
            "rules.sets[0]: has a control character",
            "rules.timestamps: `a` has a rule",
        ],
    );
    check(
        Codec::Bytes,
        "{trimmed: [.], null_is_absent: true}",
        &["rules.trimmed[0]: values of the codec `bytes`", "rules.null_is_absent: values of the codec"],
    );
    check(
        Codec::Text,
        "{trimmed: [., a], ignore: [a], null_is_absent: true}",
        &[
            "rules.ignore[0]: a text has no parts",
            "rules.trimmed[1]: a text has no fields",
            "rules.null_is_absent: a text has no parts",
        ],
    );
    check(Codec::Columns, "trimmed: [.]", &["rules.trimmed[0]: the value itself is always an object"]);
    let many = format!("ignore: [{}]", (0..257).map(|at| format!("f{at}")).collect::<Vec<_>>().join(", "));
    check(Codec::Json, &many, &["rules: have 257 paths; write at most 256"]);
}

#[test]
fn a_rule_reads_as_it_is_written() {
    let path = || r#"a."b"\\.*"#.parse::<Path>().unwrap();
    for rule in [
        Rule::Ignore(path()),
        Rule::Trimmed(path()),
        Rule::Numbers(path(), None),
        Rule::Numbers(path(), Some(2)),
        Rule::Timestamps(path(), Precision::Ms, None),
        Rule::Timestamps(path(), Precision::Ns, Some(Epoch::Us)),
        Rule::NullIsAbsent,
        Rule::Sets(path()),
    ] {
        let written: WrittenRules = serde_saphyr::from_str(&rule.to_string()).unwrap();
        assert_eq!(written.used(Codec::Json), Ok(Rules::new(vec![rule])));
    }
}
