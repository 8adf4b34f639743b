//! `counterfoil divergences` against a comparator: what is lost is listed, taken in hand, ignored, exported.

use counterfoil_comparator::ledger::{DivergenceId, Ledger, Opened, Transition};
use counterfoil_judge::Digest;
use counterfoil_tests::emit::{Client, dual_put};
use counterfoil_tests::{Harness, Map, Setup, counterfoil, wait};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

/// Keys whose writes never reach the store.
const LOST: [&str; 3] = ["lost-1", "\u{1b}[31mlost-2", "=lost-3"];

/// Divergences of an older map: more than a page has.
const OLD: u32 = 1_100;

/// A comparator that has old divergences, and whose operator is Alice.
fn started() -> (Harness, PathBuf) {
    let setup = Setup::new();
    let (store, token) = (setup.folder().join("app.db"), setup.folder().join("token"));
    let sql = rusqlite::Connection::open(&store).expect("a file");
    sql.execute_batch("CREATE TABLE cart (k TEXT PRIMARY KEY, v TEXT)").expect("a table");
    counterfoil_keys::create_file(&token, "alice-0123456789").expect("a token");
    keep_old(&setup.folder().join("ledger.db"));
    let place = ("query", "SELECT k, v FROM cart WHERE k IN rarray(?1)".to_owned());
    let tokens = json!([{ "name": "alice", "role": "operator", "file": token }]);
    let harness = setup
        .store("main", &format!("sqlite:{}", store.display()))
        .map(&Map { deadline_ms: 200, ..Map::new("cart", place) })
        .comparator("/listen/http_tokens", tokens)
        .start();
    (harness, token)
}

fn keep_old(path: &Path) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let ledger = Ledger::open(path, |_| ()).expect("a ledger");
    let old = (0..OLD).map(|number| {
        Transition::from(Opened {
            id: DivergenceId(u128::from(number).to_be_bytes()),
            map: "old".into(),
            store: Some("main".into()),
            key: number.to_string().into_bytes(),
            kind: "stale",
            source: "gone/pod/1".into(),
            seq: number.into(),
            opened_at_unix_ns: i64::from(number),
            store_digest: Digest::ABSENT,
            map_digest: Digest([7; 16]),
            stale_versions: None,
            stale_at_least_ns: None,
            write_ended_ns: None,
            seen_after_ns: None,
            trace_id: None,
            fields: None,
        })
    });
    runtime.block_on(ledger.record(old.collect())).expect("old divergences are kept");
}

/// The command's exit code, standard output and standard error.
fn ask(harness: &Harness, token: Option<&Path>, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(counterfoil());
    command.arg("divergences").args(arguments);
    command.env("COUNTERFOIL_URL", format!("http://127.0.0.1:{}", harness.http()));
    if let Some(file) = token {
        command.env("COUNTERFOIL_TOKEN_FILE", file);
    }
    let output = command.output().expect("the command runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// What the command printed, which was carried out.
fn printed(harness: &Harness, token: &Path, arguments: &[&str]) -> String {
    let (code, out, error) = ask(harness, Some(token), arguments);
    assert_eq!(code, Some(0), "{arguments:?}: {error}");
    out
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"))
}

/// The divergences that are listed with these flags.
fn listed(harness: &Harness, token: &Path, flags: &[&str]) -> Vec<Value> {
    let document = json(&printed(harness, token, &[&["list", "--output", "json"], flags].concat()));
    document.get("divergences").and_then(Value::as_array).expect("a list").clone()
}

fn text<'a>(row: &'a Value, pointer: &str) -> &'a str {
    row.pointer(pointer).and_then(Value::as_str).unwrap_or_else(|| panic!("no {pointer} in {row}"))
}

