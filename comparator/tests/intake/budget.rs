//! A store with a read budget and far more writes than it allows to check.

use super::{VERSION, acknowledged, batch, bye};
use crate::support::{prepared, start_with};
use counterfoil_clock::now;

/// Keys a second, and writes to check.
const KEYS_PER_S: u64 = 500;
const BATCHES: u64 = 60;
const BATCH: u64 = 100;

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_read_within_its_budget_and_what_there_was_no_time_for_is_undetermined() {
    let directory = prepared();
    let keys: Vec<_> = (0..BATCHES * BATCH).map(|n| format!("k{n}")).collect();
    let mut store = rusqlite::Connection::open(directory.path().join("store.db")).unwrap();
    let rows = store.transaction().unwrap();
    for key in &keys {
        rows.execute("INSERT INTO cart VALUES (?1, ?2, ?3)", (key, b"v", VERSION)).unwrap();
    }
    rows.commit().unwrap();
    let running =
        start_with(directory, "", vec![format!("stores.main.budget.keys_per_s={KEYS_PER_S}")]).await;
    let (begin, (uploads, mut replies)) = (now(), running.stream().await);
    for (keys, number) in keys.chunks(100).zip(1..) {
        let keys: Vec<_> = keys.iter().map(String::as_str).collect();
        let batch = batch(&running, "cart", (number - 1) * BATCH, &keys);
        uploads.send(running.upload(number, &batch)).await.unwrap();
        acknowledged(&mut replies, number).await;
    }
    uploads.send(running.upload(BATCHES + 1, &bye(BATCHES * BATCH))).await.unwrap();
    acknowledged(&mut replies, BATCHES + 1).await;
    let summary = running.settled().await;
    let seconds = now().since(begin) as f64 / 1e9;

    let (map, store) = (&summary["maps"]["cart"], &summary["stores"][0]);
    let count = |name: &str| map["outcomes"][name].as_u64().unwrap();
    let (confirmed, undetermined) = (count("confirmed"), count("undetermined"));
    assert_eq!(map["events"], BATCHES * BATCH, "{summary}");
    assert_eq!(
        confirmed + undetermined,
        BATCHES * BATCH,
        "each has one outcome, none is divergent: {summary}"
    );
    assert_eq!(map["undetermined"]["budget"], undetermined, "for want of a budget alone: {summary}");
    assert_eq!(summary["divergences"]["opened"], 0);
    let coverage = confirmed as f64 / (BATCHES * BATCH) as f64;
    assert!((map["coverage"].as_f64().unwrap() - coverage).abs() < 1e-9 && coverage < 1.0, "{summary}");
    let read = map["reads_per_confirmed"].as_f64().unwrap() * confirmed as f64;
    let most = KEYS_PER_S as f64 * (seconds + 0.1) + 1.0;
    assert!(confirmed > 0 && read <= most, "{read} keys in {seconds} s, at most {most}");
    assert!(store["name"] == "main" && store["state"] != "down", "{store}");
    assert!(store["keys_per_s"].as_f64().unwrap() <= KEYS_PER_S as f64, "{store}");
    assert!(store["probe_delay_ms"].as_f64().unwrap() > 100.0, "keys waited for the budget: {store}");
    running.stop().await;
}
