//! `GET /v1/divergences/export`: everything that a filter lets through, as JSON lines or CSV.
//!
//! The ledger is read page by page while the answer is sent, newest first, so what is in memory is two pages, and nothing is held
//! that would keep the ledger from being written. Each row is as it is when its page is read; what is opened meanwhile is not
//! among them. The reading ends with the answer, also when whoever asked goes away.

use super::Api;
use super::divergences::{Told, filter};
use super::error::ApiError;
use super::parameters::Parameters;
use crate::contract::Contracts;
use crate::evidence::Evidence;
use crate::ledger::{Filter, Page};
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::Stream;

/// Rows that are read at a time.
const PAGE_ROWS: u32 = 500;

/// Pages that wait to be sent.
const PAGES_WAITING_MAX: usize = 1;

/// The columns of a CSV, each a field of a divergence as JSON has it; those of `acted` by their paths.
const COLUMNS: [&str; 31] = [
    "id",
    "map",
    "store",
    "key",
    "kind",
    "severity",
    "state",
    "times",
    "revision",
    "source",
    "seq",
    "age_ms",
    "opened_at_unix_ns",
    "confirmed_at_unix_ns",
    "resolved_at_unix_ns",
    "resolved_how",
    "acted.what",
    "acted.by",
    "acted.why",
    "acted.at_unix_ns",
    "acted.until_unix_ns",
    "store_digest",
    "map_digest",
    "stale_versions",
    "stale_at_least_ns",
    "write_ended_ns",
    "seen_after_ns",
    "trace_id",
    "fields",
    "fields_missing",
    "evidence",
];

/// Why an answer ended in the middle.
type Broken = Box<dyn std::error::Error + Send + Sync>;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Format {
    JsonLines,
    Csv,
}

impl Format {
    fn of(name: &str) -> Option<Self> {
        match name {
            "jsonl" => Some(Self::JsonLines),
            "csv" => Some(Self::Csv),
            _ => None,
        }
    }

    fn content_type(self) -> &'static str {
        match self {
            Self::JsonLines => "application/x-ndjson",
            Self::Csv => "text/csv; charset=utf-8; header=present",
        }
    }

    /// What stands before all rows.
    fn head(self) -> Result<Vec<u8>, Broken> {
        match self {
            Self::JsonLines => Ok(Vec::new()),
            Self::Csv => records([COLUMNS.map(str::to_owned)]),
        }
    }

    /// The rows of a page.
    fn rows(self, page: Page, contracts: &Contracts, evidence: Option<&Evidence>) -> Result<Vec<u8>, Broken> {
        let told = page.rows.into_iter().map(|row| Told::new(row, contracts, evidence));
        match self {
            Self::JsonLines => lines(told),
            Self::Csv => records(told.map(|told| record(&told)).collect::<Result<Vec<_>, _>>()?),
        }
    }
}

/// Answers with all divergences that are asked for.
pub(super) async fn export(State(api): State<Api>, mut asked: Parameters) -> Result<Response, ApiError> {
    let filter = filter(&mut asked, api.parts.engine.contracts())?;
    let format = asked.take("format", "jsonl or csv", Format::of)?.unwrap_or(Format::JsonLines);
    asked.done()?;
    api.ledger.catch_up().await?;
    let (pages, waiting) = mpsc::channel(PAGES_WAITING_MAX);
    let mut reading = JoinSet::new();
    reading.spawn(read(api, Filter { limit: PAGE_ROWS, ..filter }, format, pages));
    let headers = [(header::CONTENT_TYPE, format.content_type())];
    Ok((headers, Body::from_stream(Pages { waiting, _reading: reading })).into_response())
}

/// Hands over page after page, until there is none left or nobody who takes them.
async fn read(api: Api, mut filter: Filter, format: Format, pages: mpsc::Sender<Result<Bytes, Broken>>) {
    let (mut chunk, mut is_last) = (format.head(), false);
    loop {
        // After an error the answer is cut off, so that nobody takes it for whole.
        is_last |= chunk.is_err();
        if pages.send(chunk.map(Bytes::from)).await.is_err() || is_last {
            return;
        }
        chunk = match api.ledger.list(filter.clone()).await {
            Ok(page) => {
                filter.after = page.next;
                is_last = page.next.is_none();
                format.rows(page, api.parts.engine.contracts(), api.parts.telling.evidence())
            }
            Err(error) => Err(error.into()),
        };
    }
}

