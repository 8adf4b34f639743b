//! How hard a store is read, counted at the store: within its budget however much there is to check, and less while it is slow.

use super::reader::Reader;
use super::{acknowledged, batch, bye};
use crate::support::{Running, prepared, start_of};
use counterfoil_clock::now;
use counterfoil_judge::Time;
use counterfoil_proto::wire;
use serde_json::Value;
use std::slice::Chunks;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::time::Interval;
use tonic::Streaming;

/// Keys a second that may be read.
const KEYS_PER_S: u64 = 500;

/// Writes a second that are to be checked, and for how many seconds.
const WRITES_PER_S: u64 = 20_000;
const SECONDS: u64 = 3;

/// Batches a second, and how many counts it takes to see what was read in one.
const BATCHES_PER_S: u64 = 20;
const SECOND: usize = 21;

/// Writes a second where the store is to bear them all, and for how many seconds at most.
const BEARABLE_PER_S: u64 = 2_000;
const SECONDS_MAX: u64 = 40;

/// How long each answer takes while the store is well, and while it is not: tenfold.
const WELL_MS: u64 = 20;
const SLOW_MS: u64 = 200;

/// Writes each key once, at an even rate, and knows how many keys the store was asked for meanwhile.
struct Writer<'r> {
    running: &'r Running,
    reader: Arc<Reader>,
    uploads: mpsc::Sender<wire::Upload>,
    replies: Streaming<wire::Reply>,
    batches: Chunks<'r, String>,
    pace: Interval,
    number: u64,
    written: u64,
    /// The store's count after each batch.
    counts: Vec<(Time, u64)>,
}

impl<'r> Writer<'r> {
    async fn new(running: &'r Running, reader: Arc<Reader>, keys: &'r [String], per_s: u64) -> Self {
        let (uploads, replies) = running.stream().await;
        let batches = keys.chunks(usize::try_from(per_s / BATCHES_PER_S).unwrap());
        let pace = tokio::time::interval(Duration::from_secs(1) / u32::try_from(BATCHES_PER_S).unwrap());
        Self { running, reader, uploads, replies, batches, pace, number: 0, written: 0, counts: Vec::new() }
    }

    /// Writes the next batch when its time has come; gives whether there was one.
    async fn write(&mut self) -> bool {
        let Some(keys) = self.batches.next() else { return false };
        self.pace.tick().await;
        let keys: Vec<_> = keys.iter().map(String::as_str).collect();
        self.send(&batch(self.running, "cart", self.written, &keys)).await;
        self.written += keys.len() as u64;
        self.counts.push((now(), self.reader.keys()));
        true
    }

    /// Writes for so many seconds.
    async fn write_for(&mut self, seconds: u64) {
        for _ in 0..seconds * BATCHES_PER_S {
            assert!(self.write().await, "there are more keys");
        }
    }

    /// Writes until the store was asked for nearly all that was written in the last second.
    async fn write_until_all_is_read(&mut self) {
        self.write_for(1).await;
        while self.read_in_last_second() < BEARABLE_PER_S * 8 / 10 {
            assert!(self.write().await, "never so many again: {:?}", self.counts);
        }
    }

    fn read_in_last_second(&self) -> u64 {
        let [.., (_, last)] = self.counts[..] else { return 0 };
        last - self.counts[self.counts.len().saturating_sub(SECOND)].1
    }

    /// What was read since there were so many counts is within a budget, second for second.
    fn kept_to_budget_since(&self, counts: usize, keys_per_s: u64) {
        for second in self.counts[counts..].windows(SECOND) {
            let [(begin, before), .., (end, after)] = *second else { panic!("a second has several counts") };
            // A tenth may be read at once, and another one is for what was on its way.
            let most = keys_per_s as f64 * (end.since(begin) as f64 / 1e9 + 0.2);
            assert!((after - before) as f64 <= most, "{} keys, at most {most}", after - before);
        }
    }

    async fn send(&mut self, batch: &wire::Batch) {
        self.number += 1;
        self.uploads.send(self.running.upload(self.number, batch)).await.unwrap();
        acknowledged(&mut self.replies, self.number).await;
    }

    /// Leaves, and waits until every write has its outcome: it was confirmed, or there was no budget for it.
    async fn ended(mut self) -> Value {
        self.send(&bye(self.written)).await;
        let summary = self.running.settled().await;
        let map = &summary["maps"]["cart"];
        assert_eq!(map["events"], self.written, "{summary}");
        let undetermined = self.written - count(&summary, "confirmed");
        assert_eq!(map["undetermined"]["budget"], undetermined, "for want of a budget alone: {summary}");
        assert_eq!(count(&summary, "undetermined"), undetermined, "{summary}");
        assert_eq!(summary["divergences"]["opened"], 0, "{summary}");
        summary
    }
}

