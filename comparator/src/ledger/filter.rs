//! Which divergences are asked for, and a page of them.

use super::act::Mark;
use super::row::{Row, State};
use serde::Serialize;

/// Where a page ended. Means nothing beside that.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(transparent)]
pub struct Cursor(pub(crate) i64);

impl Cursor {
    /// The cursor that was given out as `text`.
    pub(crate) fn of(text: &str) -> Option<Self> {
        text.parse().ok().map(Self)
    }
}

/// By what somebody did about a divergence.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ActedOn {
    /// Nobody did anything, it was taken back, or its time is over.
    ByNobody,
    /// Somebody did this.
    By(Mark),
}

/// Which divergences to list; everything that is `None` lets all through.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Filter {
    /// Of this map.
    pub map: Option<String>,
    /// Of one of these maps.
    pub maps: Option<Vec<String>>,
    /// Of this store.
    pub store: Option<String>,
    /// In this state.
    pub state: Option<State>,
    /// Of this kind.
    pub kind: Option<String>,
    /// Named by a write of this source.
    pub source: Option<String>,
    /// Of this key.
    pub key: Option<Vec<u8>>,
    /// By what somebody did about them.
    pub acted: Option<ActedOn>,
    /// Opened last at this time or later: wall-clock time, nanoseconds since 1970.
    pub opened_since_unix_ns: Option<i64>,
    /// Opened last before this time.
    pub opened_before_unix_ns: Option<i64>,
    /// At most this many, from 1 to [`super::PAGE_ROWS_MAX`]; what is outside is brought inside.
    pub limit: u32,
    /// Those after the page that gave this cursor.
    pub after: Option<Cursor>,
}

/// Divergences, newest first.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Page {
    /// The divergences.
    pub rows: Vec<Row>,
    /// Where the next page begins, if there is one.
    pub next: Option<Cursor>,
}
