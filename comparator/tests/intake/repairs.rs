//! Repairs over HTTP: planned, approved, carried out, seen to be over, and undone; and what stops them.

mod handed;
mod recalled;

use super::divergences::{ALICE, BOB, tokens};
use super::{PATIENCE, bye, header, store_value};
use crate::support::{Running, prepared, start_of};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use counterfoil_clock::now;
use counterfoil_comparator::repair::{AuditEntry, audit_of_file, verify_audit};
use counterfoil_digest::{Codec, MapDigester};
use counterfoil_judge::{Interval, Reported, StoreOutcome};
use counterfoil_proto::wire::{self, reply::Body};
use counterfoil_proto::{BatchBuilder, Header, Row};
use serde_json::{Value, json};
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tonic::Streaming;

const STORE: &str = "stores: {main: {url: 'sqlite://DIR/store.db'}}
repair: {signing_key_file: DIR/signing}
";

const REPAIR: &str = "url: 'sqlite://DIR/store.db',
    insert: 'INSERT INTO cart (k, v) VALUES ($key, $value)',
    update: 'UPDATE cart SET v = $value WHERE k = $key',
    remove: 'DELETE FROM cart WHERE k = $key'";

/// A comparator that itself repairs its map as `terms` say.
async fn start_in(directory: TempDir, terms: &str) -> Running {
    start_saying(directory, &format!("repair: {{{terms}, {REPAIR}}}")).await
}

/// A comparator whose map says `more`.
async fn start_saying(directory: TempDir, more: &str) -> Running {
    let signing = directory.path().join("signing");
    if !signing.exists() {
        counterfoil_keys::create_file(&signing, &"3d".repeat(32)).unwrap();
    }
    let map = format!(
        "maps: [{{name: cart, store: main, query: 'SELECT k, v, version FROM cart WHERE k IN rarray(?1)', deadline_ms: 300, \
         {more}}}]\nprobe: {{gap_ms_max: 60000, gap_ms_min: 50}}"
    );
    let tokens = tokens(&directory);
    start_of(directory, &format!("{STORE}{map}"), vec![tokens]).await
}

async fn start(terms: &str) -> Running {
    start_in(prepared(), terms).await
}

/// A source that tells what the application does.
struct Source {
    uploads: mpsc::Sender<wire::Upload>,
    replies: Streaming<wire::Reply>,
    number: u64,
    next_seq: u64,
    mac: Vec<u8>,
    /// What its sidecar answers recalls with; `None` if it says that it answers none.
    value: Option<&'static str>,
}

impl Source {
    async fn connect(running: &Running) -> Self {
        let (uploads, replies) = running.stream().await;
        Self { uploads, replies, number: 0, next_seq: 0, mac: Vec::new(), value: None }
    }

    async fn send(&mut self, running: &Running, batch: wire::Batch) {
        self.number += 1;
        let batch = wire::Batch { previous_mac: std::mem::take(&mut self.mac).into(), ..batch };
        let upload = wire::Upload { recalls: self.value.is_some(), ..running.upload(self.number, &batch) };
        self.mac = upload.mac.to_vec();
        self.uploads.send(upload).await.unwrap();
        loop {
            match self.replies.message().await.unwrap().unwrap().body {
                Some(Body::Ack(_)) => return,
                Some(Body::Recall(recall)) => self.answer(&recall).await,
                other => panic!("{other:?}"),
            }
        }
    }

    async fn answer(&self, recall: &wire::Recall) {
        let value = self.value.unwrap().into();
        let recalled = Some(wire::Recalled { id: recall.id, value, ..Default::default() });
        self.uploads.send(wire::Upload { recalled, ..Default::default() }).await.unwrap();
    }

    /// Writes of these values, `None` for a remove, to keys.
    async fn tell(&mut self, running: &Running, writes: &[(&str, Option<&str>)]) {
        let digester = MapDigester::new(&running.key, "cart", Codec::Bytes);
        let mut builder = BatchBuilder::default();
        let map = builder.map("cart");
        let leg = Interval::new(now(), now());
        let legs = Reported { map: Some(leg), store: Some((leg, StoreOutcome::Ok)) };
        for (key, value) in writes {
            let digest = digester.digest(value.map(str::as_bytes)).unwrap();
            builder.push(&Row::new(map, key.as_bytes(), digest, legs));
        }
        let batch = builder.finish(header(self.next_seq, now()));
        self.next_seq += writes.len() as u64;
        self.send(running, batch).await;
    }

