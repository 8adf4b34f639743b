//! A sweep over all keys of a map that are at rest, and over all rows of its table in Postgres, beside reladiff, which
//! compares that table with a copy of what the map holds.
//!
//! reladiff has two ways. `hashdiff` compares tables of two servers, and is what somebody has whose map is not a table of the same
//! server; `joindiff` lets one server join two of its own tables, for which the map would have to be written there first.

mod reladiff;
mod tables;

use crate::feed::{Feed, Written, batches, runtime};
use crate::report::{Figure, Section};
use crate::rounds::median;
use crate::workload::value;
use counterfoil_clock::now;
use counterfoil_tests::stores::postgres_url;
use counterfoil_tests::{Harness, Setup};
use reladiff::Way;
use serde_json::{Value, json};
use std::thread::sleep;
use std::time::Duration;
use tables::{Differences, ROWS, Tables};
use tokio::runtime::Runtime;

/// Rounds, in each of which both take their turn.
const ROUNDS: usize = 3;
/// Least speed, as a multiple of reladiff's.
const RATIO_MIN: f64 = 5.0;
const MAP: &str = "cart";
/// A round over the keys takes as long at least, in seconds; it waits for one over the rows.
const KEYS_EVERY_S: u32 = 1;
/// Most keys in a read and rows in a page.
const KEYS_PER_READ: u32 = 2_000;
/// From one look at what the comparator tells to the next.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Runs the rounds.
pub(crate) fn section() -> Section {
    let runtime = runtime();
    let tables = runtime.block_on(Tables::filled(&postgres_url()));
    let rounds: Vec<_> = (1..=ROUNDS)
        .map(|number| {
            eprintln!("sweep: round {number} of {ROUNDS}");
            Round::measure(&tables, &runtime)
        })
        .collect();
    let of = |of: fn(&Round) -> f64| median(rounds.iter().map(of));
    let swept = of(|it| it.swept.rows_s.max(it.swept.keys_s));
    let (hashdiff, joindiff) = (of(|it| it.hashdiff_s), of(|it| it.joindiff_s));
    let seconds = |what: &str, seconds| Figure::plain(what, seconds, "s", 2);
    Section {
        title: "A sweep of 1,000,000 rows in Postgres, beside reladiff",
        figures: vec![
            Figure::least(
                "speed, as a multiple of reladiff's with `hashdiff`",
                hashdiff / swept,
                RATIO_MIN,
                "x",
                2,
            ),
            Figure::plain("speed, as a multiple of reladiff's with `joindiff`", joindiff / swept, "x", 2),
            seconds("every row gone through, and compared with its key", of(|it| it.swept.rows_s)),
            seconds(
                "every key at rest gone through, and looked up if no row agreed",
                of(|it| it.swept.keys_s),
            ),
            seconds("reladiff with `hashdiff`", hashdiff),
            seconds("reladiff with `joindiff`", joindiff),
        ],
    }
}

/// What one round said.
struct Round {
    swept: Swept,
    hashdiff_s: f64,
    joindiff_s: f64,
}

/// How long the last rounds over rows and keys took, which go on side by side, in seconds.
#[derive(Clone, Copy)]
struct Swept {
    rows_s: f64,
    keys_s: f64,
}

impl Round {
    fn measure(tables: &Tables, runtime: &Runtime) -> Self {
        let swept = swept(tables, runtime);
        let [hashdiff_s, joindiff_s] =
            [Way::Hashdiff, Way::Joindiff].map(|way| reladiff::took_s(tables, way));
        runtime.block_on(tables.put_back());
        let Swept { rows_s, keys_s } = swept;
        eprintln!(
            "  rows in {rows_s:.2} s, keys in {keys_s:.2} s, hashdiff {hashdiff_s:.2} s, joindiff {joindiff_s:.2} s"
        );
        Self { swept, hashdiff_s, joindiff_s }
    }
}

/// Lets a comparator of its own learn what the map holds, plants differences, and waits until each of them is found and rounds
/// that began then are over.
fn swept(tables: &Tables, runtime: &Runtime) -> Swept {
    let mut harness = Harness::prepared(setup(tables));
    harness.start_comparator();
    let mut feed = runtime.block_on(Feed::open(harness.grpc()));
    let begin = now();
    let row = |number: u64| Written { at: now(), key: number.to_string(), value: value(number) };
    runtime.block_on(feed.send(batches(MAP, (0..ROWS).map(row))));
    feed.told_all(MAP, begin);
    feed.promise_while(runtime, || wait_for(&harness, "counterfoil_outcome_events_total", ROWS as f64));
    runtime.block_on(tables.plant());
    let swept = feed.promise_while(runtime, || {
        let planted = tables.planted().len() as f64;
        wait_for(&harness, "counterfoil_divergence_turns_total", 2.0 * planted);
        for rounds in ["counterfoil_sweep_scans_total", "counterfoil_sweep_rounds_total"] {
            // The one that is under way began before.
            let over = harness.comparator_metric(rounds, &[]);
            wait_for(&harness, rounds, over + 2.0);
        }
        last_rounds(&harness)
    });
    assert_eq!(found(&harness), *tables.planted(), "what was planted is found, and nothing else");
    swept
}

fn last_rounds(harness: &Harness) -> Swept {
    let sweep = harness.summary().sweep;
    let took_s = |path: &str| {
        let ms = sweep.pointer(path).and_then(Value::as_f64);
        ms.expect("a round is over") / 1e3
    };
    Swept { rows_s: took_s("/main/rows/cart/last_round_ms"), keys_s: took_s("/main/keys/last_round_ms") }
}

fn setup(tables: &Tables) -> Setup {
    let map = json!({
        "name": MAP, "store": "main", "query": tables.query(), "scan": tables.scan(), "key_type": "integer",
        "deadline_ms": 1_000,
    });
    Setup::new()
        .comparator("/stores/main", json!({ "url": postgres_url(), "keys_per_read_max": KEYS_PER_READ }))
        .comparator("/maps", json!([map]))
        .comparator("/table", json!({ "keys_max": 2 * ROWS }))
        .comparator("/sweep", json!({ "keys_every_s": KEYS_EVERY_S, "scan_keys_per_s": 1_000_000 }))
}

fn wait_for(harness: &Harness, metric: &str, least: f64) {
    while harness.comparator_metric(metric, &[]) < least {
        sleep(LOOK_EVERY);
    }
}

/// The divergences that are open.
fn found(harness: &Harness) -> Differences {
    let mut found = Differences::default();
    for row in harness.divergences() {
        let text = |name: &str| row.get(name).and_then(Value::as_str).unwrap_or_default();
        let key = text("key").parse().expect("the keys are numbers");
        match text("kind") {
            "foreign" => found.changed.insert(key),
            "missing" => found.missing.insert(key),
            "orphan" => found.extra.insert(key),
            kind => panic!("{key} is {kind}"),
        };
    }
    found
}
