#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::*;
use counterfoil_digest::{Codec, Form, WrittenRules, explain};

/// What is told of pairs of values, the map's left and the store's right.
fn told(codec: Codec, pairs: &[(&str, &str)]) -> Hints {
    let mut tally = Tally::default();
    for (left, right) in pairs {
        tally.add(&explain(left.as_bytes(), right.as_bytes(), &codec.into()).unwrap());
    }
    tally.hints()
}

fn shown(hints: &Hints) -> Vec<String> {
    let shown = |way: &FieldHint| {
        let rule = way.hint.rule.as_ref().map(ToString::to_string).unwrap_or_default();
        format!("{} {}/{} {rule}", way.hint.field, way.times, hints.of)
    };
    hints.fields.iter().map(shown).collect()
}

#[test]
fn what_always_differs_comes_first_and_a_rule_that_fits_all_is_told_once() {
    let hints = told(
        Codec::Json,
        &[
            (
                r#"{"at":"2026-11-23T10:00:00.123456Z","n":1,"a":1}"#,
                r#"{"at":"2026-11-23T10:00:00.123Z","n":"1","a":2}"#,
            ),
            (
                r#"{"at":"2026-11-23T10:00:00.500000Z","n":2,"a":1}"#,
                r#"{"at":"2026-11-23T10:00:00.5Z","n":"2","a":1}"#,
            ),
        ],
    );
    let expected = [
        r#"at 2/2 timestamps: [{fields: ["at"], precision: ms}]"#,
        r#"n 2/2 numbers: [{fields: ["n"]}]"#,
        r#"a 1/2 ignore: ["a"]"#,
    ];
    assert_eq!((shown(&hints), hints.always()), (expected.map(str::to_owned).to_vec(), 2));
    let suggested =
        "rules:\n  numbers: [{fields: [\"n\"]}]\n  timestamps: [{fields: [\"at\"], precision: ms}]\n";
    assert_eq!(hints.suggested_rules().as_deref(), Some(suggested), "`a` differs as facts do");
}

#[test]
fn rules_of_a_kind_become_the_one_that_fits_all() {
    let both =
        [(r#"{"a":1.26,"b":"x "}"#, r#"{"a":1.3,"b":"x"}"#), (r#"{"a":"2","b":"y"}"#, r#"{"a":2,"b":"y "}"#)];
    let hints = told(Codec::Json, &both);
    assert_eq!(
        shown(&hints),
        [r#"a 2/2 numbers: [{fields: ["a"], decimals: 1}]"#, r#"b 2/2 trimmed: ["b"]"#]
    );
    assert_eq!(hints.fields.first().unwrap().hint.difference, Difference::RoundedNumber);
}

#[test]
fn what_is_suggested_is_read_as_rules_and_makes_the_values_agree() {
    for pair in [
        (r#"{"a":1,"b":"x","c":[1,2]}"#, r#"{"a":"1.0","b":"x  ","c":[2,1]}"#),
        (r#"{"a":null,"b":null}"#, r#"{}"#),
        (r#"{"a":1,"made":"x"}"#, r#"{"a":1.00,"made":"y","only":3}"#),
        (r#"{"a":1795428000}"#, r#"{"a":"2026-11-23T10:00:00Z"}"#),
    ] {
        for codec in [Codec::Json, Codec::Columns] {
            let Some(suggested) = told(codec, &[pair]).suggested_rules() else { panic!("{pair:?}") };
            let form = Form::new(codec, &rules(&suggested)).unwrap();
            let [left, right] = [pair.0, pair.1].map(|value| form.canonical(value.as_bytes()).unwrap());
            assert_eq!(left, right, "{suggested}");
        }
    }
}

/// The rules of a section `rules`.
fn rules(section: &str) -> WrittenRules {
    let lines = section.strip_prefix("rules:\n").unwrap().lines();
    let yaml = lines.map(|line| format!("{}\n", line.trim_start())).collect();
    counterfoil_settings::Sources { yaml, overlays: Vec::new() }.written().unwrap()
}

#[test]
fn a_codec_that_is_wrong_is_told_and_what_nothing_helps_with_is_not_guessed() {
    let spaced = (r#"{"a":1,"b":2}"#, r#"{ "b": 2, "a": 1 }"#);
    assert_eq!(told(Codec::Text, &[spaced]).suggested_rules().as_deref(), Some("codec: json\n"));
    for (codec, pair) in [(Codec::Text, ("a", "b")), (Codec::Bytes, ("1", "1.0")), (Codec::Json, ("1", "2"))]
    {
        let hints = told(codec, &[pair]);
        assert_eq!((hints.always(), hints.suggested_rules()), (1, None), "{pair:?}");
    }
    assert_eq!(told(Codec::Json, &[]).suggested_rules(), None, "nothing was looked at");
}
