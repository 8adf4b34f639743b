//! The whole way of a bug: planted, found, told of by Prometheus and by the comparator itself through an Alertmanager, proven, repaired,
//! and told to be over. What a person types on the way is what docs/operations.md says.
#![allow(clippy::indexing_slicing, reason = "a test may panic")]

use counterfoil_emitter::{Emitter, Identity};
use counterfoil_tests::alertmanager::Alertmanager;
use counterfoil_tests::prometheus::Prometheus;
use counterfoil_tests::script::{has, typed};
use counterfoil_tests::stores::{Postgres, postgres_url};
use counterfoil_tests::webhook::Webhook;
use counterfoil_tests::{Harness, Map, Setup, counterfoil, text_of, wait};
use postgres::NoTls;
use postgres::error::SqlState;
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

const MAP: &str = "cart";

const DEADLINE_MS: u32 = 500;

/// Writes that reach the store: more than it takes until values are known to have the same form.
const KEPT: u64 = 12;

/// Writes that do not.
const LOST: u64 = 2;

/// An alert of the shipped rules that tells of what happened, one of what is, and the comparator's own.
const CONFIRMED: &str = "CounterfoilDivergenceConfirmed";
const OPEN: &str = "CounterfoilDivergencesOpen";
const TOLD: &str = "CounterfoilDivergences";

/// An application with a map and a table, everything that watches it, and everybody who is told.
struct Shop {
    application: Emitter,
    map: BTreeMap<String, String>,
    table: Postgres,
    prometheus: Prometheus,
    alertmanager: Alertmanager,
    webhook: Webhook,
    // The last to go: it holds the folder of the others.
    harness: Harness,
}

impl Shop {
    fn open() -> Self {
        let mut table = Postgres::connect(&postgres_url());
        let setup = Setup::new().operator("alice-0123456789");
        let webhook = Webhook::start();
        let alertmanager = Alertmanager::telling(&webhook, setup.folder());
        let harness = watched(setup, &mut table, &alertmanager).start();
        let folder = harness.setup().folder();
        let jobs = [("comparator", harness.http()), ("sidecar", harness.setup().admin())];
        let prometheus = Prometheus::alerting(&jobs, &rules(folder), &alertmanager, folder);
        let application = Emitter::connect(harness.socket(), Identity::new("shop")).expect("an emitter");
        Self { application, map: BTreeMap::new(), table, prometheus, alertmanager, webhook, harness }
    }

    /// A dual write; one that does not reach the store is acknowledged all the same.
    fn write(&mut self, key: &str, value: &str, reaches_store: bool) {
        let Self { application, map, table, .. } = self;
        let store = || {
            if reaches_store {
                table.put(key, value.as_bytes());
            }
            Ok::<_, Infallible>(())
        };
        let carts = application.map(MAP);
        let Ok(()) = carts.dual_write_put(key, value, || map.insert(key.into(), value.into()), store);
    }

    /// Writes that agree, until everybody has seen that they do.
    fn go_well(&mut self) {
        (0..KEPT).for_each(|number| self.write(&format!("user-{number}"), "2 apples", true));
        assert_eq!(self.harness.settled(KEPT).outcomes(MAP).confirmed, KEPT);
        // A counter that is there for the first time with a divergence in it did not grow.
        let turns = format!("counterfoil_divergence_turns_total{{map=\"{MAP}\",turn=\"confirmed\"}}");
        wait::until("Prometheus knows of no divergence", || {
            let series = self.prometheus.query(&turns);
            (!series.is_empty() && series.iter().all(|it| it["value"][1] == "0")).then_some(())
        });
    }

    /// The bug: a row that is not made, and one that is not changed. Gives the divergences, with their evidence.
    fn go_wrong(&mut self) -> Vec<Value> {
        self.write("user-7", "3 apples", false);
        self.write("user-77", "1 pear", false);
        let found = wait::until("both divergences are confirmed, with evidence", || {
            let found = self.harness.divergences();
            let is_done = |it: &Value| it["state"] == "confirmed" && it["evidence"] == true;
            (found.len() == 2 && found.iter().all(is_done)).then_some(found)
        });
        let kinds: BTreeSet<_> = found.iter().map(|it| text(&it["kind"])).collect();
        assert_eq!(kinds, ["missing", "stale"].into(), "{found:?}");
        found
    }

