//! Rows that no map knows: which are told, and when nothing can be said of them.

use super::restart::after;
use super::{PATIENCE, VERSION, acknowledged, header, store};
use crate::support::{Running, prepared, start_of};
use counterfoil_clock::now;
use counterfoil_digest::{Codec, MapDigester};
use counterfoil_judge::{Interval, Reported, StoreOutcome};
use counterfoil_proto::wire;
use counterfoil_proto::{BatchBuilder, Header, Row, Snapshot};
use serde_json::Value;
use std::time::Duration;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tonic::Streaming;

const SCANNED: &str = "stores: {main: {url: 'sqlite://DIR/store.db'}}
maps: [{name: cart, store: main, query: 'SELECT k, v, version FROM cart WHERE k IN rarray(?1)',
  scan: 'SELECT k, v, version FROM cart WHERE k >= ?1 ORDER BY k LIMIT ?2', deadline_ms: 300}]
";

/// Enough of them agree for the check to be calibrated.
const HELD: [&str; 6] = ["k0", "k1", "k2", "k3", "k4", "k5"];

async fn start(directory: TempDir, rows_per_s: u32, more: &str) -> Running {
    start_of(directory, &format!("{SCANNED}{more}"), vec![format!("sweep.scan_keys_per_s={rows_per_s}")])
        .await
}

/// A process that reports about the cart.
struct Source<'a> {
    running: &'a Running,
    instance: &'static str,
    uploads: mpsc::Sender<wire::Upload>,
    replies: Streaming<wire::Reply>,
    number: u64,
    mac: Vec<u8>,
    seq: u64,
}

impl<'a> Source<'a> {
    async fn connect(running: &'a Running, instance: &'static str) -> Self {
        let (uploads, replies) = running.stream().await;
        Self { running, instance, uploads, replies, number: 0, mac: Vec::new(), seq: 0 }
    }

    fn header(&self) -> Header {
        Header { instance: self.instance.into(), ..header(self.seq, now()) }
    }

    async fn say(&mut self, batch: wire::Batch) {
        self.number += 1;
        self.seq += u64::from(batch.count);
        let upload = self.running.upload(self.number, &after(&self.mac, batch));
        self.mac = upload.mac.to_vec();
        self.uploads.send(upload).await.unwrap();
        acknowledged(&mut self.replies, self.number).await;
    }

    /// Tells of the keys, each with the value `v`: that the map holds it, or that it was written, just now.
    async fn tell(&mut self, keys: &[&str], held: bool, snapshots: Vec<Snapshot>) {
        let digester = MapDigester::new(&self.running.key, "cart", Codec::Bytes);
        let mut builder = BatchBuilder::default();
        let map = builder.map("cart");
        let leg = Interval::new(now(), now());
        let legs = Reported { map: Some(leg), store: (!held).then_some((leg, StoreOutcome::Ok)) };
        for key in keys {
            builder.push(&Row {
                held,
                version: Some(VERSION.into()),
                ..Row::new(map, key.as_bytes(), digester.digest(Some(b"v")).unwrap(), legs)
            });
        }
        self.say(builder.finish(Header { snapshots, ..self.header() })).await;
    }

    /// Tells all that its map holds.
    async fn tell_all(&mut self, keys: &[&str]) {
        let (begin, first_seq) = (now(), self.seq);
        let end_seq = self.seq + keys.len() as u64;
        let whole = Snapshot { map: "cart".into(), begin, first_seq, end_seq };
        self.tell(keys, true, vec![whole]).await;
    }

