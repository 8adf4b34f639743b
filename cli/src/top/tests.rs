//! Frames, beside those in `golden/`: `UPDATE_GOLDEN=1` writes them anew, to be looked at before they are kept.
#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test may panic, and is told by its environment what to write"
)]

use super::*;
use serde_json::{Value, json};
use std::path::Path;

/// 2026-02-03 04:04:06 UTC.
const AT: i64 = 1_770_091_446_000_000_000;

fn told(gate: &Value, summary: &Value, page: &Value) -> Told {
    Told {
        gate: serde_json::from_value(gate.clone()).unwrap(),
        summary: serde_json::from_value(summary.clone()).unwrap(),
        divergences: serde_json::from_value(page.clone()).unwrap(),
    }
}

fn counted(divergent: u64) -> Value {
    json!({
        "events": 1_234_567, "outcomes": { "confirmed": 1_230_000, "divergent": divergent, "undetermined": 4, "shed": 1 },
        "open_divergences": divergent, "lag_ms": { "p50": 12.0, "p99": 340.0 },
        "within": [{ "share": 0.5, "nines": 0.3 }, { "share": 0.999, "nines": 3.0 }], "calibration": "calibrated",
    })
}

fn source(number: u32, phase: &str, lost: u64) -> Value {
    json!({ "source": format!("shop/pod-{number}/7"), "phase": phase, "lost": { "emitter": lost }, "undeclared": 0,
        "in_flight": 3, "open": 40, "watermark_lag_ms": if phase == "live" { Some(85.0) } else { None },
        "clock_error_ms": if phase == "live" { Some(0.5) } else { None }, "silent_ms": 120.0 })
}

fn calm() -> Told {
    let gate = json!({ "window_ms": 600_000.0, "checks": [
        { "map": "cart", "store": "main", "result": "pass", "bad_ratio": 0.0, "coverage": 1.0,
            "verified_through_age_ms": 1_500.0, "reasons": [] },
        { "map": "stock", "store": "main", "result": "insufficient", "bad_ratio": null, "coverage": null,
            "verified_through_age_ms": null, "reasons": [{ "reason": "samples" }] },
    ] });
    let summary = json!({ "maps": { "cart": counted(0) }, "sources": [source(1, "live", 0)],
        "stores": [{ "name": "main", "state": "healthy", "reason": null, "keys_per_s": null, "probe_delay_ms": 0.4 }] });
    told(&gate, &summary, &json!([]))
}

fn bad() -> Told {
    let check = |store: &str, ratio: f64| {
        json!({ "map": "cart\u{1b}[2J", "store": store, "result": "fail", "bad_ratio": ratio, "coverage": 0.97,
            "verified_through_age_ms": 95_000.0, "reasons": [{ "reason": "divergences" }, { "reason": "coverage" }] })
    };
    let gate = json!({ "window_ms": 600_000.0, "checks": [check("new", 0.000_1), check("old", 0.0)] });
    let sources: Vec<_> = (1..=30).map(|number| source(number, "live", 0)).collect();
    let sources = [&[source(0, "lost", 12)][..], &sources].concat();
    let summary = json!({
        "maps": { "cart\u{1b}[2J": { "events": 1_234_567, "stores": { "new": counted(123), "old": counted(0) } } },
        "sources": sources,
        "stores": [
            { "name": "new", "state": "down", "reason": "timeout", "keys_per_s": 500.0, "probe_delay_ms": 2_300.0 },
            { "name": "old", "state": "slow", "reason": null, "keys_per_s": 125.4, "probe_delay_ms": 31.0 },
        ],
    });
    let page = json!([
        { "id": "0123456789abcdef0123456789abcdef", "map": "cart\u{1b}[2J", "store": "new", "kind": "missing",
            "severity": "critical", "age_ms": 61_000, "key": "user\u{1b}]0;x\u{7}-8", "trace_id": "0af7651916cd43dd8448eb211c80319c" },
        { "id": "fedcba9876543210fedcba9876543210", "map": "gone", "store": null, "kind": "stale", "severity": null,
            "age_ms": 3_723_000, "key": "日本", "trace_id": null },
    ]);
    told(&gate, &summary, &page)
}

