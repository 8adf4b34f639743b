//! When the ledger cannot be written, and when two people do something at once.

use super::divergences::{ALICE, id, tokens, with_divergences};
use super::{acknowledged, batch, bye};
use crate::support::{Answer, start, start_with};
use serde_json::Value;

const CAROL: &str = "authorization: Bearer carol-0123456789\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_without_room_holds_no_verdict_up_says_so_and_has_everything_once_there_is_room() {
    let running = start().await;
    let ledger = rusqlite::Connection::open(running.directory.path().join("ledger.db")).unwrap();
    ledger.busy_timeout(super::PATIENCE).unwrap();
    let full = "CREATE TRIGGER full BEFORE INSERT ON divergence BEGIN SELECT RAISE(FAIL, 'disk full'); END";
    ledger.execute_batch(full).unwrap();
    let (uploads, mut replies) = running.stream().await;
    uploads.send(running.upload(1, &batch(&running, "cart", 0, &["a", "b", "c"]))).await.unwrap();
    acknowledged(&mut replies, 1).await;
    uploads.send(running.upload(2, &bye(3))).await.unwrap();
    acknowledged(&mut replies, 2).await;
    let summary = running.settled().await;
    assert_eq!(summary["maps"]["cart"]["outcomes"]["divergent"], 3, "{summary}");
    assert_eq!(summary["ledger"], Value::Array(Vec::new()), "{summary}");
    assert!(summary["ledger_retries"].as_u64() > Some(0), "{summary}");
    assert_eq!(running.get_text("/readyz").await.0, 200, "it goes on taking in");
    assert_eq!(running.get_text("/divergences").await.0, 200);
    ledger.execute_batch("DROP TRIGGER full").unwrap();
    let all = running.until("/v1/divergences?state=confirmed", |page| {
        page["divergences"].as_array().is_some_and(|all| all.len() == 3)
    });
    all.await;
    assert_eq!(running.get("/v1/summary").await.1["ledger_retries"], 0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_operators_at_once_one_wins_and_the_other_is_told_who_was_first() {
    let directory = with_divergences(2).await;
    let file = directory.path().join("carol");
    counterfoil_keys::create_file(&file, "carol-0123456789").unwrap();
    let with_carol = tokens(&directory)
        .replace("=[", &format!("=[{{name: carol, role: operator, file: {}}}, ", file.display()));
    let running = start_with(directory, "", vec![with_carol]).await;
    let one = id(0);
    let (path, page) = (format!("/v1/divergences/{one}/acknowledge"), format!("/divergences/{one}/act"));
    let (by_alice, by_carol) = tokio::join!(
        running.ask("POST", &path, ALICE, "{\"why\":\"mine\",\"revision\":1}"),
        running.ask("POST", &page, CAROL, "what=ignore&why=test+data&revision=1"),
    );
    let told = running.ask("GET", &format!("/v1/divergences/{one}"), ALICE, "").await.body;
    let acted = serde_json::from_str::<Value>(&told).unwrap()["acted"].clone();
    let says = |answer: &Answer, first: &str| {
        assert!(answer.status == 409 && answer.body.contains(first), "{first}: {}", answer.body);
    };
    match acted["by"].as_str().unwrap() {
        "alice" => {
            assert_eq!(by_alice.status, 200, "{}", by_alice.body);
            says(&by_carol, "has changed since you looked at it (acknowledged by alice)");
        }
        _ => {
            assert_eq!((by_carol.status, &acted["by"]), (303, &"carol".into()), "{}", by_carol.body);
            says(&by_alice, "has changed since revision 1 (ignored by carol)");
        }
    }
    running.stop().await;
}
