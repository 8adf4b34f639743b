//! A comparator that is started over from what a killed one left: a copy of its files, taken while it ran.

use super::{PATIENCE, VERSION, batch, bye, header, store, store_version};
use crate::support::{Running, prepared, start_in};
use counterfoil_clock::now;
use counterfoil_proto::wire::emit::AckLevel;
use counterfoil_proto::wire::{self, reply::Body};
use counterfoil_proto::{BatchBuilder, Header};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use tempfile::TempDir;
use tonic::Streaming;

const JOURNAL: &str = "journal: {path: DIR/journal, sync_ms: 1}";

async fn start() -> Running {
    start_in(prepared(), JOURNAL).await
}

impl Running {
    /// What is left of it if it is killed now. Its own life goes on.
    pub(crate) fn remains(&self) -> TempDir {
        let copy = tempfile::tempdir().unwrap();
        copy_folder(self.directory.path(), copy.path());
        copy
    }

    /// The same once the journal, which has one entry, has noted in its cursor that nothing of it is open.
    pub(crate) async fn remains_of_what_is_over(&self) -> TempDir {
        let cursor = self.directory.path().join("journal/cursor");
        // Behind a head of 20 bytes, the number of the last entry, and nothing that is open.
        let is_over = || std::fs::read(&cursor).is_ok_and(|cursor| cursor.get(20..) == Some(&[1]));
        let over = async {
            while !is_over() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, over).await.expect("the journal notes it");
        self.remains()
    }

    pub(crate) async fn until(&self, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
        self.until_told("", path, holds).await
    }

    /// The same, told to a `caller`.
    pub(crate) async fn until_told(&self, caller: &str, path: &str, holds: impl Fn(&Value) -> bool) -> Value {
        let found = async {
            loop {
                let answer = self.asked("GET", path, caller, "").await.1;
                if holds(&answer) {
                    return answer;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("{path} never came to it"))
    }
}

fn copy_folder(from: &Path, to: &Path) {
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => {
                std::fs::create_dir(&to).unwrap();
                copy_folder(&entry.path(), &to);
            }
            false => _ = std::fs::copy(entry.path(), to).unwrap(),
        }
    }
}

pub(crate) async fn accepted(replies: &mut Streaming<wire::Reply>, number: u64) {
    let reply = replies.message().await.unwrap().unwrap();
    let Some(Body::Ack(ack)) = reply.body else { panic!("{reply:?}") };
    assert_eq!((ack.level(), ack.through_number), (AckLevel::Accepted, number));
}

/// The batch after one with this code.
pub(crate) fn after(mac: &[u8], batch: wire::Batch) -> wire::Batch {
    wire::Batch { previous_mac: mac.to_vec().into(), ..batch }
}

/// A write of the key `lost` to the map alone, which is found, and nothing is open any more. Gives its upload, and the id of what
/// was found.
pub(crate) async fn lost_and_found(running: &Running) -> (wire::Upload, Value) {
    let (uploads, mut replies) = running.stream().await;
    let sent = running.upload(1, &batch(running, "cart", 0, &["lost"]));
    uploads.send(sent.clone()).await.unwrap();
    accepted(&mut replies, 1).await;
    uploads.send(promise(running, 2, &sent.mac)).await.unwrap();
    accepted(&mut replies, 2).await;
    let is_found = |page: &Value| page["divergences"][0]["key"] == "lost";
    let page = running.until("/v1/divergences?state=confirmed", is_found).await;
    running.until("/v1/sources", |sources| sources["sources"][0]["open"] == 0).await;
    (sent, page["divergences"][0]["id"].clone())
}

/// The source goes on after `sent`: it promises that it has told everything.
pub(crate) async fn goes_on(running: &Running, sent: &wire::Upload) {
    let (uploads, mut replies) = running.stream().await;
    uploads.send(promise(running, 1, &sent.mac)).await.unwrap();
    accepted(&mut replies, 1).await;
}

