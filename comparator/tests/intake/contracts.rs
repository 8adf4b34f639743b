//! What a contract says of its map besides time: how much it matters, which keys are checked, whose outcomes are counted.

use super::restart::{accepted, after};
use super::{bye, store};
use crate::support::{prepared, start_of};

const CONTRACT: &str = "
stores: {main: {url: 'sqlite://DIR/store.db'}}
maps:
- name: cart
  store: main
  query: 'SELECT k, v, version FROM cart WHERE k IN rarray(?1)'
  deadline_ms: 300
  severity: critical
  sample: 0.5
  cohorts: ['deployment=canary']
journal: {path: DIR/journal, sync_ms: 1}
";

#[tokio::test(flavor = "multi_thread")]
async fn a_divergence_has_its_contracts_severity_and_half_of_the_keys_are_left_out() {
    let running = start_of(prepared(), CONTRACT, Vec::new()).await;
    let keys: Vec<_> = (0..40).map(|key| format!("key {key}")).collect();
    let keys: Vec<_> = keys.iter().map(String::as_str).collect();
    // Nothing is lost but one key of those that are checked.
    let has = |key: &&&str| {
        let hash = counterfoil_digest::key_hash("cart", key.as_bytes());
        counterfoil_comparator::contract::Sample::of(0.5).is_some_and(|sample| sample.has(hash))
    };
    let checked: Vec<_> = keys.iter().filter(has).collect();
    let lost = **checked.first().unwrap();
    keys.iter().filter(|key| **key != lost).for_each(|key| store(&running, key));
    let (uploads, mut replies) = running.stream().await;
    let sent = running.upload(1, &super::batch(&running, "cart", 0, &keys));
    uploads.send(sent.clone()).await.unwrap();
    accepted(&mut replies, 1).await;
    uploads.send(running.upload(2, &after(&sent.mac, bye(40)))).await.unwrap();
    accepted(&mut replies, 2).await;
    let has_ended = |summary: &serde_json::Value| summary["maps"]["cart"]["outcomes"]["open"] == 0;
    let summary = running.until("/v1/summary", has_ended).await;
    let map = &summary["maps"]["cart"];
    let (left_out, checked) = (40 - checked.len(), checked.len());
    assert_eq!((&map["events"], &map["shed"]["sampled"]), (&40.into(), &left_out.into()), "{map}");
    assert_eq!((&map["keys"], &map["coverage"]), (&checked.into(), &1.0.into()), "{map}");
    assert_eq!(map["cohorts"]["other"]["confirmed"], checked - 1, "{map}");

    let critical =
        running.until("/v1/divergences?severity=critical", |page| page["divergences"][0]["key"] == lost);
    let found = critical.await["divergences"][0].clone();
    assert_eq!(found["severity"], "critical", "{found}");
    let path = format!("/v1/divergences/{}", found["id"].as_str().unwrap());
    assert_eq!(running.get(&path).await.1["severity"], "critical");
    let others = running.get("/v1/divergences?severity=warning").await.1;
    assert_eq!(others["divergences"], serde_json::json!([]), "{others}");
    running.stop().await;
}
