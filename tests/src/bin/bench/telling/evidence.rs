//! What a bundle of evidence takes: a comparator writes one of each of many keys, and tells itself how long that took.

use super::timing::{Timing, timed};
use crate::feed::{Feed, runtime};
use crate::report::{Figure, Section};
use counterfoil_clock::now;
use counterfoil_judge::{Digest, Interval, Reported, StoreOutcome};
use counterfoil_keys::{Purpose, Signer, SigningKey};
use counterfoil_proto::{BatchBuilder, Row, TraceRef};
use counterfoil_tests::{Harness, Map, Setup};
use serde_json::json;
use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

/// Keys that are written to and never come to the store.
const KEYS: u8 = 200;
/// Batches of a key, each signed, and its writes in each.
const BATCHES: u8 = 5;
const WRITES: u8 = 4;
/// Of the last batches, all writes overlap: each may be the map's last.
const OVERLAPPING: u8 = 2;
/// From one key to the next, so that they are confirmed one by one.
const KEY_EVERY: Duration = Duration::from_millis(20);
/// No key is confirmed before all are written.
const DEADLINE_MS: u32 = 8_000;
/// From one look at the metric to the next.
const LOOK_EVERY: Duration = Duration::from_millis(3);
/// A bundle should take this time at most, in milliseconds.
const MS_MAX: f64 = 20.0;

const MAP: &str = "cart";
const SECONDS: &str = "counterfoil_evidence_write_seconds";

/// Has the bundles written.
pub(crate) fn section() -> Section {
    let setup = setup();
    let folder = setup.folder().join("evidence");
    let mut harness = Harness::prepared(setup);
    harness.start_comparator();
    let runtime = runtime();
    let mut feed = runtime.block_on(Feed::open(harness.grpc()));
    eprintln!("evidence: {KEYS} keys are written");
    runtime.block_on(async {
        for key in 0..KEYS {
            feed.send((0..BATCHES).map(|number| batch(key, number))).await;
            tokio::time::sleep(KEY_EVERY).await;
        }
    });
    eprintln!("evidence: {KEYS} divergences are confirmed");
    let written = feed.promise_while(&runtime, || written(&harness));
    let bundles = bundles(&folder);
    assert_eq!(bundles.len(), usize::from(KEYS), "each has a bundle");
    let bytes = Timing::of(bundles.iter().map(|bundle| bundle.len() as f64 / 1024.0)).median();
    let floor = floor(&folder, &bundles);
    let ratio = written.median() / floor.median();
    let mut figures = Vec::from(written.figures("a bundle gathered, signed and on the disk", MS_MAX));
    figures.push(Figure::plain("median, as a multiple of the floor's", ratio, "x", 2));
    figures.extend(floor.plain("floor: sign and sync the same bytes"));
    figures.push(Figure::plain("size of a bundle, median", bytes, "KiB", 1));
    Section { title: "Evidence of 200 divergences, each of a key with 20 writes in 5 batches", figures }
}

/// A store that has none of the keys.
fn setup() -> Setup {
    let map = Map {
        deadline_ms: DEADLINE_MS,
        ..Map::new(MAP, ("query", "SELECT k, v FROM cart WHERE k IN rarray(?1)".to_owned()))
    };
    let setup = Setup::new();
    let store = setup.folder().join("store.db");
    let file = rusqlite::Connection::open(&store).expect("a new file");
    file.execute_batch("CREATE TABLE cart (k TEXT PRIMARY KEY, v BLOB)").expect("a new table");
    let signing_key = setup.folder().join("signing");
    counterfoil_keys::create_file(&signing_key, &"03".repeat(32)).expect("the key is written");
    let evidence = json!({ "path": setup.folder().join("evidence"), "signing_key": signing_key });
    let setup = setup.store("main", &format!("sqlite://{}", store.display())).map(&map);
    setup.comparator("/evidence", evidence)
}

/// Some writes of a key that were traced and that the store acknowledged.
fn batch(key: u8, number: u8) -> BatchBuilder {
    let mut builder = BatchBuilder::default();
    let map = builder.map(MAP);
    let begun = now();
    for write in 0..WRITES {
        let is_overlapping = number + OVERLAPPING >= BATCHES;
        let leg = Interval::new(if is_overlapping { begun } else { now() }, now());
        let digest = Digest([1 + number * WRITES + write; 16]);
        let legs = Reported { map: Some(leg), store: Some((leg, StoreOutcome::Ok)) };
        let trace = TraceRef { trace_id: digest.0, span_id: [1 + key; 8] };
        let key = format!("user-{key:015}");
        builder.push(&Row { trace: Some(trace), ..Row::new(map, key.as_bytes(), digest, legs) });
    }
    builder
}

/// How long each bundle took, as the comparator tells it. Of those that were written between two looks, each counts as all of
/// them together.
fn written(harness: &Harness) -> Timing {
    let mut took_ms: Vec<f64> = Vec::new();
    let (mut before_s, mut together_max) = (0.0, 0);
    while took_ms.len() < usize::from(KEYS) {
        let metrics = harness.comparator_metrics();
        let of = |name: String| {
            let line = metrics.lines().find_map(|line| line.strip_prefix(&format!("{name} ")));
            line.and_then(|value| value.parse::<f64>().ok()).unwrap_or_default()
        };
        let (count, seconds) = (of(format!("{SECONDS}_count")), of(format!("{SECONDS}_sum")));
        let known = took_ms.len();
        while (took_ms.len() as f64) < count {
            took_ms.push((seconds - before_s) * 1e3);
        }
        together_max = together_max.max(took_ms.len() - known);
        before_s = seconds;
        sleep(LOOK_EVERY);
    }
    eprintln!("  {together_max} at most came between two looks");
    Timing::of(took_ms)
}

fn bundles(folder: &Path) -> Vec<Vec<u8>> {
    let files = fs::read_dir(folder).expect("the folder of evidence").flatten();
    files.map(|file| fs::read(file.path()).expect("a bundle")).collect()
}

/// How long it takes to sign the same bytes and to have them on the disk, and nothing else.
fn floor(beside: &Path, bundles: &[Vec<u8>]) -> Timing {
    let key = SigningKey::new([3; 32]);
    let path: PathBuf = beside.with_extension("floor");
    let write = |bundle: &Vec<u8>| {
        let ((), took_ms) = timed(|| {
            let signature = key.sign(Purpose::Envelope, bundle);
            let mut file = File::create(&path).expect("a new file");
            file.write_all(bundle).expect("the bundle is written");
            file.write_all(&signature).expect("the signature is written");
            file.sync_all().expect("both are on the disk");
        });
        fs::remove_file(&path).expect("the file is there");
        took_ms
    };
    Timing::of(bundles.iter().map(write))
}
