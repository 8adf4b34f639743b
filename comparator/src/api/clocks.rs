//! `GET /v1/clocks`: how well the clocks of other machines are known.

use super::Api;
use super::error::ApiError;
use super::parameters::Parameters;
use crate::clocks::ClockRow;
use axum::Json;
use axum::extract::State;
use counterfoil_clock::now;
use serde::{Serialize, Serializer};

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

impl Cursor {
    fn of(text: &str) -> Option<Self> {
        let (offset, boot_id) = text.split_once('@')?;
        Some(Self { boot_id: boot_id.to_owned(), offset_ns: offset.parse().ok()? })
    }
}

/// Answers with a page of at most `limit` domains, 100 if it does not say.
pub(super) async fn clocks(State(api): State<Api>, mut asked: Parameters) -> Result<Json<Clocks>, ApiError> {
    let rows_max = asked.limit()?;
    let after = asked.after(Cursor::of)?;
    asked.done()?;
    let after = after.as_ref().map(|cursor| (cursor.boot_id.as_str(), cursor.offset_ns));
    let known = api.parts.engine.clocks();
    let (clocks, more) = known.rows(now(), after, usize::try_from(rows_max).unwrap_or(usize::MAX));
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
            let text = serde_json::to_value(&cursor).unwrap();
            assert_eq!(Cursor::of(text.as_str().unwrap()), Some(cursor), "{text}");
        }
        for text in ["2c5a", "x@2c5a", "@"] {
            assert_eq!(Cursor::of(text), None, "{text}");
        }
    }
}
