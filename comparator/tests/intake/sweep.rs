//! What a sweep finds that nobody wrote: a row that changed behind the map's back.

use super::{batch, ended, store};
use crate::support::{Running, prepared, start_with};
use serde_json::Value;

/// Enough of them agree for the check to be calibrated.
const KEYS: [&str; 6] = ["k0", "k1", "k2", "k3", "k4", "k5"];

fn execute(running: &Running, statement: &str) {
    let store = rusqlite::Connection::open(running.directory.path().join("store.db")).unwrap();
    store.execute(statement, ()).unwrap();
}

/// All keys are written, and confirmed.
async fn write_all(running: &Running) {
    KEYS.iter().for_each(|key| store(running, key));
    let summary = ended(running, &batch(running, "cart", 0, &KEYS)).await;
    assert_eq!(summary["maps"]["cart"]["outcomes"]["confirmed"], KEYS.len(), "{summary}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_changed_behind_everybodys_back_is_found_and_one_that_is_mended_resolves() {
    let running = start_with(prepared(), "", vec!["sweep.keys_every_s=1".to_owned()]).await;
    write_all(&running).await;
    execute(&running, "UPDATE cart SET v = 'other', version = 8 WHERE k = 'k3'");
    let page =
        running.until("/v1/divergences?state=confirmed", |page| !page["divergences"][0].is_null()).await;
    let found = page["divergences"].as_array().unwrap();
    assert_eq!((found.len(), &found[0]["key"], &found[0]["kind"]), (1, &"k3".into(), &"foreign".into()));
    execute(&running, "UPDATE cart SET v = 'v', version = 7 WHERE k = 'k3'");
    running.until("/v1/divergences?state=resolved", |page| page["divergences"][0]["key"] == "k3").await;
    let has_gone_round = |summary: &Value| summary["sweep"]["main"]["keys"]["rounds"].as_u64() > Some(1);
    let summary = running.until("/v1/summary", has_gone_round).await;
    let map = &summary["maps"]["cart"];
    assert_eq!(map["outcomes"]["confirmed"], KEYS.len(), "no event ends by a sweep: {summary}");
    assert!(summary["sweep"]["main"]["keys"]["keys"].as_u64() >= Some(5), "{summary}");
    assert_eq!(map["open_divergences"], 0, "{summary}");
    running.stop().await;
}
