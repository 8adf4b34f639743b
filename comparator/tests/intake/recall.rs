//! Values recalled over real gRPC: this is the sidecar, honest or not, and operators ask over HTTP.

use super::{PATIENCE, acknowledged, batch, header, store_value};
use crate::support::{Running, prepared, start_with};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use counterfoil_clock::now;
use counterfoil_proto::BatchBuilder;
use counterfoil_proto::wire::{self, Recall, Recalled, reply::Body};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tonic::Streaming;

const ALICE: &str = "authorization: Bearer alice-0123456789\r\n";
const BOB: &str = "authorization: Bearer bob-9876543210abc\r\n";

/// A comparator with an operator and a viewer, whose map `cart` says `more`, with more `sections`.
async fn start_saying(directory: TempDir, more: &str, sections: &str) -> Running {
    let file = |name: &str, header: &str| {
        let (path, token) =
            (directory.path().join(name), header.trim_start_matches("authorization: Bearer ").trim());
        if !path.exists() {
            counterfoil_keys::create_file(&path, token).unwrap();
        }
        path.display().to_string()
    };
    let (alice, bob) = (file("alice", ALICE), file("bob", BOB));
    let tokens = format!(
        "listen.http_tokens=[{{name: alice, role: operator, file: {alice}}}, {{name: bob, role: viewer, file: {bob}}}]"
    );
    let map = format!(
        "maps=[{{name: cart, store: main, query: 'SELECT k, v, version FROM cart WHERE k IN rarray(?1)', \
         deadline_ms: 300, {more}}}]"
    );
    start_with(directory, sections, vec![tokens, map]).await
}

/// A sidecar's stream.
struct Sidecar {
    uploads: mpsc::Sender<wire::Upload>,
    replies: Streaming<wire::Reply>,
    number: u64,
}

impl Sidecar {
    async fn connect(running: &Running) -> Self {
        let (uploads, replies, _) = running.welcomed().await;
        Self { uploads, replies, number: 0 }
    }

    /// Sends a batch, saying whether recalls are answered, and waits for its acknowledgement.
    async fn send(&mut self, running: &Running, batch: &wire::Batch, recalls: bool) {
        self.number += 1;
        let upload = wire::Upload { recalls, ..running.upload(self.number, batch) };
        self.uploads.send(upload).await.unwrap();
        acknowledged(&mut self.replies, self.number).await;
    }

    /// Tells of a put to `lost`, which never reaches the store; gives the id of its divergence.
    async fn diverges(&mut self, running: &Running, recalls: bool) -> String {
        self.send(running, &batch(running, "cart", 0, &["lost"]), recalls).await;
        let confirmed = async {
            loop {
                self.send(running, &BatchBuilder::default().finish(header(1, now())), recalls).await;
                let page = operator(running, "/v1/divergences?state=confirmed").await.1;
                if let Some(id) = page["divergences"][0]["id"].as_str() {
                    return id.to_owned();
                }
            }
        };
        tokio::time::timeout(PATIENCE, confirmed).await.expect("it is confirmed")
    }

    /// The next recall.
    async fn asked(&mut self) -> Recall {
        let reply = tokio::time::timeout(PATIENCE, self.replies.message()).await.unwrap().unwrap().unwrap();
        let Some(Body::Recall(recall)) = reply.body else { panic!("{reply:?}") };
        recall
    }

    async fn answer(&self, recalled: Recalled) {
        self.uploads.send(wire::Upload { recalled: Some(recalled), ..Default::default() }).await.unwrap();
    }
}

async fn operator(running: &Running, path: &str) -> (u16, Value) {
    running.asked("GET", path, ALICE, "").await
}

fn values(id: &str) -> String {
    format!("/v1/divergences/{id}/values")
}

/// What an operator is shown if the sidecar says what `answers` makes of what it is asked.
async fn shown(
    running: &Running,
    sidecar: &mut Sidecar,
    id: &str,
    answers: impl Fn(&Recall) -> Vec<Recalled>,
) -> Value {
    let path = values(id);
    let answering = async {
        let recall = sidecar.asked().await;
        for recalled in answers(&recall) {
            sidecar.answer(recalled).await;
        }
    };
    let ((status, told), ()) = tokio::join!(operator(running, &path), answering);
    assert_eq!(status, 200, "{told}");
    told
}

fn value(recall: &Recall, value: &[u8]) -> Recalled {
    Recalled { id: recall.id, value: value.to_vec().into(), ..Default::default() }
}

/// The sidecar is back, and has the value of the divergence.
async fn is_back(running: &Running, id: &str) {
    let mut sidecar = Sidecar::connect(running).await;
    sidecar.send(running, &BatchBuilder::default().finish(header(1, now())), true).await;
    let told = shown(running, &mut sidecar, id, |recall| vec![value(recall, b"v")]).await;
    assert_eq!(told["map_value"]["state"], "value", "{told}");
}

