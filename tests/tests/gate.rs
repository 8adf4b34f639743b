//! The gate as its users have it: real processes, the manifests of two rollout controllers as they ship, and the command.
#![allow(clippy::indexing_slicing, reason = "a test may panic")]

use counterfoil_tests::emit::{Client, dual_put, put};
use counterfoil_tests::{Ended, Harness, Map, Process, Setup, counterfoil, http, wait};
use rusqlite::Connection;
use serde::Deserialize;
use serde_json::{Value, json};
use std::path::Path;
use std::process::Command;

/// The shortest window there is, so that a test is not longer than it has to be.
const WINDOW: &str = "10s";

const DEADLINE_MS: u32 = 500;

/// What the manifests ask about.
const MAP: &str = "cart";

/// A comparator and a sidecar, and an application with an SQLite store.
struct Shop {
    harness: Harness,
    store: Connection,
    client: Option<Client>,
    written: u64,
}

impl Shop {
    /// Nothing runs yet. Little is demanded of a pass, so that it takes few events.
    fn prepared() -> Self {
        let setup = Setup::new();
        let path = setup.folder().join("store.db");
        let store = Connection::open(&path).expect("a new file");
        store
            .execute_batch("PRAGMA journal_mode=WAL; CREATE TABLE cart (k TEXT PRIMARY KEY, v BLOB)")
            .expect("a table");
        let query = "SELECT k, v FROM cart WHERE k IN rarray(?1)";
        let contract = json!({
            "name": MAP, "store": "main", "query": query, "deadline_ms": DEADLINE_MS,
            "cohorts": ["deployment=canary", "deployment=stable"],
            "gate": { "bad_ratio_max": 0.2, "samples_min": 20, "coverage_min": 0.5, "lag_max_ms": 60_000 },
        });
        let setup = setup
            .store("main", &format!("sqlite://{}", path.display()))
            .map(&Map::new(MAP, ("query", query.to_owned())))
            .comparator("/maps", json!([contract]));
        Self { harness: Harness::prepared(setup), store, client: None, written: 0 }
    }

    fn start(&mut self) {
        self.harness.start_comparator();
        self.harness.start_sidecar();
        self.client = Some(Client::welcomed(&self.harness.socket(), "shop").0);
    }

    /// Reports a write that reaches the store, or one that does not.
    fn write(&mut self, reaches_store: bool) {
        let key = format!("user-{}", self.written);
        let store = || {
            let row = (key.as_str(), b"2 apples");
            self.store.execute("INSERT INTO cart VALUES (?1, ?2)", row).expect("the store takes it");
        };
        let event = if reaches_store { dual_put(&key, b"2 apples", store) } else { put(&key, b"2 apples") };
        self.client.as_mut().expect("it was started").report(MAP, self.written, vec![event]);
        self.written += 1;
    }

    fn gate(&self) -> Value {
        http::json(self.harness.http(), &format!("/v1/gate?map={MAP}&window={WINDOW}"))
    }

    /// Writes until the gate says so.
    fn write_until(&mut self, result: &str, reaches_store: bool) -> Value {
        wait::until(&format!("the gate says {result}"), || {
            self.write(reaches_store);
            let answer = self.gate();
            (answer["result"] == result).then_some(answer)
        })
    }

    /// The command, with these flags.
    fn command(&self, flags: &[&str]) -> Command {
        let url = format!("http://127.0.0.1:{}", self.harness.http());
        let mut command = Command::new(counterfoil());
        command.args(["gate", "--url", &url, "--map", MAP, "--window", WINDOW]).args(flags);
        command
    }

    /// Exit code and standard output of the command.
    fn told(&self, flags: &[&str]) -> (Option<i32>, String) {
        let output = self.command(flags).output().expect("it runs");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    }

