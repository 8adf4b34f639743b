//! One frame of what was told, as lines of text. Columns that do not fit are left out from the right.

use super::model::{Check, Divergence, Map, Source, Store, Told};
use crate::duration;
use crate::output::one_line;
use counterfoil_comparator::dashboard::show;
use ratatui::buffer::Buffer;
use ratatui::layout::{Constraint, Rect};
use ratatui::widgets::{Row, Table, Widget};

/// Most characters of a name or key in a cell.
const CELL_CHARS_MAX: usize = 60;

/// Widest column, so that one long name does not push out the rest.
const COLUMN_CHARS_MAX: usize = 28;

/// All panes below each other, in lines of at most `width` characters.
pub(super) fn frame(told: &Told, width: u16) -> Vec<String> {
    let summary = &told.summary;
    let panes = [
        pane(
            &[
                "map",
                "store",
                "open",
                "diverging",
                "lag",
                "within deadline",
                "coverage",
                "confirmed",
                "events",
            ],
            checks(told),
            width,
        ),
        pane(
            &["source", "phase", "watermark", "lost", "clock error"],
            summary.sources.iter().map(source).collect(),
            width,
        ),
        pane(
            &["store", "state", "probe delay", "keys/s", "why"],
            summary.stores.iter().map(store).collect(),
            width,
        ),
        pane(
            &["divergence", "kind", "map", "store", "age", "key"],
            told.page.divergences.iter().map(divergence).collect(),
            width,
        ),
    ];
    panes.join(&String::new())
}

/// A head and rows.
fn pane(head: &[&str], rows: Vec<Vec<String>>, width: u16) -> Vec<String> {
    let widths = head.iter().enumerate().map(|(column, name)| {
        let cells = rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count());
        let widest = cells.chain([name.chars().count()]).max().unwrap_or(0).min(COLUMN_CHARS_MAX);
        u16::try_from(widest).unwrap_or(u16::MAX)
    });
    let mut left = width;
    let fitting: Vec<_> = widths
        .map_while(|wide| {
            left = left.checked_sub(wide)?;
            left = left.saturating_sub(2);
            Some(Constraint::Length(wide))
        })
        .collect();
    let height = u16::try_from(rows.len().saturating_add(1)).unwrap_or(u16::MAX);
    let area = Rect::new(0, 0, width, height);
    let mut buffer = Buffer::empty(area);
    let columns = fitting.len();
    let rows = rows.into_iter().map(|row| Row::new(row.into_iter().take(columns)));
    let head = Row::new(head.iter().copied().take(columns));
    Widget::render(Table::new(rows, fitting).header(head).column_spacing(2), area, &mut buffer);
    (0..height).map(|y| line(&buffer, y, width)).collect()
}

fn line(buffer: &Buffer, y: u16, width: u16) -> String {
    let cells = (0..width).filter_map(|x| buffer.cell((x, y))).map(|cell| cell.symbol());
    cells.collect::<String>().trim_end().to_owned()
}

fn checks(told: &Told) -> Vec<Vec<String>> {
    let rows = told.summary.maps.iter().flat_map(|(map, of)| match of {
        Map::One(one) => vec![check(map, "–", one)],
        Map::Several { stores } => stores.iter().map(|(store, one)| check(map, store, one)).collect(),
    });
    rows.collect()
}

fn check(map: &str, store: &str, check: &Check) -> Vec<String> {
    let ended = |outcome: &str| check.outcomes.get(outcome).copied().unwrap_or(0);
    let (confirmed, divergent) = (ended("confirmed"), ended("divergent"));
    let samples = confirmed.saturating_add(divergent);
    let ratio = (samples > 0).then(|| divergent as f64 / samples as f64);
    vec![
        cell(map),
        cell(store),
        show::count(check.open_divergences),
        or_none(ratio, show::share),
        or_none(check.lag_ms.as_ref().map(|lag| lag.p50), show::span_ms),
        or_none(check.within.last().and_then(|within| within.share), show::share),
        or_none(check.coverage, show::share),
        show::count(confirmed),
        show::count(check.events),
    ]
}

fn source(source: &Source) -> Vec<String> {
    let lost = source.lost.values().fold(source.undeclared, |sum, count| sum.saturating_add(*count));
    vec![
        cell(&source.source),
        cell(&source.phase),
        or_none(source.watermark_lag_ms, show::span_ms),
        show::count(lost),
        or_none(source.clock_error_ms, show::span_ms),
    ]
}

fn store(store: &Store) -> Vec<String> {
    vec![
        cell(&store.name),
        cell(&store.state),
        show::span_ms(store.probe_delay_ms),
        or_none(store.keys_per_s, |rate| format!("{rate:.0}")),
        cell(store.reason.as_deref().unwrap_or("–")),
    ]
}

fn divergence(one: &Divergence) -> Vec<String> {
    vec![
        one.id.chars().take(8).collect(),
        cell(&one.kind),
        cell(&one.map),
        cell(one.store.as_deref().unwrap_or("–")),
        duration::shown(one.age_ms),
        cell(&one.key),
    ]
}

/// A text that no terminal obeys.
fn cell(text: &str) -> String {
    one_line(text).chars().take(CELL_CHARS_MAX).collect()
}

fn or_none<T>(figure: Option<T>, shown: impl FnOnce(T) -> String) -> String {
    figure.map_or_else(|| "–".to_owned(), shown)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use serde_json::json;

    fn told() -> Told {
        let summary = json!({
            "maps": { "cart\u{1b}[2J": {
                "events": 1_234, "outcomes": { "confirmed": 1_230, "divergent": 1 }, "coverage": 1.0,
                "open_divergences": 1, "lag_ms": { "p50": 12.0 }, "within": [{ "share": 0.999 }],
            } },
            "sources": [{ "source": "shop/pod-1/7", "phase": "lost", "lost": { "emitter": 2 }, "undeclared": 1,
                "watermark_lag_ms": null, "clock_error_ms": 0.5 }],
            "stores": [{ "name": "main", "state": "down", "reason": "timeout", "keys_per_s": null,
                "probe_delay_ms": 3.0 }],
        });
        let page = json!({ "divergences": [{ "id": "0123456789", "map": "cart", "store": "main", "kind": "missing",
            "age_ms": 61_000, "key": "user\u{1b}-8" }] });
        let (summary, page) =
            (serde_json::from_value(summary).unwrap(), serde_json::from_value(page).unwrap());
        Told { summary, page }
    }

    #[test]
    fn a_frame_tells_checks_sources_stores_and_divergences_and_drives_no_terminal() {
        let text = frame(&told(), 120).join("\n");
        for expected in
            ["cart\\u{1b}[2J", "1,234", "99.9 %", "lost", "down", "01234567", "user\\u{1b}-8", "1m 1s"]
        {
            assert!(text.contains(expected), "{expected} in:\n{text}");
        }
        assert!(!text.contains('\u{1b}'), "{text}");
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        for width in [1, 20, 60, 100] {
            let lines = frame(&told(), width);
            assert!(lines.iter().all(|line| line.chars().count() <= usize::from(width)), "{lines:?}");
        }
    }
}
