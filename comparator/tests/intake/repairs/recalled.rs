//! Repairs whose value nobody hands in: it is that of the sidecar that saw the write.

use super::*;

/// A write that is not in the store, of a map whose values may be recalled; its sidecar answers with `value`.
async fn lost_with(value: &'static str) -> (Running, Source, Value) {
    let repair = format!("values: true, repair: {{direction: map_wins, {REPAIR}}}");
    let running = start_saying(prepared(), &repair).await;
    let source = Source { value: Some(value), ..Source::connect(&running).await };
    let (source, planned) = lost_by(&running, source).await;
    assert_eq!((&planned["needs"], &planned["why_not"]), (&Value::Null, &Value::Null), "{planned}");
    (running, source, planned)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_that_nobody_handed_in_is_recalled_put_and_seen_to_be_there() {
    let (running, mut source, planned) = lost_with("v").await;
    let approved = running.apply(&planned, json!({})).await;
    source.live_until(&running, &repair_path(&approved), is_state("confirmed")).await;
    assert_eq!(running.held("lost").as_deref(), Some("v"));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_value_than_the_one_that_was_reported_is_refused_and_nothing_is_written() {
    let (running, mut source, planned) = lost_with("w").await;
    let approved = running.apply(&planned, json!({})).await;
    let refused = source.live_until(&running, &repair_path(&approved), is_state("refused")).await;
    assert!(refused["why"].as_str().unwrap().contains("another value"), "{refused}");
    assert_eq!(running.held("lost"), None);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_sidecar_is_away_a_repair_waits_and_says_for_what_and_is_made_once_it_is_back() {
    let (running, source, planned) = lost_with("v").await;
    let (next_seq, mac) = (source.next_seq, source.mac.clone());
    drop(source);
    let approved = running.apply(&planned, json!({})).await;
    let waits = |repair: &Value| repair["why"].as_str().is_some_and(|why| why.contains("no stream"));
    let waiting = running.repair_until(&approved, waits).await;
    assert_eq!((&waiting["state"], running.held("lost")), (&"approved".into(), None), "{waiting}");
    let mut back = Source { next_seq, mac, value: Some("v"), ..Source::connect(&running).await };
    let confirmed = back.live_until(&running, &repair_path(&approved), is_state("confirmed")).await;
    assert_eq!(
        (&confirmed["why"], running.held("lost").as_deref()),
        (&Value::Null, Some("v")),
        "{confirmed}"
    );
    running.stop().await;
}