    /// All its users see the same answer.
    fn everybody_sees(&self, result: &str, exit_code: i32) {
        let phase = match result {
            "pass" => "Successful",
            "fail" => "Failed",
            _ => "Inconclusive",
        };
        let port = self.harness.http();
        let [cut_over, canary]: [Manifest; 2] = manifests("argo.yaml").try_into().expect("two templates");
        assert_eq!(cut_over.measured(port), phase, "{}", self.gate());
        assert_eq!(canary.measured(port), "Inconclusive", "no event is of a cohort");
        let [flagger]: [Manifest; 1] = manifests("flagger.yaml").try_into().expect("a canary");
        let expected = |kind: &str| match (kind, result) {
            ("confirm-promotion", "pass") | ("rollback", "fail") => 200,
            _ => 412,
        };
        let hooks = flagger.called(port);
        assert_eq!(hooks.len(), 2);
        for (kind, status) in hooks {
            assert_eq!(status, expected(&kind), "{kind}: {}", self.gate());
        }
        let (code, shown) = self.told(&[]);
        assert_eq!(code, Some(exit_code), "{shown}");
        assert!(shown.ends_with(&format!("{result}\n")), "{shown}");
    }
}

/// A manifest of a rollout controller.
#[derive(Debug, Deserialize)]
struct Manifest(Value);

fn manifests(name: &str) -> Vec<Manifest> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/rollouts").join(name);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let parsed = |text| serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    text.split("\n---\n").map(parsed).collect()
}

/// The path of a URL, with its query, and the window of these tests in place of the manifest's.
fn path_of(url: &str) -> String {
    let address = url.strip_prefix("http://").expect("plain HTTP");
    let (host, path) = address.split_once('/').expect("a path");
    assert_eq!(host, "counterfoil-comparator.shop:7413", "where the manifests put the comparator");
    format!("/{path}").replace("window=10m", &format!("window={WINDOW}"))
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("no text at {pointer} of {value}"))
}

impl Manifest {
    /// What Argo Rollouts makes of the measurement that an `AnalysisTemplate` describes.
    fn measured(&self, port: u16) -> &'static str {
        let spec = &self.0["spec"];
        let [metric] = &spec["metrics"].as_array().expect("metrics")[..] else { panic!("one metric") };
        assert_eq!((&metric["failureLimit"], &metric["consecutiveSuccessLimit"]), (&0.into(), &1.into()));
        assert_eq!(
            metric.get("count"),
            None,
            "a run that reaches it is a success, whatever was measured last"
        );
        let mut url = text(metric, "/provider/web/url").to_owned();
        for arg in spec["args"].as_array().expect("args") {
            let (name, value) = (text(arg, "/name"), arg["value"].as_str().unwrap_or(MAP));
            url = url.replace(&format!("{{{{args.{name}}}}}"), value);
        }
        let answer = http::json(port, &path_of(&url));
        let result = found(&answer, text(metric, "/provider/web/jsonPath"));
        let holds = |condition: &str| is_met(text(metric, condition), result);
        match (holds("/failureCondition"), holds("/successCondition")) {
            (true, _) => "Failed",
            (false, true) => "Successful",
            (false, false) => "Inconclusive",
        }
    }

    /// Type and status of each webhook of Flagger's, called as Flagger does.
    fn called(&self, port: u16) -> Vec<(String, u16)> {
        let hooks = self.0.pointer("/spec/analysis/webhooks").and_then(Value::as_array).expect("webhooks");
        let call = |hook: &Value| {
            let mut metadata = hook["metadata"].clone();
            metadata["window"] = WINDOW.into();
            let payload = json!({
                "name": text(&self.0, "/metadata/name"),
                "namespace": text(&self.0, "/metadata/namespace"),
                "phase": "Progressing",
                "metadata": metadata,
            });
            let answer = http::post(port, &path_of(text(hook, "/url")), &payload).expect("an answer");
            (text(hook, "/type").to_owned(), answer.0)
        };
        hooks.iter().map(call).collect()
    }
}