fn screen(told: Told) -> Screen {
    Screen {
        url: "http://127.0.0.1:7413".into(),
        connection: Connection::Answered(AT),
        told: Some(told),
        pane: Pane::Checks,
        first: 0,
        is_paused: false,
        is_help: false,
    }
}

fn drawn(screen: &Screen, width: u16, height: u16) -> Buffer {
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    screen.render(area, &mut buffer);
    buffer
}

/// Holds lines to those of a file.
fn golden(name: &str, lines: &[String]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/top/golden").join(name).with_extension("txt");
    let shown = lines.join("\n") + "\n";
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&path, &shown).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap();
    assert!(shown == expected, "{}: expected\n{expected}\nbut it is\n{shown}", path.display());
    assert!(!shown.contains('\u{1b}'), "{name} drives the terminal");
}

#[test]
fn a_calm_overview() {
    golden("calm", &printed(&drawn(&screen(calm()), 180, 24)));
}

#[test]
fn a_bad_one_with_more_sources_than_there_is_room_for() {
    golden("bad", &printed(&drawn(&screen(bad()), 120, 30)));
    let sources = Screen { pane: Pane::Sources, first: 5, ..screen(bad()) };
    golden("sources", &printed(&drawn(&sources, 120, 30)));
}

#[test]
fn a_comparator_that_is_away_leaves_its_last_figures_dimmed() {
    let away =
        Connection::Away(12_000_000_000, "comparator at http://127.0.0.1:7413: connection refused".into());
    let buffer = drawn(&Screen { connection: away, ..screen(calm()) }, 100, 20);
    golden("away", &printed(&buffer));
    assert!(buffer.cell((0, 2)).unwrap().modifier.contains(Modifier::DIM));
    assert!(!drawn(&screen(calm()), 100, 20).cell((0, 2)).unwrap().modifier.contains(Modifier::DIM));
}

#[test]
fn before_the_first_answer_and_while_nothing_is_asked() {
    let asked = Screen { connection: Connection::Asked, told: None, ..screen(calm()) };
    golden("asked", &printed(&drawn(&asked, 60, 4)));
    let paused = printed(&drawn(&Screen { is_paused: true, ..screen(calm()) }, 100, 20));
    assert!(paused.first().unwrap().ends_with("paused as of 2026-02-03 04:04:06 UTC"), "{paused:?}");
}

#[test]
fn a_narrow_one_has_what_fits() {
    golden("narrow", &printed(&drawn(&screen(bad()), 60, 15)));
}

#[test]
fn help() {
    golden("help", &printed(&drawn(&Screen { is_help: true, ..screen(calm()) }, 130, 12)));
}

#[test]
fn text_has_everything_and_no_line_is_wider_than_it_may_be() {
    golden("text", &text(&bad(), 100));
    for width in [1, 7, 20, 60] {
        for lines in [text(&bad(), width), printed(&drawn(&screen(bad()), width, 15))] {
            assert!(lines.iter().all(|line| line.chars().count() <= usize::from(width)), "{lines:?}");
        }
    }
}

#[test]
fn no_size_is_too_small_to_be_drawn_and_no_row_too_far() {
    for height in 0..12 {
        for first in [0, 1, 40, usize::MAX] {
            for pane in Pane::ALL {
                drawn(&Screen { pane, first, ..screen(bad()) }, 40, height);
            }
        }
    }
}

#[test]
fn what_is_bad_is_red_and_says_so_in_words() {
    let buffer = drawn(&screen(bad()), 120, 30);
    let lines = printed(&buffer);
    let (y, line) = (0..).zip(&lines).find(|(_, line)| line.contains("fail")).unwrap();
    let x = u16::try_from(line.split("fail").next().unwrap().chars().count()).unwrap();
    assert_eq!(buffer.cell((x, y)).unwrap().fg, Color::Red);
}

#[test]
fn all_rows_of_a_pane_can_be_scrolled_to() {
    let sources = Screen { pane: Pane::Sources, ..screen(bad()) };
    let last = sources.last_first(15);
    let lines = printed(&drawn(&Screen { first: last, ..sources }, 100, 15));
    assert!(lines.iter().any(|line| line.contains("shop/pod-30/7")), "{lines:?}");
}
