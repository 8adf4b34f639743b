#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::*;
use crate::WrittenRules;
use proptest::prelude::*;
use serde_json::{Value, json};

/// The form that a person gets who writes the rules of all hints.
pub(crate) fn followed(codec: Codec, hints: &[Hint]) -> Form {
    let mut all = WrittenRules::default();
    for rule in hints.iter().filter_map(|hint| hint.rule.as_ref()) {
        let mut written: WrittenRules = serde_saphyr::from_str(&rule.to_string()).unwrap();
        all.ignore.append(&mut written.ignore);
        all.numbers.append(&mut written.numbers);
        all.timestamps.append(&mut written.timestamps);
        all.trimmed.append(&mut written.trimmed);
        all.sets.append(&mut written.sets);
        all.null_is_absent |= written.null_is_absent;
    }
    Form::new(codec, &all).unwrap()
}

/// Two values that differ in writing, how they differ in the field `a`, and the rule under which they do not; either may be the
/// left one.
pub(crate) const WRITINGS: &[(&str, &str, Difference, &str)] = {
    use Difference::*;
    &[
        (r#""12.50""#, "12.5", SameNumber, r#"numbers: [{fields: ["a"]}]"#),
        ("0.1", "0.30000000000000004", Other, r#"ignore: ["a"]"#),
        ("0.3", "0.30000000000000004", RoundedNumber, r#"numbers: [{fields: ["a"], decimals: 16}]"#),
        ("12.3456", "12.35", RoundedNumber, r#"numbers: [{fields: ["a"], decimals: 2}]"#),
        ("12.4", "12", Other, r#"ignore: ["a"]"#),
        ("9007199254740993", "9007199254740992", Other, r#"ignore: ["a"]"#),
        (
            r#""2026-11-23T10:00:00.123456Z""#,
            r#""2026-11-23 12:00:00.123456+02""#,
            SameTime,
            r#"timestamps: [{fields: ["a"], precision: ns}]"#,
        ),
        (
            r#""2026-11-23T10:00:00.123456789Z""#,
            r#""2026-11-23T10:00:00.123Z""#,
            SameTime,
            r#"timestamps: [{fields: ["a"], precision: ms}]"#,
        ),
        (r#""2026-11-23T10:00:00.1Z""#, r#""2026-11-23T10:00:00.2Z""#, Other, r#"ignore: ["a"]"#),
        (
            r#""2026-11-23T10:00:00Z""#,
            "1795428000000",
            SameTime,
            r#"timestamps: [{fields: ["a"], precision: ns, epoch: ms}]"#,
        ),
        (r#""ab  ""#, r#""ab""#, TrailingSpaces, r#"trimmed: ["a"]"#),
        ("[1,2,2]", "[2,1]", OtherOrder, r#"sets: ["a"]"#),
        ("[1,2]", "[1,3,2]", Other, r#"ignore: ["a"]"#),
        (r#"[1,"2"]"#, "[1,2]", SameNumber, r#"numbers: [{fields: ["a.*"]}]"#),
        (r#"[1,"x"]"#, r#"["1","y"]"#, Other, r#"ignore: ["a.*"]"#),
        // Rounded to one digit, as the second pair wants it, the first pair differs.
        ("[0.25,0.3]", "[0.2504,0.3499]", Other, r#"ignore: ["a.*"]"#),
        ("[0.25,0.3]", "[0.2501,0.301]", RoundedNumber, r#"numbers: [{fields: ["a.*"], decimals: 2}]"#),
        (r#"{"b":"1"}"#, r#"{"b":1}"#, SameNumber, r#"numbers: [{fields: ["a.b"]}]"#),
        ("true", "1", Other, r#"ignore: ["a"]"#),
        ("0.30000000000000004", "0.3", RoundedNumber, r#"numbers: [{fields: ["a"], decimals: 16}]"#),
        ("12.3456", "12.3499", Other, r#"ignore: ["a"]"#),
        (
            r#""2026-11-23T10:00:00.120000001Z""#,
            r#""2026-11-23T10:00:00.12Z""#,
            SameTime,
            r#"timestamps: [{fields: ["a"], precision: us}]"#,
        ),
        (
            r#""2026-11-23T10:00:00.1234Z""#,
            "1795428000123",
            SameTime,
            r#"timestamps: [{fields: ["a"], precision: ms, epoch: ms}]"#,
        ),
        (
            "1795428000.5",
            r#""2026-11-23T10:00:00Z""#,
            SameTime,
            r#"timestamps: [{fields: ["a"], precision: s, epoch: s}]"#,
        ),
        (r#"{"b":1}"#, "1", Other, r#"ignore: ["a"]"#),
        ("[1]", r#"{"0":1}"#, Other, r#"ignore: ["a"]"#),
        ("null", "1", Other, r#"ignore: ["a"]"#),
    ]
};

#[test]
fn each_difference_in_writing_has_its_rule() {
    for &(left, right, difference, rule) in WRITINGS {
        let [left, right] = [left, right].map(|value| format!(r#"{{"a":{value},"same":1}}"#));
        let hints = explain(left.as_bytes(), right.as_bytes(), &Codec::Columns.into()).unwrap();
        let [hint] = &hints[..] else { panic!("{left} and {right}: {hints:?}") };
        let found = (hint.difference, hint.rule.as_ref().map(ToString::to_string));
        assert_eq!(found, (difference, Some(rule.to_owned())), "{left} and {right}");
        assert_eq!(hint.is_weak(), difference == Difference::Other);
        let form = followed(Codec::Columns, &hints);
        assert_eq!(form.canonical(left.as_bytes()), form.canonical(right.as_bytes()), "{rule}");
    }
}

#[test]
fn members_on_one_side_are_absent_or_null() {
    let hints = explain(br#"{"a":null,"b":1}"#, br#"{"c":2}"#, &Codec::Json.into()).unwrap();
    let found: Vec<_> = hints.iter().map(|hint| (hint.field.to_string(), hint.difference)).collect();
    let expected = [
        ("a".to_owned(), Difference::NullOrAbsent),
        ("b".to_owned(), Difference::LeftOnly),
        ("c".to_owned(), Difference::RightOnly),
    ];
    assert_eq!(found, expected);
    assert_eq!(hints[0].rule, Some(Rule::NullIsAbsent));
}

#[test]
fn a_value_without_fields_is_explained_as_far_as_its_codec_has_rules() {
    use Difference::*;
    for (codec, left, right, difference, rule) in [
        (Codec::Json, "\"12.0\"", "12", SameNumber, Some(r#"numbers: [{fields: ["."]}]"#)),
        (Codec::Json, "1", "2", Other, None),
        (Codec::Json, "[1,2]", "[1,3]", Other, None),
        (Codec::Text, "12.0", "12", SameNumber, Some(r#"numbers: [{fields: ["."]}]"#)),
        (Codec::Text, "a ", "a", TrailingSpaces, Some(r#"trimmed: ["."]"#)),
        (Codec::Text, "a", "b", Other, None),
        (Codec::Text, r#"{"a":1}"#, r#"{ "a": 1 }"#, SameJson, None),
        (Codec::Bytes, "[1]", "[1.0]", SameJson, None),
        (Codec::Bytes, "1", "1.0", Other, None),
    ] {
        let hints = explain(left.as_bytes(), right.as_bytes(), &codec.into()).unwrap();
        let [hint] = &hints[..] else { panic!("{left} and {right}: {hints:?}") };
        let found = (hint.difference, hint.rule.as_ref().map(ToString::to_string));
        assert_eq!(found, (difference, rule.map(str::to_owned)), "{left} and {right}");
        if hint.rule.is_some() {
            let form = followed(codec, &hints);
            assert_eq!(form.canonical(left.as_bytes()), form.canonical(right.as_bytes()));
        }
    }
}

#[test]
fn equal_values_need_no_hint_and_others_only_what_the_rules_leave() {
    let form = followed(
        Codec::Json,
        &[Hint {
            field: Path::default(),
            difference: Difference::SameNumber,
            rule: Some(Rule::Numbers("a".parse().unwrap(), None)),
        }],
    );
    assert_eq!(explain(br#"{"a":"1"}"#, br#"{"a":1.0}"#, &form), Ok(vec![]));
    let hints = explain(br#"{"a":"1","b":"x "}"#, br#"{"a":1.0,"b":"x"}"#, &form).unwrap();
    assert_eq!(hints.iter().map(|hint| hint.field.to_string()).collect::<Vec<_>>(), ["b"]);
    assert!(explain(b"{", b"{}", &form).is_err());
}

/// The same fact in two ways of writing it, or two facts.
pub(crate) fn pair() -> impl Strategy<Value = (Value, Value)> {
    let number = (-100_000_i64..100_000).prop_map(|number| {
        let text = format!("{}.{:02}", number / 100, (number % 100).abs());
        (json!(number as f64 / 100.0), json!(text))
    });
    let time = (0_i64..2_000_000_000).prop_map(|seconds| {
        let at = jiff::Timestamp::new(seconds, 120_000_000).unwrap();
        (json!(at.to_string()), json!(seconds * 1000 + 120))
    });
    let set = prop::collection::vec(0..9_u8, 0..4).prop_map(|set| {
        let reversed: Vec<_> = set.iter().rev().copied().collect();
        (json!(set), json!(reversed))
    });
    let text = "[a-c]{1,2}".prop_map(|text| (json!(format!("{text}  ")), json!(text)));
    let leaf = prop_oneof![number, time, set, text, (scalar(), scalar())];
    leaf.prop_recursive(2, 12, 4, |inner| {
        let members = prop::collection::btree_map("[a-c.*é]{0,2}", (inner.clone(), 0..8_u8), 0..4);
        let object = members.prop_map(|members| {
            let mut sides = [serde_json::Map::new(), serde_json::Map::new()];
            for (name, ((left, right), place)) in members {
                match place {
                    0 => _ = sides[0].insert(name, Value::Null),
                    1 => _ = sides[1].insert(name, right),
                    _ => {
                        sides[0].insert(name.clone(), left);
                        sides[1].insert(name, right);
                    }
                }
            }
            let [left, right] = sides.map(Value::Object);
            (left, right)
        });
        let array = prop::collection::vec(inner, 0..3).prop_map(|pairs| {
            let (lefts, rights): (Vec<_>, Vec<_>) = pairs.into_iter().unzip();
            (json!(lefts), json!(rights))
        });
        prop_oneof![object, array]
    })
}

fn scalar() -> impl Strategy<Value = Value> {
    let numbers = ["0", "1.25", "1.2", "1.3", "12", "\"1.25\"", "1e300"]
        .map(|text| serde_json::from_str(text).unwrap());
    let times = ["2026-11-23T10:00:00Z", "2026-11-23 10:00:00.25", "x", "x "].map(|text| json!(text));
    let others = [Value::Null, json!(true), json!([]), json!({})];
    prop::sample::select([&numbers[..], &times[..], &others[..]].concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn values_are_equal_under_the_rules_that_are_suggested(
        (left, right) in pair(),
        codec in prop::sample::select(vec![Codec::Json, Codec::Columns]),
    ) {
        let [left, right] = [left, right].map(|value| json!({ "field": value, "same": 1 }).to_string().into_bytes());
        let hints = explain(&left, &right, &codec.into()).unwrap();
        prop_assert!(hints.iter().all(|hint| hint.rule.is_some()), "{hints:?}");
        let form = followed(codec, &hints);
        prop_assert_eq!(form.canonical(&left), form.canonical(&right), "{:?}", hints);
    }
}
