//! A real sidecar as a process, between an emitter that sends what it is told and a comparator that takes everything.

use crate::load::Load;
use crate::usage::CpuTime;
use crate::workload::{EVENTS_PER_FRAME, MAP, Workload};
use counterfoil_proto::wire::emit::AckLevel;
use counterfoil_tests::intake::Sink;
use counterfoil_tests::memory::peak_bytes;
use counterfoil_tests::{Harness, Map, Setup, wait};
use serde_json::json;
use std::path::PathBuf;
use std::time::Duration;

/// Frames sent before anything is measured.
const WARM_UP_FRAMES: usize = 200;
/// Frames under measurement.
const FRAMES: usize = 8_000;

/// How long the memory is watched, and the pace: a frame of 240 events every 24 ms is 10,000 events/s.
const PACED_FRAMES: usize = 420;
pub(crate) const PACE: Duration = Duration::from_millis(24);

/// What a sidecar is set up with that sends to `sink`.
pub(crate) fn setup(sink: &Sink) -> Setup {
    let map = Map::new(MAP, ("prefix", String::new()));
    Setup::new().map(&map).sidecar("/uplink/endpoint", json!(sink.endpoint()))
}

/// The setup with a spool in its folder, which lies where the system has its temporary files. Gives its directory too.
pub(crate) fn with_spool(setup: Setup, bytes_max: u64) -> (Setup, PathBuf) {
    let path = setup.folder().join("spool");
    let setup = setup.sidecar("/spool", json!({ "path": path, "bytes_max": bytes_max }));
    (setup, path)
}

struct Bench<'a> {
    sink: Sink,
    harness: Harness,
    load: Load<'a>,
}

impl<'a> Bench<'a> {
    fn start(workload: &'a Workload) -> Self {
        let sink = Sink::start();
        let mut harness = Harness::prepared(setup(&sink));
        harness.start_sidecar();
        let load = Load::connect(workload, &harness.socket(), AckLevel::Received);
        Self { sink, harness, load }
    }

    fn send(&mut self, frames: usize, pace: Duration) {
        self.load.send(frames, pace);
        let events = self.load.events();
        wait::until("the end of the load", || (self.sink.events() == events).then_some(()));
    }
}

/// CPU time of the sidecar per event, all threads, user and system, in nanoseconds.
pub(crate) fn cpu_ns_per_event(workload: &Workload) -> f64 {
    let mut bench = Bench::start(workload);
    bench.send(WARM_UP_FRAMES, Duration::ZERO);
    let cpu = CpuTime::of(bench.harness.sidecar_id().expect("the sidecar runs"));
    bench.send(FRAMES, Duration::ZERO);
    cpu.spent_ns() / (FRAMES * EVENTS_PER_FRAME) as f64
}

/// The most memory that the sidecar had at 10,000 events/s, in bytes.
pub(crate) fn peak_bytes_at_rate(workload: &Workload) -> f64 {
    let mut bench = Bench::start(workload);
    bench.send(PACED_FRAMES, PACE);
    peak_bytes(bench.harness.sidecar_id()) as f64
}
