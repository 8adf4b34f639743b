//! A real comparator as a process, fed with batches over gRPC. Probes are put off by an hour, so that what is measured is
//! taking in: checking, opening, de-duplicating, putting into the key table, setting timers.

use crate::feed::{self, Feed};
use crate::usage::CpuTime;
use counterfoil_clock::now;
use counterfoil_judge::{Digest, Interval, Reported, StoreOutcome};
use counterfoil_proto::{BatchBuilder, Row};
use counterfoil_tests::{Harness, Map, Setup};
use serde_json::json;

const MAP: &str = "cart";
const EVENTS_PER_BATCH: u64 = feed::EVENTS_PER_BATCH as u64;
/// Batches sent before anything is measured.
const WARM_UP_BATCHES: u64 = 20;
/// Batches under measurement.
const BATCHES: u64 = 250;
/// Keys among which the events go around, in an order that is not theirs.
const KEYS: u64 = 250_000;
/// A step that is coprime to the number of keys.
const KEY_STEP: u64 = 104_729;

/// CPU time of the comparator per event, in nanoseconds.
pub(crate) fn cpu_ns_per_event() -> f64 {
    let hour = json!(3_600_000);
    let map = Map { deadline_ms: 86_400_000, ..Map::new(MAP, ("prefix", String::new())) };
    let setup = Setup::new().store("main", "redis://127.0.0.1:1").map(&map);
    let setup =
        setup.comparator("/probe", json!({ "first_delay_ms": hour, "gap_ms_min": hour, "gap_ms_max": hour }));
    let mut harness = Harness::prepared(setup);
    harness.start_comparator();
    let pid = harness.comparator_id().expect("the comparator runs");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let mut feed = Feed::open(harness.grpc()).await;
        feed.send((0..WARM_UP_BATCHES).map(batch)).await;
        let cpu = CpuTime::of(pid);
        feed.send((WARM_UP_BATCHES..WARM_UP_BATCHES + BATCHES).map(batch)).await;
        cpu.spent_ns() / (BATCHES * EVENTS_PER_BATCH) as f64
    })
}

fn batch(number: u64) -> BatchBuilder {
    let mut builder = BatchBuilder::default();
    let map = builder.map(MAP);
    for seq in number * EVENTS_PER_BATCH..(number + 1) * EVENTS_PER_BATCH {
        let leg = Interval::new(now(), now());
        let mut digest = [0; 16];
        digest.fill(u8::try_from(seq % 255).unwrap_or_default() + 1);
        builder.push(&Row::new(
            map,
            format!("user-{:014}", seq * KEY_STEP % KEYS).as_bytes(),
            Digest(digest),
            Reported { map: Some(leg), store: Some((leg, StoreOutcome::Ok)) },
        ));
    }
    builder
}
