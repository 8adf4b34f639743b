//! `docs/benchmarks.md`.

use std::fmt::Write;
use std::fs;
use std::path::Path;

/// One figure, and what it should be.
pub(crate) struct Figure {
    what: &'static str,
    value: f64,
    target: Option<(f64, Bound)>,
    unit: &'static str,
    decimals: usize,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Bound {
    Most,
    Least,
}

impl Figure {
    /// A figure that should not be larger than `target`.
    pub(crate) fn most(
        what: &'static str,
        value: f64,
        target: f64,
        unit: &'static str,
        decimals: usize,
    ) -> Self {
        Self { what, value, target: Some((target, Bound::Most)), unit, decimals }
    }

    /// A figure that should not be smaller than `target`.
    pub(crate) fn least(
        what: &'static str,
        value: f64,
        target: f64,
        unit: &'static str,
        decimals: usize,
    ) -> Self {
        Self { what, value, target: Some((target, Bound::Least)), unit, decimals }
    }

    /// A figure without a target of its own.
    pub(crate) fn plain(what: &'static str, value: f64, unit: &'static str, decimals: usize) -> Self {
        Self { what, value, target: None, unit, decimals }
    }

    fn row(&self) -> String {
        let Self { what, value, unit, decimals, .. } = self;
        let (target, verdict) = match self.target {
            None => (String::new(), ""),
            Some((target, bound)) => {
                let (sign, met) = match bound {
                    Bound::Most => ("≤", *value <= target),
                    Bound::Least => ("≥", *value >= target),
                };
                (format!("{sign} {target} {unit}"), if met { "met" } else { "**missed**" })
            }
        };
        format!("| {what} | {value:.decimals$} {unit} | {target} | {verdict} |")
    }
}

/// Everything that was measured.
pub(crate) struct Report {
    pub(crate) figures: Vec<Figure>,
}

const HEAD: &str = "\
# Benchmarks

Written by `cargo xtask bench`, which builds in release mode, runs the real processes and counts. CPU time is what the
kernel counted for all threads of the process, user and system; memory is its peak resident size. Events on the socket have
270 bytes with a value of 200, and come in writes of just under 64 KiB.

The floor is a loop that reads the same bytes from a Unix socket and digests the values, one after the other, with the
digest that the sidecar uses; it neither parses nor sends anything. The comparator gets batches of 4,096 events over
250,000 keys; its probes are put off, so no store is read. The demo runs an application, its store, a sidecar and a
comparator in one process for 20 seconds.
";

impl Report {
    /// Writes the page, and shows it.
    pub(crate) fn write(&self) {
        let mut page =
            format!("{HEAD}\nMachine: {}.\n\n| what | measured | target | |\n|---|---|---|---|\n", machine());
        for figure in &self.figures {
            writeln!(page, "{}", figure.row()).expect("a string grows");
        }
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmarks.md");
        fs::write(&path, &page).expect("docs/benchmarks.md is written");
        eprint!("{page}");
    }
}

/// What the figures were taken on.
fn machine() -> String {
    let cpus = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpus.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let model = model.trim_start_matches(|it: char| it.is_whitespace() || it == ':');
    let cores = cpus.lines().filter(|line| line.starts_with("processor")).count();
    let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
    let version = kernel.trim().split('-').next().unwrap_or_default();
    format!("{cores} cores of {model}, Linux {version}")
}
