//! `counterfoil divergences` against a comparator: what is lost is listed, taken in hand, ignored, exported.

use counterfoil_comparator::ledger::{DivergenceId, Ledger, Opened, Transition};
use counterfoil_judge::Digest;
use counterfoil_tests::emit::{Client, dual_put};
use counterfoil_tests::{Harness, Map, Setup, counterfoil, wait};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

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
    output(asking(command, harness, token))
}

/// The command, told whom to ask.
fn asking(mut command: Command, harness: &Harness, token: Option<&Path>) -> Command {
    command.env("COUNTERFOIL_URL", format!("http://127.0.0.1:{}", harness.http()));
    if let Some(file) = token {
        command.env("COUNTERFOIL_TOKEN_FILE", file);
    }
    command
}

fn output(mut command: Command) -> (Option<i32>, String, String) {
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

/// A comparator that has found what is lost.
fn with_what_is_lost() -> (Harness, PathBuf) {
    let (harness, token) = started();
    let (mut client, _) = Client::welcomed(&harness.socket(), "cart");
    client.report("cart", 0, LOST.iter().map(|key| dual_put(key, b"v", || ())).collect());
    client.bye();
    wait::until("three confirmed divergences", || {
        let found = listed(&harness, &token, &["--map", "cart", "--state", "confirmed"]);
        (found.len() == LOST.len()).then_some(())
    });
    (harness, token)
}

#[test]
fn top_shows_what_is_lost_as_text_or_says_how() {
    let (harness, token) = with_what_is_lost();
    let top = |arguments: &[&str], token: Option<&Path>| {
        let mut command = Command::new(counterfoil());
        command.arg("top").args(arguments);
        output(asking(command, &harness, token))
    };
    let (code, text, error) = top(&["--once"], Some(&token));
    assert_eq!(code, Some(0), "{error}");
    for part in ["1 maps and their stores (1)", "cart", "missing", "lost-1", "\\u{1b}[31mlost-2"] {
        assert!(text.contains(part), "{part} in:\n{text}");
    }
    assert!(!text.contains('\u{1b}'), "{text}");
    let (code, _, error) = top(&[], Some(&token));
    assert!(code == Some(2) && error.contains("--once prints one frame"), "{error}");
    let (code, _, error) = top(&["--once"], None);
    assert!(code == Some(2) && error.contains("401: no token"), "{error}");
    let (code, _, error) = top(&["--every", "1ms"], Some(&token));
    assert!(code == Some(2) && error.contains("write 100ms or more"), "{error}");
    harness.stop();
}

#[test]
fn top_in_a_terminal_shows_what_is_lost_and_leaves_the_terminal_as_it_was() {
    let (harness, token) = with_what_is_lost();
    let mut command = Command::new("script");
    let typed = format!("stty rows 40 cols 160; stty -g; {} top; stty -g", counterfoil().display());
    command.args(["--quiet", "--return", "--command", &typed, "/dev/null"]);
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut terminal = asking(command, &harness, Some(&token)).spawn().expect("`script`, of bsdutils");
    let (mut keys, mut screen) =
        (terminal.stdin.take().expect("keys"), terminal.stdout.take().expect("a screen"));
    let (mut shown, mut bytes) = (String::new(), [0; 4_096]);
    let mut read_until = |part: &str| {
        while !shown.contains(part) {
            let read = screen.read(&mut bytes).expect("the screen");
            assert!(read > 0, "it ended before {part}:\n{shown}");
            shown.push_str(&String::from_utf8_lossy(&bytes[..read]));
        }
        shown.clone()
    };
    read_until("lost-1");
    keys.write_all(b"q").expect("a key");
    let shown = read_until("\u{1b}[?1049l");
    let before = shown.split(['\r', '\n']).next().expect("settings of the terminal").to_owned();
    let shown = shown + &rest(&mut screen);
    assert!(terminal.wait().expect("it ends").success(), "{shown}");
    assert_eq!(shown.matches(&before).count(), 2, "the settings of the terminal are as they were:\n{shown}");
    harness.stop();
}

fn rest(screen: &mut impl Read) -> String {
    let mut rest = Vec::new();
    // A terminal whose program ended gives an error instead of an end.
    _ = screen.read_to_end(&mut rest);
    String::from_utf8_lossy(&rest).into_owned()
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
