#![allow(clippy::unwrap_used, reason = "a test may panic")]

use super::*;
use counterfoil_settings::Sources;

fn settings(change: impl Fn(String) -> String) -> Result<Settings, String> {
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key");
    std::fs::write(&key, "0f".repeat(32)).unwrap();
    let yaml = format!(
        "kind: comparator
listen: {{grpc: '127.0.0.1:0', http: '127.0.0.1:0', insecure: true}}
key: {{id: k1, file: {}}}
stores: {{main: {{url: 'redis://127.0.0.1:1'}}}}
maps: [{{name: cart, store: main, prefix: 'cart:', deadline_ms: 2000}}]
ledger: {{path: ledger.db}}
",
        key.display()
    );
    let sources = Sources { yaml: change(yaml), overlays: Vec::new() };
    let written = sources.written::<Written>().map_err(|problems| problems.to_string())?;
    Settings::try_from_written(written).map_err(|problems| problems.to_string())
}

#[test]
fn the_contract_is_what_was_written() {
    let settings = settings(|yaml| yaml).unwrap();
    let contract = settings.contracts.iter().next().unwrap();
    assert_eq!(&*contract.name, "cart");
    assert_eq!(contract.terms.deadline, 2_000_000_000);
    assert_eq!(contract.terms.patience, 2_000_000_000, "as long as the deadline if not given");
}

#[test]
fn every_problem_is_told_at_once_with_its_path() {
    let text = settings(|yaml| {
        yaml.replace("insecure: true", "insecure: false")
            .replace("'127.0.0.1:0', insecure", "'nowhere', insecure")
            .replace("store: main", "store: other")
            .replace("comparator", "sidecar")
    })
    .unwrap_err();
    for expected in ["kind:", "listen.insecure:", "listen.http:", "maps[0].store: `other`", "there is: main"]
    {
        assert!(text.contains(expected), "{expected} in:\n{text}");
    }
}

#[test]
fn a_problem_of_a_store_or_a_lookup_keeps_its_path() {
    let text = settings(|yaml| yaml.replace("redis://127.0.0.1:1", "mongodb://x")).unwrap_err();
    assert!(text.contains("stores.main.url"), "{text}");
    let text = settings(|yaml| yaml.replace("prefix: 'cart:'", "query: SELECT 1")).unwrap_err();
    assert!(text.contains("maps[0].query"), "{text}");
}

#[test]
fn two_contracts_for_one_map_are_refused() {
    let text =
        settings(|yaml| yaml.replace("maps: [", "maps: [{name: cart, store: main, hash: h}, ")).unwrap_err();
    assert!(text.contains("maps[1].name") && text.contains("already"), "{text}");
}

#[test]
fn a_lost_source_expires_after_a_minute_unless_something_else_is_written() {
    let silence = |change: fn(String) -> String| settings(change).unwrap().silence;
    assert_eq!(silence(|yaml| yaml), Silence { timeout: 10_000_000_000, expiry: 60_000_000_000 });
    let written = silence(|yaml| yaml + "sources: {timeout_ms: 200, expiry_ms: 0}\n");
    assert_eq!(written, Silence { timeout: 200_000_000, expiry: 0 });
    let text = settings(|yaml| yaml + "sources: {expiry_ms: 86400001}\n").unwrap_err();
    assert!(text.contains("sources.expiry_ms"), "{text}");
}
