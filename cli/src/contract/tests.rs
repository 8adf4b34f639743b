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
fn a_query_that_gives_another_value_each_time_is_a_warning_that_names_the_fields() {
    let query = "SELECT k, json_set(v, '$.at', random(), '$.b', 7), n FROM cart WHERE k IN rarray(?1)";
    for (codec, rules, flags, expected, said) in [
        ("json", json!({}), &["--key", "a"][..], Answer::Yes, "1 of 1 keys gave another value"),
        ("json", json!({}), &["--key", "a", "--strict"], Answer::No, "read again at once, in `at`: "),
        ("json", json!({ "ignore": ["at"] }), &["--key", "a"], Answer::Yes, "0 warnings, 0 errors"),
        ("bytes", json!({}), &["--key", "a", "--key", "b"], Answer::Yes, "1 of 2 keys gave another value"),
    ] {
        let changes = json!({ "codec": codec, "rules": rules, "query": query });
        let (answer, out) = Place::new().check(&cart_with(&changes), flags);
        assert_eq!(answer.ok(), Some(expected), "{changes} {flags:?}: {out}");
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

#[test]
fn a_value_of_the_map_is_put_beside_that_of_the_store_with_the_rules_that_make_them_equal() {
    let place = Place::new();
    let file = rusqlite::Connection::open(place.folder.path().join("app.db")).unwrap();
    file.execute_batch(r#"INSERT INTO cart VALUES ('d', '{"total":12.5,"n":1,"s":[2,1]}', 1, 'r')"#).unwrap();
    let given = place.folder.path().join("given.json");
    std::fs::write(&given, r#"{"total":"12.50","n":2,"s":[1,2],"only":1}"#).unwrap();
    let with = |flags: &[&str]| {
        let (answer, out) = place.check(&json!([cart()]), &[&["--map", "cart"], flags].concat());
        (answer.map_err(|error| error.to_string()), out)
    };
    let file = given.display().to_string();
    let (answer, out) = with(&["--key", "d", "--value-file", &file]);
    assert_eq!(answer, Ok(Answer::No), "{out}");
    for line in [
        "the value that was given differs from what the store has",
        r#"given   {"n":2,"only":1,"s":[1,2],"total":"12.50"}"#,
        r#"store   {"n":1,"s":[2,1],"total":12.5}"#,
        r#"differ  n: another value"#,
        r#"rules: { ignore: ["n"] }, if it need not agree"#,
        "differ  only: only in the value that was given",
        r#"rules: { sets: ["s"] }"#,
        "differ  total: the same number, written differently",
        r#"rules: { numbers: [{fields: ["total"]}] }"#,
    ] {
        assert!(out.contains(line), "{line} in {out}");
    }
    let (answer, out) = with(&["--key", "d", "--value-file", &file, "--no-values", "--output", "json"]);
    let told: Value = serde_json::from_str(&out).unwrap();
    let comparison = &told["checks"][0]["comparison"];
    assert_eq!(
        (answer, &comparison["given"], &comparison["stored"]),
        (Ok(Answer::No), &Value::Null, &Value::Null)
    );
    assert!(!out.contains("12.5") && comparison["differences"][3]["path"] == "total", "{comparison:#}");
    for (flags, expected, said) in [
        (
            &["--key", "d", "--value", r#"{"n":1.0,"s":[2,1],"total":12.5}"#][..],
            Ok(Answer::Yes),
            "equals what the store has",
        ),
        (&["--key", "z", "--value", "{}"], Ok(Answer::No), "store   absent"),
        (&["--key", "d", "--value", "-"], Err("1 of"), "error: the value that was given: "),
        (&["--key", "c", "--value", "{}"], Err("1 of"), "cannot be compared"),
        (&["--key", "d", "--key", "c", "--value", "{}"], Err("--key: 2 keys"), ""),
        (&["--key", "d", "--value-file", "/nowhere"], Err("/nowhere"), ""),
    ] {
        let (answer, out) = with(flags);
        let is_so = match (&answer, expected) {
            (Ok(answer), Ok(expected)) => *answer == expected,
            (Err(error), Err(expected)) => error.starts_with(expected),
            _ => false,
        };
        assert!(is_so && out.contains(said), "{flags:?} gave {answer:?}: {out}");
    }
}

#[test]
fn more_keys_than_one_read_takes_are_read_in_several() {
    let place = Place::new();
    let keys: Vec<_> = (0..1_001).map(|key| format!("--key={key}")).chain(["--key=a".to_owned()]).collect();
    let flags: Vec<_> = keys.iter().map(String::as_str).chain(["--output", "json"]).collect();
    let (answer, out) = place.check(&json!([cart()]), &flags);
    let told: Value = serde_json::from_str(&out).unwrap();
    let found = told["checks"][0]["keys"].as_array().unwrap();
    assert_eq!((answer.ok(), found.len()), (Some(Answer::Yes), 1_002));
    assert_eq!(found.last().unwrap()["is_found"], true);
}
