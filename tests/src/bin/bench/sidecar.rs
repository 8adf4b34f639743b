//! A real sidecar as a process, between an emitter that sends what it is told and a comparator that takes everything.

use crate::usage::{peak_bytes, process_cpu_ns};
use crate::workload::{EVENTS_PER_FRAME, MAP, Workload};
use counterfoil_proto::wire::emit::{Heartbeat, frame::Body};
use counterfoil_tests::emit::{Client, now_ns};
use counterfoil_tests::intake::Sink;
use counterfoil_tests::{Harness, Map, Setup, wait};
use serde_json::json;
use std::thread::sleep;
use std::time::Duration;

/// Frames sent before anything is measured.
const WARM_UP_FRAMES: usize = 200;
/// Frames under measurement.
const FRAMES: usize = 8_000;
/// Frames between two heartbeats.
const HEARTBEAT_EVERY: usize = 16;

/// How long the memory is watched, and the pace: a frame of 240 events every 24 ms is 10,000 events/s.
const PACED_FRAMES: usize = 420;
const PACE: Duration = Duration::from_millis(24);

struct Bench<'a> {
    workload: &'a Workload,
    sink: Sink,
    harness: Harness,
    client: Client,
    frames: usize,
}

impl<'a> Bench<'a> {
    fn start(workload: &'a Workload) -> Self {
        let sink = Sink::start();
        let map = Map::new(MAP, ("prefix", String::new()));
        let setup = Setup::new().map(&map).sidecar("/uplink/endpoint", json!(sink.endpoint()));
        let mut harness = Harness::prepared(setup);
        harness.start_sidecar();
        let (client, _welcome) = Client::welcomed(&harness.socket(), "bench");
        client.discard_answers();
        Self { workload, sink, harness, client, frames: 0 }
    }

    fn send(&mut self, frames: usize, pace: Option<Duration>) {
        let mut bytes = Vec::new();
        for _ in 0..frames {
            bytes.clear();
            self.workload.append_frame(self.frames * EVENTS_PER_FRAME, &mut bytes);
            self.client.send_bytes(&bytes);
            self.frames += 1;
            if self.frames.is_multiple_of(HEARTBEAT_EVERY) {
                let next_seq = (self.frames * EVENTS_PER_FRAME) as u64;
                self.client.send(Body::Heartbeat(Heartbeat {
                    next_seq,
                    watermark_ns: now_ns(),
                    ..Default::default()
                }));
            }
            if let Some(pace) = pace {
                sleep(pace);
            }
        }
        let events = (self.frames * EVENTS_PER_FRAME) as u64;
        wait::until("the end of the load", || (self.sink.events() == events).then_some(()));
    }

    fn pid(&self) -> u32 {
        self.harness.sidecar_id().expect("the sidecar runs")
    }
}

/// CPU time of the sidecar per event, all threads, user and system, in nanoseconds.
pub(crate) fn cpu_ns_per_event(workload: &Workload) -> f64 {
    let mut bench = Bench::start(workload);
    bench.send(WARM_UP_FRAMES, None);
    let begun = process_cpu_ns(bench.pid());
    bench.send(FRAMES, None);
    (process_cpu_ns(bench.pid()) - begun) / (FRAMES * EVENTS_PER_FRAME) as f64
}

/// The most memory that the sidecar had at 10,000 events/s, in bytes.
pub(crate) fn peak_bytes_at_rate(workload: &Workload) -> f64 {
    let mut bench = Bench::start(workload);
    bench.send(PACED_FRAMES, Some(PACE));
    peak_bytes(bench.pid())
}
