//! Repairs that somebody else makes: tasks that are handed to a webhook, here in this process.

use super::*;
use crate::notify::{Hook, Told};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// A comparator that hands the tasks of its map, in this direction, to a webhook.
async fn start_handing(hook: &Hook, direction: &str) -> Running {
    let directory = prepared();
    let secret = format!("whsec_{}", "A".repeat(32));
    counterfoil_keys::create_file(&directory.path().join("secret"), &secret).unwrap();
    let webhook = format!("webhook: {{url: '{}', secret_file: DIR/secret}}", hook.url);
    start_saying(directory, &format!("repair: {{direction: {direction}, {webhook}}}")).await
}

fn assert_is_signed(told: &Told) {
    let header = |name: &str| told.headers[name].to_str().unwrap();
    let signed =
        [header("webhook-id").as_bytes(), header("webhook-timestamp").as_bytes(), &told.raw].join(&b'.');
    let code = Hmac::<Sha256>::new_from_slice(&[0; 24]).unwrap().chain_update(signed).finalize().into_bytes();
    assert_eq!(header("webhook-signature"), format!("v1,{}", STANDARD.encode(code)));
    assert_eq!(
        (header("webhook-id"), &told.body["specversion"]),
        (told.body["id"].as_str().unwrap(), &"1.0".into())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_is_handed_over_once_and_done_when_the_sides_agree() {
    let mut hook = Hook::start([]).await;
    let running = start_handing(&hook, "map_wins").await;
    let (mut source, planned) = lost(&running).await;
    assert_eq!(
        (&planned["action"], &planned["needs"], &planned["why_not"]),
        (&"put".into(), &Value::Null, &Value::Null),
        "{planned}"
    );
    let refused = running.apply(&planned, value("v")).await;
    assert!(refused["why"].as_str().unwrap().contains("leave it out"), "no value is handed over: {refused}");
    let approved = running.apply(&planned, json!({})).await;
    let told = hook.next().await;
    assert_is_signed(&told);
    let data = &told.body["data"];
    let expected = json!({
        "repair": approved["repair"],
        "divergence": planned["id"],
        "map": "cart",
        "store": "main",
        "key_base64": STANDARD.encode("lost"),
        "kind": "missing",
        "direction": "map_wins",
        "action": "put",
        "map_digest": planned["wanted_digest"],
        "store_digest": "absent",
        "source": "cart/a/1",
        "seq": 0,
        "trace_id": Value::Null,
        "approved_by": "alice",
    });
    assert_eq!((&told.body["type"], data), (&"counterfoil.repair.task".into(), &expected), "{}", told.body);
    let path = repair_path(&approved);
    source.live_until(&running, &path, is_state("handed")).await;
    let again = running.apply(&planned, json!({})).await;
    assert_eq!((&again["result"], &again["state"]), (&"already".into(), &"handed".into()), "{again}");
    running.application_puts("lost", "v");
    source.live_until(&running, &path, is_state("confirmed")).await;
    assert!(hook.try_next().is_none(), "it came once");
    let (status, undone) = running.asked("POST", &format!("{path}/undo"), ALICE, "").await;
    assert!(status == 409 && undone["error"].as_str().unwrap().contains("handed over"), "{undone}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_that_is_not_taken_comes_again_and_one_that_never_is_fails() {
    let mut hook = Hook::start([500, 500, 410]).await;
    let running = start_handing(&hook, "map_wins").await;
    let (mut source, planned) = lost(&running).await;
    let approved = running.apply(&planned, json!({})).await;
    let first = hook.next().await;
    let waiting = running.repair_until(&approved, |repair| repair["why"].is_string()).await;
    assert!(waiting["why"].as_str().unwrap().contains("status 500"), "{waiting}");
    for _ in 0..2 {
        assert_eq!(hook.next().await.raw, first.raw, "it is the same one");
    }
    let failed = running.repair_until(&approved, is_state("failed")).await;
    assert!(failed["why"].as_str().unwrap().contains("status 410"), "{failed}");
    let approved = running.apply(&planned, json!({})).await;
    let once_more = hook.next().await;
    assert_eq!(once_more.body["data"]["repair"], first.body["data"]["repair"]);
    assert_ne!(once_more.body["id"], first.body["id"], "who looks at the id takes it for another task");
    let path = repair_path(&approved);
    source.live_until(&running, &path, is_state("handed")).await;
    let ledger = rusqlite::Connection::open(running.directory.path().join("ledger.db")).unwrap();
    ledger.busy_timeout(PATIENCE).unwrap();
    let an_hour_ago = "UPDATE repair SET changed_at_unix_ns = changed_at_unix_ns - 3600000000000";
    ledger.execute_batch(an_hour_ago).unwrap();
    let left = source.live_until(&running, &path, is_state("failed")).await;
    assert!(left["why"].as_str().unwrap().contains("do not agree"), "{left}");
    let (_, page) = running.asked("GET", "/v1/repairs/audit?limit=1000", BOB, "").await;
    let entries: Vec<AuditEntry> = serde_json::from_value(page["entries"].clone()).unwrap();
    let told: Vec<_> = entries.iter().map(|entry| entry.what.as_str()).collect();
    assert_eq!(told, ["approved", "failed", "approved", "handed", "failed"]);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn where_the_store_is_right_the_map_is_what_has_to_follow() {
    let mut hook = Hook::start([]).await;
    let running = start_handing(&hook, "ask").await;
    let (mut source, planned) = lost(&running).await;
    assert_eq!(planned["action"], "ask", "{planned}");
    let approved = running.apply(&planned, json!({ "direction": "store_wins" })).await;
    let data = hook.next().await.body["data"].clone();
    assert_eq!((&data["direction"], &data["action"]), (&"store_wins".into(), &"follow".into()), "{data}");
    let path = repair_path(&approved);
    let handed = source.live_until(&running, &path, is_state("handed")).await;
    assert_eq!(
        (&handed["action"], &handed["wanted_digest"]),
        (&"follow".into(), &"absent".into()),
        "{handed}"
    );
    source.tell(&running, &[("lost", None)]).await;
    source.live_until(&running, &path, is_state("confirmed")).await;
    assert_eq!(running.held("lost"), None);
    running.stop().await;
}
