//! A divergence names the fields that differ, by prints that came with the write.

use super::{VERSION, ended, header, store_value};
use crate::support::{Running, prepared, start_of};
use counterfoil_clock::now;
use counterfoil_digest::{Form, MapDigester};
use counterfoil_judge::{Interval, Reported, StoreOutcome};
use counterfoil_proto::wire;
use counterfoil_proto::{BatchBuilder, Row};
use serde_json::{Value, json};

const JSON_MAP: &str = "
stores: {main: {url: 'sqlite://DIR/store.db'}}
maps: [{name: cart, store: main, query: 'SELECT k, v, version FROM cart WHERE k IN rarray(?1)', deadline_ms: 300, codec: json}]
";

/// A batch of puts that ended just now, of keys and values, as a sidecar makes it that sends prints, and of each value a sample.
pub(crate) fn told_batch(running: &Running, form: &Form, puts: &[(String, String)]) -> wire::Batch {
    let digester = MapDigester::new(&running.key, "cart", form.clone());
    let mut builder = BatchBuilder::default();
    let map = builder.map("cart");
    let leg = Interval::new(now(), now());
    let legs = Reported { map: Some(leg), store: Some((leg, StoreOutcome::Ok)) };
    for (key, value) in puts {
        let value = value.as_bytes();
        builder.push(&Row {
            version: Some(VERSION.into()),
            prints: &digester.prints(value).unwrap(),
            ..Row::new(map, key.as_bytes(), digester.digest(Some(value)).unwrap(), legs)
        });
        builder.sample(&digester.spellings(value).unwrap());
    }
    builder.finish(header(0, now()))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_divergence_names_the_fields_that_differ_and_one_of_a_row_that_is_absent_names_none() {
    let overlays = vec!["limits.batch_bytes_max=262144".to_owned()];
    let running = start_of(prepared(), JSON_MAP, overlays).await;
    let value = |price: u32| format!(r#"{{"name":"pen","price":{price}}}"#);
    let mut puts: Vec<_> = (0..12).map(|number| (format!("k{number}"), value(1))).collect();
    puts.iter().for_each(|(key, value)| store_value(&running, key, value.as_bytes()));
    for (key, in_store) in
        [("dear", Some(value(2))), ("short", Some(r#"{"name":"pen"}"#.into())), ("lost", None)]
    {
        puts.push((key.to_owned(), value(1)));
        in_store.iter().for_each(|value| store_value(&running, key, value.as_bytes()));
    }
    let form = Form::from(counterfoil_digest::Codec::Json);
    ended(&running, &told_batch(&running, &form, &puts)).await;
    let all = |page: &Value| page["divergences"].as_array().is_some_and(|rows| rows.len() == 3);
    let page = running.until("/v1/divergences?state=confirmed", all).await;
    let mut found: Vec<_> = page["divergences"].as_array().unwrap().iter().collect();
    found.sort_by_key(|row| row["key"].as_str());
    let told: Vec<_> =
        found.iter().map(|row| json!([row["key"], row["fields"], row["fields_missing"]])).collect();
    let expected = json!([["dear", ["price"], 0], ["lost", null, null], ["short", [], 1]]);
    assert_eq!(Value::Array(told), expected, "{page}");
    let metrics = running.get_text("/metrics").await.1;
    assert!(!metrics.contains("price"), "no name of a field in metrics");
    running.stop().await;
}
