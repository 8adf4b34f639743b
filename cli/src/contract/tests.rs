#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use super::*;
use serde_json::{Value, json};
use tempfile::TempDir;

const QUERY: &str = "SELECT k, v, n FROM cart WHERE k IN rarray(?1)";
const SCAN: &str = "SELECT k, v, n FROM cart WHERE k >= ?1 ORDER BY k LIMIT ?2";

/// A folder with a store of three rows, and what a comparator's configuration says about it beside `map`.
struct Place {
    folder: TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = rusqlite::Connection::open(folder.path().join("app.db")).unwrap();
        file.execute_batch(
            r#"CREATE TABLE cart (k TEXT PRIMARY KEY, v TEXT, n INTEGER, other TEXT);
               INSERT INTO cart VALUES ('a', '{"b": 1.0,  "a":2}', 7, 'o'), ('b', NULL, 1, 'p'), ('c', 'not json', 2, 'q');"#,
        )
        .unwrap();
        counterfoil_keys::create_file(&folder.path().join("key"), &"07".repeat(32)).unwrap();
        Self { folder }
    }

    fn check(&self, maps: &Value, flags: &[&str]) -> (Result<Answer, Failure>, String) {
        let path = |name: &str| self.folder.path().join(name).display().to_string();
        let config = json!({
            "kind": "comparator",
            "listen": { "grpc": "127.0.0.1:0", "http": "127.0.0.1:0", "insecure": true },
            "keys": [{ "id": "k1", "file": path("key") }],
            "stores": { "main": { "url": format!("sqlite://{}", path("app.db")) },
                        "gone": { "url": format!("sqlite://{}", path("gone.db")) } },
            "maps": maps,
            "ledger": { "path": path("ledger.db") },
        });
        let file = path("comparator.yaml");
        std::fs::write(&file, config.to_string()).unwrap();
        let line = ["counterfoil", "contract", "check", &file].into_iter().chain(flags.iter().copied());
        let crate::args::Command::Contract(command) =
            <crate::args::Cli as clap::Parser>::try_parse_from(line).unwrap().command
        else {
            unreachable!("the line says contract")
        };
        let mut out = Vec::new();
        let answer = run(&command, &mut out);
        (answer, String::from_utf8(out).unwrap())
    }
}

fn cart() -> Value {
    json!({ "name": "cart", "store": "main", "codec": "json", "query": QUERY, "scan": SCAN })
}

/// `cart` with some keys of its contract set otherwise; null takes one out.
fn cart_with(changes: &Value) -> Value {
    let mut map = cart();
    for (key, value) in changes.as_object().unwrap() {
        map[key] = value.clone();
    }
    map.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    json!([map])
}

#[test]
fn the_end_of_the_command_says_whether_the_contracts_hold() {
    let (yes, no) = (Some(Answer::Yes), Some(Answer::No));
    let unindexed = json!({ "query": "SELECT other, v FROM cart WHERE other IN rarray(?1)", "scan": null });
    for (changes, flags, expected, said) in [
        (json!({}), &["--key", "a"][..], yes, "0 warnings, 0 errors"),
        (json!({}), &["--key", "a", "--strict"], yes, "an index serves the lookup"),
        (json!({}), &["--key", "b", "--key", "z"], yes, "warning: none of the keys was found"),
        (json!({}), &["--key", "z", "--strict"], no, "1 warning, 0 errors"),
        (unindexed.clone(), &["--key", "o"], yes, "warning: the lookup reads all of `cart`"),
        (unindexed, &["--key", "o", "--strict", "--no-values"], no, "no index serves the lookup"),
        (json!({ "codec": "text" }), &[], yes, "3 keys in"),
        (json!({}), &[], None, "error: 1 of 3 keys cannot be compared"),
        (json!({ "scan": null }), &[], None, "give --key KEY"),
        (json!({ "scan": "SELECT k, v FROM nothing LIMIT ?2" }), &[], None, "error: scan does not work"),
        (
            json!({ "query": "SELECT k FROM cart WHERE k IN rarray(?1)" }),
            &["--key", "a"],
            None,
            "two or three columns",
        ),
        (json!({ "store": "gone" }), &[], None, "error: no connection to the store"),
    ] {
        let (answer, out) = Place::new().check(&cart_with(&changes), flags);
        assert_eq!(answer.ok(), expected, "{changes} {flags:?}: {out}");
        assert!(out.contains(said), "{said} in {changes} {flags:?}: {out}");
    }
}

