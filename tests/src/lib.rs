//! The whole system under test: the real command, as real processes, with real sockets and real stores.
//!
//! A test describes a [`Setup`], starts it as a [`Harness`] and ends with [`Harness::finish`], which holds the run to
//! the promise that every accepted event ends in exactly one outcome, and both processes to a clean end. Whatever goes
//! wrong on the way panics, with the logs of the processes: these are tests.
//!
//! - Postgres, Redis and a Python come from the environment that `cargo xtask test` sets up ([`stores`], [`foreign`]).
//! - Nothing is timed. A test waits for what it wants to see, and gives up after a bound ([`wait`]).

pub mod alertmanager;
mod binary;
pub mod certificates;
pub mod chromium;
pub mod dashboards;
pub mod docs;
pub mod emit;
pub mod foreign;
pub mod h2;
mod harness;
pub mod http;
pub mod intake;
pub mod memory;
pub mod otelcol;
pub mod otlp;
mod process;
pub mod prometheus;
pub mod script;
pub mod sender;
mod series;
mod served;
mod setup;
pub mod stores;
pub mod summary;
pub mod wait;
pub mod webhook;

pub use binary::counterfoil;
pub use harness::Harness;
pub use process::{Ended, Process};
pub use setup::{Map, Setup};

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::net::TcpListener;
use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};

/// Notes that a test left something out, for the end of `cargo xtask test`, and says so on stderr.
///
/// # Panics
///
/// If the note cannot be written.
pub fn skipped(what: &str, why: &str) {
    eprintln!("skipped: {what}: {why}");
    let Some(file) = environment("COUNTERFOIL_TEST_SKIPS") else { return };
    let mut file = OpenOptions::new().create(true).append(true).open(file).expect("the file of skips opens");
    writeln!(file, "{what}: {why}").expect("the skip is noted");
}

/// What the test run says about its surroundings.
#[allow(clippy::disallowed_methods, reason = "the test run is configured by its environment")]
pub fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// The text of a file of the work tree.
///
/// # Panics
///
/// If it cannot be read.
#[must_use]
pub fn text_of(path: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path);
    fs::read_to_string(file).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A name that no other test of any process uses, made of letters, digits and underscores.
#[must_use]
pub fn unique(prefix: &str) -> String {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    format!("{prefix}_{}_{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed))
}

/// Ports below those that the system gives to outgoing connections, of which one could take a port that was just free.
const PORTS: Range<u16> = 10_000..32_000;

/// A TCP port of the loopback that nobody listens on. It is given once.
///
/// # Panics
///
/// If there is none.
#[must_use]
pub fn free_port() -> u16 {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    // Processes at a time have ids that follow each other: each begins elsewhere.
    let first = std::process::id().wrapping_mul(997);
    let next = || first.wrapping_add(COUNT.fetch_add(1, Ordering::Relaxed));
    let port = || PORTS.start + u16::try_from(next() % u32::from(PORTS.end - PORTS.start)).unwrap_or(0);
    let is_free = |port: &u16| TcpListener::bind(("127.0.0.1", *port)).is_ok();
    PORTS.map(|_| port()).find(is_free).expect("a free port")
}
