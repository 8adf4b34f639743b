//! A divergence that is confirmed has a bundle, from which anyone can judge it again.

use super::restart::{goes_on, lost_and_found};
use super::store;
use crate::support::{Running, prepared, start_in};
use counterfoil_comparator::ledger::{Ledger, Transition};
use counterfoil_evidence::{Trust, Verified, verify};
use counterfoil_keys::{Signer, SigningKey};
use serde_json::Value;
use std::path::Path;
use tempfile::TempDir;

const EVIDENCE: &str = "journal: {path: DIR/journal, sync_ms: 1}
evidence: {path: DIR/evidence, signing_key: DIR/signing}
";

/// The seed of the key that bundles are signed under.
const SEED: [u8; 32] = [0x1d; 32];

fn prepared_with_key() -> TempDir {
    let directory = prepared();
    counterfoil_keys::create_file(&directory.path().join("signing"), &"1d".repeat(32)).unwrap();
    directory
}

fn verified(bundle: &[u8]) -> Verified {
    let keys = vec![SigningKey::new(SEED).public()];
    verify(bundle, &Trust { keys, ..Trust::default() }).unwrap()
}

fn bundles(directory: &Path) -> Vec<(String, Vec<u8>)> {
    let files = std::fs::read_dir(directory.join("evidence")).unwrap().map(|entry| entry.unwrap().path());
    files.map(|path| (path.display().to_string(), std::fs::read(path).unwrap())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_confirmed_divergence_has_a_bundle_that_is_verified_and_a_restart_writes_no_other() {
    let first = start_in(prepared_with_key(), EVIDENCE).await;
    let (sent, id) = lost_and_found(&first).await;
    let path = format!("/v1/divergences/{}", id.as_str().unwrap());
    first.until(&path, |one| one["evidence"] == true).await;
    let answer = first.ask("GET", &format!("{path}/evidence"), "", "").await;
    assert!(answer.head.contains("content-type: application/vnd.dsse.envelope.v1+json"), "{}", answer.head);
    let file = format!("filename=\"{}.dsse.json\"", id.as_str().unwrap());
    assert!(answer.head.contains(&file), "{}", answer.head);

    let said = verified(answer.body.as_bytes()).predicate;
    assert_eq!((said.divergence.to_string(), &*said.key.0), (id.as_str().unwrap().to_owned(), &b"lost"[..]));
    assert_eq!((&*said.verdict.kind, &*said.named_source), ("missing", "cart/a/1"));
    assert_eq!((&*said.contract.map, &*said.contract.store, &*said.key_id), ("cart", "main", "k1"));
    assert_eq!(said.sources.iter().map(|source| &*source.name).collect::<Vec<_>>(), ["cart/a/1"]);
    assert!(said.sources[0].watermark_ns >= Some(said.read.at.end_ns), "it had told all: {:?}", said.sources);
    let signed: Vec<_> = said.batches.iter().map(|batch| &batch.mac.0[..]).collect();
    assert_eq!((signed, said.unsigned.len()), (vec![&sent.mac[..]], 0));

    let page = format!("/divergences/{}", id.as_str().unwrap());
    let shown = first.get_text(&page).await.1;
    for part in [
        "From its evidence",
        "cart/a/1 #0",
        "<rect class=\"store\"",
        "opened: missing",
        "confirmed: missing, saw absent",
    ] {
        assert!(shown.contains(part), "{part}:\n{shown}");
    }

    let second = start_in(first.remains_of_what_is_over().await, EVIDENCE).await;
    assert_eq!(second.get(&path).await.1["evidence"], true);
    store(&second, "lost");
    goes_on(&second, &sent).await;
    second.until(&path, |one| one["state"] == "resolved").await;
    let kept = bundles(second.directory.path());
    assert_eq!(kept.len(), 1, "{kept:?}");
    assert_eq!(kept[0].1, answer.body.as_bytes(), "the same one");
    let shown = async |why: &str| {
        let shown = second.get_text(&page).await.1;
        assert!(!shown.contains("From its evidence") && shown.contains("confirmed: missing<"), "{shown}");
        assert!(
            shown.contains(&format!("As far as the ledger knows it, which is one write: {why}")),
            "{why}:\n{shown}"
        );
    };
    std::fs::write(&kept[0].0, answer.body.replacen('A', "B", 1)).unwrap();
    shown("its evidence does not hold: ").await;
    std::fs::remove_file(&kept[0].0).unwrap();
    shown("it has no evidence any more, or never had").await;
    assert_eq!(second.get(&format!("{path}/evidence")).await.0, 404, "somebody took it away");
    first.stop().await;
    second.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_asks_for_a_bundle_that_is_not_there_is_told_why() {
    let directory = super::divergences::with_divergences(3).await;
    let running = start_in(directory, "").await;
    let why = async |running: &Running, number: u32, expected: u16| {
        let path = format!("/v1/divergences/{}/evidence", super::divergences::id(number));
        let (status, body) = running.get(&path).await;
        assert_eq!(status, expected, "{body}");
        body["error"].as_str().unwrap().to_owned()
    };
    assert!(why(&running, 0, 404).await.contains("set evidence.path"));
    assert!(why(&running, 7, 404).await.contains("no such divergence"));
    assert_eq!(running.get("/v1/divergences").await.1["divergences"][0]["evidence"], Value::Bool(false));
    let left = running.remains();
    running.stop().await;

    let of_old = super::divergences::id(1);
    let ledger = Ledger::open(&left.path().join("ledger.db"), |_| ()).unwrap();
    ledger.record(vec![Transition::Confirmed { id: of_old, at_unix_ns: 2_000, fields: None }]).await.unwrap();
    drop(ledger);
    counterfoil_keys::create_file(&left.path().join("signing"), &"1d".repeat(32)).unwrap();
    let running = start_in(left, EVIDENCE).await;
    assert!(why(&running, 0, 404).await.contains("it is not confirmed"));
    assert!(why(&running, 1, 410).await.contains("longer ago than evidence.retention_days"));
    assert!(why(&running, 2, 404).await.contains("evidence.retention_days"), "resolved, and had none");
    let shown = running.get_text(&format!("/divergences/{of_old}")).await.1;
    assert!(shown.contains("which is one write: its evidence is kept no more"), "{shown}");
    let metrics = running.get_text("/metrics").await.1;
    assert!(metrics.contains("counterfoil_evidence_skipped_total{reason=\"queue\"} "), "{metrics}");
    running.stop().await;
}
