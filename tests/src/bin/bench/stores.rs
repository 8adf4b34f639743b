//! How fast a comparator reads and judges keys over one connection to a store, beside a loop that makes the same reads with
//! the same client library and does nothing with them.

mod bare;
mod shop;

use crate::feed::{Feed, Written, batches, runtime};
use crate::report::{Figure, Section};
use crate::rounds::median;
use crate::usage::CpuTime;
use crate::workload::value;
use counterfoil_clock::now;
use counterfoil_judge::Time;
use counterfoil_proto::BatchBuilder;
use counterfoil_tests::{Harness, Map, Setup};
use serde_json::json;
use shop::{KEYS, Kind, Shop, key, numbers};
use std::thread::sleep;
use std::time::Duration;
use tokio::runtime::Runtime;

/// Rounds of each store, in each of which both ways take their turn.
const ROUNDS: usize = 5;
/// Keys in a read: the default.
pub(crate) const KEYS_PER_READ: usize = 500;
/// Least speed of the comparator, as a multiple of that of the loop.
const RATIO_MIN: f64 = 0.8;

const MAP: &str = "cart";
/// From a write to the instant at which its key becomes due, in milliseconds: long enough for all events to be in the table by
/// then; the longer one where the machine was too busy for the other.
const FIRST_DELAYS_MS: [u32; 2] = [6_000, 30_000];
/// From one write to the next, in nanoseconds: keys become due faster than any store is read.
const WRITTEN_EVERY_NS: i64 = 800;
/// From one look at how many events are confirmed to the next: a comparator that tells all its metrics makes no reads meanwhile.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// The same, once all but one in so many are confirmed.
const LOOK_OFTEN: (f64, Duration) = (10.0, Duration::from_millis(10));

/// Measures each kind of store, in rounds.
pub(crate) fn section() -> Section {
    let runtime = runtime();
    let mut figures = Vec::new();
    for kind in Kind::ALL {
        let shop = runtime.block_on(Shop::filled(kind));
        let mut rounds = Vec::new();
        for number in 1..=ROUNDS {
            eprintln!("stores: {}, round {number} of {ROUNDS}", kind.name());
            rounds.push(Round::measure(&shop, &runtime));
        }
        figures.extend(of_store(kind, &rounds));
    }
    // What is asked of each store comes first.
    figures.sort_by_key(|figure| !figure.has_target());
    Section { title: TITLE, figures }
}

const TITLE: &str =
    "Keys read and judged over one connection, 500 per read, 500,000 keys with values of 200 bytes";

/// What one round of a store said.
struct Round {
    /// Keys that were only read, per second.
    bare: f64,
    /// Keys that were read and judged, per second.
    judged: f64,
    /// CPU time of the comparator per key, in nanoseconds.
    cpu_ns: f64,
}

impl Round {
    fn measure(shop: &Shop, runtime: &Runtime) -> Self {
        let bare = runtime.block_on(bare::keys_per_s(shop));
        let mut delays_ms = FIRST_DELAYS_MS.into_iter();
        let judged = delays_ms.find_map(|delay_ms| judged(shop, delay_ms, runtime));
        let (judged, cpu_ns) = judged.expect("all events are taken in before their keys become due");
        eprintln!("  bare {bare:.0} keys/s, judged {judged:.0} keys/s, {cpu_ns:.0} ns of CPU per key");
        Self { bare, judged, cpu_ns }
    }
}

fn of_store(kind: Kind, rounds: &[Round]) -> [Figure; 4] {
    let name = kind.name();
    let [bare, judged, cpu_ns] = [|it: &Round| it.bare, |it: &Round| it.judged, |it: &Round| it.cpu_ns]
        .map(|of| median(rounds.iter().map(of)));
    [
        Figure::least(
            format!("{name}: read and judged, as a multiple of bare reads"),
            judged / bare,
            RATIO_MIN,
            "x",
            2,
        ),
        Figure::plain(format!("{name}: read and judged"), judged, "keys/s", 0),
        Figure::plain(format!("{name}: bare reads"), bare, "keys/s", 0),
        Figure::plain(format!("{name}: CPU of the comparator per key"), cpu_ns, "ns", 0),
    ]
}

/// Lets a comparator of its own take in a write of each key, and then read and judge them all as soon as they are due.
/// Gives keys per second, and CPU time of the comparator per key in nanoseconds; `None` if keys became due before all were
/// taken in.
fn judged(shop: &Shop, first_delay_ms: u32, runtime: &Runtime) -> Option<(f64, f64)> {
    let map = Map { deadline_ms: 600_000, ..Map::new(MAP, shop.place.clone()) };
    // A machine that is busy for a moment must not pass for a store that is strained.
    let budget = json!({ "latency_ms_target": 2_000 });
    let concurrency = shop.kind.reads_per_connection();
    let store = json!({ "url": shop.url, "concurrency": concurrency, "keys_per_read_max": KEYS_PER_READ, "budget": budget });
    let setup = Setup::new().comparator("/stores/main", store).map(&map);
    let setup = setup.comparator("/probe", json!({ "first_delay_ms": first_delay_ms }));
    let mut harness = Harness::prepared(setup);
    harness.start_comparator();
    let mut feed = runtime.block_on(Feed::open(harness.grpc()));
    let from = now();
    let due = from.plus(i64::from(first_delay_ms) * 1_000_000);
    runtime.block_on(feed.send(written(from)));
    sleep(Duration::from_nanos(u64::try_from(due.since(now())).ok()?));
    let cpu = CpuTime::of(harness.comparator_id().expect("the comparator runs"));
    let done = feed.promise_while(runtime, || all_confirmed(&harness));
    Some((KEYS as f64 * 1e9 / done.since(due) as f64, cpu.spent_ns() / KEYS as f64))
}

/// A write of every key, each with what the store holds.
fn written(from: Time) -> impl Iterator<Item = BatchBuilder> {
    let mut at = from;
    let row = move |number| {
        at = at.plus(WRITTEN_EVERY_NS);
        Written { at, key: key(number), value: value(number) }
    };
    batches(MAP, numbers().map(row))
}

/// The instant at which every event was seen to be confirmed.
fn all_confirmed(harness: &Harness) -> Time {
    let ended = |outcome| harness.comparator_metric("counterfoil_outcome_events_total", outcome);
    loop {
        let (at, left) = (now(), KEYS as f64 - ended(&[]));
        if left <= 0.0 {
            assert!(ended(&["outcome=\"confirmed\""]) >= KEYS as f64, "all were confirmed");
            return at;
        }
        let (one_in, often) = LOOK_OFTEN;
        sleep(if left * one_in < KEYS as f64 { often } else { LOOK_EVERY });
    }
}
