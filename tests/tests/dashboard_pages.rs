//! The comparator's own pages in a real browser: nothing is complained of, a keyboard suffices, figures move, narrow and dark
//! screens are served. With `COUNTERFOIL_SCREENSHOTS` set to a folder, as `cargo xtask screenshots` does, what is seen is kept there.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use counterfoil_proto::wire::emit::{Event, Heartbeat, frame::Body};
use counterfoil_tests::chromium::Chromium;
use counterfoil_tests::emit::{Client, dual_put, now_ns};
use counterfoil_tests::{Harness, Map, Setup, environment, wait};
use serde_json::{Value, json};
use std::path::Path;
use std::sync::{Arc, Mutex, Weak};
use std::time::Duration;

const TOKEN: &str = "alice-0123456789";

/// Writes that reach the store, before any that do not.
const KEPT: u64 = 40;

/// How often the application says that it is there.
const BEAT_EVERY: Duration = Duration::from_millis(100);

/// Pixels of the screens that pages are looked at on: how wide, and how much is kept.
const SCREENS: [(&str, u32, u32); 2] = [("wide", 1_280, 1_000), ("narrow", 390, 1_800)];

/// The narrowest screen that needs no scrolling to the side.
const NARROWEST: u32 = 360;

/// Two maps in one store, some of whose writes were lost, came late or came from nobody.
struct Shop {
    harness: Harness,
    store: rusqlite::Connection,
    reporter: Arc<Mutex<Reporter>>,
}

/// The application, as far as it reports.
struct Reporter {
    client: Client,
    next_seq: u64,
}

impl Reporter {
    /// Says now and then that there is nothing else, for as long as anybody has the reporter: one that is silent is lost.
    fn beat(reporter: &Weak<Mutex<Self>>) {
        while let Some(reporter) = reporter.upgrade() {
            let mut reporter = reporter.lock().unwrap();
            let next_seq = reporter.next_seq;
            reporter.client.send(Body::Heartbeat(Heartbeat {
                next_seq,
                watermark_ns: now_ns(),
                ..Heartbeat::default()
            }));
            drop(reporter);
            std::thread::sleep(BEAT_EVERY);
        }
    }
}

impl Shop {
    /// Starts it, with an operator who has to sign in if `has_tokens`.
    fn open(has_tokens: bool) -> Self {
        let setup = Setup::new();
        let file = setup.folder().join("app.db");
        let store = rusqlite::Connection::open(&file).unwrap();
        store.execute_batch("PRAGMA journal_mode=WAL; CREATE TABLE cart (k TEXT PRIMARY KEY, v TEXT); CREATE TABLE price (k TEXT PRIMARY KEY, v TEXT)").unwrap();
        let place = |map: &str| ("query", format!("SELECT k, v FROM {map} WHERE k IN rarray(?1)"));
        let mut setup = setup.store("main", &format!("sqlite:{}", file.display()));
        for map in ["cart", "price"] {
            setup = setup.map(&Map { deadline_ms: 300, ..Map::new(map, place(map)) });
        }
        let contract = |map: &str, severity: &str| {
            let query = place(map).1;
            json!({ "name": map, "store": "main", "query": query, "deadline_ms": 300, "severity": severity })
        };
        setup =
            setup.comparator("/maps", json!([contract("cart", "critical"), contract("price", "warning")]));
        setup = setup.comparator("/sweep", json!({ "keys_every_s": 60 }));
        setup =
            setup.comparator("/dashboard", json!({ "trace_url": "https://traces.example/trace/{trace_id}" }));
        if has_tokens {
            setup = setup.operator(TOKEN);
        }
        let harness = setup.start();
        let (client, _) = Client::welcomed(&harness.socket(), "shop");
        client.discard_answers();
        let reporter = Arc::new(Mutex::new(Reporter { client, next_seq: 0 }));
        let its = Arc::downgrade(&reporter);
        std::thread::spawn(move || Reporter::beat(&its));
        Self { harness, store, reporter }
    }

    fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.harness.http())
    }

    fn report(&self, map: &str, events: Vec<Event>) {
        let mut reporter = self.reporter.lock().unwrap();
        let first = reporter.next_seq;
        reporter.next_seq += events.len() as u64;
        reporter.client.report(map, first, events);
    }

    fn put(&self, map: &str, key: &str, value: &str) {
        let sql = format!("INSERT INTO {map} VALUES (?1, ?2) ON CONFLICT (k) DO UPDATE SET v = excluded.v");
        self.store.execute(&sql, (key, value)).unwrap();
    }

    /// So many writes of each map that reach the store.
    fn keep(&self, count: u64) {
        let round = self.reporter.lock().unwrap().next_seq;
        for map in ["cart", "price"] {
            let keys: Vec<_> = (0..count).map(|number| format!("user-{}", round + number)).collect();
            let kept = keys
                .iter()
                .map(|key| dual_put(key, b"2 apples", || self.put(map, key, "2 apples")))
                .collect();
            self.report(map, kept);
        }
    }

    /// A write of each of these keys that never reaches the store.
    fn lose(&self, map: &str, keys: &[&str]) {
        self.report(map, keys.iter().map(|key| dual_put(key, b"1 pear", || ())).collect());
    }

    /// Everything that can be seen on the pages.
    fn go_wrong(&self) {
        self.keep(KEPT);
        // Of values in a form that nobody knows yet nothing would be told.
        for map in ["cart", "price"] {
            self.until(
                &format!("map=\"{map}\""),
                "counterfoil_outcome_events_total",
                "outcome=\"confirmed\"",
                20.0,
            );
        }
        self.lose("cart", &["user-lost-1", "user-lost-2", "a <b>key</b> & more"]);
        self.lose("cart", &["user-0", "user-1"]);
        self.lose("price", &["sku-4711"]);
        self.put("price", "user-3", "7 plums");
        self.report("price", vec![dual_put("user-3", b"3 plums", || ())]);
        self.lose("cart", &["user-mended"]);
        self.until("map=\"cart\"", "counterfoil_divergence_turns_total", "turn=\"confirmed\"", 6.0);
        self.until("map=\"price\"", "counterfoil_divergence_turns_total", "turn=\"confirmed\"", 2.0);
        self.put("cart", "user-mended", "1 pear");
    }

    /// Waits until a metric of a map has come to `least`.
    fn until(&self, map: &str, metric: &str, label: &str, least: f64) {
        wait::until(metric, || {
            (self.harness.comparator_metric(metric, &[map, label]) >= least).then_some(())
        });
    }
}

/// The paths of all pages; the divergence is one that a list has.
fn paths(browser: &mut Chromium, shop: &Shop) -> Vec<(&'static str, String)> {
    browser.go(&shop.url("/divergences?kind=stale"));
    let one = browser.evaluate("new URL(document.querySelector('tbody th a').href).pathname");
    let one = one.as_str().expect("a divergence is listed").to_owned();
    vec![
        ("overview", "/".to_owned()),
        ("divergences", "/divergences".to_owned()),
        ("act", format!("{one}/act?what=acknowledge")),
        ("divergence", one),
        ("sources", "/sources".to_owned()),
        ("stores", "/stores".to_owned()),
    ]
}

fn sign_in(browser: &mut Chromium, shop: &Shop) {
    browser.go(&shop.url("/"));
    assert_eq!(browser.evaluate("document.title"), "Sign in · Counterfoil");
    assert_eq!(browser.evaluate("document.activeElement.id"), "token", "whoever comes can write at once");
    browser.write(TOKEN);
    browser.press("Enter");
    browser.until("document.title === 'Overview · Counterfoil'");
}

fn assert_content(browser: &Chromium, what: &str) {
    assert!(browser.complaints().is_empty(), "{what}: {:#?}", browser.complaints());
}

#[test]
fn every_page_is_shown_without_a_complaint_on_every_screen() {
    let shop = Shop::open(true);
    shop.go_wrong();
    let mut browser = Chromium::start(shop.harness.setup().folder());
    browser.set_size(1_280, 900);
    let folder = environment("COUNTERFOIL_SCREENSHOTS");
    if let Some(folder) = &folder {
        browser.go(&shop.url("/"));
        keep(&mut browser, Path::new(folder), "login");
    }
    sign_in(&mut browser, &shop);
    if folder.is_some() {
        live_through(&shop);
    }
    for (name, path) in paths(&mut browser, &shop) {
        browser.go(&shop.url(&path));
        if name == "overview" {
            browser.until("document.getElementById('live').textContent === 'live'");
            browser.until("document.querySelectorAll('.chart canvas').length === 2");
        }
        for (scheme, back) in [("dark", "rgb(16, 22, 21)"), ("light", "rgb(246, 247, 246)")] {
            browser.set_scheme(scheme);
            assert_eq!(browser.evaluate("getComputedStyle(document.body).backgroundColor"), back, "{name}");
            let contrasts = browser.evaluate(CONTRASTS);
            assert_eq!(contrasts, json!([]), "{name} in {scheme}: text that is hard to read");
        }
        for width in [NARROWEST, 390, 1_280] {
            browser.set_size(width, 900);
            let scrolled = browser.evaluate("document.documentElement.scrollWidth");
            assert_eq!(scrolled, width, "{name} is wider than a screen of {width}");
        }
        let unnamed = browser.evaluate(UNNAMED);
        assert_eq!(unnamed, json!([]), "{name}: controls that have no name");
        assert_content(&browser, name);
        if let Some(folder) = &folder {
            keep(&mut browser, Path::new(folder), name);
        }
        browser.set_size(1_280, 900);
    }
    shop.harness.stop();
}

