//! An Alertmanager that tells a webhook of every alert.

use crate::process::Process;
use crate::webhook::Webhook;
use crate::{environment, free_port, http, wait};
use serde_json::{Value, json};
use std::fs;
use std::path::Path;
use std::process::Command;

/// A running server, alone and with its data in the folder it was given.
pub struct Alertmanager {
    port: u16,
    _process: Process,
}

impl Alertmanager {
    /// Starts one that tells `webhook` of alerts, those of each name by themselves, and of their ends.
    ///
    /// # Panics
    ///
    /// If there is no Alertmanager, or it does not become ready.
    #[must_use]
    pub fn telling(webhook: &Webhook, folder: &Path) -> Self {
        let program = environment("COUNTERFOIL_TEST_ALERTMANAGER").expect(
            "COUNTERFOIL_TEST_ALERTMANAGER is not set; run `cargo xtask test`, which finds or installs one",
        );
        let file = folder.join("alertmanager.yaml");
        fs::write(&file, config(webhook).to_string()).expect("a file in the test's folder");
        let port = free_port();
        let mut command = Command::new(program);
        command.arg(format!("--config.file={}", file.display()));
        command.arg(format!("--storage.path={}", folder.join("alertmanager").display()));
        command.arg(format!("--web.listen-address=127.0.0.1:{port}"));
        // Else it looks for others of its kind.
        command.arg("--cluster.listen-address=");
        let process = Process::start("alertmanager", &mut command, folder);
        wait::until("the Alertmanager is ready", || http::is_ok(port, "/-/ready").then_some(()));
        Self { port, _process: process }
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The alerts of this name that fire now, as its API has them.
    ///
    /// # Panics
    ///
    /// If it does not answer.
    #[must_use]
    pub fn firing(&self, name: &str) -> Vec<Value> {
        let alerts = http::json(self.port, &format!("/api/v2/alerts?active=true&filter=alertname={name}"));
        alerts.as_array().expect("a list of alerts").clone()
    }
}

fn config(webhook: &Webhook) -> Value {
    let route = json!({
        "receiver": "webhook",
        "group_by": ["alertname"],
        "group_wait": "0s",
        "group_interval": "1s",
        "repeat_interval": "1h",
    });
    let hook = json!({ "url": webhook.url(), "send_resolved": true });
    json!({ "route": route, "receivers": [{ "name": "webhook", "webhook_configs": [hook] }] })
}
