//! The values of a divergence, from the application's frame through two processes to an operator: where both configurations say so.

use counterfoil_proto::wire::emit::{Heartbeat, frame::Body};
use counterfoil_tests::emit::{Client, dual_put, hello, now_ns};
use counterfoil_tests::{Harness, Map, Setup, wait};
use serde_json::json;

/// What the application writes, of which the store gets nothing.
const WRITTEN: &str = r#"{"card":"4111","apples":2}"#;

fn started() -> Harness {
    let setup = Setup::new();
    let store = setup.folder().join("app.db");
    let sql = rusqlite::Connection::open(&store).expect("a file");
    sql.execute_batch("CREATE TABLE cart (k TEXT PRIMARY KEY, v TEXT)").expect("a table");
    let query = "SELECT k, v FROM cart WHERE k IN rarray(?1)";
    let map = json!([{
        "name": "cart", "store": "main", "query": query, "codec": "json", "deadline_ms": 200,
        "values": true, "mask": ["apples"],
    }]);
    let mut harness = Harness::prepared(
        setup
            .store("main", &format!("sqlite:{}", store.display()))
            .map(&Map { codec: "json", ..Map::new("cart", ("query", query.to_owned())) })
            .comparator("/maps", map)
            .operator("alice-0123456789")
            .sidecar("/values", json!({ "maps": ["cart"], "mask": ["card"] })),
    );
    harness.start_comparator();
    harness.start_sidecar();
    harness
}

#[test]
fn an_operator_sees_what_was_written_without_what_either_side_masks_until_the_sidecar_is_started_over() {
    let mut harness = started();
    let hello = hello("shop");
    let greeted = |harness: &Harness| {
        let mut client = Client::connect(&harness.socket());
        client.send(Body::Hello(hello.clone()));
        assert!(matches!(client.receive(), Some(Body::Welcome(_))));
        client
    };
    let mut client = greeted(&harness);
    client.report("cart", 0, vec![dual_put("lost", WRITTEN.as_bytes(), || ())]);
    let id = wait::until("the divergence is confirmed", || {
        client.send(Body::Heartbeat(Heartbeat { next_seq: 1, watermark_ns: now_ns(), ..Default::default() }));
        let page = harness.json("/v1/divergences?state=confirmed");
        page["divergences"][0]["id"].as_str().map(str::to_owned)
    });
    let path = format!("/v1/divergences/{id}/values");
    let told = harness.json(&path);
    // {"apples":"***","card":"***"}
    let masked = "eyJhcHBsZXMiOiIqKioiLCJjYXJkIjoiKioqIn0=";
    assert_eq!(
        (&told["map_value"]["value_base64"], &told["map_value"]["masked"]),
        (&masked.into(), &true.into())
    );
    assert_eq!(told["store_value"]["state"], "absent", "{told}");
    let logs = std::fs::read_dir(harness.setup().folder()).expect("the folder");
    for file in logs.map(|entry| entry.expect("an entry").path()).filter(|path| path.is_file()) {
        let bytes = std::fs::read(&file).unwrap_or_default();
        let is_there = |part: &[u8]| bytes.windows(part.len()).any(|window| window == part);
        assert!(!is_there(b"4111") && !is_there(masked.as_bytes()), "{} has a value", file.display());
    }
    harness.kill_sidecar();
    harness.start_sidecar();
    let mut client = greeted(&harness);
    client.report("cart", 1, vec![]);
    wait::until("the new sidecar is asked, and knows nothing of the write", || {
        let told = harness.json(&path);
        assert_ne!(told["map_value"]["state"], "value", "{told}");
        (told["map_value"]["reason"] == "unknown").then_some(())
    });
    harness.stop();
}
