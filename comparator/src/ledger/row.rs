//! What is put into the ledger and what comes out of it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use counterfoil_digest::Differing;
use counterfoil_judge::Digest;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// Names a divergence. Computed by whoever opens it, always the same from the same facts.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DivergenceId(pub [u8; 16]);

impl fmt::Display for DivergenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", u128::from_be_bytes(self.0))
    }
}

impl fmt::Debug for DivergenceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not 32 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("a divergence is named by 32 hex digits")]
pub struct NotAnId;

impl FromStr for DivergenceId {
    type Err = NotAnId;

    fn from_str(text: &str) -> Result<Self, NotAnId> {
        if text.len() != 32 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(NotAnId);
        }
        u128::from_str_radix(text, 16).map(|id| Self(id.to_be_bytes())).map_err(|_| NotAnId)
    }
}

impl Serialize for DivergenceId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// How far a store was gone through for rows that no map knows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScanPlace {
    /// The map.
    pub map: String,
    /// The store.
    pub store: String,
    /// Where the next page begins; `None` at the begin of a round.
    pub after: Option<Vec<u8>>,
}

/// A step in the life of a divergence.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Transition {
    /// A disagreement was seen.
    Opened(Box<Opened>),
    /// It outlived its deadline.
    Confirmed {
        /// Which.
        id: DivergenceId,
        /// Wall-clock time, nanoseconds since 1970.
        at_unix_ns: i64,
        /// In which fields the two sides differ; `None` leaves what was known when it was opened.
        fields: Option<Box<Differing>>,
    },
    /// The two sides agree again, or a later write took its place.
    Resolved {
        /// Which.
        id: DivergenceId,
        /// Wall-clock time, nanoseconds since 1970.
        at_unix_ns: i64,
        /// By what, such as `agreed` or `superseded`.
        how: &'static str,
    },
}

impl Transition {
    /// Which divergence it is about.
    pub(super) fn id(&self) -> DivergenceId {
        match self {
            Self::Opened(opened) => opened.id,
            Self::Confirmed { id, .. } | Self::Resolved { id, .. } => *id,
        }
    }

    /// The state it leads to, by name.
    pub(super) fn label(&self) -> &'static str {
        match self {
            Self::Opened(_) => State::Opened.as_str(),
            Self::Confirmed { .. } => State::Confirmed.as_str(),
            Self::Resolved { .. } => State::Resolved.as_str(),
        }
    }
}

/// A divergence that came into another state, and stands so in the file.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Turned {
    /// Its name.
    pub id: DivergenceId,
    /// The map.
    pub map: String,
    /// The store; `None` in what an older version wrote: the map's first one.
    pub store: Option<String>,
    /// The verdict.
    pub kind: String,
    /// The state: `opened`, `confirmed` or `resolved`.
    pub turn: &'static str,
}

impl From<Opened> for Transition {
    fn from(opened: Opened) -> Self {
        Self::Opened(Box::new(opened))
    }
}

/// All that is known when a divergence is opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Opened {
    /// Its name.
    pub id: DivergenceId,
    /// The map.
    pub map: String,
    /// The store that differs from it.
    pub store: Option<String>,
    /// The key.
    pub key: Vec<u8>,
    /// The verdict: `missing`, `stale`, `resurrected`, `inverted`, `foreign`, `corrupt`, `partial`.
    pub kind: &'static str,
    /// The source of the write that should have shown: service, instance and epoch, separated by `/`.
    pub source: String,
    /// The sequence number of that write in its source.
    pub seq: u64,
    /// Wall-clock time, nanoseconds since 1970, for display.
    pub opened_at_unix_ns: i64,
    /// What the store was seen to hold.
    pub store_digest: Digest,
    /// What it should hold.
    pub map_digest: Digest,
    /// For `stale`: how many acknowledged writes the store is behind.
    pub stale_versions: Option<u32>,
    /// For `stale`: how long the store has been behind at least, in nanoseconds.
    pub stale_at_least_ns: Option<i64>,
    /// When the write ended, in nanoseconds of the comparator's timeline.
    pub write_ended_ns: Option<i64>,
    /// How long after that the disagreement was seen, in nanoseconds.
    pub seen_after_ns: Option<i64>,
    /// The trace in which the write was made.
    pub trace_id: Option<[u8; 16]>,
    /// In which fields the two sides differ, where it is known.
    pub fields: Option<Box<Differing>>,
}

