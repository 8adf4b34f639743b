//! A Prometheus that scrapes the processes under test.

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
        let program = environment("COUNTERFOIL_TEST_PROMETHEUS").expect(
            "COUNTERFOIL_TEST_PROMETHEUS is not set; run `cargo xtask test`, which finds or installs one",
        );
        let jobs: Vec<_> = jobs.iter().map(|(name, port)| job(name, *port)).collect();
        let config = json!({ "global": { "scrape_interval": "1s" }, "scrape_configs": jobs });
        let file = folder.join("prometheus.yaml");
        fs::write(&file, config.to_string()).expect("a file in the test's folder");
        let port = free_port();
        let mut command = Command::new(program);
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.tsdb.path={}", folder.join("prometheus").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        let process = Process::start("prometheus", &mut command, folder);
        wait::until("Prometheus is ready", || {
            http::get(port, "/-/ready").ok().filter(|(status, _)| *status == 200)
        });
        Self { port, _process: process }
    }

    /// The series that an expression gives now.
    ///
    /// # Panics
    ///
    /// If it is no expression.
    #[must_use]
    pub fn query(&self, expression: &str) -> Vec<Value> {
        let mut path = "/api/v1/query?query=".to_owned();
        expression.bytes().for_each(|byte| write!(path, "%{byte:02x}").expect("a string grows"));
        let (status, body) = http::get(self.port, &path).expect("Prometheus answers");
        assert_eq!(status, 200, "{expression}: {body}");
        let answer: Value = serde_json::from_str(&body).expect("an answer of JSON");
        answer.pointer("/data/result").and_then(Value::as_array).expect("a list of series").clone()
    }
}

fn job(name: &str, port: u16) -> Value {
    json!({ "job_name": name, "static_configs": [{ "targets": [format!("127.0.0.1:{port}")] }] })
}

/// The names of our metrics in an expression, without what Prometheus puts behind the name of a histogram.
pub fn metrics_in(expression: &str) -> impl Iterator<Item = &str> {
    let words =
        expression.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_' && letter != ':');
    words.filter(|word| word.starts_with("counterfoil_")).map(|word| word.trim_end_matches("_bucket"))
}
