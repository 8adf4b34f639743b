//! One map in two stores: two SQLite files, the second of which is wrong.

use super::restart::{accepted, after, goes_on, lost_and_found};
use super::{bye, store};
use crate::support::{Running, prepared, start_of};
use serde_json::Value;
use tempfile::TempDir;

const TWO_STORES: &str = "
stores: {main: {url: 'sqlite://DIR/store.db'}, spare: {url: 'sqlite://DIR/spare.db'}}
maps:
- name: cart
  deadline_ms: 300
  stores:
  - {store: main, query: 'SELECT k, v, version FROM cart WHERE k IN rarray(?1)'}
  - {store: spare, query: 'SELECT k, v, version FROM cart WHERE k IN rarray(?1)', deadline_ms: 400}
journal: {path: DIR/journal, sync_ms: 1}
";

/// With an empty second store beside the first.
fn prepared_twice() -> TempDir {
    let directory = prepared();
    let spare = rusqlite::Connection::open(directory.path().join("spare.db")).unwrap();
    spare
        .execute_batch(
            "PRAGMA journal_mode=WAL; CREATE TABLE cart (k TEXT PRIMARY KEY, v BLOB, version INTEGER)",
        )
        .unwrap();
    directory
}

fn store_in_spare(running: &Running, key: &str) {
    let spare = rusqlite::Connection::open(running.directory.path().join("spare.db")).unwrap();
    spare.execute("INSERT INTO cart VALUES (?1, 'v', 7)", [key]).unwrap();
}

fn has_ended(summary: &Value) -> bool {
    let stores = &summary["maps"]["cart"]["stores"];
    ["main", "spare"].iter().all(|store| stores[store]["outcomes"]["open"] == 0)
        && summary["maps"]["cart"]["events"].as_u64() > Some(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn each_store_is_judged_by_itself_and_the_divergence_names_the_one_that_differs() {
    let running = start_of(prepared_twice(), TWO_STORES, Vec::new()).await;
    ["kept", "lost"].iter().for_each(|key| store(&running, key));
    store_in_spare(&running, "kept");
    let (uploads, mut replies) = running.stream().await;
    let sent = running.upload(1, &super::batch(&running, "cart", 0, &["kept", "lost"]));
    uploads.send(sent.clone()).await.unwrap();
    accepted(&mut replies, 1).await;
    let source = running.get("/v1/sources").await.1["sources"][0].clone();
    assert_eq!((&source["accepted"], &source["open"]), (&2.into(), &4.into()), "{source}");
    uploads.send(running.upload(2, &after(&sent.mac, bye(2)))).await.unwrap();
    accepted(&mut replies, 2).await;
    let summary = running.until("/v1/summary", has_ended).await;
    let map = &summary["maps"]["cart"];
    assert_eq!((&map["events"], &summary["accepted"]), (&2.into(), &2.into()), "each once: {summary}");
    let ended = |store: &str| {
        let outcomes = &map["stores"][store]["outcomes"];
        ["confirmed", "divergent"].map(|outcome| outcomes[outcome].as_u64().unwrap())
    };
    assert_eq!((ended("main"), ended("spare")), ([2, 0], [1, 1]), "{map}");
    let page = running.until("/v1/divergences", |page| page["divergences"][0]["state"] == "confirmed").await;
    let found = page["divergences"].as_array().unwrap();
    assert_eq!((found.len(), &found[0]["store"], &found[0]["key"]), (1, &"spare".into(), &"lost".into()));
    let of_first = running.get("/v1/divergences?store=main").await.1;
    assert_eq!(of_first["divergences"], Value::Array(Vec::new()));
    assert_eq!(summary["ledger"][0]["store"], "spare", "{summary}");
    // The other tests of this process count as well.
    let metrics = running.get_text("/metrics").await.1;
    let labels = "map=\"cart\",store=\"spare\",kind=\"missing\",turn=\"confirmed\",severity=\"warning\"";
    let series = format!("counterfoil_divergence_turns_total{{{labels}}} ");
    let counted = metrics.lines().find_map(|line| line.strip_prefix(&series)?.parse::<u64>().ok());
    assert!(counted >= Some(1), "{series} in:\n{metrics}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_divergence_of_the_second_store_is_open_again_in_the_next_life_and_resolves_there() {
    let first = start_of(prepared_twice(), TWO_STORES, Vec::new()).await;
    store(&first, "lost");
    let (sent, id) = lost_and_found(&first).await;
    let second = start_of(first.remains_of_what_is_over().await, TWO_STORES, Vec::new()).await;
    let is_open = |summary: &Value| {
        let open = |store: &str| summary["maps"]["cart"]["stores"][store]["open_divergences"].as_u64();
        (open("main"), open("spare")) == (Some(0), Some(1))
    };
    second.until("/v1/summary", is_open).await;
    store_in_spare(&second, "lost");
    goes_on(&second, &sent).await;
    let page =
        second.until("/v1/divergences?state=resolved", |page| page["divergences"][0]["id"] == id).await;
    assert_eq!(page["divergences"].as_array().map(Vec::len), Some(1), "{page}");
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_map_that_gets_a_second_store_keeps_the_divergences_of_its_first() {
    let first = crate::support::start_in(prepared_twice(), "journal: {path: DIR/journal, sync_ms: 1}").await;
    let (sent, id) = lost_and_found(&first).await;
    let second = start_of(first.remains_of_what_is_over().await, TWO_STORES, Vec::new()).await;
    store(&second, "lost");
    goes_on(&second, &sent).await;
    second.until("/v1/divergences?state=resolved", |page| page["divergences"][0]["id"] == id).await;
    first.stop().await;
    second.stop().await;
}
