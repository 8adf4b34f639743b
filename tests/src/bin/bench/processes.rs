//! What the running processes cost.

use crate::report::{Figure, Section};
use crate::workload::Workload;
use crate::{comparator, demo, floor, sidecar};

/// Runs the sidecar, the comparator and the demo.
pub(crate) fn section() -> Section {
    let workload = Workload::new();
    eprintln!("floor");
    let floor = floor::cpu_ns_per_event(&workload);
    eprintln!("sidecar: CPU");
    let sidecar = sidecar::cpu_ns_per_event(&workload);
    eprintln!("sidecar: memory");
    let memory = sidecar::peak_bytes_at_rate(&workload);
    eprintln!("comparator");
    let comparator = comparator::cpu_ns_per_event();
    eprintln!("demo");
    let demo = demo::events_per_second();
    Section {
        title: "The processes",
        figures: vec![
            Figure::most("sidecar CPU, as a multiple of the floor", sidecar / floor, 4.0, "x", 2),
            Figure::plain("sidecar CPU per event", sidecar, "ns", 0),
            Figure::plain("floor: read the same bytes and digest the values", floor, "ns", 0),
            Figure::most("comparator CPU per event, without store reads", comparator, 1_500.0, "ns", 0),
            Figure::least("demo with SQLite, its own store writes included", demo, 10_000.0, "events/s", 0),
            Figure::most("sidecar peak memory at 10,000 events/s", memory / 1_048_576.0, 32.0, "MiB", 1),
        ],
    }
}