#[test]
fn programs_get_what_people_see_of_each_key() {
    let (_, out) = Place::new().check(&json!([cart()]), &["--output", "json"]);
    let told: Value = serde_json::from_str(&out).unwrap();
    let check = &told["checks"][0];
    assert_eq!((&told["warnings"], &told["errors"]), (&json!(1), &json!(1)), "{told:#}");
    for (pointer, expected) in [
        ("/map", json!("cart")),
        ("/store", json!("main")),
        ("/kind", json!("sqlite")),
        ("/form", json!("json/1")),
        ("/is_primary", json!(true)),
        ("/tables_scanned", json!([])),
        ("/may_write", json!([])),
        ("/keys/0/key", json!({ "text": "a" })),
        ("/keys/0/is_found", json!(true)),
        ("/keys/0/version", json!(7)),
        ("/keys/0/bytes", json!(18)),
        ("/keys/0/canonical", json!({ "text": r#"{"a":2,"b":1}"# })),
        ("/keys/1/is_found", json!(false)),
        ("/keys/1/canonical", Value::Null),
        ("/keys/2/bytes", json!(8)),
    ] {
        assert_eq!(check.pointer(pointer), Some(&expected), "{pointer} of {check:#}");
    }
    assert!(check["keys"][2]["error"].as_str().unwrap().contains("JSON"), "{check:#}");
    assert!(check["read_ms"].as_f64().unwrap() > 0.0);
}

#[test]
fn values_are_hidden_if_a_person_says_so_and_their_errors_are_not() {
    for output in ["table", "json"] {
        let (_, shown) = Place::new().check(&json!([cart()]), &["--output", output]);
        let (_, hidden) = Place::new().check(&json!([cart()]), &["--output", output, "--no-values"]);
        let value = if output == "json" { r#"{\"a\":2"# } else { r#"{"a":2"# };
        assert!(shown.contains(value) && !hidden.contains(value), "{shown}\n{hidden}");
        assert!(hidden.contains("cannot be compared"), "{hidden}");
    }
}

#[test]
fn each_store_of_each_map_is_checked_or_the_map_that_was_named() {
    let place = Place::new();
    let lookup = |store: &str| json!({ "store": store, "query": QUERY, "scan": SCAN });
    let maps = json!([
        { "name": "cart", "codec": "bytes", "stores": [lookup("main"), lookup("gone")] },
        { "name": "other", "store": "main", "query": QUERY, "scan": SCAN },
    ]);
    let (answer, out) = place.check(&maps, &[]);
    for part in ["map cart in store main", "map cart in store gone", "map other in store main"] {
        assert!(out.contains(part), "{part} in {out}");
    }
    assert!(answer.unwrap_err().to_string().starts_with("1 of"));
    let (answer, out) = place.check(&maps, &["--map", "other"]);
    assert!(answer.is_ok() && !out.contains("map cart"), "{out}");
    let error = place.check(&maps, &["--map", "cort"]).0.unwrap_err().to_string();
    assert!(error.contains("`cort`") && error.contains("cart, other"), "{error}");
}

#[test]
fn a_configuration_that_is_none_is_refused_as_config_check_refuses_it() {
    let error = Place::new().check(&json!([{ "name": "cart" }]), &[]).0.unwrap_err().to_string();
    assert!(error.contains("maps[0].store"), "{error}");
}
