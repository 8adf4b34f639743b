//! Values that have another form in the store: the summary names the fields and the rules, and with these rules they agree.

use super::fields::told_batch;
use super::{ended, store_value};
use crate::support::{Running, prepared, start_of};
use counterfoil_digest::{Codec, Form, WrittenRules};
use counterfoil_settings::Sources;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Value, json};

const KEYS: usize = 25;

/// What a person writes about the form of a map, in both configurations.
#[derive(Clone, Default, Deserialize, JsonSchema)]
#[serde(default)]
pub(crate) struct WrittenForm {
    codec: Codec,
    rules: WrittenRules,
}

impl WrittenForm {
    pub(crate) fn form(yaml: &str) -> Form {
        let written: Self = Sources { yaml: yaml.to_owned(), overlays: Vec::new() }.written().unwrap();
        Form::new(written.codec, &written.rules).unwrap()
    }
}

/// A comparator of one map of this form, in a store in which `in_store` tells each value.
async fn running(form: &str, in_store: impl Fn(usize) -> String) -> Running {
    let form: String = form.lines().map(|line| format!("  {line}\n")).collect();
    let yaml = format!(
        "
stores: {{main: {{url: 'sqlite://DIR/store.db'}}}}
maps:
- name: cart
  store: main
  query: 'SELECT k, v, version FROM cart WHERE k IN rarray(?1)'
  deadline_ms: 300
{form}"
    );
    let running = start_of(prepared(), &yaml, vec!["limits.batch_bytes_max=262144".to_owned()]).await;
    (0..KEYS).for_each(|number| store_value(&running, &format!("k{number}"), in_store(number).as_bytes()));
    running
}

/// What the summary says of the map once each value was written and checked, and which divergences there are.
async fn checked(running: &Running, form: &str, in_map: impl Fn(usize) -> String) -> (Value, Value) {
    let puts: Vec<_> = (0..KEYS).map(|number| (format!("k{number}"), in_map(number))).collect();
    let summary = ended(running, &told_batch(running, &WrittenForm::form(form), &puts)).await;
    let divergences = running.get("/v1/divergences").await.1["divergences"].clone();
    (summary["maps"]["cart"].clone(), divergences)
}

/// The values of the two sides under `form` are told to differ in `hints`; with what is suggested beside `kept` they agree.
async fn check(
    form: &str,
    in_map: impl Fn(usize) -> String,
    in_store: impl Fn(usize) -> String,
    hints: Value,
    kept: &str,
) {
    let before = running(form, &in_store).await;
    let (map, divergences) = checked(&before, form, &in_map).await;
    before.stop().await;
    assert_eq!((&map["calibration"], &divergences), (&"uncalibrated".into(), &json!([])), "{map}");
    let told = map["calibration_hints"].as_array().unwrap().iter().map(|hint| {
        assert_eq!(hint["times"], hint["of"], "each value differs there: {hint}");
        assert!(hint["of"].as_u64() >= Some(20), "{hint}");
        json!([hint["field"], hint["rule"]])
    });
    assert_eq!(Value::Array(told.collect()), hints, "{map}");
    let suggested = format!("{kept}{}", map["suggested_rules"].as_str().unwrap());
    let after = running(&suggested, &in_store).await;
    let (map, divergences) = checked(&after, &suggested, &in_map).await;
    after.stop().await;
    assert_eq!((&map["calibration"], &divergences), (&"calibrated".into(), &json!([])), "{map}");
    assert_eq!(
        (&map["outcomes"]["confirmed"], &map["calibration_hints"]),
        (&KEYS.into(), &json!([])),
        "{map}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn points_in_time_of_another_precision_are_told_with_the_rule_that_makes_them_agree() {
    let at = |number: usize, micros: &str| {
        format!(r#"{{"id":{number},"at":"2026-11-23T10:00:{number:02}.{micros}Z"}}"#)
    };
    check(
        "codec: json\n",
        |number| at(number, &format!("{:06}", number * 7_919 + 1_001)),
        |number| at(number, &format!("{:03}", (number * 7_919 + 1_001) / 1_000)),
        json!([["at", r#"timestamps: [{fields: ["at"], precision: ms}]"#]]),
        "codec: json\n",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_number_that_is_a_text_in_the_store_is_told_with_the_rule_that_makes_them_agree() {
    check(
        "codec: json\n",
        |number| format!(r#"{{"name":"pen","price":{number}.5}}"#),
        |number| format!(r#"{{"name":"pen","price":"{number}.50"}}"#),
        json!([["price", r#"numbers: [{fields: ["price"]}]"#]]),
        "codec: json\n",
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn json_that_is_compared_as_text_and_written_in_another_order_is_told_with_its_codec() {
    check(
        "codec: text\n",
        |number| format!(r#"{{"name":"pen","price":{number}}}"#),
        |number| format!(r#"{{"price": {number}, "name": "pen"}}"#),
        json!([[".", null]]),
        "",
    )
    .await;
}
