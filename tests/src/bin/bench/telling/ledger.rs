//! How fast the ledger is written: each transition is on the disk, beside the many that stand there.

use super::crowd::{self, confirmed, opened, resolved};
use super::timing::timed;
use crate::feed::runtime;
use crate::report::{Figure, Section};
use crate::rounds::median;
use counterfoil_comparator::ledger::outbox::Route;
use counterfoil_comparator::ledger::{BATCH_MAX, Ledger, State, Transition};
use rusqlite::Connection;
use std::fs;
use std::path::Path;
use tempfile::TempDir;

/// Rounds, in each of which all ways take their turn.
const ROUNDS: u32 = 3;
/// Divergences of a round: each is opened, confirmed and resolved.
const DIVERGENCES: u32 = 20_000;
/// How many others are opened before one is confirmed, and confirmed before it is resolved.
const BETWEEN: u32 = 1_000;
/// The number of the first one.
const FIRST: u32 = 1_000_000;
/// Least transitions per second.
const PER_SECOND_MIN: f64 = 10_000.0;

/// The floor's table.
const NARROW: &str = "PRAGMA journal_mode = wal; PRAGMA synchronous = full;
    CREATE TABLE narrow (number INTEGER PRIMARY KEY, id BLOB NOT NULL, what TEXT NOT NULL) STRICT";

/// Runs the rounds.
pub(crate) fn section() -> Section {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let full = folder.path().join("full.db");
    let ledger = Ledger::open(&full, |_| ()).expect("a new ledger");
    runtime().block_on(crowd::fill(&ledger));
    drop(ledger);
    let rounds: Vec<_> = (1..=ROUNDS)
        .map(|number| {
            eprintln!("ledger: round {number} of {ROUNDS}");
            Round::measure(&full)
        })
        .collect();
    let of = |of: fn(&Round) -> f64| median(rounds.iter().map(of));
    let (alone, told, narrow) = (of(|it| it.alone), of(|it| it.told), of(|it| it.narrow));
    let speed = |what, speed| Figure::least(what, speed, PER_SECOND_MIN, "transitions/s", 0);
    let ratio = |what, speed| Figure::plain(what, speed / narrow, "x", 2);
    Section {
        title: "The ledger, written beside 100,000 open divergences, 1,000 transitions in a transaction",
        figures: vec![
            speed("without an outbox", alone),
            speed("with an outbox", told),
            ratio("without an outbox, as a multiple of the floor", alone),
            ratio("with an outbox, as a multiple of the floor", told),
            Figure::plain("floor: insert narrow rows", narrow, "rows/s", 0),
        ],
    }
}

/// What one round said, each per second.
struct Round {
    alone: f64,
    told: f64,
    narrow: f64,
}

impl Round {
    fn measure(full: &Path) -> Self {
        let narrow = narrow_rows_per_s();
        let [alone, told] = [Vec::new(), vec![route()]].map(|routes| transitions_per_s(full, routes));
        eprintln!("  {alone:.0} transitions/s, {told:.0} with an outbox, {narrow:.0} narrow rows/s");
        Self { alone, told, narrow }
    }
}

/// Whoever is told of everything.
fn route() -> Route {
    Route {
        receiver: "ops".into(),
        maps: crowd::MAPS.map(str::to_owned).into(),
        on: State::ALL.into(),
        group_wait_ns: 30_000_000_000,
        repeat_ns: None,
        groups_max: 10,
        include_key: false,
    }
}

/// All transitions of a round; those of a state are spread among those of the others.
fn transitions() -> Vec<Transition> {
    let at = |number: u32, before: u32| {
        let number = number.checked_sub(before)?;
        (number < DIVERGENCES).then_some(FIRST + number)
    };
    let of = |number| {
        [at(number, 0).map(opened), at(number, BETWEEN).map(confirmed), at(number, 2 * BETWEEN).map(resolved)]
    };
    (0..DIVERGENCES + 2 * BETWEEN).flat_map(of).flatten().collect()
}

/// How many transitions a copy of the ledger in the file `full` has on the disk per second.
fn transitions_per_s(full: &Path, routes: Vec<Route>) -> f64 {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("ledger.db");
    fs::copy(full, &path).expect("a copy of the ledger");
    let ledger = Ledger::open_with(&path, routes, |_| ()).expect("the ledger opens");
    let transitions = transitions();
    let count = transitions.len();
    let runtime = runtime();
    let ((), took_ms) = timed(|| {
        runtime.block_on(async {
            ledger.record(transitions).await.expect("the ledger takes them");
            ledger.flush().await.expect("they are written");
        });
    });
    let stats = ledger.stats();
    assert_eq!((stats.written, stats.orphans), (count as u64, 0), "each was written, in order");
    count as f64 / took_ms * 1e3
}

/// How many rows per second a loop has on the disk that does nothing else, in transactions of the same size.
fn narrow_rows_per_s() -> f64 {
    let folder: TempDir = tempfile::tempdir().expect("a temporary folder");
    let mut file = Connection::open(folder.path().join("narrow.db")).expect("a new file");
    file.execute_batch(NARROW).expect("a new table");
    let numbers: Vec<_> = (FIRST..FIRST + 3 * DIVERGENCES).collect();
    let ((), took_ms) = timed(|| {
        for some in numbers.chunks(BATCH_MAX) {
            let rows = file.transaction().expect("a transaction");
            for number in some {
                let mut insert =
                    rows.prepare_cached("INSERT INTO narrow VALUES (?1, ?2, ?3)").expect("INSERT");
                insert.execute((number, crowd::id(*number).0, "opened")).expect("a row");
            }
            rows.commit().expect("the rows are there");
        }
    });
    numbers.len() as f64 / took_ms * 1e3
}