/// What the JSONPath `{$.NAME}` finds; no other form stands in the manifests.
fn found<'a>(answer: &'a Value, path: &str) -> &'a str {
    let name = path.strip_prefix("{$.").and_then(|path| path.strip_suffix('}')).expect("{$.NAME}");
    text(answer, &format!("/{name}"))
}

/// Whether the expression `result == "TEXT"` is true.
fn is_met(condition: &str, result: &str) -> bool {
    let expected = condition.strip_prefix("result == \"").and_then(|it| it.strip_suffix('"'));
    expected.expect("result == \"TEXT\"") == result
}

fn reasons(answer: &Value) -> Vec<&str> {
    answer["reasons"].as_array().expect("reasons").iter().map(|reason| text(reason, "/reason")).collect()
}

#[test]
fn a_rollout_waits_for_a_comparator_that_has_just_started_goes_on_at_a_pass_and_back_at_a_fail() {
    let mut shop = Shop::prepared();
    // Nobody is there yet.
    let mut patient = shop.command(&["--wait", "80s", "--interval", "100ms", "--output", "json"]);
    let mut patient = Process::start("gate", &mut patient, shop.harness.setup().folder());
    wait::until("it asks again", || patient.log().contains("asking again").then_some(()));

    shop.start();
    let answer = shop.gate();
    let expected = ["bad_ratio_uncertain", "window", "calibration", "samples", "coverage"];
    assert!(expected.iter().all(|reason| reasons(&answer).contains(reason)), "{answer}");
    shop.everybody_sees("insufficient", 3);
    let (code, shown) = shop.told(&["--output", "json", "--wait", "300ms", "--interval", "100ms"]);
    let shown: Value = serde_json::from_str(&shown).expect("JSON");
    assert_eq!((code, &shown["result"]), (Some(3), &"insufficient".into()), "the time is over: {shown}");

    let answer = shop.write_until("pass", true);
    assert_eq!((reasons(&answer), &answer["divergent"]), (vec![], &0.into()), "{answer}");
    assert!(
        answer["samples"].as_u64() >= Some(20) && answer["bad_ratio_upper"].as_f64() <= Some(0.2),
        "{answer}"
    );
    shop.everybody_sees("pass", 0);
    let Ended { status, log } = patient.ended();
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("insufficient (") && log.contains("samples"), "it said why it waited: {log}");

    let answer = shop.write_until("fail", false);
    assert!(
        answer["open_divergences"].as_u64() >= Some(1) && reasons(&answer).contains(&"open_divergences"),
        "{answer}"
    );
    shop.everybody_sees("fail", 1);
    assert_eq!(shop.told(&["--wait", "80s"]).0, Some(1), "it is certain, there is nothing to wait for");

    let (code, _) = shop.told(&["--cohort", "deployment=blue"]);
    assert_eq!(code, Some(2), "there is no such cohort");
    shop.client.take().expect("it was started").bye();
    shop.harness.finish();
}

#[test]
fn while_the_store_does_not_answer_it_is_insufficient_for_want_of_coverage() {
    let map = Map {
        deadline_ms: 300,
        ..Map::new(MAP, ("query", "SELECT k, v FROM cart WHERE k IN rarray(?1)".into()))
    };
    let setup = Setup::new().map(&map);
    let nowhere = format!("sqlite://{}", setup.folder().join("nowhere.db").display());
    let harness = setup.store("main", &nowhere).start();
    let (mut client, _welcome) = Client::welcomed(&harness.socket(), "shop");
    client.report(MAP, 0, (0..5).map(|key| put(&key.to_string(), b"2 apples")).collect());
    client.bye();
    let settled = harness.settled(5);
    assert_eq!(settled.outcomes(MAP).undetermined, 5, "{settled:?}");
    let answer = http::json(harness.http(), &format!("/v1/gate?map={MAP}"));
    assert_eq!((&answer["result"], &answer["coverage"]), (&"insufficient".into(), &0.0.into()), "{answer}");
    assert!(["store", "coverage"].iter().all(|reason| reasons(&answer).contains(reason)), "{answer}");
    harness.finish();
}