fn count(summary: &Value, outcome: &str) -> u64 {
    summary["maps"]["cart"]["outcomes"][outcome].as_u64().unwrap()
}

fn some_keys(count: u64) -> Vec<String> {
    (0..count).map(|number| format!("k{number}")).collect()
}

/// A comparator over a reader service that has `keys`.
async fn start(keys: &[String], budget: &str) -> (Running, Arc<Reader>) {
    let directory = prepared();
    let (reader, url) = Reader::serve(directory.path(), keys).await;
    let stores_and_maps = format!(
        "stores: {{main: {{url: '{url}', {budget}}}}}
maps: [{{name: cart, store: main, collection: cart, deadline_ms: 300}}]
"
    );
    let limits = ["limits.batch_bytes_max=1048576", "limits.batch_events_max=1000"].map(str::to_owned);
    (start_of(directory, &stores_and_maps, limits.to_vec()).await, reader)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_is_read_within_its_budget_and_what_there_was_no_time_for_is_undetermined() {
    let keys = some_keys(WRITES_PER_S * SECONDS);
    let (running, reader) = start(&keys, &format!("budget: {{keys_per_s: {KEYS_PER_S}}}")).await;
    let begin = now();
    let mut writer = Writer::new(&running, Arc::clone(&reader), &keys, WRITES_PER_S).await;
    writer.write_for(SECONDS).await;
    writer.kept_to_budget_since(0, KEYS_PER_S);
    let summary = writer.ended().await;
    let seconds = now().since(begin) as f64 / 1e9;

    let most = KEYS_PER_S as f64 * (seconds + 0.1) + 1.0;
    assert!(reader.keys() as f64 <= most, "{} keys in {seconds} s, at most {most}", reader.keys());
    let confirmed = count(&summary, "confirmed");
    assert!(confirmed > KEYS_PER_S * SECONDS / 2, "what there was a budget for was checked: {summary}");
    let (map, store) = (&summary["maps"]["cart"], &summary["stores"][0]);
    let coverage = confirmed as f64 / keys.len() as f64;
    assert!((map["coverage"].as_f64().unwrap() - coverage).abs() < 1e-9, "{summary}");
    assert!(store["name"] == "main" && store["state"] != "down", "{store}");
    assert!(store["keys_per_s"].as_f64().unwrap() <= KEYS_PER_S as f64, "{store}");
    assert!(store["probe_delay_ms"].as_f64().unwrap() > 100.0, "keys waited for the budget: {store}");
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_slows_down_tenfold_is_read_less_within_two_seconds_and_as_before_once_it_is_well() {
    let keys = some_keys(BEARABLE_PER_S * SECONDS_MAX);
    let (running, reader) = start(&keys, "timeout_ms: 5000").await;
    let mut writer = Writer::new(&running, Arc::clone(&reader), &keys, BEARABLE_PER_S).await;
    reader.set_delay_ms(WELL_MS);
    // Long enough to learn what is usual, on a busy machine too.
    writer.write_for(3).await;
    writer.write_until_all_is_read().await;
    let before = writer.read_in_last_second();
    reader.set_delay_ms(SLOW_MS);
    writer.write_for(3).await;
    let slow = writer.read_in_last_second();
    assert!(slow * 2 < before, "{slow} keys/s two seconds later, {before} before: {:?}", writer.counts);
    assert_eq!(running.get("/v1/summary").await.1["stores"][0]["state"], "slow");
    reader.set_delay_ms(WELL_MS);
    writer.write_until_all_is_read().await;
    writer.ended().await;
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_comes_back_is_not_stormed_with_what_waited() {
    let keys = some_keys(BEARABLE_PER_S * SECONDS_MAX);
    let budget = format!("timeout_ms: 5000, budget: {{keys_per_s: {BEARABLE_PER_S}}}");
    let (running, reader) = start(&keys, &budget).await;
    let mut writer = Writer::new(&running, Arc::clone(&reader), &keys, BEARABLE_PER_S).await;
    writer.write_until_all_is_read().await;
    reader.set_down(true);
    writer.write_for(3).await;
    // One key after each pause, and the third is 0.4 s long.
    assert!(writer.read_in_last_second() <= 2, "{:?}", writer.counts);
    let store = running.get("/v1/summary").await.1["stores"][0].clone();
    assert_eq!((&store["state"], &store["reason"]), (&"down".into(), &"connect".into()));
    reader.set_down(false);
    let back_at = writer.counts.len();
    writer.write_until_all_is_read().await;
    writer.kept_to_budget_since(back_at, BEARABLE_PER_S);
    running.stop().await;
}
