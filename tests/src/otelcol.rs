//! The OpenTelemetry Collector, which hands everything on.

use crate::process::Process;
use crate::{environment, free_port, wait};
use serde_json::json;
use std::fs;
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

/// A running collector.
pub struct Otelcol {
    port: u16,
    _process: Process,
}

impl Otelcol {
    /// Starts one that hands on to `address`, a host and a port; `None` if there is no program.
    ///
    /// # Panics
    ///
    /// If it does not become ready.
    #[must_use]
    pub fn handing_on_to(address: &str, folder: &Path) -> Option<Self> {
        let program = environment("COUNTERFOIL_TEST_OTELCOL")?;
        let port = free_port();
        let pipeline = json!({ "receivers": ["otlp"], "exporters": ["otlp"] });
        // What it hands on is received without what would unpack it.
        let sent = json!({ "endpoint": address, "tls": { "insecure": true }, "compression": "none", "sending_queue": { "enabled": false } });
        let config = json!({
            "receivers": { "otlp": { "protocols": { "grpc": { "endpoint": format!("127.0.0.1:{port}") } } } },
            "exporters": { "otlp": sent },
            "service": {
                "telemetry": { "metrics": { "level": "none" } },
                "pipelines": { "traces": pipeline, "logs": pipeline, "metrics": pipeline },
            },
        });
        let file = folder.join("otelcol.yaml");
        fs::write(&file, config.to_string()).expect("a file in the test's folder");
        let mut command = Command::new(program);
        command.arg(format!("--config={}", file.display()));
        let mut process = Process::start("otelcol", &mut command, folder);
        wait::until("the collector listens", || {
            assert!(process.is_running(), "it ended before: {}", process.log());
            TcpStream::connect(("127.0.0.1", port)).ok()
        });
        Some(Self { port, _process: process })
    }

    /// Where it listens.
    #[must_use]
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }
}
