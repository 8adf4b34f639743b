//! What a MySQL or MariaDB server is asked for a map, and what becomes of the rows.

use super::super::gather::{Asked, integer, representable};
use super::super::lookup::{KeyType, Lookup, Shape, Sql};
use super::super::row::{self, Layout};
use super::super::scan::{self, Page};
use super::super::{Answer, StoreError};
use super::{Session, expand};
use bytes::Bytes;
use mysql_async::{Column, Row, Value};

/// A query, and how its parameters and columns are to be taken.
pub(super) struct Question<'l> {
    pub(super) query: &'l str,
    pub(super) key_type: KeyType,
    shape: &'l Shape,
    value_bytes_max: usize,
}

impl<'l> Question<'l> {
    pub(super) fn of(lookup: &'l Lookup, value_bytes_max: usize) -> Result<Self, StoreError> {
        let Sql { query, key_type, shape } = lookup.sql()?;
        Ok(Self { query, key_type: key_type.unwrap_or_default(), shape, value_bytes_max })
    }

    pub(super) async fn look_up(
        &self,
        session: &mut Session,
        keys: &[Bytes],
    ) -> Result<Vec<Answer>, StoreError> {
        let asked = Asked::new(keys, |key| representable(key, self.key_type));
        let mut gathered = asked.gathered();
        if let Some(last) = asked.keys().last() {
            let places = expand::places(asked.keys().len());
            let query = expand::query(self.query, places).ok_or_else(expand::no_place)?;
            let keys = asked.keys().iter().chain(std::iter::repeat(last)).take(places);
            let take = |layout: &Layout, row: &Row| {
                gathered.row(row::key(row).as_deref(), layout.answer(row));
                Ok(())
            };
            let keys = keys.map(|key| self.bound(key)).collect();
            session.ask(query, keys, |columns| self.layout(columns), take).await?;
        }
        Ok(gathered.in_order())
    }

    pub(super) async fn page(
        &self,
        session: &mut Session,
        after: Option<&[u8]>,
        limit: usize,
    ) -> Result<Page, StoreError> {
        let from = match after {
            Some(after) => self.bound(scan::from(after, representable(after, self.key_type))?),
            None => self.least(),
        };
        let wanted = i64::try_from(Page::wanted(after, limit)).unwrap_or(i64::MAX);
        let mut rows = Vec::new();
        let take = |layout: &Layout, row: &Row| {
            rows.push((scan::key_of(row, self.key_type)?, layout.answer(row)));
            Ok(())
        };
        let (query, values) = (self.query.to_owned(), vec![from, wanted.into()]);
        session.ask(query, values, |columns| self.layout(columns), take).await?;
        Page::of_rows(rows, after, limit)
    }

    fn layout(&self, columns: &[Column]) -> Result<Layout, StoreError> {
        let names: Vec<_> = columns.iter().map(Column::name_str).collect();
        Layout::new(self.shape, names.iter().map(AsRef::as_ref), self.value_bytes_max)
    }

    /// A key that was found representable.
    pub(super) fn bound(&self, key: &[u8]) -> Value {
        match self.key_type {
            KeyType::Text | KeyType::Bytes => Value::Bytes(key.to_vec()),
            KeyType::Integer => integer(key).map_or(Value::NULL, Value::Int),
        }
    }

    pub(super) fn least(&self) -> Value {
        match self.key_type {
            KeyType::Text | KeyType::Bytes => Value::Bytes(Vec::new()),
            KeyType::Integer => Value::Int(i64::MIN),
        }
    }
}
