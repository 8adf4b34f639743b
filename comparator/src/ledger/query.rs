//! What is asked of the ledger.

use super::PAGE_ROWS_MAX;
use super::act::Acted;
use super::filter::{Cursor, Filter, Page};
use super::history;
use super::listing::{self, COLUMNS, WITH_ACT};
use super::row::{Count, DivergenceId, Ignored, Life, Row, State, shown};
use super::transition::ScanPlace;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, params_from_iter};

const COUNTS: &str = "SELECT map, store, kind, state, count(*) FROM divergence \
    GROUP BY map, store, kind, state ORDER BY map, store, kind, state";

const IGNORED: &str = "SELECT map, store, count(*) FROM act JOIN divergence ON row = act.divergence \
    WHERE act.act = 'ignored' AND (until_unix_ns IS NULL OR until_unix_ns > ?1) AND state <> 'resolved' GROUP BY map, store";

pub(super) fn list(connection: &Connection, filter: &Filter, now_unix_ns: i64) -> rusqlite::Result<Page> {
    let rows_max = filter.limit.clamp(1, PAGE_ROWS_MAX);
    // One more than asked for tells whether there is a next page.
    let (sql, parameters) = listing::statement(filter, rows_max + 1, now_unix_ns);
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map(params_from_iter(parameters), placed_row)?;
    Ok(page(rows.collect::<rusqlite::Result<Vec<_>>>()?, rows_max))
}

fn page(mut rows: Vec<(Cursor, Row)>, rows_max: u32) -> Page {
    let rows_max = usize::try_from(rows_max).unwrap_or(usize::MAX);
    let more = rows.len() > rows_max;
    rows.truncate(rows_max);
    let next = rows.last().filter(|_| more).map(|(place, _)| *place);
    Page { rows: rows.into_iter().map(|(_, row)| row).collect(), next }
}

pub(super) fn get(
    connection: &Connection,
    id: DivergenceId,
    now_unix_ns: i64,
) -> rusqlite::Result<Option<Row>> {
    Ok(placed(connection, id, now_unix_ns)?.map(|(_, row)| row))
}

/// In one transaction, so that the history is that of the row.
pub(super) fn life(
    connection: &Connection,
    id: DivergenceId,
    now_unix_ns: i64,
) -> rusqlite::Result<Option<Life>> {
    let _one_instant = connection.unchecked_transaction()?;
    let Some((Cursor(place), row)) = placed(connection, id, now_unix_ns)? else { return Ok(None) };
    let history = history::of(connection, place)?;
    let kept = u32::try_from(history.len()).unwrap_or(u32::MAX);
    Ok(Some(Life { dropped: row.revision.saturating_sub(kept), row, history }))
}

fn placed(
    connection: &Connection,
    id: DivergenceId,
    now_unix_ns: i64,
) -> rusqlite::Result<Option<(Cursor, Row)>> {
    let sql = format!("SELECT {COLUMNS} FROM divergence {WITH_ACT} WHERE id = ?2");
    connection.query_row(&sql, (now_unix_ns, id.0), placed_row).optional()
}

pub(super) fn counts(connection: &Connection) -> rusqlite::Result<Vec<Count>> {
    let mut statement = connection.prepare(COUNTS)?;
    let count = |row: &rusqlite::Row<'_>| {
        let (map, store, kind) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let count: i64 = row.get(4)?;
        Ok(Count { map, store, kind, state: state(row, 3)?, count: count.unsigned_abs() })
    };
    statement.query_map([], count)?.collect()
}

pub(super) fn ignored(connection: &Connection, now_unix_ns: i64) -> rusqlite::Result<Vec<Ignored>> {
    let ignored = |row: &rusqlite::Row<'_>| {
        let count: i64 = row.get(2)?;
        Ok(Ignored { map: row.get(0)?, store: row.get(1)?, count: count.unsigned_abs() })
    };
    connection.prepare(IGNORED)?.query_map([now_unix_ns], ignored)?.collect()
}

/// How far each store was gone through.
pub(super) fn scan_places(connection: &Connection) -> rusqlite::Result<Vec<ScanPlace>> {
    let mut statement = connection.prepare("SELECT map, store, after FROM scan_place")?;
    let place = |row: &rusqlite::Row<'_>| {
        Ok(ScanPlace { map: row.get(0)?, store: row.get(1)?, after: Some(row.get(2)?) })
    };
    statement.query_map([], place)?.collect()
}

fn placed_row(row: &rusqlite::Row<'_>) -> rusqlite::Result<(Cursor, Row)> {
    let key_bytes: Vec<u8> = row.get("key")?;
    let seq: i64 = row.get("seq")?;
    let trace_id: Option<[u8; 16]> = row.get("trace_id")?;
    let fields: Option<String> = row.get("fields")?;
    let divergence = Row {
        id: DivergenceId(row.get("id")?),
        map: row.get("map")?,
        store: row.get("store")?,
        key: shown(&key_bytes),
        key_bytes,
        kind: row.get("kind")?,
        state: state(row, 6)?,
        times: row.get("times")?,
        source: row.get("source")?,
        seq: seq.cast_unsigned(),
        opened_at_unix_ns: row.get("opened_at_unix_ns")?,
        confirmed_at_unix_ns: row.get("confirmed_at_unix_ns")?,
        resolved_at_unix_ns: row.get("resolved_at_unix_ns")?,
        resolved_how: row.get("resolved_how")?,
        store_digest: row.get("store_digest")?,
        map_digest: row.get("map_digest")?,
        stale_versions: row.get("stale_versions")?,
        stale_at_least_ns: row.get("stale_at_least_ns")?,
        write_ended_ns: row.get("write_ended_ns")?,
        seen_after_ns: row.get("seen_after_ns")?,
        trace_id: trace_id.map(|id| format!("{:032x}", u128::from_be_bytes(id))),
        fields: fields.and_then(|names| serde_json::from_str(&names).ok()),
        fields_missing: row.get("fields_missing")?,
        revision: row.get("revision")?,
        acted: Acted::of(row)?,
    };
    Ok((Cursor(row.get("row")?), divergence))
}

fn state(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<State> {
    let name: String = row.get(column)?;
    let unknown = || rusqlite::Error::InvalidColumnType(column, "state".into(), Type::Text);
    State::of(&name).ok_or_else(unknown)
}
