//! Both processes, running.

use crate::process::Process;
use crate::setup::Setup;
use crate::summary::Summary;
use crate::{http, wait};
use serde_json::Value;
use std::path::PathBuf;

/// Divergences asked for at a time.
const PAGE_ROWS: usize = 500;

/// A sidecar and a comparator as processes of their own.
pub struct Harness {
    sidecar: Option<Process>,
    comparator: Option<Process>,
    // The last to go: it holds the folder with the logs.
    setup: Setup,
}

impl Harness {
    /// Nothing runs yet: a test that needs an order of its own starts each process itself.
    #[must_use]
    pub fn prepared(setup: Setup) -> Self {
        Self { setup, sidecar: None, comparator: None }
    }

    /// Starts the comparator and waits until it is ready.
    ///
    /// # Panics
    ///
    /// If it does not become ready.
    pub fn start_comparator(&mut self) {
        let process =
            Process::start("comparator", &mut self.setup.command("comparator"), self.setup.folder());
        wait_until_ready(self.comparator.insert(process), self.setup.http);
    }

    /// Starts the sidecar and waits until it is ready.
    ///
    /// # Panics
    ///
    /// If it does not become ready.
    pub fn start_sidecar(&mut self) {
        let process = Process::start("sidecar", &mut self.setup.command("sidecar"), self.setup.folder());
        wait_until_ready(self.sidecar.insert(process), self.setup.admin);
    }

    /// Kills the comparator (SIGKILL), if it runs; what it had in memory is gone.
    pub fn kill_comparator(&mut self) {
        drop(self.comparator.take());
    }

    /// Kills the sidecar (SIGKILL), if it runs; what it had in memory is gone.
    pub fn kill_sidecar(&mut self) {
        drop(self.sidecar.take());
    }

    /// What was set up.
    #[must_use]
    pub fn setup(&self) -> &Setup {
        &self.setup
    }

    /// The sidecar's socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.setup.folder().join("emit.sock")
    }

    /// The comparator's HTTP port.
    #[must_use]
    pub fn http(&self) -> u16 {
        self.setup.http
    }

    /// The comparator's gRPC endpoint.
    #[must_use]
    pub fn grpc(&self) -> String {
        format!("http://127.0.0.1:{}", self.setup.grpc)
    }

    /// The sidecar's id as a process.
    #[must_use]
    pub fn sidecar_id(&self) -> Option<u32> {
        self.sidecar.as_ref().map(Process::id)
    }

    /// The comparator's id as a process.
    #[must_use]
    pub fn comparator_id(&self) -> Option<u32> {
        self.comparator.as_ref().map(Process::id)
    }

    /// What the comparator says now.
    ///
    /// # Panics
    ///
    /// If it does not answer.
    #[must_use]
    pub fn summary(&self) -> Summary {
        Summary::read(self.json("/v1/summary"))
    }

    /// The document at a path of the comparator's API, as its operator sees it where there is one.
    ///
    /// # Panics
    ///
    /// If the comparator answers with none.
    #[must_use]
    pub fn json(&self, path: &str) -> Value {
        match &self.setup.token {
            Some(token) => http::json_as(token, self.setup.http, path),
            None => http::json(self.setup.http, path),
        }
    }

    /// Every divergence, newest first.
    ///
    /// # Panics
    ///
    /// If the comparator does not answer.
    #[must_use]
    pub fn divergences(&self) -> Vec<Value> {
        let mut all = Vec::new();
        let mut after = String::new();
        loop {
            let page = self.json(&format!("/v1/divergences?limit={PAGE_ROWS}{after}"));
            let rows = page.get("divergences").and_then(Value::as_array);
            all.extend(rows.unwrap_or_else(|| panic!("no list of divergences in {page}")).iter().cloned());
            match page.get("next") {
                Some(Value::Null) | None => return all,
                Some(cursor) => after = format!("&after={cursor}"),
            }
        }
    }

    /// A metric of the sidecar: the sum of its series whose text contains every part of `labels`.
    ///
    /// # Panics
    ///
    /// If the sidecar does not answer.
    #[must_use]
    pub fn sidecar_metric(&self, name: &str, labels: &[&str]) -> f64 {
        metric(&metrics(self.setup.admin), name, labels)
    }

    /// A metric of the comparator, summed as [`sidecar_metric`](Self::sidecar_metric).
    ///
    /// # Panics
    ///
    /// If the comparator does not answer.
    #[must_use]
    pub fn comparator_metric(&self, name: &str, labels: &[&str]) -> f64 {
        metric(&self.comparator_metrics(), name, labels)
    }

    /// All metrics of the comparator.
    ///
    /// # Panics
    ///
    /// If the comparator does not answer.
    #[must_use]
    pub fn comparator_metrics(&self) -> String {
        metrics(self.setup.http)
    }

    /// Waits until the comparator took in `events` and every one has exactly one outcome; gives the summary then. While
    /// events flow, a summary is not taken at one instant, so the sums are held to their promise at rest.
    ///
    /// # Panics
    ///
    /// If that does not come about.
    #[must_use]
    pub fn settled(&self, events: u64) -> Summary {
        let settled = wait::within(wait::PATIENCE, || {
            let summary = self.summary();
            (summary.accepted >= events && summary.open() == 0 && summary.is_balanced()).then_some(summary)
        });
        settled.unwrap_or_else(|| {
            let summary = self.summary();
            summary.assert_balanced();
            panic!("{events} events did not come in, or did not get their outcomes: {summary:#?}")
        })
    }

    /// The end of every test: each event has exactly one outcome, and both processes stop cleanly when asked to.
    ///
    /// # Panics
    ///
    /// If one of that does not hold.
    pub fn finish(self) -> Summary {
        let summary = self.settled(0);
        self.stop();
        summary
    }

    /// The end of a test that cannot ask for the summary: both processes stop cleanly when asked to.
    ///
    /// # Panics
    ///
    /// If one does not.
    pub fn stop(mut self) {
        for process in [self.sidecar.take(), self.comparator.take()].into_iter().flatten() {
            process.stop();
        }
    }
}

fn wait_until_ready(process: &mut Process, port: u16) {
    wait::until("readiness", || {
        assert!(process.is_running(), "the process ended before it was ready");
        http::is_ok(port, "/readyz").then_some(())
    });
}

fn metrics(port: u16) -> String {
    let (status, text) = http::get(port, "/metrics").expect("/metrics answers");
    assert_eq!(status, 200, "/metrics: {text}");
    text
}

/// The sum of the series of `name` whose text contains every part of `labels`; 0 if there is none.
pub(crate) fn metric(text: &str, name: &str, labels: &[&str]) -> f64 {
    let series = text.lines().filter_map(|line| line.rsplit_once(' ')).filter(|(series, _)| {
        series.split('{').next() == Some(name) && labels.iter().all(|label| series.contains(label))
    });
    series.filter_map(|(_, value)| value.parse::<f64>().ok()).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_metric_is_the_sum_of_the_series_that_match() {
        let text =
            "# TYPE a counter\na{map=\"x\",why=\"p\"} 2\na{map=\"x\",why=\"q\"} 3\na{map=\"y\"} 5\nab 7\n";
        for (name, labels, sum) in [
            ("a", &[][..], 10.0),
            ("a", &["map=\"x\""], 5.0),
            ("a", &["map=\"x\"", "why=\"q\""], 3.0),
            ("b", &[], 0.0),
        ] {
            assert!((metric(text, name, labels) - sum).abs() < 1e-9, "{name} {labels:?}");
        }
    }
}