/// The number behind a series of the comparator's metrics.
async fn metric(running: &Running, series: &str) -> u64 {
    let metrics = running.get_text("/metrics").await.1;
    let line = metrics.lines().find_map(|line| line.strip_prefix(series).map(str::trim));
    line.unwrap_or_else(|| panic!("{series} in {metrics}")).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_sees_the_value_of_the_write_and_that_of_the_store_and_nobody_else_does() {
    let running = start_saying(prepared(), "values: true", "").await;
    let mut sidecar = Sidecar::connect(&running).await;
    let id = sidecar.diverges(&running, true).await;
    let told = shown(&running, &mut sidecar, &id, |recall| {
        assert_eq!((recall.service.as_str(), recall.instance.as_str(), recall.epoch), ("cart", "a", 1));
        assert_eq!((recall.seq, recall.map.as_str(), recall.value_bytes_max), (0, "cart", 8_192));
        vec![value(recall, b"v")]
    })
    .await;
    let (map, store) = (&told["map_value"], &told["store_value"]);
    assert_eq!(
        (&map["state"], &map["value_base64"]),
        (&"value".into(), &STANDARD.encode(b"v").into()),
        "{told}"
    );
    assert_eq!(
        (&map["masked"], &store["state"], &told["key"]),
        (&false.into(), &"absent".into(), &"lost".into())
    );
    // The counter is that of all comparators in this process.
    assert!(metric(&running, "counterfoil_recall_accesses_total{map=\"cart\"}").await >= 1);
    for (caller, path, status) in
        [(BOB, values(&id), 403), ("", values(&id), 401), (ALICE, values(&"0".repeat(32)), 404)]
    {
        let answer = running.ask("GET", &path, caller, "").await;
        assert_eq!(answer.status, status, "{path} {}", answer.body);
    }
    store_value(&running, "lost", b"w");
    let answering = async {
        let recall = sidecar.asked().await;
        sidecar.answer(value(&recall, b"v")).await;
    };
    let path = values(&id);
    let (answer, ()) = tokio::join!(running.ask("GET", &path, ALICE, ""), answering);
    assert!(answer.head.contains("cache-control: no-store"), "{}", answer.head);
    let told: Value = serde_json::from_str(&answer.body).unwrap();
    assert_eq!(told["store_value"]["value_base64"], STANDARD.encode(b"w"), "{told}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_sidecar_answers_is_held_against_what_it_reported() {
    let running = start_saying(prepared(), "values: true", "").await;
    let mut sidecar = Sidecar::connect(&running).await;
    let id = sidecar.diverges(&running, true).await;
    let none = |recall: &Recall, no_value| vec![Recalled { id: recall.id, no_value, ..Default::default() }];
    let masked = |recall: &Recall, bytes: &[u8]| vec![Recalled { masked: true, ..value(recall, bytes) }];
    type Answers<'a> = &'a dyn Fn(&Recall) -> Vec<Recalled>;
    let rows: [(Answers<'_>, Value, Value); 8] = [
        (&|recall| vec![value(recall, b"w")], "none".into(), "mismatch".into()),
        (&|recall| masked(recall, b"{}"), "value".into(), Value::Null),
        (&|recall| masked(recall, &[7; 8_193]), "none".into(), "mismatch".into()),
        (&|recall| none(recall, 1), "none".into(), "unknown".into()),
        (&|recall| none(recall, 2), "none".into(), "expired".into()),
        (&|recall| none(recall, 3), "none".into(), "off".into()),
        (&|recall| none(recall, 4), "none".into(), "too_large".into()),
        (&|recall| none(recall, 77), "none".into(), "mismatch".into()),
    ];
    for (answers, state, reason) in rows {
        let told = shown(&running, &mut sidecar, &id, answers).await;
        assert_eq!((&told["map_value"]["state"], &told["map_value"]["reason"]), (&state, &reason), "{told}");
    }
    let twice = |recall: &Recall| {
        let stranger = Recall { id: 999, ..recall.clone() };
        vec![value(&stranger, b"v"), value(recall, b"v"), value(recall, b"v")]
    };
    let told = shown(&running, &mut sidecar, &id, twice).await;
    assert_eq!(told["map_value"]["state"], "value", "{told}");
    // The batch behind them is acknowledged after all of them were looked at.
    sidecar.send(&running, &BatchBuilder::default().finish(header(1, now())), true).await;
    let results = "counterfoil_recall_recalls_total{result=";
    for (result, count) in [("unasked", 2), ("mismatch", 3), ("masked", 1), ("value", 1), ("expired", 1)] {
        // Other comparators in this process count too.
        assert!(metric(&running, &format!("{results}\"{result}\"}}")).await >= count, "{result}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sidecar_that_does_not_say_that_it_answers_is_never_asked() {
    let running = start_saying(prepared(), "values: true", "").await;
    let mut sidecar = Sidecar::connect(&running).await;
    let id = sidecar.diverges(&running, false).await;
    let (status, told) = operator(&running, &values(&id)).await;
    assert_eq!((status, &told["map_value"]["reason"]), (200, &"unsupported".into()), "{told}");
    // Nothing but the acknowledgement comes.
    sidecar.send(&running, &BatchBuilder::default().finish(header(1, now())), false).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn values_are_off_unless_the_contract_turns_them_on() {
    let running = start_saying(prepared(), "values: false", "").await;
    let mut sidecar = Sidecar::connect(&running).await;
    let id = sidecar.diverges(&running, true).await;
    let answer = running.ask("GET", &values(&id), ALICE, "").await;
    assert_eq!(answer.status, 403, "{}", answer.body);
    assert!(
        answer.body.contains("values: true") && answer.head.contains("cache-control: no-store"),
        "{}",
        answer.head
    );
    sidecar.send(&running, &BatchBuilder::default().finish(header(1, now())), true).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_ends_before_the_answer_is_told_and_the_next_one_is_asked() {
    let running = start_saying(prepared(), "values: true", "").await;
    let mut sidecar = Sidecar::connect(&running).await;
    let id = sidecar.diverges(&running, true).await;
    let path = values(&id);
    let leaving = async {
        sidecar.asked().await;
        drop(sidecar);
    };
    let ((_, told), ()) = tokio::join!(operator(&running, &path), leaving);
    assert_eq!(told["map_value"]["reason"], "gone", "{told}");
    is_back(&running, &id).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comparator_that_was_started_over_asks_once_the_sidecar_is_back() {
    let journal = "journal: {path: DIR/journal}\n";
    let running = start_saying(prepared(), "values: true", journal).await;
    let mut sidecar = Sidecar::connect(&running).await;
    let id = sidecar.diverges(&running, true).await;
    let again = running.remains();
    running.stop().await;
    let running = start_saying(again, "values: true", journal).await;
    let (_, told) = operator(&running, &values(&id)).await;
    assert_eq!(told["map_value"]["reason"], "gone", "{told}");
    is_back(&running, &id).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn fields_that_the_contract_masks_are_masked_on_both_sides() {
    let more = "codec: json, values: true, mask: [card]";
    let running = start_saying(prepared(), more, "").await;
    let mut sidecar = Sidecar::connect(&running).await;
    let written = br#"{"card":"4111","n":1}"#;
    let id = {
        let digester =
            counterfoil_digest::MapDigester::new(&running.key, "cart", counterfoil_digest::Codec::Json);
        let mut of_json = batch(&running, "cart", 0, &["lost"]);
        of_json.digests = digester.digest(Some(written)).unwrap().0.to_vec().into();
        sidecar.send(&running, &of_json, true).await;
        sidecar.diverges(&running, true).await
    };
    store_value(&running, "lost", br#"{"card":"4222","n":1}"#);
    let told = shown(&running, &mut sidecar, &id, |recall| vec![value(recall, written)]).await;
    for side in ["map_value", "store_value"] {
        let shown = &told[side];
        assert_eq!(shown["value_base64"], STANDARD.encode(br#"{"card":"***","n":1}"#), "{side} {told}");
        assert_eq!(shown["masked"], true, "{side} {told}");
    }
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_are_acknowledged_whatever_is_recalled_and_an_answer_has_no_batch_beside_it() {
    let running = start_saying(prepared(), "values: true", "").await;
    let mut sidecar = Sidecar::connect(&running).await;
    let id = sidecar.diverges(&running, true).await;
    let path = values(&id);
    let wanted = tokio::join!(operator(&running, &path), async {
        let recall = sidecar.asked().await;
        // The value waits, and with it nothing else.
        for _ in 0..100 {
            sidecar.send(&running, &BatchBuilder::default().finish(header(1, now())), true).await;
        }
        for _ in 0..100 {
            let unasked = Recall { id: 999, ..recall.clone() };
            sidecar.answer(value(&unasked, &[7; 8_000])).await;
            sidecar.send(&running, &BatchBuilder::default().finish(header(1, now())), true).await;
        }
        sidecar.answer(value(&recall, b"v")).await;
    });
    assert_eq!(wanted.0.1["map_value"]["state"], "value", "{}", wanted.0.1);
    let both = wire::Upload {
        recalled: Some(Recalled { id: 1, ..Default::default() }),
        ..running.upload(sidecar.number + 1, &BatchBuilder::default().finish(header(1, now())))
    };
    sidecar.uploads.send(both).await.unwrap();
    let status = sidecar.replies.message().await.expect_err("one or the other");
    assert!(status.message().contains("recalled stands beside a batch"), "{status}");
    running.stop().await;
}
