//! Divergences over HTTP: which are shown, who may do something about them, and what becomes of that.

use crate::support::{Answer, Running, prepared, start_in, start_with};
use counterfoil_comparator::ledger::{DivergenceId, Ledger, Opened, Transition};
use counterfoil_judge::Digest;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tempfile::TempDir;

pub(crate) fn id(number: u32) -> DivergenceId {
    DivergenceId(u128::from(number).to_be_bytes())
}

/// A divergence that the comparator will not look at again: nobody knows its source.
pub(crate) fn opened(number: u32) -> Opened {
    Opened {
        id: id(number),
        map: "cart".into(),
        store: Some("main".into()),
        key: format!("=key {number}").into_bytes(),
        kind: if number.is_multiple_of(2) { "missing" } else { "stale" },
        source: format!("shop/pod-{}/7", number % 3),
        seq: number.into(),
        opened_at_unix_ns: i64::from(number) * 1_000_000_000,
        store_digest: Digest::ABSENT,
        map_digest: Digest([7; 16]),
        stale_versions: None,
        stale_at_least_ns: None,
        write_ended_ns: None,
        seen_after_ns: None,
        trace_id: None,
        fields: None,
    }
}

/// A folder with a ledger of so many divergences; the last one is resolved.
pub(crate) async fn with_divergences(count: u32) -> TempDir {
    let directory = prepared();
    let ledger = Ledger::open(&directory.path().join("ledger.db"), |_| ()).unwrap();
    let transitions = (0..count).map(|number| Transition::from(opened(number)));
    let at_unix_ns = counterfoil_clock::wall_unix_ns();
    let last = Transition::Resolved { id: id(count - 1), at_unix_ns, how: "agreed" };
    ledger.record(transitions.chain([last]).collect()).await.unwrap();
    ledger.flush().await.unwrap();
    directory
}

pub(crate) const ALICE: &str = "authorization: Bearer alice-0123456789\r\n";
pub(crate) const BOB: &str = "authorization: Bearer bob-9876543210abc\r\n";

/// Alice is an operator, and Bob is a viewer.
pub(crate) async fn start_with_tokens(directory: TempDir) -> Running {
    let tokens = tokens(&directory);
    start_with(directory, "", vec![tokens]).await
}

/// What says so in the configuration.
pub(crate) fn tokens(directory: &TempDir) -> String {
    let file = |name: &str, header: &str| {
        let path = directory.path().join(name);
        counterfoil_keys::create_file(&path, header.trim_start_matches("authorization: Bearer ").trim())
            .unwrap();
        path.display().to_string()
    };
    let (alice, bob) = (file("alice", ALICE), file("bob", BOB));
    format!(
        "listen.http_tokens=[{{name: alice, role: operator, file: {alice}}}, {{name: bob, role: viewer, file: {bob}}}]"
    )
}

impl Running {
    async fn act(&self, number: u32, act: &str, caller: &str, body: Value) -> (u16, Value) {
        let path = format!("/v1/divergences/{}/{act}", id(number));
        let Answer { status, body, .. } = self.ask("POST", &path, caller, &body.to_string()).await;
        (status, serde_json::from_str(&body).unwrap())
    }
}