    /// Somebody is told by each of the alerts; gives the divergence that the comparator's own names first.
    fn somebody_is_told(&self) -> String {
        for (name, runbook) in [(CONFIRMED, "divergenceconfirmed"), (OPEN, "divergencesopen")] {
            let alert = self.webhook.told(name, "firing");
            let page = format!("docs/runbook.md#counterfoil{runbook}");
            assert_eq!(alert["annotations"]["runbook_url"], page, "{alert}");
            assert_eq!(about(&alert), [MAP, "main", "critical"], "{alert}");
        }
        let alert = self.webhook.told(TOLD, "firing");
        assert_eq!(about(&alert), [MAP, "main", "critical"], "{alert}");
        let firing = self.alertmanager.firing(TOLD);
        assert_eq!(firing.len(), 1, "{firing:?}");
        assert_eq!(firing[0]["status"]["state"], "active", "{firing:?}");
        let example = text(&alert["annotations"]["examples"]).lines().next().expect("an example");
        example.split(' ').next_back().expect("an id").to_owned()
    }

    /// Types what the documentation says to type.
    fn follow_the_page(&self, divergence: &str) {
        let page = text_of("docs/operations.md");
        let section = page.split("\n## ").find(|it| it.starts_with("From an alert to its end"));
        let port = self.harness.http().to_string();
        // The port comes first: an id may have the same digits.
        let replaced = [("7413", port.as_str()), ("ID", divergence)];
        let shown = typed(section.expect("the section"), &replaced, self.harness.setup().folder());
        has(&shown, &["missing", "stale", "user-7", "user-77"]);
        has(&shown, &["holds, signed under key", "approved", "\"broken\":null"]);
    }

    /// Whoever verifies the bundle sees that one byte of it is another.
    fn a_changed_bundle_is_refused(&self, divergence: &str) {
        let file = self.harness.setup().folder().join(format!("{divergence}.dsse.json"));
        let mut bundle = fs::read(&file).expect("the bundle was fetched");
        let middle = bundle.len() / 2;
        bundle[middle] ^= 1;
        fs::write(&file, bundle).expect("a file in the test's folder");
        let key = file.with_file_name("evidence.pub");
        let verified = run(&["verify".as_ref(), &file, "--key".as_ref(), &key]);
        assert_eq!(verified.status.code(), Some(1), "{verified:?}");
        has(&String::from_utf8_lossy(&verified.stdout), &["DOES NOT HOLD"]);
    }

    /// The store follows the map, and the comparator saw that it does.
    fn is_mended(&mut self) {
        wait::until("both repairs are confirmed", || {
            let told = self.harness.json(&format!("/v1/repairs?map={MAP}"));
            let repairs = told["repairs"].as_array().expect("repairs");
            let is_done = |it: &Value| it["state"] == "confirmed" && it["by"] == "alice";
            (repairs.len() == 2 && repairs.iter().all(is_done)).then_some(())
        });
        for divergence in self.harness.divergences() {
            let end = (&divergence["state"], &divergence["resolved_how"]);
            assert_eq!(end, (&"resolved".into(), &"agreed".into()), "{divergence}");
        }
        for (key, value) in &self.map {
            assert_eq!(self.table.get(key).as_deref(), Some(value.as_bytes()), "{key}");
        }
    }

    /// Who was told is told that it is over. What happened stays told of for ten minutes.
    fn somebody_is_told_that_it_is_over(&self) {
        for name in [OPEN, TOLD] {
            let alert = self.webhook.told(name, "resolved");
            assert_eq!(about(&alert), [MAP, "main", "critical"], "{alert}");
            wait::until(&format!("{name} does not fire"), || {
                self.alertmanager.firing(name).is_empty().then_some(())
            });
        }
        assert!(self.prometheus.query(&format!("ALERTS{{alertname=\"{OPEN}\"}}")).is_empty());
        let told = self.webhook.alerts();
        let names: BTreeSet<_> = told.iter().map(|alert| text(&alert["labels"]["alertname"])).collect();
        assert_eq!(names, [CONFIRMED, OPEN, TOLD].into(), "{told:?}");
        let told = Value::from(told).to_string();
        assert!(!["user-", "apples", "pear"].iter().any(|secret| told.contains(secret)), "{told}");
    }

