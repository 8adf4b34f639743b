//! A Prometheus that scrapes the processes under test, and may tell an Alertmanager what its rules say.

use crate::alertmanager::Alertmanager;
use crate::process::Process;
use crate::{environment, free_port, http, wait};
use serde_json::{Value, json};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::process::Command;

/// A running server. It keeps what it scraped in the folder it was given.
pub struct Prometheus {
    port: u16,
    _process: Process,
}

impl Prometheus {
    /// Starts one that scrapes each of `jobs`, a name and a port, every second.
    ///
    /// # Panics
    ///
    /// If there is no Prometheus, or it does not become ready.
    #[must_use]
    pub fn scraping(jobs: &[(&str, u16)], folder: &Path) -> Self {
        Self::start(
            &json!({ "global": { "scrape_interval": "1s" }, "scrape_configs": scrapes(jobs) }),
            folder,
        )
    }

    /// The same, which evaluates the rules in a file as often, and tells `alertmanager` of alerts.
    ///
    /// # Panics
    ///
    /// If there is no Prometheus, or it does not become ready.
    #[must_use]
    pub fn alerting(jobs: &[(&str, u16)], rules: &Path, alertmanager: &Alertmanager, folder: &Path) -> Self {
        let config = json!({
            "global": { "scrape_interval": "1s", "evaluation_interval": "1s" },
            "scrape_configs": scrapes(jobs),
            "rule_files": [rules],
            "alerting": { "alertmanagers": [{ "static_configs": targets(alertmanager.port()) }] },
        });
        Self::start(&config, folder)
    }

    fn start(config: &Value, folder: &Path) -> Self {
        let program = environment("COUNTERFOIL_TEST_PROMETHEUS").expect(
            "COUNTERFOIL_TEST_PROMETHEUS is not set; run `cargo xtask test`, which finds or installs one",
        );
        let file = folder.join("prometheus.yaml");
        fs::write(&file, config.to_string()).expect("a file in the test's folder");
        let port = free_port();
        let mut command = Command::new(program);
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.join("prometheus").display()));
        command.arg("--enable-feature=exemplar-storage");
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        let process = Process::start("prometheus", &mut command, folder);
        wait::until("Prometheus is ready", || http::is_ok(port, "/-/ready").then_some(()));
        Self { port, _process: process }
    }

    /// The series that an expression gives now.
    ///
    /// # Panics
    ///
    /// If it is no expression.
    #[must_use]
    pub fn query(&self, expression: &str) -> Vec<Value> {
        let answer = self.ask("query", expression, "");
        answer.pointer("/data/result").and_then(Value::as_array).expect("a list of series").clone()
    }

    /// The exemplars of the series of an expression, as far back as a day, each with the labels of its series.
    ///
    /// # Panics
    ///
    /// If it is no expression.
    #[must_use]
    pub fn exemplars(&self, expression: &str) -> Vec<Value> {
        let now_unix_s = counterfoil_clock::wall_unix_ns() / 1_000_000_000;
        let range = format!("&start={}&end={}", now_unix_s - 86_400, now_unix_s + 60);
        let answer = self.ask("query_exemplars", expression, &range);
        answer.pointer("/data").and_then(Value::as_array).expect("a list of series").clone()
    }

    fn ask(&self, what: &str, expression: &str, more: &str) -> Value {
        let mut path = format!("/api/v1/{what}?query=");
        expression.bytes().for_each(|byte| write!(path, "%{byte:02x}").expect("a string grows"));
        let (status, body) = http::get(self.port, &(path + more)).expect("Prometheus answers");
        assert_eq!(status, 200, "{expression}: {body}");
        serde_json::from_str(&body).expect("an answer of JSON")
    }
}

fn scrapes(jobs: &[(&str, u16)]) -> Value {
    let scrape = |(name, port): &(&str, u16)| json!({ "job_name": name, "static_configs": targets(*port) });
    jobs.iter().map(scrape).collect()
}

fn targets(port: u16) -> Value {
    json!([{ "targets": [format!("127.0.0.1:{port}")] }])
}

/// The names of our metrics in an expression, without what Prometheus puts behind the name of a histogram.
pub fn metrics_in(expression: &str) -> impl Iterator<Item = &str> {
    let words =
        expression.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_' && letter != ':');
    words.filter(|word| word.starts_with("counterfoil_")).map(|word| word.trim_end_matches("_bucket"))
}
