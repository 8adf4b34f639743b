//! What it costs a comparator that fifty people watch the figures of the overview as they change, and how soon that page is
//! there: while events come, and many divergences are open.

mod viewers;

use super::crowd::{MAPS, OPEN};
use super::pages::Asked;
use crate::feed::{Feed, Written, batches, runtime};
use crate::report::{Figure, Section};
use crate::usage::process_cpu_s;
use crate::workload::value;
use counterfoil_clock::now;
use counterfoil_proto::BatchBuilder;
use counterfoil_tests::{Harness, Setup};
use rusqlite::Connection;
use serde_json::json;
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;
use tokio::runtime::Runtime;
use tokio::time::{MissedTickBehavior, interval};
use viewers::Viewers;

/// Who watch.
const VIEWERS: usize = 50;
/// How long they do, and how long, half of it before and half of it after that, nobody does.
const WATCHED: Duration = Duration::from_secs(20);
/// Of a core, what they may take, in hundredths.
const PERCENT_MAX: f64 = 2.0;
/// How often the overview is asked for, and the time in which it should be there, in milliseconds.
const ASKED: usize = 50;
const MS_MAX: f64 = 100.0;

/// Of the keys of each map, those that the store has.
const KEPT: u64 = 2_500;
/// From one batch of events to the next, and its events.
const BATCH_EVERY: Duration = Duration::from_millis(100);
const EVENTS: u64 = 50;
/// From a write until it has to show, in milliseconds.
const DEADLINE_MS: u32 = 1_000;
/// How much later than that it may be looked at, in milliseconds: that many divergences at once take the ledger some seconds.
const PATIENCE_MS: u32 = 120_000;
/// From one look at how many divergences are confirmed to the next.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Fills a comparator, and watches it.
pub(crate) fn section() -> Section {
    let runtime = runtime();
    let mut harness = Harness::prepared(setup());
    harness.start_comparator();
    let mut stream = Stream { feed: runtime.block_on(Feed::open(harness.grpc())), next: 0 };
    eprintln!("live: {OPEN} divergences are opened and confirmed");
    stream.fill(&runtime, &harness);
    eprintln!("live: the overview");
    let (page, floor) = overview(&harness);
    let (page, floor) = (page.timing(), floor.timing());
    eprintln!("live: {VIEWERS} watch");
    let watched = Watched::measure(&runtime, &harness, &mut stream);
    let mut figures = vec![Figure::most(
        "CPU for 50 viewers, of one core",
        watched.watched_percent - watched.alone_percent,
        PERCENT_MAX,
        "%",
        2,
    )];
    figures.extend(page.figures("the overview", MS_MAX));
    figures.extend([
        Figure::plain("CPU while 50 watch, of one core", watched.watched_percent, "%", 2),
        Figure::plain("CPU while nobody does, of one core", watched.alone_percent, "%", 2),
        Figure::plain("figures sent to each viewer, in 20 s", watched.ticks, "times", 0),
        Figure::plain("size of these figures", watched.tick_bytes / 1024.0, "KiB", 1),
    ]);
    figures.extend(floor.plain("floor: `/readyz`"));
    Section { title: "The overview, with 100,000 divergences open and 500 events a second", figures }
}

/// Four maps in one store, which has some keys of each. What diverges is not read again: that costs the same whoever watches.
fn setup() -> Setup {
    let hour_ms = 3_600_000;
    let setup = Setup::new();
    let store = setup.folder().join("store.db");
    fill_store(&store);
    let setup = setup.store("main", &format!("sqlite://{}", store.display()));
    let query = "SELECT k, v FROM kept WHERE k IN rarray(?1)";
    let map = |name| {
        json!({
            "name": name, "store": "main", "query": query, "deadline_ms": DEADLINE_MS, "patience_ms": PATIENCE_MS,
        })
    };
    let setup = setup.comparator("/maps", MAPS.map(map).into());
    setup.comparator("/probe", json!({ "gap_ms_min": hour_ms, "gap_ms_max": hour_ms }))
}

