//! `GET /v1/clocks`: how well the clocks of other machines are known.

use super::{Api, ApiError, PAGE_ROWS};
use crate::clocks::ClockRow;
use crate::ledger::PAGE_ROWS_MAX;
use axum::Json;
use axum::extract::{Query, State};
use counterfoil_clock::now;
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What is asked for.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    limit: Option<u32>,
    after: Option<Cursor>,
}

/// A page of domains.
#[derive(Serialize)]
pub(super) struct Clocks {
    /// The comparator's own clock: times of this domain need no translation.
    own: Own,
    /// The other domains, by boot id and offset.
    clocks: Vec<ClockRow>,
    /// Where the next page begins; `null` on the last one.
    next: Option<Cursor>,
}

#[derive(Serialize)]
struct Own {
    boot_id: String,
    offset_ns: i64,
}

/// The last domain of a page, written `OFFSET@BOOT_ID`.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Cursor {
    boot_id: String,
    offset_ns: i64,
}

impl Serialize for Cursor {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&format_args!("{}@{}", self.offset_ns, self.boot_id))
    }
}

impl<'de> Deserialize<'de> for Cursor {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        let parts = text.split_once('@').and_then(|(offset, boot_id)| Some((offset.parse().ok()?, boot_id)));
        let (offset_ns, boot_id) = parts.ok_or_else(|| D::Error::custom("no cursor that was given out"))?;
        Ok(Self { boot_id: boot_id.to_owned(), offset_ns })
    }
}

/// Answers with a page of at most `limit` domains, 100 if it does not say.
pub(super) async fn clocks(
    State(api): State<Api>,
    Query(asked): Query<Asked>,
) -> Result<Json<Clocks>, ApiError> {
    let limit = asked.limit.unwrap_or(PAGE_ROWS);
    let rows_max = usize::try_from(limit).ok().filter(|_| (1..=PAGE_ROWS_MAX).contains(&limit));
    let rows_max = rows_max.ok_or(ApiError::Limit(limit))?;
    let after = asked.after.as_ref().map(|cursor| (cursor.boot_id.as_str(), cursor.offset_ns));
    let known = api.parts.engine.clocks();
    let (clocks, more) = known.rows(now(), after, rows_max);
    let last = clocks.last().filter(|_| more);
    let next = last.map(|row| Cursor { boot_id: row.boot_id.clone(), offset_ns: row.offset_ns });
    let own = Own { boot_id: known.own().boot_id.clone(), offset_ns: known.own().offset_ns };
    Ok(Json(Clocks { own, clocks, next }))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn a_cursor_reads_back_as_it_was_written() {
        for (boot_id, offset_ns) in [("2c5a", 0), ("", -1), ("with@sign", i64::MIN)] {
            let cursor = Cursor { boot_id: boot_id.into(), offset_ns };
            let text = serde_json::to_string(&cursor).unwrap();
            assert_eq!(serde_json::from_str::<Cursor>(&text).unwrap(), cursor, "{text}");
        }
        for text in ["\"2c5a\"", "\"x@2c5a\"", "\"@\"", "7"] {
            assert!(serde_json::from_str::<Cursor>(text).is_err(), "{text}");
        }
    }
}
