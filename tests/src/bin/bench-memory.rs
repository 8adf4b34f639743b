//! `bench-memory KIND`: what a pending key of some kind costs in the comparator's key table, everything included: its
//! entry, the index, the heap of due times, and what the allocator adds. The program `bench` runs it, once for each kind.
//!
//! It counts what is asked of the allocator, and asks the kernel how much memory there is for it. The two differ by what
//! the allocator keeps beside each block and between blocks, and by room that vectors have but never touched.

#[path = "bench/cpu.rs"]
mod cpu;
#[path = "bench/crowd.rs"]
mod crowd;

use crowd::{Crowd, Form};
use serde_json::json;
use stats_alloc::{INSTRUMENTED_SYSTEM, Stats, StatsAlloc};
use std::alloc::System;
use std::fs;
use std::io::Write;

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// What a key has behind it when its write comes in that waits to be confirmed.
struct Kind {
    form: Form,
    /// How many writes were confirmed before.
    confirmed: u8,
}

impl Kind {
    fn named(name: &str) -> Option<Self> {
        let form = Form { keys: 1_000_000, key_bytes: 12, traced: false };
        let (form, confirmed) = match name {
            "short" => (form, 0),
            // Just past the size at which the shards' heaps of due times double.
            "more" => (Form { keys: 1_100_000, ..form }, 0),
            "long" => (Form { key_bytes: 36, ..form }, 0),
            "traced" => (Form { traced: true, ..form }, 0),
            "rewritten" => (form, 1),
            // Fewer keys, because it takes many rounds until a key remembers as much as it ever does.
            "seasoned" => (Form { keys: 100_000, ..form }, 20),
            _ => return None,
        };
        Some(Self { form, confirmed })
    }

    /// A table in which each key waits for one write to be confirmed.
    fn table(&self) -> Crowd {
        let mut crowd = Crowd::new(self.form);
        crowd.write();
        for _ in 0..self.confirmed {
            crowd.confirm();
            crowd.write();
        }
        crowd
    }
}

fn main() {
    let name = std::env::args().nth(1).unwrap_or_default();
    let kind = Kind::named(&name).expect("a kind of keys: short, more, long, traced, rewritten or seasoned");
    let before = Used::so_far();
    let table = kind.table();
    let used = Used::so_far();
    drop(table);
    let per_key = |now: f64, then: f64| (now - then) / kind.form.keys as f64;
    let cost = json!({
        "requested_bytes": per_key(used.requested_bytes, before.requested_bytes),
        "blocks": per_key(used.blocks, before.blocks),
        "resident_bytes": per_key(used.resident_bytes, before.resident_bytes),
    });
    writeln!(std::io::stdout(), "{cost}").expect("the reader reads");
}

/// What the process has.
struct Used {
    /// Bytes asked of the allocator and not given back.
    requested_bytes: f64,
    /// Allocations not given back.
    blocks: f64,
    /// Bytes of anonymous memory that are there.
    resident_bytes: f64,
}

impl Used {
    fn so_far() -> Self {
        let Stats { allocations, deallocations, bytes_allocated, bytes_deallocated, .. } = ALLOCATOR.stats();
        Self {
            requested_bytes: (bytes_allocated - bytes_deallocated) as f64,
            blocks: (allocations - deallocations) as f64,
            resident_bytes: resident_bytes(),
        }
    }
}

/// Program text does not count: how much of it was read from disk has nothing to do with keys.
fn resident_bytes() -> f64 {
    let status = fs::read_to_string("/proc/self/status").expect("the kernel tells");
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).expect("a size");
    let kib: f64 = line.trim().trim_end_matches("kB").trim().parse().expect("a figure");
    kib * 1024.0
}
