//! How a page is found: a statement for each filter, that visits little beyond what it gives.
//!
//! Where a key is asked for, its index gives the few divergences of the key; where an act is, the index of acts. Everything
//! else is decided in `divergence_by_state`, which has every column that is filtered by and gives the rows of a state in the
//! order of pages: one range of it for each state that is let through, merged. So what does not match costs an entry of that
//! index at most, and what comes after the page costs nothing.

use super::filter::{ActedOn, Cursor, Filter};
use super::row::State;
use rusqlite::types::Value;

/// The columns of a divergence and of what somebody did about it.
pub(super) const COLUMNS: &str = "row, id, map, store, key, kind, state, times, source, seq, opened_at_unix_ns, \
    confirmed_at_unix_ns, resolved_at_unix_ns, resolved_how, store_digest, map_digest, stale_versions, stale_at_least_ns, \
    write_ended_ns, seen_after_ns, trace_id, fields, fields_missing, revision, act, who, why, at_unix_ns, until_unix_ns";

/// Adds what somebody did, unless its time is over. The statement's first parameter is the present time.
pub(super) const WITH_ACT: &str =
    "LEFT JOIN act ON act.divergence = row AND (until_unix_ns IS NULL OR until_unix_ns > ?1)";

const NOT_OVER: &str = "(until_unix_ns IS NULL OR until_unix_ns > ?1)";

/// The statement for the newest `rows_max` rows that `filter` lets through, and its parameters.
pub(super) fn statement(filter: &Filter, rows_max: u32, now_unix_ns: i64) -> (String, Vec<Value>) {
    let (ranges, place) = ranges(filter);
    let mut conditions = Conditions { sql: String::new(), parameters: vec![now_unix_ns.into()] };
    conditions.add("state = ?", filter.state.map(|state| state.as_str().to_owned()));
    conditions.add("map = ?", filter.map.clone());
    conditions.one_of("map", filter.maps.as_deref());
    conditions.add("store = ?", filter.store.clone());
    conditions.add("kind = ?", filter.kind.clone());
    conditions.add("source = ?", filter.source.clone());
    conditions.add("key = ?", filter.key.clone());
    conditions.add("opened_at_unix_ns >= ?", filter.opened_since_unix_ns);
    conditions.add("opened_at_unix_ns < ?", filter.opened_before_unix_ns);
    conditions.add(&format!("{place} < ?"), filter.after.map(|Cursor(row)| row));
    conditions.acted_on(filter.acted);
    let Conditions { sql, parameters } = conditions;
    let chosen: Vec<_> = ranges.into_iter().map(|range| range + &sql).collect();
    let chosen = chosen.join(" UNION ALL ");
    let sql = format!(
        "WITH chosen (place) AS ({chosen} ORDER BY 1 DESC LIMIT {rows_max}) \
         SELECT {COLUMNS} FROM chosen CROSS JOIN divergence ON row = place {WITH_ACT} ORDER BY row DESC"
    );
    (sql, parameters)
}

/// Where to look, each range in the order of pages, and the column that says where in it a page begins.
fn ranges(filter: &Filter) -> (Vec<String>, &'static str) {
    if filter.key.is_some() {
        let of_key = "SELECT row FROM divergence INDEXED BY divergence_by_key WHERE TRUE";
        return (vec![of_key.to_owned()], "row");
    }
    if let Some(ActedOn::By(mark)) = filter.acted {
        let of_act = format!(
            "SELECT act.divergence FROM act INDEXED BY act_by_act CROSS JOIN divergence ON row = act.divergence \
             WHERE act.act = '{}'",
            mark.as_str()
        );
        return (vec![of_act], "act.divergence");
    }
    let of_state = |state: State| {
        let state = state.as_str();
        format!("SELECT row FROM divergence INDEXED BY divergence_by_state WHERE state = '{state}'")
    };
    let states = State::ALL.into_iter().filter(|state| filter.state.is_none_or(|wanted| wanted == *state));
    (states.map(of_state).collect(), "row")
}

/// What a row has to be besides being in a range.
struct Conditions {
    sql: String,
    parameters: Vec<Value>,
}

impl Conditions {
    /// Adds `condition` on a value that stands as `?` in it, if there is one.
    fn add(&mut self, condition: &str, value: Option<impl Into<Value>>) {
        if let Some(value) = value {
            self.parameters.push(value.into());
            let parameter = format!("?{}", self.parameters.len());
            self.sql.push_str(" AND ");
            self.sql.push_str(&condition.replace('?', &parameter));
        }
    }

    /// Adds that a column is one of these values, if there are any to choose from.
    fn one_of(&mut self, column: &str, values: Option<&[String]>) {
        let Some(values) = values else { return };
        let first = self.parameters.len() + 1;
        self.parameters.extend(values.iter().cloned().map(Value::from));
        let parameters: Vec<_> = (first..=self.parameters.len()).map(|nth| format!("?{nth}")).collect();
        self.sql.push_str(&match parameters.is_empty() {
            true => " AND FALSE".to_owned(),
            false => format!(" AND {column} IN ({})", parameters.join(", ")),
        });
    }

    fn acted_on(&mut self, acted: Option<ActedOn>) {
        let standing = format!("EXISTS (SELECT 1 FROM act WHERE divergence = row AND {NOT_OVER}");
        self.sql.push_str(&match acted {
            None => String::new(),
            Some(ActedOn::ByNobody) => format!(" AND NOT {standing})"),
            Some(ActedOn::By(mark)) => format!(" AND {standing} AND act.act = '{}')", mark.as_str()),
        });
    }
}