    /// Goes on living until the answer to `path` is as it should be.
    async fn live_until(&mut self, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let begun = now();
        while now().since(begun) < i64::try_from(PATIENCE.as_nanos()).unwrap() {
            self.say(BatchBuilder::default().finish(self.header())).await;
            let answer = self.running.get(path).await.1;
            if holds(&answer) {
                return answer;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        panic!("{path} never came to it: {}", self.running.get("/v1/summary").await.1);
    }
}

fn rows(summary: &Value) -> &Value {
    &summary["sweep"]["main"]["rows"]["cart"]
}

fn unknown(summary: &Value, why: &str) -> u64 {
    rows(summary)["last_round"]["unknown"][why].as_u64().unwrap_or_default()
}

async fn told(running: &Running) -> Vec<(String, String)> {
    let page = running.get("/v1/divergences").await.1;
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let mut told: Vec<_> = page["divergences"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (text(&row["key"]), text(&row["kind"])))
        .collect();
    told.sort();
    told
}

#[tokio::test(flavor = "multi_thread")]
async fn exactly_the_rows_that_no_map_knows_are_orphans_and_one_that_is_told_of_late_is_none() {
    let running = start(prepared(), 1_000, "").await;
    HELD.iter().chain(&["o1", "o2"]).for_each(|key| store(&running, key));
    let mut source = Source::connect(&running, "a").await;
    source.tell_all(&HELD).await;
    let confirmed = |page: &Value| page["divergences"].as_array().is_some_and(|found| found.len() == 2);
    source.live_until("/v1/divergences?state=confirmed", confirmed).await;
    store(&running, "late");
    let is_suspected = |summary: &Value| rows(summary)["last_round"]["suspected"] == 3;
    running.until("/v1/summary", is_suspected).await;
    source.tell(&["late"], false, Vec::new()).await;
    let is_known = |summary: &Value| rows(summary)["last_round"]["known"] == 7;
    let summary = source.live_until("/v1/summary", is_known).await;
    assert_eq!(rows(&summary)["last_round"]["suspected"], 2, "{summary}");
    let is_settled = |summary: &Value| summary["maps"]["cart"]["outcomes"]["confirmed"] == 7;
    source.live_until("/v1/summary", is_settled).await;
    let orphan = |key: &str| (key.to_owned(), "orphan".to_owned());
    assert_eq!(told(&running).await, [orphan("o1"), orphan("o2")]);
    let summary = running.get("/v1/summary").await.1;
    assert_eq!(
        summary["maps"]["cart"]["lag_ms"]["p50"].is_null(),
        summary["maps"]["cart"]["lag_ms"].is_null()
    );
    assert_eq!(summary["sources"][0]["whole_maps"][0], "cart", "{summary}");
    let file = rusqlite::Connection::open(running.directory.path().join("store.db")).unwrap();
    file.execute("DELETE FROM cart WHERE k = 'o1'", ()).unwrap();
    let resolved = |page: &Value| page["divergences"][0]["key"] == "o1";
    source.live_until("/v1/divergences?state=resolved", resolved).await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_snapshot_of_every_source_rows_are_unknown_and_counted_as_that() {
    let running = start(prepared(), 1_000, "").await;
    HELD.iter().chain(&["o1", "o2"]).for_each(|key| store(&running, key));
    let (mut whole, mut part) = (Source::connect(&running, "a").await, Source::connect(&running, "b").await);
    whole.tell_all(&HELD[..5]).await;
    part.tell(&HELD[5..], false, Vec::new()).await;
    let counted =
        |summary: &Value| unknown(summary, "no_snapshot") == 2 && rows(summary)["rounds"].as_u64() > Some(3);
    let summary = whole.live_until("/v1/summary", counted).await;
    let last = &rows(&summary)["last_round"];
    assert_eq!((&last["known"], &last["unknown_rows"]), (&6.into(), &2.into()), "{summary}");
    assert_eq!(told(&running).await, []);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_source_is_lost_no_row_is_an_orphan() {
    let running = start(prepared(), 1_000, "sources: {timeout_ms: 300}").await;
    HELD.iter().for_each(|key| store(&running, key));
    let mut silent = Source::connect(&running, "b").await;
    silent.tell(&["k0"], false, Vec::new()).await;
    silent.tell_all(&[]).await;
    let mut source = Source::connect(&running, "a").await;
    source.tell_all(&HELD).await;
    let is_lost = |answer: &Value| answer["sources"][1]["phase"] == "lost";
    source.live_until("/v1/sources", is_lost).await;
    store(&running, "o1");
    let in_doubt =
        |summary: &Value| unknown(summary, "doubt") == 1 && rows(summary)["rounds"].as_u64() > Some(2);
    source.live_until("/v1/summary", in_doubt).await;
    assert_eq!(told(&running).await, []);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_comparator_that_is_started_over_goes_on_in_the_middle_of_a_round() {
    let first = start(prepared(), 20, "").await;
    (0..60).for_each(|n| store(&first, &format!("r{n:02}")));
    first.until("/v1/summary", |summary| rows(summary)["rows"].as_u64() >= Some(20)).await;
    let second = start(first.remains(), 20, "").await;
    let is_round = |summary: &Value| rows(summary)["rounds"].as_u64() >= Some(1);
    let summary = second.until("/v1/summary", is_round).await;
    let rest = rows(&summary)["last_round"]["rows"].as_u64().unwrap();
    assert!((1..=40).contains(&rest), "{rest} of 60 rows were left: {summary}");
    first.stop().await;
    second.stop().await;
}