/// What is sent; reading ends when this is dropped.
struct Pages {
    waiting: mpsc::Receiver<Result<Bytes, Broken>>,
    _reading: JoinSet<()>,
}

impl Stream for Pages {
    type Item = Result<Bytes, Broken>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.waiting.poll_recv(context)
    }
}

fn lines(told: impl Iterator<Item = Told>) -> Result<Vec<u8>, Broken> {
    let mut text = Vec::new();
    for told in told {
        serde_json::to_writer(&mut text, &told)?;
        text.push(b'\n');
    }
    Ok(text)
}

fn records<const N: usize>(records: impl IntoIterator<Item = [String; N]>) -> Result<Vec<u8>, Broken> {
    let mut writer = csv::WriterBuilder::new().terminator(csv::Terminator::CRLF).from_writer(Vec::new());
    records.into_iter().try_for_each(|record| writer.write_record(&record))?;
    Ok(writer.into_inner()?)
}

fn record(told: &Told) -> Result<[String; COLUMNS.len()], Broken> {
    let row = serde_json::to_value(told)?;
    Ok(COLUMNS.map(|column| {
        let path = format!("/{}", column.replace('.', "/"));
        cell(row.pointer(&path).unwrap_or(&Value::Null))
    }))
}

/// Numbers as they are, lists as JSON, and texts so that no spreadsheet takes them for formulas.
fn cell(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::String(text) if text.starts_with(['=', '+', '-', '@', '\t', '\r']) => format!("'{text}"),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crate::ledger::{Acted, DivergenceId, Mark, Row, State};
    use std::collections::BTreeSet;

    fn told() -> Told {
        let acted = Acted {
            what: Mark::Ignored,
            by: "a".into(),
            why: "=1".into(),
            at_unix_ns: 1,
            until_unix_ns: None,
        };
        let row = Row {
            id: DivergenceId([0xab; 16]),
            map: "cart".into(),
            store: None,
            key: "a,\"b\"\r\n".into(),
            key_bytes: Vec::new(),
            kind: "stale".into(),
            state: State::Resolved,
            times: 2,
            source: "shop".into(),
            seq: u64::MAX,
            opened_at_unix_ns: 1_000_000,
            confirmed_at_unix_ns: None,
            resolved_at_unix_ns: Some(8_000_000),
            resolved_how: Some("agreed".into()),
            store_digest: "absent".into(),
            map_digest: "absent".into(),
            stale_versions: None,
            stale_at_least_ns: None,
            write_ended_ns: Some(-7),
            seen_after_ns: None,
            trace_id: None,
            fields: Some(vec!["price".into()]),
            fields_missing: Some(0),
            revision: 5,
            acted: Some(acted),
        };
        Told::new(row, &Contracts::new(Vec::new(), Vec::new()), None)
    }

    #[test]
    fn a_csv_has_every_field_of_a_divergence() {
        let json = serde_json::to_value(told()).unwrap();
        let paths = |json: &Value| json.as_object().unwrap().keys().cloned().collect::<BTreeSet<_>>();
        let acted = paths(&json["acted"]).into_iter().map(|name| format!("acted.{name}"));
        let mut all: BTreeSet<_> = paths(&json).into_iter().chain(acted).collect();
        all.remove("acted");
        assert_eq!(COLUMNS.map(str::to_owned).into_iter().collect::<BTreeSet<_>>(), all);
    }

    #[test]
    fn a_csv_reads_back_as_it_was_told() {
        let text = [Format::Csv.head().unwrap(), records([record(&told()).unwrap()]).unwrap()].concat();
        let mut reader = csv::Reader::from_reader(&*text);
        assert_eq!(reader.headers().unwrap().iter().collect::<Vec<_>>(), COLUMNS);
        let record = reader.records().next().unwrap().unwrap();
        let of = |name| record.get(COLUMNS.iter().position(|column| *column == name).unwrap()).unwrap();
        for (column, expected) in [
            ("key", "a,\"b\"\r\n"),
            ("seq", "18446744073709551615"),
            ("age_ms", "7"),
            ("acted.why", "'=1"),
            ("acted.until_unix_ns", ""),
            ("write_ended_ns", "-7"),
            ("fields", "[\"price\"]"),
        ] {
            assert_eq!(of(column), expected, "{column}");
        }
    }

    #[test]
    fn no_text_is_a_formula() {
        for text in ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"] {
            assert_eq!(cell(&text.into()), format!("'{text}"));
        }
        for text in ["", "1", "a=1", "'=1"] {
            assert_eq!(cell(&text.into()), text);
        }
    }
}
