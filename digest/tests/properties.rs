//! What holds for every value, every codec and all rules.

use counterfoil_digest::{
    Codec, CodecError, Epoch, Form, Precision, WrittenNumbers, WrittenRules, WrittenTimestamps, explain,
};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::Value;

const CODECS: [Codec; 4] = [Codec::Bytes, Codec::Text, Codec::Json, Codec::Columns];

/// Short names, so that paths and values meet.
fn name() -> impl Strategy<Value = String> {
    select(vec!["a", "b", "c", "", "*", "a.b", "\u{e9}", "\u{1f600}", "\u{fb33}"]).prop_map(str::to_owned)
}

/// Values of which rules make something: numbers as JSON writes them, texts that are numbers, times, or end in spaces.
fn scalar() -> impl Strategy<Value = String> {
    let number = "-?(0|[1-9][0-9]{0,20})(\\.[0-9]{1,12})?([eE][+-]?[0-9]{1,2})?";
    let quoted = |text: String| Value::from(text).to_string();
    prop_oneof![
        number,
        number.prop_map(quoted),
        "2026-1[0-2]-0[1-9][T ]1[0-9]:00:00(\\.[0-9]{1,9})?(Z|\\+02:00|)".prop_map(quoted),
        "[a-c\"\\\\\u{1}]{0,3} {0,2}".prop_map(quoted),
        select(vec!["null", "true", "false", "1795428000000", "1e300", "\"1e400\"", "-0"])
            .prop_map(str::to_owned),
    ]
}

/// Writes a value twice, with other white space and members in another order.
fn twice() -> impl Strategy<Value = (String, String)> {
    scalar().prop_map(|text| (text.clone(), text)).prop_recursive(3, 24, 4, |inner| {
        let array = prop::collection::vec(inner.clone(), 0..4).prop_map(|parts| {
            let (one, other): (Vec<_>, Vec<_>) = parts.into_iter().unzip();
            (format!("[{}]", one.join(",")), format!("[ {}\n]", other.join(" ,\t")))
        });
        prop_oneof![array, members(inner)]
    })
}

fn members(inner: impl Strategy<Value = (String, String)>) -> impl Strategy<Value = (String, String)> {
    prop::collection::btree_map(name(), inner, 0..5).prop_map(|members| {
        let member = |(name, value): (String, String)| format!("{} :{value}", Value::from(name));
        let (one, mut other): (Vec<_>, Vec<_>) = members
            .into_iter()
            .map(|(name, (one, other))| (member((name.clone(), one)), member((name, other))))
            .unzip();
        other.reverse();
        (format!("{{{}}}", one.join(",")), format!(" {{\n{} }} ", other.join(" , ")))
    })
}

fn object() -> impl Strategy<Value = (String, String)> {
    members(twice())
}

fn paths() -> impl Strategy<Value = Vec<String>> {
    let paths = vec!["a", "b", "c.a", "*.b", "a.*", "a.*.b", "*", "b.*", "\\*", "a\\.b", "*.*"];
    prop::collection::vec(select(paths).prop_map(str::to_owned), 0..3)
}

/// Rules that may get into each other's way, but none that a configuration would refuse.
fn rules() -> impl Strategy<Value = WrittenRules> {
    let precision = select(vec![Precision::S, Precision::Ms, Precision::Us, Precision::Ns]);
    let epoch = select(vec![None, Some(Epoch::S), Some(Epoch::Ms), Some(Epoch::Us)]);
    let numbers = prop::collection::vec((paths(), prop::option::of(0..6_u8)), 0..3);
    let timestamps = prop::collection::vec((paths(), precision, epoch), 0..3);
    (paths(), numbers, timestamps, paths(), any::<bool>(), paths()).prop_map(
        |(ignore, numbers, timestamps, trimmed, null_is_absent, sets)| WrittenRules {
            ignore: ignore.into_iter().filter(|path| path != "*").collect(),
            numbers: numbers
                .into_iter()
                .map(|(fields, decimals)| WrittenNumbers { fields, decimals })
                .collect(),
            timestamps: timestamps
                .into_iter()
                .map(|(fields, precision, epoch)| WrittenTimestamps { fields, precision, epoch })
                .collect(),
            trimmed,
            null_is_absent,
            sets,
        },
    )
}