    fn close(self) {
        assert!(self.application.close(Duration::from_secs(10)), "the sidecar took the events");
        let summary = self.harness.finish();
        let outcomes = summary.outcomes(MAP);
        assert_eq!((outcomes.confirmed, outcomes.divergent), (KEPT, LOST), "{summary:?}");
    }
}

/// A table that the comparator can only read, but for repairs; evidence, values, and an Alertmanager.
fn watched(setup: Setup, table: &mut Postgres, alertmanager: &Alertmanager) -> Setup {
    let at = |name: &str| setup.folder().join(name);
    for (name, digits) in [("evidence.key", "5a"), ("repair.key", "3d")] {
        counterfoil_keys::create_file(&at(name), &digits.repeat(32)).expect("a key");
    }
    let public = run(&["key".as_ref(), "public".as_ref(), "--file".as_ref(), &at("evidence.key")]);
    fs::write(at("evidence.pub"), public.stdout).expect("a file in the test's folder");
    let evidence = json!({ "path": at("evidence"), "signing_key": at("evidence.key") });
    let repair = json!({ "signing_key_file": at("repair.key") });
    let alerts = format!("http://127.0.0.1:{}", alertmanager.port());
    let receiver = json!({ "name": "alerts", "kind": "alertmanager", "url": alerts, "group_wait_ms": 0 });
    let reader = table.role("SELECT");
    may_not_write(&reader, &table.name);
    setup
        .store("main", &reader)
        .map(&Map::new(MAP, table.place()))
        .comparator("/maps", json!([contract(table)]))
        .comparator("/evidence", evidence)
        .comparator("/repair", repair)
        .comparator("/notify", json!({ "receivers": [receiver] }))
        .sidecar("/values", json!({ "maps": [MAP] }))
}

fn contract(table: &mut Postgres) -> Value {
    let (name, query) = (table.name.clone(), table.place().1);
    let repair = json!({
        "direction": "map_wins",
        "url": table.role("SELECT, INSERT, UPDATE, DELETE"),
        "insert": format!("INSERT INTO {name} (k, v) VALUES ($key, $value)"),
        "update": format!("UPDATE {name} SET v = $value WHERE k = $key"),
        "remove": format!("DELETE FROM {name} WHERE k = $key"),
        "locked_query": format!("{query} FOR UPDATE"),
    });
    json!({
        "name": MAP, "store": "main", "query": query, "deadline_ms": DEADLINE_MS,
        "severity": "critical", "values": true, "repair": repair,
    })
}

fn may_not_write(url: &str, table: &str) {
    let mut client = postgres::Client::connect(url, NoTls).expect("Postgres answers");
    let refused = client.execute(&format!("INSERT INTO {table} VALUES ('user-0', '')"), &[]);
    let code = refused.expect_err("the reader may only read").code().cloned();
    assert_eq!(code, Some(SqlState::INSUFFICIENT_PRIVILEGE));
}

/// The rules as they ship, but that what is open is told after a second, not after an hour.
fn rules(folder: &Path) -> PathBuf {
    let shipped = text_of("deploy/alerts/rules.yaml");
    assert_eq!(shipped.matches("for: 1h\n").count(), 1, "only {OPEN} waits for an hour");
    let file = folder.join("rules.yaml");
    fs::write(&file, shipped.replace("for: 1h\n", "for: 1s\n")).expect("a file in the test's folder");
    file
}

/// What the command says.
fn run(arguments: &[&Path]) -> Output {
    Command::new(counterfoil()).args(arguments).output().expect("it runs")
}

/// Map, store and severity of an alert.
fn about(alert: &Value) -> [&str; 3] {
    ["map", "store", "severity"].map(|label| text(&alert["labels"][label]))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text"))
}

#[test]
fn a_bug_is_found_told_proven_and_repaired_and_told_to_be_over() {
    let mut shop = Shop::open();
    shop.go_well();
    let found = shop.go_wrong();
    let divergence = shop.somebody_is_told();
    assert!(found.iter().any(|it| it["id"] == divergence), "{divergence} is one of {found:?}");
    shop.follow_the_page(&divergence);
    shop.a_changed_bundle_is_refused(&divergence);
    shop.is_mended();
    shop.somebody_is_told_that_it_is_over();
    shop.close();
}
