//! What is asked of the ledger.

use super::PAGE_ROWS_MAX;
use super::act::Acted;
use super::database::{self, Connection, DatabaseError, ToSql};
use super::filter::{Cursor, Filter, Page};
use super::history;
use super::listing::{self, COLUMNS, WITH_ACT};
use super::row::{Count, DivergenceId, Ignored, Life, Row, State, shown};
use super::transition::ScanPlace;
use rusqlite::params;

const COUNTS: &str = "SELECT map, store, kind, state, count(*) FROM divergence \
    GROUP BY map, store, kind, state ORDER BY map, store, kind, state";

const IGNORED: &str = "SELECT map, store, count(*) FROM act JOIN divergence ON row = act.divergence \
    WHERE act.act = 'ignored' AND (until_unix_ns IS NULL OR until_unix_ns > ?1) AND state <> 'resolved' GROUP BY map, store";

pub(super) fn list(
    connection: &Connection,
    filter: &Filter,
    now_unix_ns: i64,
) -> Result<Page, DatabaseError> {
    let rows_max = filter.limit.clamp(1, PAGE_ROWS_MAX);
    // One more than asked for tells whether there is a next page.
    let (sql, parameters) = listing::statement(filter, rows_max + 1, now_unix_ns);
    let parameters: Vec<ToSql<'_>> = parameters.iter().map(|value| -> ToSql<'_> { value }).collect();
    Ok(page(connection.query(&sql, &parameters, placed_row)?, rows_max))
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
) -> Result<Option<Row>, DatabaseError> {
    Ok(placed(connection, id, now_unix_ns)?.map(|(_, row)| row))
}

/// In one transaction, so that the history is that of the row.
pub(super) fn life(
    connection: &Connection,
    id: DivergenceId,
    now_unix_ns: i64,
) -> Result<Option<Life>, DatabaseError> {
    let one_instant = connection.snapshot()?;
    let Some((Cursor(place), row)) = placed(&one_instant, id, now_unix_ns)? else { return Ok(None) };
    let history = history::of(&one_instant, place)?;
    one_instant.commit()?;
    let kept = u32::try_from(history.len()).unwrap_or(u32::MAX);
    Ok(Some(Life { dropped: row.revision.saturating_sub(kept), row, history }))
}

fn placed(
    connection: &Connection,
    id: DivergenceId,
    now_unix_ns: i64,
) -> Result<Option<(Cursor, Row)>, DatabaseError> {
    let sql = format!("SELECT {COLUMNS} FROM divergence {WITH_ACT} WHERE id = ?2");
    connection.first(&sql, params![now_unix_ns, id.0], placed_row)
}

pub(super) fn counts(connection: &Connection) -> Result<Vec<Count>, DatabaseError> {
    let count = |row: &database::Row<'_>| {
        let (map, store, kind) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let count: i64 = row.get(4)?;
        Ok(Count { map, store, kind, state: state(row, 3)?, count: count.unsigned_abs() })
    };
    connection.query(COUNTS, &[], count)
}

pub(super) fn ignored(connection: &Connection, now_unix_ns: i64) -> Result<Vec<Ignored>, DatabaseError> {
    let ignored = |row: &database::Row<'_>| {
        let count: i64 = row.get(2)?;
        Ok(Ignored { map: row.get(0)?, store: row.get(1)?, count: count.unsigned_abs() })
    };
    connection.query(IGNORED, params![now_unix_ns], ignored)
}

/// How far each store was gone through.
pub(super) fn scan_places(connection: &Connection) -> Result<Vec<ScanPlace>, DatabaseError> {
    let place = |row: &database::Row<'_>| {
        Ok(ScanPlace { map: row.get(0)?, store: row.get(1)?, after: Some(row.get(2)?) })
    };
    connection.query("SELECT map, store, after FROM scan_place", &[], place)
}

fn placed_row(row: &database::Row<'_>) -> Result<(Cursor, Row), DatabaseError> {
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

fn state(row: &database::Row<'_>, column: usize) -> Result<State, DatabaseError> {
    let name: String = row.get(column)?;
    State::of(&name).ok_or_else(|| DatabaseError::column("state"))
}