/// That nothing will be begun for a minute.
fn promise(running: &Running, number: u64, mac: &[u8]) -> wire::Upload {
    let watermark = now().plus(60_000_000_000);
    let batch = BatchBuilder::default().finish(Header { watermark, ..header(1, now()) });
    let sent_ns = u64::try_from(watermark.0).unwrap();
    wire::Upload { sent_ns, ..running.upload(number, &after(mac, batch)) }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_is_judged_by_the_next_life_and_applied_once() {
    let first = start().await;
    store(&first, "kept");
    let (uploads, mut replies) = first.stream().await;
    let sent = first.upload(1, &batch(&first, "cart", 0, &["kept", "lost"]));
    uploads.send(sent.clone()).await.unwrap();
    accepted(&mut replies, 1).await;
    // No verdict can be given before the source has promised to have told everything.
    let second = start_in(first.remains(), JOURNAL).await;
    let source = second.get("/v1/sources").await.1["sources"][0].clone();
    assert_eq!(
        (&source["accepted"], &source["next_seq"], &source["open"]),
        (&2.into(), &2.into(), &2.into()),
        "{source}"
    );
    let (uploads, mut replies) = second.stream().await;
    uploads.send(sent.clone()).await.unwrap();
    accepted(&mut replies, 1).await;
    uploads.send(second.upload(2, &after(&sent.mac, bye(2)))).await.unwrap();
    accepted(&mut replies, 2).await;
    let summary = second.settled().await;
    let outcomes = &summary["maps"]["cart"]["outcomes"];
    assert_eq!((&outcomes["confirmed"], &outcomes["divergent"]), (&1.into(), &1.into()), "{outcomes}");
    let source = &summary["sources"][0];
    assert_eq!((&source["duplicates"], &source["undeclared"]), (&2.into(), &0.into()), "{source}");
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_its_outcome_is_not_judged_again_and_an_alert_is_not_repeated() {
    let first = start().await;
    let (sent, _) = lost_and_found(&first).await;
    let second = start_in(first.remains_of_what_is_over().await, JOURNAL).await;
    let summary =
        second.until("/v1/summary", |summary| summary["maps"]["cart"]["open_divergences"] == 1).await;
    assert_eq!(summary["maps"]["cart"]["events"], 0, "nothing waits for an outcome: {summary}");
    store(&second, "lost");
    goes_on(&second, &sent).await;
    let page =
        second.until("/v1/divergences?state=resolved", |page| page["divergences"][0]["key"] == "lost").await;
    assert_eq!(page["divergences"][0]["times"], 1, "{page}");
    let turns = &second.get("/v1/summary").await.1["divergences"];
    assert_eq!(
        (&turns["opened"], &turns["confirmed"], &turns["resolved"]),
        (&0.into(), &0.into(), &1.into())
    );
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_divergence_of_the_last_life_is_found_again_under_its_own_id() {
    let first = start().await;
    let (uploads, mut replies) = first.stream().await;
    let sent = first.upload(1, &batch(&first, "cart", 0, &["lost"]));
    uploads.send(sent.clone()).await.unwrap();
    accepted(&mut replies, 1).await;
    let remains = first.remains();
    uploads.send(first.upload(2, &after(&sent.mac, bye(1)))).await.unwrap();
    accepted(&mut replies, 2).await;
    let confirmed = "/v1/divergences?state=confirmed";
    let found = |page: &Value| page["divergences"][0]["key"] == "lost";
    let id = first.until(confirmed, found).await["divergences"][0]["id"].clone();
    let second = start_in(remains, JOURNAL).await;
    let (uploads, mut replies) = second.stream().await;
    uploads.send(second.upload(2, &after(&sent.mac, bye(1)))).await.unwrap();
    accepted(&mut replies, 2).await;
    assert_eq!(second.until(confirmed, found).await["divergences"][0]["id"], id);
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_rotten_entry_is_a_declared_loss_and_nothing_else_is_held_up() {
    let first = start().await;
    let (uploads, mut replies) = first.stream().await;
    let mut mac = Vec::new();
    for number in 0..4u64 {
        let key = format!("k{number}");
        store(&first, &key);
        let upload = first.upload(number + 1, &after(&mac, batch(&first, "cart", number, &[&key])));
        mac = upload.mac.to_vec();
        uploads.send(upload).await.unwrap();
        accepted(&mut replies, number + 1).await;
    }
    let remains = first.remains();
    rot(&remains.path().join("journal"), b"k1");
    let second = start_in(remains, JOURNAL).await;
    let (uploads, mut replies) = second.stream().await;
    uploads.send(second.upload(5, &after(&mac, bye(4)))).await.unwrap();
    accepted(&mut replies, 5).await;
    let summary = second.settled().await;
    let source = &summary["sources"][0];
    assert_eq!((&source["lost"]["comparator"], &source["undeclared"]), (&1.into(), &0.into()), "{source}");
    assert_eq!(
        (&source["accepted"], &summary["maps"]["cart"]["outcomes"]["confirmed"]),
        (&3.into(), &3.into())
    );
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_in_a_rotten_last_entry_may_be_what_the_store_holds() {
    let first = start().await;
    // The store took a second write of the key, of which the rotten entry would tell.
    store_version(&first, "known", b"w", VERSION + 1);
    let (uploads, mut replies) = first.stream().await;
    let known = first.upload(1, &batch(&first, "cart", 0, &["known"]));
    uploads.send(known.clone()).await.unwrap();
    accepted(&mut replies, 1).await;
    let second_write = first.upload(2, &after(&known.mac, batch(&first, "cart", 1, &["rotten"])));
    uploads.send(second_write.clone()).await.unwrap();
    accepted(&mut replies, 2).await;
    let remains = first.remains();
    rot(&remains.path().join("journal"), b"rotten");
    let second = start_in(remains, JOURNAL).await;
    let (uploads, mut replies) = second.stream().await;
    uploads.send(second.upload(3, &after(&second_write.mac, bye(2)))).await.unwrap();
    accepted(&mut replies, 3).await;
    let summary = second.settled().await;
    let map = &summary["maps"]["cart"];
    assert_eq!((&map["outcomes"]["divergent"], &map["open_divergences"]), (&0.into(), &0.into()), "{map}");
    assert_eq!(map["undetermined"]["baseline"], 1, "{map}");
    assert_eq!(summary["sources"][0]["lost"]["comparator"], 1, "{summary}");
    first.stop().await;
    second.stop().await;
}

/// Flips a bit of the first place where `what` stands in a segment.
fn rot(journal: &Path, what: &[u8]) {
    for entry in std::fs::read_dir(journal).unwrap() {
        let path = entry.unwrap().path();
        let mut bytes = std::fs::read(&path).unwrap();
        if let Some(at) = bytes.windows(what.len()).position(|window| window == what) {
            bytes[at] ^= 1;
            std::fs::write(&path, bytes).unwrap();
            return;
        }
    }
    panic!("{what:?} is nowhere in the journal");
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_journal_uploads_are_acknowledged_as_received() {
    let running = crate::support::start().await;
    let (uploads, mut replies) = running.stream().await;
    uploads.send(running.upload(1, &bye(0))).await.unwrap();
    let reply = replies.message().await.unwrap().unwrap();
    let Some(Body::Ack(ack)) = reply.body else { panic!("{reply:?}") };
    assert_eq!(ack.level(), AckLevel::Received);
    running.stop().await;
}
