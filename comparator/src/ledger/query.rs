//! What is asked of the ledger.

use super::PAGE_ROWS_MAX;
use super::row::{Count, Cursor, DivergenceId, Filter, Page, Row, ScanPlace, State, shown};
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension, ToSql};

const COLUMNS: &str = "row, id, map, store, key, kind, state, times, source, seq, opened_at_unix_ns, confirmed_at_unix_ns, \
    resolved_at_unix_ns, resolved_how, store_digest, map_digest, stale_versions, stale_at_least_ns, write_ended_ns, \
    seen_after_ns, trace_id, fields, fields_missing";

const COUNTS: &str = "SELECT map, store, kind, state, count(*) FROM divergence \
    GROUP BY map, store, kind, state ORDER BY map, store, kind, state";

pub(super) fn list(connection: &Connection, filter: &Filter) -> rusqlite::Result<Page> {
    let rows_max = filter.limit.clamp(1, PAGE_ROWS_MAX);
    let state = filter.state.map(State::as_str);
    let after = filter.after.map(|Cursor(row)| row);
    let maps = filter.maps.as_ref().map(|maps| serde_json::Value::from(maps.clone()).to_string());
    let conditions: [(&str, Option<&dyn ToSql>); 6] = [
        ("map = ?", filter.map.as_ref().map(|map| map as &dyn ToSql)),
        ("map IN (SELECT value FROM json_each(?))", maps.as_ref().map(|maps| maps as &dyn ToSql)),
        ("store = ?", filter.store.as_ref().map(|store| store as &dyn ToSql)),
        ("state = ?", state.as_ref().map(|state| state as &dyn ToSql)),
        ("kind = ?", filter.kind.as_ref().map(|kind| kind as &dyn ToSql)),
        ("row < ?", after.as_ref().map(|row| row as &dyn ToSql)),
    ];
    let mut sql = format!("SELECT {COLUMNS} FROM divergence WHERE TRUE");
    let mut parameters = Vec::new();
    for (condition, parameter) in conditions {
        if let Some(parameter) = parameter {
            parameters.push(parameter);
            sql.push_str(&format!(" AND {condition}"));
        }
    }
    // One more than asked for tells whether there is a next page.
    sql.push_str(&format!(" ORDER BY row DESC LIMIT {}", rows_max + 1));
    let mut statement = connection.prepare(&sql)?;
    let rows = statement.query_map(&*parameters, placed_row)?.collect::<rusqlite::Result<Vec<_>>>()?;
    Ok(page(rows, rows_max))
}

fn page(mut rows: Vec<(Cursor, Row)>, rows_max: u32) -> Page {
    let rows_max = usize::try_from(rows_max).unwrap_or(usize::MAX);
    let more = rows.len() > rows_max;
    rows.truncate(rows_max);
    let next = rows.last().filter(|_| more).map(|(place, _)| *place);
    Page { rows: rows.into_iter().map(|(_, row)| row).collect(), next }
}

pub(super) fn get(connection: &Connection, id: DivergenceId) -> rusqlite::Result<Option<Row>> {
    let sql = format!("SELECT {COLUMNS} FROM divergence WHERE id = ?1");
    connection.query_row(&sql, [id.0], placed_row).optional().map(|found| found.map(|(_, row)| row))
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
    };
    Ok((Cursor(row.get("row")?), divergence))
}

fn state(row: &rusqlite::Row<'_>, column: usize) -> rusqlite::Result<State> {
    let name: String = row.get(column)?;
    let unknown = || rusqlite::Error::InvalidColumnType(column, "state".into(), Type::Text);
    State::of(&name).ok_or_else(unknown)
}