/// The form under those of the rules that can be used together.
fn form(codec: Codec, mut rules: WrittenRules) -> Form {
    loop {
        match Form::new(codec, &rules) {
            Ok(form) => return form,
            Err(_) if rules.timestamps.pop().is_some() || rules.numbers.pop().is_some() => {}
            Err(problems) => panic!("{problems:?}"),
        }
    }
}

fn parts() -> impl Strategy<Value = Codec> {
    select(vec![Codec::Json, Codec::Columns])
}

fn canonical(form: &Form, value: &[u8]) -> Result<Vec<u8>, CodecError> {
    form.canonical(value).map(std::borrow::Cow::into_owned)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn a_canonical_form_is_its_own_and_rules_applied_twice_are_applied_once(
        (value, _) in object(), codec in parts(), rules in rules(),
    ) {
        for form in [codec.into(), form(codec, rules)] {
            let once = canonical(&form, value.as_bytes()).unwrap();
            let twice = canonical(&form, &once);
            prop_assert_eq!(twice.as_deref(), Ok(&once[..]), "{}", form.describe());
        }
    }

    #[test]
    fn white_space_and_the_order_of_members_never_count(
        (one, other) in object(), codec in parts(), rules in rules(),
    ) {
        for form in [codec.into(), form(codec, rules)] {
            let [one, other] = [&one, &other].map(|value| canonical(&form, value.as_bytes()));
            prop_assert!(one.is_ok());
            prop_assert_eq!(one, other);
        }
    }

    #[test]
    fn columns_are_json_with_other_numbers((value, _) in object()) {
        let columns = canonical(&Codec::Columns.into(), value.as_bytes()).unwrap();
        let json = canonical(&Codec::Json.into(), value.as_bytes());
        prop_assert_eq!(canonical(&Codec::Json.into(), &columns), json);
    }

    #[test]
    fn rules_that_meet_nothing_leave_json_as_it_is(value in any::<Vec<u8>>()) {
        agrees_with_json(&value)?;
    }

    #[test]
    fn rules_that_meet_nothing_leave_what_looks_like_json_as_it_is(value in r#"([\[\]{}:,0-9eE.\-" ]|"a"|"\\u[dD][89aAc]00"|null|tru){0,24}"#) {
        agrees_with_json(value.as_bytes())?;
    }

    #[test]
    fn arbitrary_bytes_are_refused_or_taken_and_never_more(
        value in any::<Vec<u8>>(), other in r#"[\[\]{}:,0-9eE.\-"a ]{0,24}"#, rules in rules(),
    ) {
        for codec in CODECS {
            let form = if matches!(codec, Codec::Json | Codec::Columns) { form(codec, rules.clone()) } else { codec.into() };
            for (left, right) in [(&value[..], other.as_bytes()), (other.as_bytes(), other.as_bytes())] {
                let both = canonical(&form, left).and_then(|left| Ok((left, canonical(&form, right)?)));
                let is_equal = both.map(|(left, right)| left == right);
                prop_assert_eq!(explain(left, right, &form).map(|hints| hints.is_empty()), is_equal);
            }
        }
    }
}

/// Every value that `json` takes is taken under rules as well, and no other, and what no rule meets stays as it was.
fn agrees_with_json(value: &[u8]) -> Result<(), TestCaseError> {
    let rules = WrittenRules { trimmed: vec!["not there".to_owned()], ..WrittenRules::default() };
    let plain = canonical(&Codec::Json.into(), value);
    prop_assert_eq!(canonical(&form(Codec::Json, rules), value), plain);
    Ok(())
}