    /// Says that it has told everything, until that is found.
    async fn live_until(&mut self, running: &Running, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let found = async {
            loop {
                let promise = BatchBuilder::default().finish(Header { ..header(self.next_seq, now()) });
                self.send(running, promise).await;
                let answer = running.asked("GET", path, ALICE, "").await.1;
                if holds(&answer) {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("{path} never came to it"))
    }
}

impl Running {
    async fn plan(&self) -> Value {
        let (status, plan) = self.asked("POST", "/v1/repairs/plan", ALICE, "{}").await;
        assert_eq!(status, 200, "{plan}");
        plan["repairs"].clone()
    }

    /// Approves one entry of a plan; gives what became of that.
    async fn apply(&self, planned: &Value, more: Value) -> Value {
        let mut asked = json!({ "id": planned["id"], "revision": planned["revision"] });
        asked.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let body = json!({ "repairs": [asked] }).to_string();
        let (status, answer) = self.asked("POST", "/v1/repairs/apply", ALICE, &body).await;
        assert_eq!(status, 200, "{answer}");
        answer["repairs"][0].clone()
    }

    /// What was approved, once it has come to this, whatever sources say.
    async fn repair_until(&self, approved: &Value, holds: impl Fn(&Value) -> bool) -> Value {
        self.until_told(BOB, &repair_path(approved), holds).await
    }

    fn held(&self, key: &str) -> Option<String> {
        let store = rusqlite::Connection::open(self.directory.path().join("store.db")).unwrap();
        let held = store.query_row("SELECT CAST(v AS TEXT) FROM cart WHERE k = ?1", [key], |row| row.get(0));
        held.ok()
    }

    fn application_puts(&self, key: &str, value: &str) {
        let store = rusqlite::Connection::open(self.directory.path().join("store.db")).unwrap();
        store.execute("INSERT OR REPLACE INTO cart (k, v) VALUES (?1, ?2)", [key, value]).unwrap();
    }
}

fn value(value: &str) -> Value {
    json!({ "value_base64": STANDARD.encode(value) })
}

fn is_state(state: &str) -> impl Fn(&Value) -> bool {
    move |repair| repair["state"] == state
}

fn repair_path(answer: &Value) -> String {
    format!("/v1/repairs/{}", answer["repair"].as_str().unwrap())
}

/// A write of `v` to the key `lost` that is not in the store, confirmed.
async fn lost(running: &Running) -> (Source, Value) {
    lost_by(running, Source::connect(running).await).await
}

async fn lost_by(running: &Running, mut source: Source) -> (Source, Value) {
    source.tell(running, &[("lost", Some("v"))]).await;
    let is_found = |page: &Value| page["divergences"][0]["key"] == "lost";
    source.live_until(running, "/v1/divergences?state=confirmed", is_found).await;
    let plan = running.plan().await;
    (source, plan[0].clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_missing_is_planned_put_and_seen_to_be_over_and_can_be_undone() {
    let running = start("direction: map_wins").await;
    let (mut source, planned) = lost(&running).await;
    assert_eq!(
        (&planned["action"], &planned["needs"], &planned["observed_digest"]),
        (&"put".into(), &"value".into(), &"absent".into()),
        "{planned}"
    );
    let refused = running.apply(&planned, json!({})).await;
    assert_eq!((&refused["result"], running.held("lost")), (&"refused".into(), None), "{refused}");
    let wrong = running.apply(&planned, value("w")).await;
    let wrong = source.live_until(&running, &repair_path(&wrong), is_state("refused")).await;
    assert!(wrong["why"].as_str().unwrap().contains("digest"), "{wrong}");
    let approved = running.apply(&planned, value("v")).await;
    assert_eq!(approved["result"], "approved", "{approved}");
    let path = repair_path(&approved);
    source.live_until(&running, &path, is_state("confirmed")).await;
    assert_eq!(running.held("lost").as_deref(), Some("v"));
    assert_eq!(running.plan().await, json!([]), "nothing is left to be done");
    let again = running.apply(&planned, value("v")).await;
    assert_eq!(again["result"], "stale", "{again}");
    let (status, undone) = running.asked("POST", &format!("{path}/undo"), ALICE, "").await;
    assert_eq!((status, &undone["state"], running.held("lost")), (200, &"undone".into(), None), "{undone}");
    let (status, twice) = running.asked("POST", &format!("{path}/undo"), ALICE, "").await;
    assert_eq!(status, 409, "{twice}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_map_removed_is_removed_by_the_comparator_itself_where_the_contract_says_so() {
    let running = start("direction: newest_wins, apply: automatic").await;
    let mut source = Source::connect(&running).await;
    running.application_puts("gone", "v");
    source.tell(&running, &[("gone", Some("v"))]).await;
    let is_confirmed = |summary: &Value| summary["maps"]["cart"]["outcomes"]["confirmed"] == 1;
    source.live_until(&running, "/v1/summary", is_confirmed).await;
    source.tell(&running, &[("gone", None)]).await;
    let is_over = |page: &Value| page["repairs"][0]["state"] == "confirmed";
    let page = source.live_until(&running, "/v1/repairs?map=cart", is_over).await;
    assert_eq!((&page["repairs"][0]["action"], running.held("gone")), (&"remove".into(), None), "{page}");
    assert_eq!(page["repairs"][0]["by"], "the comparator", "{page}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_application_wrote_meanwhile_is_not_written_over() {
    let running = start("direction: ask").await;
    let (mut source, planned) = lost(&running).await;
    assert_eq!(planned["action"], "ask", "{planned}");
    let asked = running.apply(&planned, value("v")).await;
    assert!(asked["why"].as_str().unwrap().contains("which side is right"), "{asked}");
    running.application_puts("lost", "newer");
    let chosen = json!({ "direction": "map_wins", "value_base64": STANDARD.encode("v") });
    let approved = running.apply(&planned, chosen).await;
    source.live_until(&running, &repair_path(&approved), is_state("overtaken")).await;
    assert_eq!(running.held("lost").as_deref(), Some("newer"));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_source_has_not_told_what_it_wrote_nothing_is_written() {
    let running = start("direction: map_wins").await;
    let (mut source, planned) = lost(&running).await;
    let approved = running.apply(&planned, value("v")).await;
    // It says nothing, so it may have written the same value to the store once more.
    let is_over = |repair: &Value| !matches!(repair["state"].as_str(), Some("approved" | "applying"));
    let repair = running.repair_until(&approved, is_over).await;
    assert_eq!((&repair["state"], running.held("lost")), (&"overtaken".into(), None), "{repair}");
    assert!(repair["why"].as_str().unwrap().contains("did not tell in time"), "{repair}");
    // It may be tried again.
    let approved = running.apply(&planned, value("v")).await;
    source.live_until(&running, &repair_path(&approved), is_state("confirmed")).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_that_was_under_way_when_the_comparator_ended_is_looked_at_again() {
    for (held, expected) in [(Some("v"), "applied"), (Some("newer"), "overtaken"), (None, "refused")] {
        let first = start("direction: map_wins").await;
        let (_source, planned) = lost(&first).await;
        let approved = first.apply(&planned, value("v")).await;
        let path = repair_path(&approved);
        let folder = first.remains();
        first.stop().await;
        let ledger = rusqlite::Connection::open(folder.path().join("ledger.db")).unwrap();
        ledger.execute_batch("UPDATE repair SET state = 'applying'").unwrap();
        drop(ledger);
        held.into_iter().for_each(|value| {
            let store = rusqlite::Connection::open(folder.path().join("store.db")).unwrap();
            store.execute("INSERT INTO cart (k, v) VALUES ('lost', ?1)", [value]).unwrap();
        });
        for token in ["alice", "bob"] {
            std::fs::remove_file(folder.path().join(token)).unwrap();
        }
        let second = start_in(folder, "direction: map_wins").await;
        let is_over = |repair: &Value| repair["state"] == expected;
        let mut source = Source::connect(&second).await;
        source.live_until(&second, &path, is_over).await;
        assert_eq!(second.held("lost").as_deref(), held, "{expected}");
        second.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn planning_and_acting_take_an_operator_and_reading_a_token() {
    let running = start("direction: map_wins").await;
    for (method, path, caller, body, status) in [
        ("POST", "/v1/repairs/plan", BOB, "{}", 403),
        ("POST", "/v1/repairs/plan", "", "{}", 401),
        ("POST", "/v1/repairs/plan", ALICE, "", 200),
        ("POST", "/v1/repairs/plan", ALICE, r#"{"mpa": "cart"}"#, 400),
        ("POST", "/v1/repairs/apply", BOB, r#"{"repairs": []}"#, 403),
        ("POST", "/v1/repairs/apply", ALICE, r#"{"repairs": [{"id": "x", "revision": 1}]}"#, 400),
        ("POST", "/v1/repairs/apply", ALICE, r#"{"repairs": []}"#, 200),
        ("POST", "/v1/repairs/x/undo", BOB, "", 403),
        ("POST", "/v1/repairs/x/undo", ALICE, "", 404),
        ("POST", "/v1/repairs/breaker/close", BOB, r#"{"map": "cart"}"#, 403),
        ("POST", "/v1/repairs/breaker/close", ALICE, r#"{"map": "cart"}"#, 200),
        ("GET", "/v1/repairs", "", "", 401),
        ("GET", "/v1/repairs?state=none", BOB, "", 400),
        ("GET", "/v1/repairs", BOB, "", 200),
        ("GET", "/v1/repairs/x", BOB, "", 404),
        ("GET", "/v1/repairs/breakers", BOB, "", 200),
        ("GET", "/v1/repairs/audit", BOB, "", 200),
    ] {
        let (found, answer) = running.asked(method, path, caller, body).await;
        assert_eq!(found, status, "{method} {path} {caller}: {answer}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn repairs_that_come_back_stop_the_map_until_an_operator_lets_it_go_on_and_all_of_it_stands_in_the_log()
{
    let running = start("direction: map_wins, breaker: {recurrences_max: 1}").await;
    let (mut source, planned) = lost(&running).await;
    let approved = running.apply(&planned, value("v")).await;
    let path = repair_path(&approved);
    source.live_until(&running, &path, is_state("confirmed")).await;
    let ledger = rusqlite::Connection::open(running.directory.path().join("ledger.db")).unwrap();
    ledger.busy_timeout(PATIENCE).unwrap();
    // As if it had been seen again; in truth that takes another write of the same source.
    let again = "UPDATE divergence SET times = times + 1, state = 'confirmed', revision = revision + 1";
    ledger.execute_batch(again).unwrap();
    source.live_until(&running, &path, is_state("recurred")).await;
    let is_open = |told: &Value| told["breakers"][0]["why"].is_string();
    source.live_until(&running, "/v1/repairs/breakers", is_open).await;
    let planned = running.plan().await[0].clone();
    let refused = running.apply(&planned, value("v")).await;
    assert!(refused["why"].as_str().unwrap().contains("breaker"), "{refused}");
    let close = r#"{"map": "cart"}"#;
    let (_, closed) = running.asked("POST", "/v1/repairs/breaker/close", ALICE, close).await;
    assert_eq!(closed["breakers"][0]["why"], Value::Null, "{closed}");
    let approved = running.apply(&planned, value("v")).await;
    assert_eq!(approved["result"], "approved", "{approved}");
    let (_, page) = running.asked("GET", "/v1/repairs/audit?limit=1000", BOB, "").await;
    let entries: Vec<AuditEntry> = serde_json::from_value(page["entries"].clone()).unwrap();
    let told: Vec<_> = entries.iter().map(|entry| (entry.who.as_str(), entry.what.as_str())).collect();
    for expected in [
        ("alice", "approved"),
        ("the comparator", "applying"),
        ("the comparator", "applied"),
        ("the comparator", "confirmed"),
        ("the comparator", "recurred"),
        ("the comparator", "breaker opened"),
        ("alice", "breaker closed"),
    ] {
        assert!(told.contains(&expected), "{expected:?} in {told:?}");
    }
    let signer = entries[0].signer.clone();
    assert_eq!(verify_audit(&entries, signer.as_deref()), Ok(()));
    ledger.execute_batch("UPDATE repair_audit SET who = 'mallory' WHERE what = 'breaker closed'").unwrap();
    let tampered = audit_of_file(&running.directory.path().join("ledger.db")).unwrap();
    assert!(verify_audit(&tampered, signer.as_deref()).is_err());
    let (_, metrics) = running.get_text("/metrics").await;
    assert!(metrics.contains("counterfoil_repair_repairs_total"), "{metrics}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_section_nothing_can_be_repaired() {
    let running = crate::support::start_with(prepared(), "", Vec::new()).await;
    store_value(&running, "k", b"v");
    let (uploads, _replies) = running.stream().await;
    uploads.send(running.upload(1, &bye(0))).await.unwrap();
    let (status, told) = running.asked("GET", "/v1/repairs", "", "").await;
    assert_eq!((status, told["error"].as_str().unwrap().contains("section `repair`")), (409, true), "{told}");
    running.stop().await;
}
