//! A sweep over all keys of a map that are at rest, and over all rows of its table in Postgres, beside reladiff, which
//! compares that table with a copy of what the map holds.

mod reladiff;
mod tables;

use crate::feed::{Feed, Written, batches, runtime};
use crate::report::{Figure, Section};
use crate::rounds::median;
use crate::workload::value;
use counterfoil_clock::now;
use counterfoil_comparator::store::{KeyType, Reader, Rows, Scan, StoreKind, WrittenLookup, WrittenStore};
use counterfoil_settings::Problems;
use counterfoil_tests::stores::postgres_url;
use counterfoil_tests::{Harness, Setup};
use reladiff::Way;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashSet};
use std::thread::sleep;
use std::time::Duration;
use tables::{Differences, ROWS, Tables};
use tokio::runtime::Runtime;

/// Rounds, in each of which both take their turn.
const ROUNDS: usize = 3;
/// Least speed, as a multiple of reladiff's.
const RATIO_MIN: f64 = 5.0;
const MAP: &str = "cart";
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
    let (swept, scanned) = (of(|it| it.swept_s), of(|it| it.scanned_s));
    let (hashdiff, joindiff) = (of(|it| it.hashdiff_s), of(|it| it.joindiff_s));
    let ratio = |way: &str, took_s: f64| {
        let what = format!("speed, as a multiple of reladiff's with {way}");
        Figure::least(what, took_s / (swept + scanned), RATIO_MIN, "x", 2)
    };
    let seconds = |what: &str, seconds| Figure::plain(what, seconds, "s", 2);
    Section {
        title: "A sweep of 1,000,000 rows in Postgres, beside reladiff",
        figures: vec![
            ratio("`hashdiff`, as between two databases", hashdiff),
            ratio("`joindiff`, within one", joindiff),
            seconds("every key at rest looked up and judged", swept),
            seconds("every row gone through for those that no map knows", scanned),
            seconds("reladiff with `hashdiff`", hashdiff),
            seconds("reladiff with `joindiff`", joindiff),
        ],
    }
}

/// What one round said, in seconds.
struct Round {
    swept_s: f64,
    scanned_s: f64,
    hashdiff_s: f64,
    joindiff_s: f64,
}

impl Round {
    fn measure(tables: &Tables, runtime: &Runtime) -> Self {
        let (differences, swept_s) = swept(tables, runtime);
        let (extra, scanned_s) = runtime.block_on(unknown_rows(tables));
        assert_eq!(extra, tables.planted().extra, "rows that no map knows are found");
        assert_eq!(Differences { extra, ..differences }, *tables.planted(), "what was planted is found");
        let [hashdiff_s, joindiff_s] =
            [Way::Hashdiff, Way::Joindiff].map(|way| reladiff::took_s(tables, way));
        runtime.block_on(tables.put_back());
        eprintln!(
            "  swept in {swept_s:.2} s, scanned in {scanned_s:.2} s, hashdiff {hashdiff_s:.2} s, joindiff {joindiff_s:.2} s"
        );
        Self { swept_s, scanned_s, hashdiff_s, joindiff_s }
    }
}

/// Lets a comparator of its own learn what the map holds, plants differences, and waits for a round that begins then. Gives
/// what was found, and how long the round took in seconds.
fn swept(tables: &Tables, runtime: &Runtime) -> (Differences, f64) {
    let mut harness = Harness::prepared(setup(tables));
    harness.start_comparator();
    let mut feed = runtime.block_on(Feed::open(harness.grpc()));
    let row = |number: u64| Written { at: now(), key: number.to_string(), value: value(number) };
    runtime.block_on(feed.send(batches(MAP, (0..ROWS).map(row))));
    feed.promise_while(runtime, || wait_for(&harness, "counterfoil_outcome_events_total", ROWS as f64));
    runtime.block_on(tables.plant());
    let round_s = feed.promise_while(runtime, || {
        let rounds = "counterfoil_sweep_rounds_total";
        // The one that is under way began before.
        let begun = harness.comparator_metric(rounds, &[]) + 1.0;
        wait_for(&harness, rounds, begun + 1.0);
        let round_s = harness.comparator_metric("counterfoil_sweep_round_seconds", &[]);
        wait_for(&harness, "counterfoil_divergence_turns_total", tables.planted().in_the_map() as f64);
        round_s
    });
    (found(&harness), round_s)
}

fn setup(tables: &Tables) -> Setup {
    let map = json!({
        "name": MAP, "store": "main", "query": tables.query(), "key_type": "integer", "deadline_ms": 1_000,
    });
    Setup::new()
        .comparator("/stores/main", json!({ "url": postgres_url(), "keys_per_read_max": KEYS_PER_READ }))
        .comparator("/maps", json!([map]))
        .comparator("/table", json!({ "keys_max": 2 * ROWS }))
        .comparator("/sweep", json!({ "keys_every_s": 1 }))
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
            kind => panic!("{key} is {kind}"),
        };
    }
    found
}

/// The rows that the map does not have, and how long it took to go through all rows, in seconds.
async fn unknown_rows(tables: &Tables) -> (BTreeSet<u64>, f64) {
    let known: HashSet<Vec<u8>> = (0..ROWS).map(|number| number.to_string().into_bytes()).collect();
    let written = WrittenStore { keys_per_read_max: KEYS_PER_READ, ..WrittenStore::new(postgres_url()) };
    let reader = Reader::new("main", &written).expect("a store");
    let scan = scan(tables);
    let (begun, mut unknown, mut after) = (now(), BTreeSet::new(), None);
    loop {
        let page = reader.scan(&scan, after.as_deref(), KEYS_PER_READ as usize).await.expect("a page");
        let strange = page.rows.iter().filter(|(key, _)| !known.contains(key));
        unknown
            .extend(strange.map(|(key, _)| String::from_utf8_lossy(key).parse::<u64>().expect("a number")));
        after = page.next;
        if after.is_none() {
            return (unknown, now().since(begun) as f64 / 1e9);
        }
    }
}

fn scan(tables: &Tables) -> Scan {
    let lookup = WrittenLookup {
        query: Some(tables.query()),
        scan: Some(tables.scan()),
        key_type: Some(KeyType::Integer),
        ..WrittenLookup::default()
    };
    let scan = lookup.scan("", StoreKind::Postgres, Rows::Value, &mut Problems::default());
    scan.expect("a scan")
}
