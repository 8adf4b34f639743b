//! A store that gives another value for the same row each time: that is told, with the fields, and no divergence; and a store
//! whose keys are only busy is not called so.

use super::fields::told_batch;
use super::forms::WrittenForm;
use super::reader::{BUSY, Reader};
use super::{batch, ended, store_value};
use crate::support::{Running, prepared, start_of};
use serde_json::{Value, json};
use std::sync::Arc;

const KEYS: usize = 30;

/// What the summary says of a map of this form, and which divergences there are, once all its keys were checked in a store whose
/// query adds a field that is another one each time.
async fn checked_with_jitter(form: &str) -> (Running, Value, Value) {
    let of_map: String = form.lines().map(|line| format!("  {line}\n")).collect();
    let yaml = format!(
        "
stores: {{main: {{url: 'sqlite://DIR/store.db'}}}}
maps:
- name: cart
  store: main
  query: \"SELECT k, json_set(CAST(v AS TEXT), '$.jitter', random()) FROM cart WHERE k IN rarray(?1)\"
  deadline_ms: 300
{of_map}"
    );
    let running = start_of(prepared(), &yaml, vec!["limits.batch_bytes_max=262144".to_owned()]).await;
    let value = |number: usize| format!(r#"{{"name":"pen","price":{number}}}"#);
    let puts: Vec<_> = (0..KEYS).map(|number| (format!("k{number}"), value(number))).collect();
    puts.iter().for_each(|(key, value)| store_value(&running, key, value.as_bytes()));
    let summary = ended(&running, &told_batch(&running, &WrittenForm::form(form), &puts)).await;
    let divergences = running.get("/v1/divergences").await.1["divergences"].clone();
    (running, summary["maps"]["cart"].clone(), divergences)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_gives_another_value_each_time_is_told_once_with_its_field_and_without_divergences() {
    let (running, map, divergences) = checked_with_jitter("codec: json\n").await;
    let jitter = json!({
        "field": "jitter", "difference": "another value", "rule": r#"ignore: ["jitter"]"#, "of": KEYS, "times": KEYS
    });
    let noise = json!({ "keys_read_twice": KEYS, "differing": KEYS, "is_noisy": true, "fields": [jitter] });
    assert_eq!((&map["store_noise"], &divergences), (&noise, &json!([])), "{map}");
    assert_eq!(
        (&map["calibration"], &map["undetermined"]["representation"]),
        (&"uncalibrated".into(), &KEYS.into()),
        "{map}"
    );
    let metrics = running.get_text("/metrics").await.1;
    // The other tests of this process count as well.
    let series = "counterfoil_prober_read_twice_keys_total{map=\"cart\",store=\"main\",result=\"differs\"} ";
    let counted = metrics.lines().find_map(|line| line.strip_prefix(series)?.parse::<usize>().ok());
    assert!(counted >= Some(KEYS), "{series} in:\n{metrics}");
    assert!(!metrics.contains("jitter"), "no name of a field in metrics");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_says_the_same_twice_but_for_what_does_not_count_is_quiet() {
    let (running, map, divergences) = checked_with_jitter("codec: json\nrules: {ignore: [jitter]}\n").await;
    assert_eq!((&map["calibration"], &divergences), (&"calibrated".into(), &json!([])), "{map}");
    let noise = &map["store_noise"];
    assert!(noise["keys_read_twice"].as_u64() >= Some(5), "{map}");
    let told = (&noise["differing"], &noise["is_noisy"], &noise["fields"]);
    assert_eq!(told, (&json!(0), &json!(false), &json!([])), "{map}");
    running.stop().await;
}

/// A comparator over a reader service that has `keys`.
async fn start(keys: &[String]) -> (Running, Arc<Reader>) {
    let directory = prepared();
    let (reader, url) = Reader::serve(directory.path(), keys).await;
    let stores_and_maps = format!(
        "stores: {{main: {{url: '{url}'}}}}
maps: [{{name: cart, store: main, collection: cart, deadline_ms: 300}}]
"
    );
    let limits = ["limits.batch_bytes_max=1048576", "limits.batch_events_max=1000"].map(str::to_owned);
    (start_of(directory, &stores_and_maps, limits.to_vec()).await, reader)
}

/// What the summary says of the map once each key was written and checked.
async fn checked(running: &Running, keys: &[String]) -> Value {
    let written: Vec<_> = keys.iter().map(String::as_str).collect();
    ended(running, &batch(running, "cart", 0, &written)).await["maps"]["cart"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_written_between_the_two_reads_makes_no_store_noisy_and_only_the_first_read_is_judged()
{
    let keys: Vec<_> = (0..7).map(|number| format!("k{number}")).chain([BUSY.to_owned()]).collect();
    let (running, reader) = start(&keys).await;
    let map = checked(&running, &keys).await;
    let noise = &map["store_noise"];
    let told = (&noise["keys_read_twice"], &noise["differing"], &noise["is_noisy"]);
    assert_eq!(told, (&json!(8), &json!(1), &json!(false)), "{map}");
    assert_eq!(
        (&map["outcomes"]["confirmed"], &map["calibration"]),
        (&8.into(), &"calibrated".into()),
        "{map}"
    );
    assert_eq!(running.get("/v1/divergences").await.1["divergences"], json!([]));
    assert_eq!(reader.keys(), 16, "each key was looked up twice");
    assert_eq!(map["reads_per_confirmed"], json!(2.0), "and that is counted");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn however_many_keys_there_are_so_many_are_read_twice() {
    let keys: Vec<_> = (0..300).map(|number| format!("k{number}")).collect();
    let (running, reader) = start(&keys).await;
    reader.be_noisy();
    let map = checked(&running, &keys).await;
    let noise = &map["store_noise"];
    let told = (&noise["keys_read_twice"], &noise["differing"], &noise["is_noisy"]);
    assert_eq!(told, (&json!(256), &json!(256), &json!(true)), "{map}");
    assert_eq!(running.get("/v1/divergences").await.1["divergences"], json!([]));
    running.stop().await;
}