/// Where a divergence is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Seen.
    Opened,
    /// Seen past the deadline.
    Confirmed,
    /// Over.
    Resolved,
}

impl State {
    /// The state's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Confirmed => "confirmed",
            Self::Resolved => "resolved",
        }
    }

    pub(super) fn of(name: &str) -> Option<Self> {
        [Self::Opened, Self::Confirmed, Self::Resolved].into_iter().find(|state| state.as_str() == name)
    }
}

/// Where a page ended. Means nothing beside that.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Cursor(pub(super) i64);

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

/// One divergence as the ledger has it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Row {
    /// Its name.
    pub id: DivergenceId,
    /// The map.
    pub map: String,
    /// The store that differs from it; `None` in what an older version wrote: the map's first one.
    pub store: Option<String>,
    /// The key: as it is if it is UTF-8, else `base64:` and its bytes in base 64.
    pub key: String,
    /// The key's bytes.
    #[serde(skip)]
    pub key_bytes: Vec<u8>,
    /// The verdict.
    pub kind: String,
    /// Where it is in its life.
    pub state: State,
    /// How often it was opened.
    pub times: u32,
    /// The source of the write that should have shown.
    pub source: String,
    /// The sequence number of that write in its source.
    pub seq: u64,
    /// When it was opened last: wall-clock time, nanoseconds since 1970.
    pub opened_at_unix_ns: i64,
    /// When it was confirmed after that.
    pub confirmed_at_unix_ns: Option<i64>,
    /// When it was resolved after that.
    pub resolved_at_unix_ns: Option<i64>,
    /// By what it was resolved.
    pub resolved_how: Option<String>,
    /// What the store was seen to hold: 32 hex digits or `absent`.
    pub store_digest: String,
    /// What it should hold: 32 hex digits or `absent`.
    pub map_digest: String,
    /// For `stale`: how many acknowledged writes the store is behind.
    pub stale_versions: Option<u32>,
    /// For `stale`: how long the store has been behind at least, in nanoseconds.
    pub stale_at_least_ns: Option<i64>,
    /// When the write ended, in nanoseconds of the comparator's timeline.
    pub write_ended_ns: Option<i64>,
    /// How long after that the disagreement was seen, in nanoseconds.
    pub seen_after_ns: Option<i64>,
    /// The trace in which the write was made: 32 hex digits.
    pub trace_id: Option<String>,
    /// Names of the fields of the store's value that are not what the write says; `None` where it is not known.
    pub fields: Option<Vec<String>>,
    /// How many fields the write's value has, at least, that the store's has not; `None` where it is not known.
    pub fields_missing: Option<u32>,
}

/// How many divergences there are of one map, store and kind in one state.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Count {
    /// The map.
    pub map: String,
    /// The store; `None` in what an older version wrote.
    pub store: Option<String>,
    /// The verdict.
    pub kind: String,
    /// The state.
    pub state: State,
    /// How many.
    pub count: u64,
}

/// A text in front of keys that are not text; a text key that begins with it is shown as bytes too, so that no two keys
/// look alike.
const BASE64: &str = "base64:";

/// A key as the API and the ledger's rows show it: text as it is, bytes in base 64.
pub(crate) fn shown(key: &[u8]) -> String {
    match std::str::from_utf8(key) {
        Ok(text) if !text.starts_with(BASE64) => text.to_owned(),
        _ => format!("{BASE64}{}", STANDARD.encode(key)),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn an_id_is_32_hex_digits_and_nothing_else() {
        let id = DivergenceId([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 255]);
        assert_eq!(id.to_string(), "000102030405060708090a0b0c0d0eff");
        assert_eq!(id.to_string().parse(), Ok(id));
        for bad in ["", "+00102030405060708090a0b0c0d0eff", "0001", "000102030405060708090a0b0c0d0efg"] {
            assert_eq!(bad.parse::<DivergenceId>(), Err(NotAnId), "{bad}");
        }
    }

    #[test]
    fn no_two_keys_are_shown_alike() {
        assert_eq!(shown("caf\u{e9}".as_bytes()), "caf\u{e9}");
        assert_eq!(shown(b"\xff\x00"), "base64:/wA=");
        assert_eq!(shown(b"base64:/wA="), format!("base64:{}", STANDARD.encode("base64:/wA=")));
    }
}