#[test]
fn what_is_lost_is_listed_taken_in_hand_ignored_and_exported() {
    let (harness, token) = started();
    let (mut client, _) = Client::welcomed(&harness.socket(), "cart");
    client.report("cart", 0, LOST.iter().map(|key| dual_put(key, b"v", || ())).collect());
    client.bye();
    let found = wait::until("three confirmed divergences", || {
        let found = listed(&harness, &token, &["--map", "cart", "--state", "confirmed"]);
        (found.len() == LOST.len()).then_some(found)
    });
    let keys: BTreeSet<_> = found.iter().map(|row| text(row, "/key")).collect();
    assert_eq!(keys, BTreeSet::from(LOST));
    let table = printed(&harness, &token, &["list", "--map", "cart"]);
    assert!(!table.contains('\u{1b}') && table.contains("\\u{1b}[31mlost-2"), "{table}");
    assert_eq!(table.lines().count(), 1 + LOST.len(), "{table}");

    let first = &listed(&harness, &token, &["--key", "lost-1"])[0];
    let id = text(first, "/id");
    printed(&harness, &token, &["ack", id, "--why", "the import"]);
    let acknowledged = listed(&harness, &token, &["--acted", "acknowledged"]);
    assert_eq!(acknowledged.iter().map(|row| text(row, "/id")).collect::<Vec<_>>(), [id]);
    let shown = printed(&harness, &token, &["show", id]);
    for part in ["key        lost-1\n", "acknowledged by alice", ": the import\n", "confirmed"] {
        assert!(shown.contains(part), "{part} in:\n{shown}");
    }
    let (code, _, error) = ask(&harness, Some(&token), &["ignore", id, "--why", "w", "--revision", "1"]);
    assert!(code == Some(2) && error.contains("409: the divergence has changed since revision 1"), "{error}");
    let ignored = ["ignore", id, "--why", "known", "--until", "2100-01-01T00:00:00Z", "--output", "json"];
    let ignored = json(&printed(&harness, &token, &ignored));
    assert_eq!((text(&ignored, "/acted/what"), text(&ignored, "/acted/by")), ("ignored", "alice"));
    let counted = || harness.comparator_metric("counterfoil_divergence_ignored", &["map=\"cart\""]);
    assert!((counted() - 1.0).abs() < 1e-9);
    let reopened =
        json(&printed(&harness, &token, &["reopen", id, "--why", "after all", "--output", "json"]));
    assert_eq!((reopened.get("acted"), text(&reopened, "/state")), (Some(&Value::Null), "confirmed"));
    assert!(counted().abs() < 1e-9);

    let csv = printed(&harness, &token, &["export", "--format", "csv", "--map", "cart"]);
    assert!(csv.lines().count() == 1 + LOST.len() && csv.contains(",'=lost-3,"), "{csv}");
    let lines = printed(&harness, &token, &["export"]);
    assert_eq!(lines.lines().map(json).count(), LOST.len() + usize::try_from(OLD).unwrap());
    harness.stop();
}

#[test]
fn a_list_follows_the_pages_up_to_its_limit() {
    let (harness, token) = started();
    let all = listed(&harness, &token, &["--map", "old", "--limit", "2000"]);
    let ids: BTreeSet<_> = all.iter().map(|row| text(row, "/id")).collect();
    assert_eq!((ids.len(), all.len()), (1_100, 1_100));
    assert_eq!(listed(&harness, &token, &["--limit", "1050"]).len(), 1_050);
    let (code, table, note) = ask(&harness, Some(&token), &["list", "--limit", "2"]);
    assert_eq!((code, table.lines().count()), (Some(0), 3), "{table}");
    assert!(note.contains("there are more"), "{note}");
    harness.stop();
}

#[test]
fn what_cannot_be_asked_is_told_with_what_to_do() {
    let (harness, token) = started();
    let nowhere = harness.setup().folder().join("nowhere");
    let unknown = "0".repeat(31) + "x";
    for (token, arguments, expected) in [
        (None, &["list"][..], "401: no token"),
        (None, &["list"], "(--token-file)"),
        (Some(&nowhere), &["list"], "nowhere"),
        (
            Some(&token),
            &["list", "--state", "odd"],
            "400: state: is `odd`; write opened, confirmed, resolved",
        ),
        (Some(&token), &["show", "abc"], "32 hex digits"),
        (Some(&token), &["show", &unknown], "32 hex digits"),
        (Some(&token), &["show", "ffffffffffffffffffffffffffffffff"], "404: no such divergence"),
        (Some(&token), &["list", "--url", "https://127.0.0.1"], "does not begin with http://"),
        (
            Some(&token),
            &["list", "--url", "http://127.0.0.1:1"],
            "comparator at http://127.0.0.1:1/v1/divergences",
        ),
    ] {
        let (code, out, error) = ask(&harness, token.map(PathBuf::as_path), arguments);
        assert_eq!((code, out.as_str()), (Some(2), ""), "{arguments:?}: {error}");
        assert!(error.contains(expected), "{expected} in:\n{error}");
    }
    harness.stop();
}
