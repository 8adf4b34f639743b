//! What shells and scripts say in lines of JSON, and what becomes of it.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test may panic")]

mod house;

use counterfoil_proto::{Columns, Snapshot};
use house::{Emitter, House, seqs};
use tokio::io::AsyncWriteExt;

/// The instance of the first connection that says none.
fn first_shell() -> String {
    format!("uid-{}-1", rustix::process::geteuid().as_raw())
}

/// Says `lines`, and nothing more; gives what is answered.
async fn said(house: &House, lines: &str) -> Vec<String> {
    let mut shell: Emitter = house.emitter().await;
    shell.say_bytes(lines.as_bytes()).await;
    shell.stream.shutdown().await.unwrap();
    let mut heard = Vec::new();
    while let Some(line) = shell.hear_line().await {
        heard.push(line);
    }
    heard
}

/// The batches of a source, once it has said bye.
async fn ended(house: &House, instance: &str) -> Vec<Columns> {
    let has_ended = |batches: &[Columns]| batches.last().is_some_and(|last| last.header().bye);
    house.comparator.batches(instance, has_ended).await
}

fn snapshots(batches: &[Columns]) -> Vec<Snapshot> {
    batches.iter().flat_map(|columns| columns.header().snapshots.clone()).collect()
}

#[tokio::test]
async fn a_shell_needs_no_hello_and_its_end_is_a_bye() {
    let house = House::start(&[]).await;
    let lines = "{\"put\":{\"map\":\"cart\",\"key\":\"k\",\"value\":\"v\"}}\n\
        {\"put\":{\"map\":\"nowhere\",\"key\":\"k\",\"value\":\"v\"}}\n\
        {\"remove\":{\"map\":\"cart\",\"key\":\"k\"}}";
    let heard = said(&house, lines).await;
    assert!(heard[0].starts_with("{\"welcome\":"), "{heard:?}");
    assert!(heard.iter().any(|line| line.contains("\"warning\":\"event 1 is lost: map is not configured")));
    assert!(heard.last().unwrap().contains("\"through_seq\":3"), "{heard:?}");

    let got = ended(&house, &first_shell()).await;
    assert_eq!(seqs(&got), [0, 2]);
    assert_eq!(got[0].header().service, "shell");
    let rows: Vec<_> = got
        .iter()
        .flat_map(|columns| columns.rows().map(|(_, row)| (row.legs, row.digest)).collect::<Vec<_>>())
        .collect();
    let leg = rows[0].0.map.unwrap();
    assert!(leg.begin == leg.end && leg.begin.0 > 0 && rows[0].0.store.is_none());
    assert!(rows[1].1.is_absent());
}

#[tokio::test]
async fn a_snapshot_that_a_shell_says_is_done_arrives_with_all_that_was_told_since_the_last_one() {
    let house = House::start(&[]).await;
    let lines = r#"{"held":{"map":"cart","key":"k","value":"v"}}
        {"put":{"map":"cart","key":"l","value":"v"}}
        {"snapshot_done":{"map":"cart"}}
        {"snapshot_done":{"map":"nowhere"}}
        {"held":{"map":"cart","key":"m","value":"v"}}
        {"snapshot_done":{"map":"cart"}}
        "#;
    let heard = said(&house, lines).await;
    let warning = "snapshot_done is not taken: map is not configured";
    assert!(heard.iter().any(|line| line.contains(warning)), "{heard:?}");
    let got = ended(&house, &first_shell()).await;
    let told = snapshots(&got);
    let numbers: Vec<_> = told.iter().map(|it| (it.map.as_str(), it.first_seq, it.end_seq)).collect();
    assert_eq!(numbers, [("cart", 0, 2), ("cart", 2, 3)]);
    let rows: Vec<_> = got
        .iter()
        .flat_map(|columns| columns.rows().map(|(_, row)| (row.held, row.legs)).collect::<Vec<_>>())
        .collect();
    assert_eq!(rows.iter().map(|(held, _)| *held).collect::<Vec<_>>(), [true, false, true]);
    let at = |row: usize| rows[row].1.map.unwrap().begin;
    assert!(told[0].begin.0 > 0 && told[0].begin <= at(0), "what is lost of it comes after its begin");
    assert!(told[1].begin >= at(1) && told[1].begin <= at(2), "the second one begins where the first ends");
}

#[tokio::test]
async fn a_source_with_its_own_clock_says_since_when_all_was_told_and_no_other_does() {
    let own =
        r#"{"hello":{"service":"cart","instance":"a","epoch":1,"stamps":"emitter","clock":{"boot_id":"b"}}}"#;
    let other = r#"{"hello":{"service":"cart","instance":"b","epoch":1}}"#;
    let house = House::start(&["batch.age_ms_max=0"]).await;
    let held = r#"{"held":{"map":"cart","key":"k","value":"v","map_ns":[8,9]}}"#;
    let done = r#"{"snapshot_done":{"map":"cart","begin_ns":7}}"#;
    let heard = said(&house, &format!("{own}\n{held}\n{done}\n")).await;
    assert!(!heard.iter().any(|line| line.contains("refusal")), "{heard:?}");
    let got = house.comparator.batches("a", |batches| !snapshots(batches).is_empty()).await;
    let told: Vec<_> = snapshots(&got).iter().map(|it| (it.begin.0, it.first_seq, it.end_seq)).collect();
    assert_eq!(told, [(7, 0, 1)]);
    for (hello, line, refusal) in [
        (own, r#"{"snapshot_done":{"map":"cart"}}"#, "snapshot_done.begin_ns: is needed"),
        (other, done, "snapshot_done.begin_ns: needs the emitter's clock"),
    ] {
        let heard = said(&house, &format!("{hello}\n{line}\n")).await;
        let last = heard.last().unwrap();
        assert!(last.contains("\"refusal\"") && last.contains(refusal), "{refusal} in {heard:?}");
    }
}
