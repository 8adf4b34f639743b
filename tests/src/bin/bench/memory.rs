//! What a pending key costs in the comparator's key table. Each figure is taken by the program `bench-memory`, in a process
//! of its own: it counts what is allocated, and it begins with a clean heap.

use crate::report::{Figure, Section};
use serde::Deserialize;
use std::process::Command;

/// Bytes that a pending key may cost: a short key, no trace.
const TARGET_BYTES: f64 = 200.0;

/// What `bench-memory` prints, per key.
#[derive(Deserialize)]
struct Cost {
    /// Bytes that were asked of the allocator.
    requested_bytes: f64,
    /// Allocations.
    blocks: f64,
    /// Bytes of memory that the kernel gave.
    resident_bytes: f64,
}

/// Fills tables with keys of several kinds.
pub(crate) fn section() -> Section {
    let short = cost("short");
    let target = |what, value| Figure::most(what, value, TARGET_BYTES, "bytes", 0);
    let mut figures = vec![
        target("12-byte key: resident", short.resident_bytes),
        target("12-byte key: asked of the allocator", short.requested_bytes),
        Figure::plain("12-byte key: allocations", short.blocks, "", 2),
    ];
    figures.extend(figures_of("more", "12-byte key, at 1,100,000 keys"));
    figures.extend(figures_of("long", "36-byte key"));
    figures.extend(figures_of("traced", "12-byte key, with a trace"));
    figures.extend(figures_of("rewritten", "12-byte key, one write confirmed before"));
    figures.extend(figures_of("seasoned", "12-byte key, 20 writes confirmed before, at 100,000 keys"));
    Section { title: "Memory per pending key, 1,000,000 keys in the table", figures }
}

fn figures_of(kind: &str, what: &str) -> [Figure; 3] {
    let cost = cost(kind);
    [
        Figure::plain(format!("{what}: resident"), cost.resident_bytes, "bytes", 0),
        Figure::plain(format!("{what}: asked of the allocator"), cost.requested_bytes, "bytes", 0),
        Figure::plain(format!("{what}: allocations"), cost.blocks, "", 2),
    ]
}

/// Measures keys of one kind in a process of its own.
fn cost(kind: &str) -> Cost {
    let program = std::env::current_exe().expect("a program knows its file").with_file_name("bench-memory");
    let output = Command::new(program).arg(kind).output().expect("`cargo xtask bench` built bench-memory");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("bench-memory prints an object")
}