fn seqs(page: &Value) -> Vec<u64> {
    let rows = page["divergences"].as_array().unwrap();
    rows.iter().map(|row| row["seq"].as_u64().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn each_parameter_lets_through_what_it_names() {
    let running = start_in(with_divergences(6).await, "").await;
    for (query, expected) in [
        ("", &[5, 4, 3, 2, 1, 0][..]),
        ("map=cart&store=main", &[5, 4, 3, 2, 1, 0]),
        ("map=basket", &[]),
        ("state=resolved", &[5]),
        ("kind=stale", &[5, 3, 1]),
        ("severity=warning&state=opened", &[4, 3, 2, 1, 0]),
        ("severity=info", &[]),
        ("source=shop/pod-1/7", &[4, 1]),
        ("key=%3Dkey+3", &[3]),
        ("acted=none&kind=missing", &[4, 2, 0]),
        ("acted=ignored", &[]),
        ("opened_since=1970-01-01T00:00:02Z&opened_before=1970-01-01T01:00:04%2B01:00", &[3, 2]),
        ("limit=2", &[5, 4]),
    ] {
        let (status, page) = running.get(&format!("/v1/divergences?{query}")).await;
        assert_eq!((status, &seqs(&page)[..]), (200, expected), "{query} {page}");
    }
    let page = running.get("/v1/divergences?limit=4").await.1;
    let next = running.get(&format!("/v1/divergences?limit=4&after={}", page["next"])).await.1;
    assert_eq!((seqs(&next), &next["next"]), (vec![1, 0], &Value::Null));
    let oldest = running.get("/v1/divergences?key=%3Dkey+0").await.1["divergences"][0].clone();
    let since_1970_ms = counterfoil_clock::wall_unix_ns() / 1_000_000;
    assert!((0..60_000).contains(&(since_1970_ms - oldest["age_ms"].as_i64().unwrap())), "{oldest}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_tokens_everybody_reads_and_nobody_acts() {
    let running = start_in(with_divergences(1).await, "").await;
    let (status, body) = running.act(0, "acknowledge", ALICE, json!({ "why": "w", "revision": 2 })).await;
    assert_eq!(status, 403, "{body}");
    assert!(body["error"].as_str().unwrap().contains("listen.http_tokens"), "{body}");
    assert_eq!(running.get("/v1/divergences").await.0, 200);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_tokens_one_is_needed_to_read_and_that_of_an_operator_to_act() {
    let running = start_with_tokens(with_divergences(1).await).await;
    let stranger = "authorization: Bearer somebody-0123456789\r\n";
    let one = format!("/v1/divergences/{}", id(0));
    let (act, bundle) = (format!("{one}/acknowledge"), format!("{one}/evidence"));
    let body = json!({ "why": "w", "revision": 2 }).to_string();
    for (method, path, caller, status) in [
        ("GET", "/v1/divergences", "", 401),
        ("GET", "/v1/divergences", stranger, 401),
        ("GET", "/v1/divergences", BOB, 200),
        ("GET", "/v1/divergences", ALICE, 200),
        ("GET", "/v1/divergences/export", "", 401),
        ("GET", "/v1/summary", "", 401),
        ("GET", "/v1/sources", "", 401),
        ("GET", "/v1/clocks", "", 401),
        ("GET", "/v1/notify", "", 401),
        ("GET", &one, "", 401),
        ("GET", &bundle, "", 401),
        ("GET", &bundle, BOB, 404),
        ("GET", "/metrics", "", 200),
        ("GET", "/livez", "", 200),
        ("GET", "/readyz", "", 200),
        ("POST", &act, "", 401),
        ("POST", &act, stranger, 401),
        ("POST", &act, BOB, 403),
        ("POST", &act, ALICE, 200),
    ] {
        let answer = running.ask(method, path, caller, &body).await;
        assert_eq!(answer.status, status, "{method} {path} {caller}: {}", answer.body);
        let challenge = answer.head.contains("www-authenticate: bearer realm=\"counterfoil\"");
        assert_eq!(challenge, status == 401, "{}", answer.head);
        assert_eq!(answer.head.contains("error=\"invalid_token\""), caller == stranger, "{}", answer.head);
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_is_seen_in_the_divergence_and_a_stale_one_is_refused_with_what_is_there() {
    let running = start_with_tokens(with_divergences(2).await).await;
    let seen = json!({ "why": "mine", "revision": 1 });
    for _ in 0..2 {
        let (status, told) = running.act(0, "acknowledge", ALICE, seen.clone()).await;
        assert_eq!((status, &told["revision"], &told["state"]), (200, &2.into(), &"opened".into()), "{told}");
        let acted = &told["acted"];
        assert_eq!(
            (&acted["what"], &acted["by"], &acted["why"]),
            (&"acknowledged".into(), &"alice".into(), &"mine".into())
        );
        let history: Vec<_> =
            told["history"].as_array().unwrap().iter().map(|entry| &entry["what"]).collect();
        assert_eq!(history, ["opened", "acknowledged"]);
        assert_eq!(told["history_dropped"], 0);
    }
    let (status, told) = running.act(0, "ignore", ALICE, json!({ "why": "not mine", "revision": 1 })).await;
    assert_eq!((status, &told["now"]["revision"]), (409, &2.into()), "{told}");
    assert_eq!(told["now"]["acted"]["what"], "acknowledged", "{told}");
    let until = json!({ "why": "known", "revision": 2, "until": "2100-01-01T00:00:00Z", "by": "alice" });
    let (status, told) = running.act(0, "ignore", ALICE, until).await;
    assert_eq!(
        (status, &told["acted"]["until_unix_ns"]),
        (200, &4_102_444_800_000_000_000_u64.into()),
        "{told}"
    );
    let page = running.ask("GET", "/v1/divergences?acted=ignored", BOB, "").await;
    assert_eq!(seqs(&serde_json::from_str(&page.body).unwrap()), [0]);
    let (status, told) = running.act(0, "reopen", ALICE, json!({ "why": "after all", "revision": 3 })).await;
    assert_eq!((status, &told["acted"]), (200, &Value::Null), "{told}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_act_that_makes_no_sense_is_refused_with_what_to_write() {
    let running = start_with_tokens(with_divergences(1).await).await;
    let long = "w".repeat(2_001);
    for (act, body, status, message) in [
        ("acknowledge", json!({ "why": "w" }), 400, "missing field `revision`"),
        (
            "acknowledge",
            json!({ "why": " ", "revision": 1 }),
            400,
            "why: has 1 bytes; write a reason of 1 to 2000",
        ),
        ("acknowledge", json!({ "why": long, "revision": 1 }), 400, "why: has 2001 bytes"),
        ("acknowledge", json!({ "why": "w".repeat(16_384), "revision": 1 }), 400, "more than 16384 bytes"),
        ("acknowledge", json!({ "why": "w", "revision": 1, "wy": 1 }), 400, "unknown field `wy`"),
        (
            "acknowledge",
            json!({ "why": "w", "revision": 1, "by": "bob" }),
            400,
            "the token is that of `alice`",
        ),
        (
            "acknowledge",
            json!({ "why": "w", "revision": 1, "until": "2100-01-01T00:00:00Z" }),
            400,
            "until: only",
        ),
        (
            "ignore",
            json!({ "why": "w", "revision": 1, "until": "tomorrow" }),
            400,
            "until: is `tomorrow`; write",
        ),
        (
            "ignore",
            json!({ "why": "w", "revision": 1, "until": "2000-01-01T00:00:00Z" }),
            400,
            "still to come",
        ),
        ("forget", json!({ "why": "w", "revision": 1 }), 404, "nothing is at this path"),
    ] {
        let (got, told) = running.act(0, act, ALICE, body).await;
        assert_eq!(got, status, "{act} {told}");
        assert!(told["error"].as_str().unwrap().contains(message), "{message} in {told}");
    }
    let (status, told) = running.act(7, "ignore", ALICE, json!({ "why": "w", "revision": 1 })).await;
    assert_eq!(status, 404, "{told}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_has_every_divergence_once_in_the_order_of_the_pages() {
    let running = start_in(with_divergences(1_203).await, "").await;
    let answer = running.ask("GET", "/v1/divergences/export", "", "").await;
    assert!(answer.head.contains("content-type: application/x-ndjson"), "{}", answer.head);
    let lines: Vec<Value> = answer.body.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let seqs: Vec<_> = lines.iter().map(|line| line["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (0..1_203).rev().collect::<Vec<_>>());
    let one = running.get("/v1/divergences?limit=1&kind=missing").await.1["divergences"][0].clone();
    let fields = |row: &Value| row.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
    assert_eq!(fields(&lines[0]), fields(&one), "a line is what a page has");

    let answer = running.ask("GET", "/v1/divergences/export?format=csv&kind=stale", "", "").await;
    assert!(answer.head.contains("content-type: text/csv"), "{}", answer.head);
    let mut lines = answer.body.split_terminator("\r\n");
    assert!(lines.next().unwrap().starts_with("id,map,store,key,kind,"), "{}", answer.body);
    let rows: Vec<_> = lines.collect();
    assert_eq!(rows.len(), 601);
    assert!(rows[0].contains(",main,'=key 1201,stale,warning,opened,"), "{}", rows[0]);
    running.stop().await;
}
