//! A divergence as it comes out of the ledger.

use super::act::Acted;
use super::history::Entry;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use counterfoil_judge::Digest;
use schemars::JsonSchema;
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

/// Where a divergence is in its life.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize, JsonSchema)]
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
    /// Each of them, in the order in which a divergence comes to them.
    pub const ALL: [Self; 3] = [Self::Opened, Self::Confirmed, Self::Resolved];

    /// The state's name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Opened => "opened",
            Self::Confirmed => "confirmed",
            Self::Resolved => "resolved",
        }
    }

    /// The state of this name.
    pub(crate) fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == name)
    }
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
    /// By what it was resolved: `agreed`, `superseded`.
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
    /// How often it changed; 0 for one that nothing happened to since an older version wrote it. An act names the revision
    /// that it was decided on.
    pub revision: u32,
    /// What somebody did about it; `None` if nobody did, it was taken back, or its time is over.
    pub acted: Option<Acted>,
}

/// A divergence and what happened to it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Life {
    /// The divergence.
    pub row: Row,
    /// What happened to it, oldest first.
    pub history: Vec<Entry>,
    /// How much of that is missing: what an older version did not write down, or the middle of a long one.
    pub dropped: u32,
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

/// How many divergences of one map and store are not resolved, and ignored.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ignored {
    /// The map.
    pub map: String,
    /// The store; `None` in what an older version wrote.
    pub store: Option<String>,
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

/// The digest that is shown as `text`.
pub(crate) fn digest_of(text: &str) -> Option<Digest> {
    match text {
        "absent" => Some(Digest::ABSENT),
        digits if digits.len() == 32 => {
            u128::from_str_radix(digits, 16).ok().map(|digest| Digest(digest.to_be_bytes()))
        }
        _ => None,
    }
}

/// The key that is shown as `text`; `None` if it begins like bytes and is not base 64.
pub(crate) fn key_of(text: &str) -> Option<Vec<u8>> {
    match text.strip_prefix(BASE64) {
        Some(digits) => STANDARD.decode(digits).ok(),
        None => Some(text.as_bytes().to_vec()),
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
    fn a_digest_is_read_as_it_is_shown() {
        for digest in [Digest::ABSENT, Digest([0x0f; 16]), Digest(*b"0123456789abcdef")] {
            assert_eq!(digest_of(&digest.to_string()), Some(digest));
        }
        assert_eq!((digest_of(""), digest_of("0f"), digest_of(&"g".repeat(32))), (None, None, None));
    }

    #[test]
    fn no_two_keys_are_shown_alike() {
        assert_eq!(shown("caf\u{e9}".as_bytes()), "caf\u{e9}");
        assert_eq!(shown(b"\xff\x00"), "base64:/wA=");
        assert_eq!(shown(b"base64:/wA="), format!("base64:{}", STANDARD.encode("base64:/wA=")));
    }

    #[test]
    fn a_key_is_found_by_the_text_that_is_shown() {
        for key in [&b""[..], "caf\u{e9}".as_bytes(), b"\xff\x00", b"base64:/wA="] {
            assert_eq!(key_of(&shown(key)).as_deref(), Some(key), "{key:?}");
        }
        assert_eq!(key_of("base64:?"), None);
    }
}
