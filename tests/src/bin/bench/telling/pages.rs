//! How soon a page of divergences is there, of the API and of the dashboard, whatever it is filtered by.

use super::crowd::{self, MAPS, OPEN, RARE, RARE_SOURCE};
use super::timing::{Timing, timed};
use crate::feed::runtime;
use crate::report::{Figure, Section};
use counterfoil_comparator::ledger::Ledger;
use counterfoil_tests::{Harness, Map, Setup, http};
use serde_json::Value;

/// How often each page is asked for.
const ROUNDS: usize = 50;
/// A page should be there in this time, in milliseconds.
const MS_MAX: f64 = 100.0;
/// Rows of a page that does not say how many.
const PAGE_ROWS: usize = 100;
/// Rows of the pages on the way to the middle one.
const STEP_ROWS: u32 = 1_000;

/// The pages of the API and of the dashboard; both take the same filters.
const PLACES: [&str; 2] = ["/v1/divergences", "/divergences"];

/// Asks a comparator.
pub(crate) fn section() -> Section {
    let harness = started();
    let filters = Filter::all(&harness);
    for filter in &filters {
        filter.check(&harness);
    }
    let paths = PLACES.map(|place| (place, filters.iter().map(move |filter| filter.of(place))));
    let mut asked: Vec<Asked> = paths.into_iter().flat_map(|(_, paths)| paths).collect();
    asked.push(Asked::new("`/readyz`", "/readyz".to_owned()));
    for round in 1..=ROUNDS {
        if round % 10 == 1 {
            eprintln!("pages: round {round} of {ROUNDS}");
        }
        asked.iter_mut().for_each(|asked| asked.ask(harness.http()));
    }
    let floor = asked.pop().expect("the floor is the last").timing();
    let timings: Vec<_> = asked.into_iter().map(|asked| (asked.what.clone(), asked.timing())).collect();
    let worst = timings.iter().flat_map(|(what, timing)| timing.figures(what, MS_MAX));
    let dearest = timings.iter().map(|(_, timing)| timing.median()).fold(0.0, f64::max);
    let ratio =
        Figure::plain("the longest median, as a multiple of the floor's", dearest / floor.median(), "x", 1);
    let figures = worst.chain([ratio]).chain(floor.plain("floor: `/readyz`")).collect();
    Section { title: "Pages of divergences, 100,000 of them open", figures }
}

/// A comparator over a ledger that was filled before.
fn started() -> Harness {
    let mut setup = Setup::new();
    for store in ["main", "second"] {
        setup = setup.store(store, "redis://127.0.0.1:1");
    }
    for map in MAPS {
        setup = setup.map(&Map::new(map, ("prefix", format!("{map}:"))));
    }
    let ledger = Ledger::open(&setup.folder().join("ledger.db"), |_| ()).expect("a new ledger");
    runtime().block_on(crowd::fill(&ledger));
    drop(ledger);
    let mut harness = Harness::prepared(setup);
    harness.start_comparator();
    harness
}

/// What a page is filtered by, and how many rows it then has.
struct Filter {
    what: &'static str,
    query: String,
    rows: usize,
}

impl Filter {
    fn all(harness: &Harness) -> Vec<Self> {
        let few = usize::try_from(RARE).unwrap_or_default();
        let all = [
            ("first page", String::new(), PAGE_ROWS),
            ("page in the middle", format!("after={}", middle(harness)), PAGE_ROWS),
            ("by map", "map=price".to_owned(), PAGE_ROWS),
            ("by kind", "kind=stale".to_owned(), PAGE_ROWS),
            ("by state", "state=opened".to_owned(), PAGE_ROWS),
            ("by source", "source=shop/pod-7/1".to_owned(), PAGE_ROWS),
            ("by a source of the ten oldest", format!("source={RARE_SOURCE}"), few),
            ("by key", format!("key={}", crowd::key(OPEN / 2)), 1),
            ("that nobody acted on", "acted=none".to_owned(), PAGE_ROWS),
            ("that somebody ignores", "acted=ignored".to_owned(), PAGE_ROWS),
        ];
        all.into_iter().map(|(what, query, rows)| Self { what, query, rows }).collect()
    }

    /// Every page is what it should be.
    fn check(&self, harness: &Harness) {
        let [api, _] = PLACES;
        let page = harness.json(&format!("{api}?{}", self.query));
        let rows = page.get("divergences").and_then(Value::as_array).map_or(0, Vec::len);
        assert_eq!(rows, self.rows, "{}", self.what);
    }

    fn of(&self, place: &str) -> Asked {
        Asked::new(&format!("`{place}`, {}", self.what), format!("{place}?{}", self.query))
    }
}

/// Where a page begins that has as many open divergences before it as behind it.
fn middle(harness: &Harness) -> u64 {
    let mut after = String::new();
    let mut cursor = 0;
    for _ in 0..OPEN / 2 / STEP_ROWS {
        let page = harness.json(&format!("/v1/divergences?limit={STEP_ROWS}{after}"));
        cursor = page.get("next").and_then(Value::as_u64).expect("there are more");
        after = format!("&after={cursor}");
    }
    cursor
}

/// A page, and how long it took each time.
pub(super) struct Asked {
    what: String,
    path: String,
    took_ms: Vec<f64>,
}

impl Asked {
    pub(super) fn new(what: &str, path: String) -> Self {
        Self { what: what.to_owned(), path, took_ms: Vec::new() }
    }

    /// Asks for it once more, over a connection of its own.
    pub(super) fn ask(&mut self, port: u16) {
        let (answer, took_ms) = timed(|| http::get(port, &self.path));
        let (status, body) = answer.expect("the comparator answers");
        assert_eq!(status, 200, "{}: {body}", self.path);
        self.took_ms.push(took_ms);
    }

    pub(super) fn timing(self) -> Timing {
        Timing::of(self.took_ms)
    }
}
