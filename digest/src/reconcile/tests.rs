#![allow(clippy::unwrap_used, clippy::panic, reason = "a test may panic")]

use super::*;
use crate::explain::tests::{WRITINGS, followed, pair};
use crate::sample::SPELLINGS_MAX;
use crate::tests::digester;
use crate::{Form, explain};
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeSet;

/// What is told of `right` beside the spellings of `left`.
fn reconciled(form: &Form, left: &str, right: &str) -> Vec<Hint> {
    let digester = digester("cart", form.clone());
    let spellings = digester.spellings(left.as_bytes()).unwrap();
    digester.reconcile(right.as_bytes(), &spellings).unwrap()
}

fn told(hints: &[Hint]) -> Vec<(String, Difference, Option<String>)> {
    let rule = |hint: &Hint| hint.rule.as_ref().map(ToString::to_string);
    hints.iter().map(|hint| (hint.field.to_string(), hint.difference, rule(hint))).collect()
}

#[test]
fn a_difference_in_writing_has_its_rule_whichever_side_has_it() {
    for &(one, other, difference, rule) in WRITINGS {
        for (left, right) in [(one, other), (other, one)] {
            let [left, right] = [left, right].map(|value| format!(r#"{{"a":{value},"same":1}}"#));
            let form = Codec::Columns.into();
            let hints = reconciled(&form, &left, &right);
            let [hint] = &told(&hints)[..] else { panic!("{left} and {right}: {hints:?}") };
            assert_eq!((hint.1, hint.2.as_deref()), (difference, Some(rule)), "{left} and {right}");
            assert_eq!(Ok(hints), explain(left.as_bytes(), right.as_bytes(), &form));
        }
    }
}

#[test]
fn members_on_one_side_have_a_name_where_it_is_at_hand() {
    use Difference::*;
    let null_is_absent = || Some("null_is_absent: true".to_owned());
    for (left, right, expected) in [
        (r#"{"a":1,"b":null}"#, r#"{"a":1}"#, vec![("*", NullOrAbsent, null_is_absent())]),
        (r#"{"a":1}"#, r#"{"a":1,"b":null}"#, vec![("b", NullOrAbsent, null_is_absent())]),
        (r#"{"a":1,"b":2}"#, r#"{"a":1}"#, vec![("*", LeftOnly, None)]),
        (r#"{"a":1,"b":2,"c":null}"#, r#"{"a":1}"#, vec![("*", LeftOnly, None)]),
        (r#"{"a":1}"#, r#"{"a":1,"b":2}"#, vec![("b", RightOnly, Some(r#"ignore: ["b"]"#.to_owned()))]),
        (r#"{"a":{"b":1}}"#, r#"{"a":{}}"#, vec![("a.*", LeftOnly, None)]),
        (
            r#"{"a":{"b":null,"c":null}}"#,
            r#"{"a":{"c":null,"d":null}}"#,
            vec![("a.d", NullOrAbsent, null_is_absent()), ("a.*", NullOrAbsent, null_is_absent())],
        ),
    ] {
        let expected: Vec<_> = expected
            .into_iter()
            .map(|(field, difference, rule)| (field.to_owned(), difference, rule))
            .collect();
        assert_eq!(told(&reconciled(&Codec::Json.into(), left, right)), expected, "{left} and {right}");
    }
}

#[test]
fn a_value_without_fields_is_reconciled_as_far_as_its_codec_has_rules() {
    for (codec, left, right) in [
        (Codec::Json, "\"12.0\"", "12"),
        (Codec::Json, "1", "2"),
        (Codec::Json, "[1,2]", "[1,3]"),
        (Codec::Json, "[1,2]", "[2,1]"),
        (Codec::Text, "12.0", "12"),
        (Codec::Text, "a ", "a"),
        (Codec::Text, "a", "b"),
        (Codec::Text, "a", "a"),
        (Codec::Text, r#"{"a":1,"b":2}"#, r#"{ "b": 2.0, "a": 1 }"#),
        (Codec::Text, r#"{"a":1}"#, r#"{"a":1}"#),
        (Codec::Text, r#"{"a":1}"#, r#"{"a":2}"#),
        (Codec::Bytes, "[1]", "[1.0]"),
        (Codec::Bytes, "[1]", "[1]"),
        (Codec::Bytes, "1", "1.0"),
    ] {
        for (left, right) in [(left, right), (right, left)] {
            let form = codec.into();
            let expected = explain(left.as_bytes(), right.as_bytes(), &form);
            assert_eq!(Ok(reconciled(&form, left, right)), expected, "{left} and {right}");
        }
    }
    let digester = digester("cart", Codec::Text);
    assert!(digester.spellings(b"\xff").is_err() && digester.reconcile(b"\xff", &[]).is_err());
}

#[test]
fn of_a_value_with_very_many_parts_the_first_ones_are_compared() {
    let value = |of_first: &str, of_last: &str| {
        let mut members: serde_json::Map<_, _> =
            (0..600).map(|at| (format!("f{at:03}"), json!("-"))).collect();
        members.insert("f000".to_owned(), json!(of_first));
        members.insert("f599".to_owned(), json!(of_last));
        serde_json::Value::from(members).to_string()
    };
    let form = Codec::Json.into();
    let spellings = digester("cart", Codec::Json).spellings(value("1", "2").as_bytes()).unwrap();
    assert!(spellings.len() > SPELLINGS_MAX - 8 && spellings.len() <= SPELLINGS_MAX, "{}", spellings.len());
    let hints = reconciled(&form, &value("1", "2"), &value("1 ", "3"));
    let expected = [
        (".".to_owned(), Difference::NotCompared, None),
        ("f000".to_owned(), Difference::TrailingSpaces, Some(r#"trimmed: ["f000"]"#.to_owned())),
    ];
    assert_eq!(told(&hints), expected);
    assert!(hints.first().is_some_and(Hint::is_weak));
}

#[test]
fn spellings_say_nothing_of_a_value_of_another_map_or_form() {
    let value = r#"{"a":1}"#.as_bytes();
    let of = |map: &str, codec: Codec| -> BTreeSet<Print> {
        digester(map, codec).spellings(value).unwrap().into_iter().collect()
    };
    let one = of("cart", Codec::Json);
    for other in [of("carts", Codec::Json), of("cart", Codec::Columns)] {
        assert!(one.is_disjoint(&other));
    }
    assert!(digester("cart", Codec::Bytes).spellings(b"no JSON").unwrap().is_empty());
}

#[test]
fn a_spelling_is_hashed_as_the_documentation_says() {
    let spellings = digester("cart", Codec::Json).spellings(br#"{"a":[{"b.c":"1.50 "}]}"#).unwrap();
    let print = |place: &str, reading: &str, canonical: &str| {
        let mut preimage = Vec::new();
        for part in ["cart", "json/1", "spelling/1", place, reading, canonical] {
            crate::print::append(&mut preimage, part.as_bytes());
        }
        Print(crate::tests::key(7).value_key().hash(&preimage)[..8].try_into().unwrap())
    };
    let mut expected = [
        print(".", "object", ""),
        print(".", "names", r#"["a"]"#),
        print("a", "array", ""),
        print("a", "length", "1"),
        print("a", "itself", r#"[{"b.c":"1.50 "}]"#),
        print("a", "set", r#"[{"b.c":"1.50 "}]"#),
        print("a.0", "object", ""),
        print("a.0", "names", r#"["b.c"]"#),
        print(r"a.0.b\.c", "scalar", ""),
        print(r"a.0.b\.c", "itself", r#""1.50 ""#),
        print(r"a.0.b\.c", "trimmed", r#""1.50""#),
    ];
    expected.sort_unstable();
    assert_eq!(spellings, expected);
}

/// Whether what is told of one field is what is to be told of the other: where a member is only on the left, its name is not known.
fn is_told(field: &Path, told: &Path) -> bool {
    let unnamed = || field.steps().split_last().map(|(_, above)| [above, &[Step::Each]].concat());
    field == told || unnamed().as_deref() == Some(told.steps())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn what_is_told_without_the_left_value_is_what_is_told_with_it(
        (left, right) in pair(),
        codec in prop::sample::select(vec![Codec::Json, Codec::Columns]),
    ) {
        let [left, right] = [left, right].map(|value| json!({ "field": value, "same": 1 }));
        let [left_text, right_text] = [&left, &right].map(ToString::to_string);
        let form: Form = codec.into();
        let hints = reconciled(&form, &left_text, &right_text);
        let explained = explain(left_text.as_bytes(), right_text.as_bytes(), &form).unwrap();
        let is_same = explained.iter().all(|known| hints.iter().any(|hint| is_told(&known.field, &hint.field)))
            && hints.iter().all(|hint| explained.iter().any(|known| is_told(&known.field, &hint.field)));
        prop_assert!(is_same, "{:?} {:?}", told(&hints), told(&explained));
        if hints.iter().all(|hint| hint.rule.is_some()) {
            let form = followed(codec, &hints);
            prop_assert_eq!(form.canonical(left_text.as_bytes()), form.canonical(right_text.as_bytes()), "{:?}", hints);
        } else {
            prop_assert!(explained.iter().any(|hint| hint.difference == Difference::LeftOnly), "{hints:?}");
        }
    }
}
