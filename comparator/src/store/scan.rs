//! Reading a store from its first key to its last, some rows at a time, so that rows which no map knows are seen.

use super::lookup::{KeyType, Lookup};
use super::row::{self, Row};
use super::{Answer, KeyError, StoreError};
use counterfoil_digest::cell::Cell;
use std::borrow::Cow;

/// How the rows of a map's store are gone through; see [`WrittenLookup::scan`](super::WrittenLookup::scan).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Scan(pub(super) Lookup);

impl Scan {
    pub(super) fn lookup(&self) -> &Lookup {
        &self.0
    }
}

/// Some rows of a store.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page {
    /// What the store holds for each of these keys, each once. There may be none though there are more to come.
    pub rows: Vec<(Vec<u8>, Answer)>,
    /// Where the next rows begin, to be handed to the next scan; `None` after the last row. It may be kept, as bytes, and
    /// used after a restart.
    pub next: Option<Vec<u8>>,
}

impl Page {
    /// How many rows an SQL scan asks for: one more than the limit, which tells whether there are more to come, and one for
    /// the key where the last page ended. It is given again: a scan starts at a key, not behind it.
    pub(super) fn wanted(after: Option<&[u8]>, limit: usize) -> usize {
        limit.saturating_add(1 + usize::from(after.is_some()))
    }

    /// The page of an SQL scan, which asked for [`Self::wanted`] rows from the key `after` on.
    pub(super) fn of_rows(
        rows: Vec<(Vec<u8>, Answer)>,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Self, StoreError> {
        let is_full = rows.len() >= Self::wanted(after, limit);
        let mut page = Self { rows: Vec::with_capacity(rows.len()), next: None };
        for (key, answer) in rows {
            if after != Some(key.as_slice()) {
                page.push(key, answer);
            }
        }
        if is_full || page.rows.len() > limit {
            page.rows.truncate(limit);
            let last = page.rows.last().map(|(key, _)| key.clone());
            page.next = Some(last.ok_or_else(|| {
                StoreError::query("the scan gives a key more than once; its first column must be unique")
            })?);
        }
        Ok(page)
    }

    fn push(&mut self, key: Vec<u8>, answer: Answer) {
        match self.rows.last_mut() {
            Some((last, known)) if *last == key => *known = Err(KeyError::SeveralRows),
            _ => self.rows.push((key, answer)),
        }
    }
}

/// The key of a scanned row. It must be of the type that the scan binds, or the next page would begin somewhere else.
pub(super) fn key_of(row: &impl Row, key_type: KeyType) -> Result<Vec<u8>, StoreError> {
    let cell = row.cell(0);
    let is_so = match key_type {
        KeyType::Text => matches!(cell, Ok(Cell::Text(_))),
        KeyType::Bytes => matches!(cell, Ok(Cell::Bytes(_) | Cell::Text(_))),
        KeyType::Integer => matches!(cell, Ok(Cell::Integer(_))),
    };
    row::key(row).filter(|_| is_so).map(Cow::into_owned).ok_or_else(|| {
        let (found, key_type) = (row.type_name(0), key_type.name());
        StoreError::query(format!("the scan gave a key of type {found}, not {key_type}; see key_type"))
    })
}

/// The key that a scan goes on from, if the store can be asked for it as `check` says.
pub(super) fn from(after: &[u8], check: Result<(), KeyError>) -> Result<&[u8], StoreError> {
    let other_type =
        |_| StoreError::query("the scan cannot go on there: the keys were of another type before");
    check.map(|()| after).map_err(other_type)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crate::store::Found;

    fn page(
        keys: &[&str],
        after: Option<&str>,
        limit: usize,
    ) -> Result<(String, Option<String>), StoreError> {
        let row = |key: &&str| (key.as_bytes().to_vec(), Ok(Found::Absent));
        let rows = keys.iter().map(row).collect();
        let page = Page::of_rows(rows, after.map(str::as_bytes), limit)?;
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let keys: Vec<_> = page
            .rows
            .into_iter()
            .map(|(key, answer)| text(key) + if answer.is_ok() { "" } else { "!" })
            .collect();
        Ok((keys.join(" "), page.next.map(text)))
    }

    #[test]
    fn a_page_ends_where_the_next_begins() {
        for (keys, after, expected, next) in [
            (&[][..], None, "", None),
            (&["a", "b"], None, "a b", None),
            (&["a", "b", "c"], None, "a b", Some("b")),
            (&["b", "c", "d", "e"], Some("b"), "c d", Some("d")),
            (&["b", "c", "d"], Some("b"), "c d", None),
            (&["b", "c"], Some("b"), "c", None),
            (&["c", "d", "e"], Some("b"), "c d", Some("d")),
            (&["b"], Some("b"), "", None),
            (&["a", "a", "b"], None, "a! b", Some("b")),
            (&["a", "b", "b"], None, "a b!", Some("b")),
        ] {
            let got = page(keys, after, 2).unwrap();
            assert_eq!(got, (expected.to_owned(), next.map(str::to_owned)), "{keys:?} after {after:?}");
        }
    }

    #[test]
    fn a_scan_that_does_not_get_on_is_an_error_rather_than_endless() {
        let error = page(&["a"; 4], Some("a"), 2).unwrap_err();
        assert!(error.to_string().contains("unique"), "{error}");
    }
}
