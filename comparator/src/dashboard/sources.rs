//! `/sources`: what each source reported and lost.

use super::shell::Shell;
use super::{Pages, show};
use crate::api::{SourceSummary, source_summaries};
use askama::Template;
use axum::extract::State;
use axum::response::Response;

/// Sources that are shown; those that come after are counted.
const ROWS_MAX: usize = 500;

#[derive(Template)]
#[template(path = "sources.html")]
struct Sources<'a> {
    shell: &'a Shell,
    rows: Vec<Row>,
    left_out: usize,
}

struct Row {
    source: String,
    phase: &'static str,
    tone: &'static str,
    watermark: Option<String>,
    silent: String,
    issued: String,
    accepted: String,
    lost: String,
    /// Why, if any was.
    lost_why: String,
    in_flight: String,
    open: String,
    clock_error: Option<String>,
}

/// Shows the sources: those that want looking after come first.
pub(super) async fn page(State(pages): State<Pages>, shell: Shell) -> Response {
    let mut sources = source_summaries(&pages.api.parts);
    sources.sort_by_key(|source| (urgency(source.phase), source.undeclared == 0));
    let left_out = sources.len().saturating_sub(ROWS_MAX);
    let rows = sources.into_iter().take(ROWS_MAX).map(Row::of).collect();
    shell.answer(Ok(Sources { shell: &shell, rows, left_out }))
}

fn urgency(phase: &str) -> u8 {
    match phase {
        "lost" => 0,
        "live" => 1,
        "ended" => 2,
        _ => 3,
    }
}

impl Row {
    fn of(source: SourceSummary) -> Self {
        let reasons =
            source.lost.iter().chain([(&"undeclared", &source.undeclared)]).filter(|(_, count)| **count > 0);
        let why: Vec<_> = reasons.map(|(why, count)| format!("{why} {}", show::count(*count))).collect();
        let lost = source.lost.values().sum::<u64>() + source.undeclared;
        let tone = match source.phase {
            "lost" => "bad",
            "live" => "good",
            _ => "plain",
        };
        Self {
            tone,
            source: source.source,
            phase: source.phase,
            watermark: source.watermark_lag_ms.map(show::span_ms),
            silent: show::span_ms(source.silent_ms),
            issued: show::count(source.next_seq + source.in_flight),
            accepted: show::count(source.accepted),
            lost: show::count(lost),
            lost_why: why.join(", "),
            in_flight: show::count(source.in_flight),
            open: show::count(source.open),
            clock_error: source.clock_error_ms.map(show::span_ms),
        }
    }
}