fn fill_store(path: &Path) {
    let mut file = Connection::open(path).expect("a new file");
    let create = "PRAGMA journal_mode = wal; CREATE TABLE kept (k TEXT PRIMARY KEY, v BLOB)";
    file.execute_batch(create).expect("a new table");
    let rows = file.transaction().expect("a transaction");
    for number in 0..KEPT {
        rows.execute("INSERT INTO kept VALUES (?1, ?2)", (key(number), value(number))).expect("a row");
    }
    rows.commit().expect("the rows are there");
}

fn key(number: u64) -> String {
    format!("user-{number:015}")
}

/// The events of one source.
struct Stream {
    feed: Feed,
    /// Of the next event that flows.
    next: u64,
}

impl Stream {
    /// Writes to every key that the store has, and then to those that it has not, until each of these is a confirmed divergence.
    fn fill(&mut self, runtime: &Runtime, harness: &Harness) {
        let of_each = u64::from(OPEN) / MAPS.len() as u64;
        let agreeing = ("counterfoil_outcome_events_total", "outcome=\"confirmed\"");
        let diverging = ("counterfoil_divergence_turns_total", "turn=\"confirmed\"");
        for (numbers, (metric, label)) in [(0..KEPT, agreeing), (KEPT..KEPT + of_each, diverging)] {
            let all = (numbers.end - numbers.start) * MAPS.len() as u64;
            for map in MAPS {
                runtime.block_on(self.feed.send(batches(map, numbers.clone().map(written))));
            }
            self.feed.promise_while(runtime, || {
                while harness.comparator_metric(metric, &[label]) < all as f64 {
                    sleep(LOOK_EVERY);
                }
            });
        }
    }

    /// Goes on for so long with writes to keys that the store has, map by map.
    async fn flow(&mut self, length: Duration) {
        let until = tokio::time::Instant::now() + length;
        let mut ticks = interval(BATCH_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while tokio::time::Instant::now() < until {
            ticks.tick().await;
            let batch = self.batch();
            self.feed.send(batch).await;
        }
    }

    fn batch(&mut self) -> Option<BatchBuilder> {
        let first = self.next;
        self.next += EVENTS;
        let place = usize::try_from(first / EVENTS).ok()? % MAPS.len();
        let numbers = (first..self.next).map(|number| written(number % KEPT));
        batches(MAPS.get(place)?, numbers).next()
    }
}

fn written(number: u64) -> Written {
    Written { at: now(), key: key(number), value: value(number) }
}

/// Asks for the overview, and in turn for the least that can be asked for.
fn overview(harness: &Harness) -> (Asked, Asked) {
    let mut page = Asked::new("the overview", "/".to_owned());
    let mut floor = Asked::new("`/readyz`", "/readyz".to_owned());
    for _ in 0..ASKED {
        page.ask(harness.http());
        floor.ask(harness.http());
    }
    (page, floor)
}

/// CPU time of the comparator, in hundredths of a core, and what viewers were sent.
struct Watched {
    alone_percent: f64,
    watched_percent: f64,
    /// How often a viewer was sent figures.
    ticks: f64,
    tick_bytes: f64,
}

impl Watched {
    fn measure(runtime: &Runtime, harness: &Harness, stream: &mut Stream) -> Self {
        let pid = harness.comparator_id().expect("the comparator runs");
        let mut cpu_s = |length| {
            let before = process_cpu_s(pid);
            runtime.block_on(stream.flow(length));
            process_cpu_s(pid) - before
        };
        let percent = 100.0 / WATCHED.as_secs_f64();
        let before = cpu_s(WATCHED / 2);
        let viewers = runtime.block_on(Viewers::of(harness.http(), VIEWERS));
        let watched = cpu_s(WATCHED);
        let (events, bytes) = viewers.sent();
        drop(viewers);
        let after = cpu_s(WATCHED / 2);
        eprintln!("  nobody: {before:.2} s and {after:.2} s of CPU; {VIEWERS} viewers: {watched:.2} s");
        Self {
            alone_percent: (before + after) * percent,
            watched_percent: watched * percent,
            ticks: events / VIEWERS as f64,
            tick_bytes: bytes / events,
        }
    }
}