#[test]
fn an_operator_needs_no_mouse_and_sees_what_changes() {
    let shop = Shop::open(true);
    shop.go_wrong();
    let mut browser = Chromium::start(shop.harness.setup().folder());
    browser.set_size(1_280, 900);
    sign_in(&mut browser, &shop);
    browser.until("document.getElementById('live').textContent === 'live'");
    let before = number(&browser.evaluate("document.getElementById('open-critical').innerText"));
    shop.lose("cart", &["user-lost-live"]);
    let more = format!("Number(document.getElementById('open-critical').innerText) > {before}");
    browser.until(&more);
    assert_eq!(browser.evaluate("document.getElementById('sentence').getAttribute('aria-live')"), "polite");

    browser.press("Tab");
    assert_eq!(browser.evaluate("document.activeElement.textContent"), "Skip to the content");
    browser.tab_to("it.textContent === 'Divergences'");
    browser.press("Enter");
    browser.until("document.title === 'Divergences · Counterfoil'");
    browser.tab_to("it.matches('tbody th a') && it.textContent === 'user-lost-1'");
    browser.press("Enter");
    browser.until("document.title === 'Divergence · Counterfoil'");
    let outline = "getComputedStyle(it).outlineStyle === 'solid'";
    browser.tab_to(&format!("it.textContent === 'Acknowledge' && {outline}"));
    browser.press("Enter");
    browser.until("document.title === 'Act on a divergence · Counterfoil'");
    browser.tab_to("it.id === 'why'");
    browser.write("the import of last night");
    browser.tab_to("it.textContent === 'Do it'");
    browser.press("Enter");
    browser.until("document.querySelector('q')?.textContent === 'the import of last night'");
    assert!(
        browser
            .evaluate("document.querySelector('main').innerText")
            .as_str()
            .unwrap()
            .contains("acknowledged by alice")
    );

    browser.tab_to("it.textContent === 'Sign out'");
    browser.press("Enter");
    browser.until("document.title === 'Sign in · Counterfoil'");
    browser.go(&shop.url("/divergences"));
    assert_eq!(browser.evaluate("document.title"), "Sign in · Counterfoil");
    assert_content(&browser, "an operator's way");
    shop.harness.stop();
}

fn number(text: &Value) -> u64 {
    text.as_str().and_then(|text| text.trim().parse().ok()).unwrap_or_else(|| panic!("{text} is no number"))
}

/// Texts whose colour is too near to what they stand on: a ratio of less than 4.5 (WCAG 2, AA).
const CONTRASTS: &str = r"(() => {
  const rgb = (text) => (text.match(/[\d.]+/g) ?? []).map(Number);
  const light = ([r, g, b]) => [r, g, b].map((c) => c / 255).map((c) => c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4)
    .reduce((sum, c, at) => sum + c * [0.2126, 0.7152, 0.0722][at], 0);
  const behind = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const back = rgb(getComputedStyle(at).backgroundColor);
      if (back.length === 3 || back[3] === 1) return back;
    }
    return [255, 255, 255];
  };
  return [...document.querySelectorAll('body *')]
    .filter((it) => !it.closest('svg, .uplot') && [...it.childNodes].some((node) => node.nodeType === 3 && node.data.trim()) && it.getClientRects().length && !it.getAnimations().length)
    .map((it) => [it, light(rgb(getComputedStyle(it).color)), light(behind(it))])
    .filter(([, text, back]) => (Math.max(text, back) + 0.05) / (Math.min(text, back) + 0.05) < 4.5)
    .map(([it]) => `${it.tagName} ${it.className} ${it.textContent.trim().slice(0, 30)}`);
})()";

/// Controls that a screen reader has no name for, and tables' headings that say of nothing what they head.
const UNNAMED: &str = r"[...document.querySelectorAll('input:not([type=hidden]), select, textarea, button, a, th')].filter((it) =>
  it.matches('input, select, textarea') ? !it.labels.length : it.matches('th') ? !it.closest('.uplot') && !it.scope : !it.textContent.trim()
).map((it) => it.outerHTML.slice(0, 80))";

/// Keeps what is seen on each screen.
fn keep(browser: &mut Chromium, folder: &Path, name: &str) {
    std::fs::create_dir_all(folder).unwrap();
    for (screen, width, height_max) in SCREENS {
        browser.set_size(width, 400);
        browser.evaluate("new Promise((done) => setTimeout(done, 400))");
        let image = STANDARD.decode(browser.screenshot(width, height_max)).unwrap();
        std::fs::write(folder.join(format!("dashboard-{name}-{screen}.png")), image).unwrap();
    }
    browser.set_size(1_280, 900);
}

/// Half a minute in which most writes arrive, for charts that show something.
fn live_through(shop: &Shop) {
    for round in 0..60 {
        shop.keep(20);
        if round % 25 == 4 {
            shop.lose("cart", &[&format!("late-{round}")]);
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}
