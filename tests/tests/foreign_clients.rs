//! Clients that are not ours: a shell with socat, and Python with its stock protobuf library.

use counterfoil_tests::foreign::{python, shell};
use counterfoil_tests::stores::{Redis, redis_url};
use counterfoil_tests::{Harness, Map, Setup, unique};
use serde_json::Value;

/// A system with one map of text, whose contract supplies the store leg.
fn system() -> (Harness, Redis, String) {
    let store = Redis::connect(&redis_url());
    let map = Map { codec: "text", deadline_ms: 500, ..Map::new(&unique("cart"), store.place()) };
    (Setup::new().store("main", &redis_url()).map(&map).start(), store, map.name)
}

/// One write that agrees and one that diverges, as the comparator tells them.
fn assert_one_of_each(harness: Harness, map: &str) {
    let summary = harness.settled(2);
    let outcomes = summary.outcomes(map);
    assert_eq!((outcomes.confirmed, outcomes.divergent), (1, 1), "{summary:#?}");
    let divergences = harness.divergences();
    let told: Vec<_> =
        divergences.iter().map(|it| (text(it, "map"), text(it, "key"), text(it, "kind"))).collect();
    assert_eq!(told, [(map, "user-8", "missing")], "{divergences:#?}");
    harness.finish();
}

fn text<'a>(object: &'a Value, key: &str) -> &'a str {
    object.get(key).and_then(Value::as_str).unwrap_or_else(|| panic!("no {key} in {object}"))
}

#[test]
fn json_lines_piped_through_socat_get_verdicts() {
    let (harness, mut store, map) = system();
    store.put("user-7", b"2 apples");
    let lines = format!(
        "{{\"put\":{{\"map\":\"{map}\",\"key\":\"user-7\",\"value\":\"2 apples\"}}}}\n\
         {{\"put\":{{\"map\":\"{map}\",\"key\":\"user-8\",\"value\":\"1 pear\"}}}}\n"
    );
    let line = format!("printf '%s' '{lines}' | socat - UNIX-CONNECT:{}", harness.socket().display());
    let output = shell(&line);
    let answer = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && answer.contains("\"welcome\""), "{answer} {output:?}");
    assert!(!answer.contains("refusal") && !answer.contains("warning"), "{answer}");
    assert_one_of_each(harness, &map);
}

#[test]
fn delimited_protobuf_from_the_stock_library_of_python_gets_verdicts() {
    let (harness, mut store, map) = system();
    store.put("user-7", b"2 apples");
    let socket = harness.socket();
    let socket = socket.to_str().expect("a path of text");
    let writes = [socket, &map, "user-7=2 apples", "user-8=1 pear"];
    let output = python(harness.setup().folder(), "emit.py", &writes);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), map);
    assert_one_of_each(harness, &map);
}
