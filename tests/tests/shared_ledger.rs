//! Two comparators with one ledger in Postgres, each with its own sidecar.
#![allow(clippy::indexing_slicing, reason = "a test may panic")]

use counterfoil_tests::emit::{Client, dual_put};
use counterfoil_tests::stores::postgres_url;
use counterfoil_tests::webhook::Webhook;
use counterfoil_tests::{Harness, Map, Setup, counterfoil, unique, wait};
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// Of 24 bytes.
const SECRET: &str = "whsec_b2YgdHdlbnR5LWZvdXIgYnl0ZXMsIHNv";

/// One of the two: its configuration differs from the other's in nothing but its own addresses and files.
fn started(schema: &str, store: &Path, hook: &Webhook) -> Harness {
    let setup = Setup::new().operator("alice-0123456789");
    let secret = setup.folder().join("secret");
    counterfoil_keys::create_file(&secret, SECRET).expect("a secret");
    let receiver = json!({
        "name": "ops", "kind": "webhook", "url": hook.url(), "secret_file": secret, "group_wait_ms": 0,
        "on": ["confirmed"],
    });
    let map = |name: &str| {
        let query = format!("SELECT k, v FROM {name} WHERE k IN rarray(?1)");
        Map { deadline_ms: 200, ..Map::new(name, ("query", query)) }
    };
    setup
        .store("main", &format!("sqlite:{}", store.display()))
        .map(&map("cart"))
        .map(&map("notes"))
        .comparator("/ledger", json!({ "postgres": { "url": postgres_url(), "schema": schema } }))
        .comparator("/notify", json!({ "receivers": [receiver] }))
        .start()
}

/// Reports a write that never reaches the store.
fn lose(harness: &Harness, map: &str, key: &str) {
    let (mut client, _) = Client::welcomed(&harness.socket(), map);
    client.report(map, 0, vec![dual_put(key, b"v", || ())]);
    client.bye();
}

/// The divergence of a key once it is confirmed, as this comparator lists it.
fn confirmed(harness: &Harness, key: &str) -> Value {
    wait::until(&format!("{key} is confirmed"), || {
        let is_it = |it: &Value| it["key"] == key && it["state"] == "confirmed";
        harness.divergences().into_iter().find(is_it)
    })
}

fn leads(harness: &Harness) -> bool {
    harness.comparator_metric("counterfoil_ledger_leads", &[]) > 0.5
}

/// Keys of maps by what was told of them: of each message its map and how many divergences it tells of.
fn told(hook: &Webhook) -> Vec<(String, u64)> {
    let count = |turns: &Value| {
        turns.as_array().map_or(0, |all| all.iter().filter_map(|it| it["count"].as_u64()).sum())
    };
    let of = |event: Value| {
        (event["data"]["map"].as_str().unwrap_or_default().to_owned(), count(&event["data"]["turns"]))
    };
    hook.events().into_iter().map(of).collect()
}

#[test]
fn a_divergence_that_one_comparator_sees_is_listed_and_acknowledged_through_the_other_and_told_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let store = folder.path().join("app.db");
    let sql = rusqlite::Connection::open(&store).expect("a file");
    let tables =
        "CREATE TABLE cart (k TEXT PRIMARY KEY, v TEXT); CREATE TABLE notes (k TEXT PRIMARY KEY, v TEXT)";
    sql.execute_batch(tables).expect("two tables");
    let schema = unique("ledger");
    let mut server = postgres::Client::connect(&postgres_url(), postgres::NoTls).expect("Postgres answers");
    server.batch_execute(&format!("CREATE SCHEMA {schema}")).expect("a schema");
    let hook = Webhook::start();
    let mut first = started(&schema, &store, &hook);
    wait::until("the first one leads", || leads(&first).then_some(()));
    let second = started(&schema, &store, &hook);

    lose(&first, "cart", "of-first");
    lose(&second, "notes", "of-second");
    let (seen, also) = (confirmed(&second, "of-first"), confirmed(&first, "of-second"));
    assert_eq!((&seen["map"], &also["map"]), (&json!("cart"), &json!("notes")));
    assert!(leads(&first) && !leads(&second));

    let mut command = Command::new(counterfoil());
    command.args(["divergences", "ack", seen["id"].as_str().expect("an id"), "--why", "seen"]);
    command.env("COUNTERFOIL_URL", format!("http://127.0.0.1:{}", second.http()));
    command.env("COUNTERFOIL_TOKEN_FILE", second.setup().folder().join("alice.token"));
    let acknowledged = command.output().expect("the command runs");
    assert!(acknowledged.status.success(), "{acknowledged:?}");
    let acted = &confirmed(&first, "of-first")["acted"];
    assert_eq!((&acted["what"], &acted["by"]), (&json!("acknowledged"), &json!("alice")));

    wait::until("both are told", || {
        let maps = told(&hook).into_iter().filter(|(_, count)| *count > 0);
        (maps.count() >= 2).then_some(())
    });
    first.kill_comparator();
    wait::until("the second one leads", || leads(&second).then_some(()));
    lose(&second, "notes", "after");
    assert_eq!(confirmed(&second, "after")["map"], "notes");
    let told = wait::until("it is told as well", || {
        let told = told(&hook);
        (told.iter().map(|(_, count)| count).sum::<u64>() >= 3).then_some(told)
    });
    let of = |map: &str| told.iter().filter(|(of, _)| of == map).map(|(_, count)| count).sum::<u64>();
    assert_eq!((of("cart"), of("notes")), (1, 2), "each divergence once: {told:?}");
    second.stop();
}
