//! What a row of an SQL store says, whichever kind of server it came from.

use super::lookup::Shape;
use super::{Answer, Found, KeyError, StoreError, fits};
use counterfoil_digest::cell::{Cell, object};
use std::borrow::Cow;

/// One row. Columns count from 0; the first one is the key.
pub(super) trait Row {
    /// What a column holds.
    ///
    /// # Errors
    ///
    /// [`KeyError::ValueType`] if it is of a type that has no single form.
    fn cell(&self, column: usize) -> Result<Cell<'_>, KeyError>;

    /// The store's name of a column's type.
    fn type_name(&self, column: usize) -> String;
}

/// What becomes of the rows of a query.
pub(super) struct Layout {
    columns: Columns,
    value_bytes_max: usize,
}

/// Which column is what.
enum Columns {
    /// Key, value, and perhaps version.
    Value { version: Option<usize> },
    /// Key, and columns by name, one of which may be the version.
    Object { members: Vec<(String, usize)>, version: Option<usize> },
}

impl Layout {
    /// The layout of a query that gives columns of these names, and values of so many bytes at most.
    pub(super) fn new<'n>(
        shape: &Shape,
        names: impl ExactSizeIterator<Item = &'n str>,
        value_bytes_max: usize,
    ) -> Result<Self, StoreError> {
        Ok(Self { columns: Columns::new(shape, names)?, value_bytes_max })
    }

    /// What the row says about its key.
    pub(super) fn answer(&self, row: &impl Row) -> Answer {
        let (value, version) = match &self.columns {
            Columns::Value { version } => match bytes(row, 1)? {
                Some(value) => {
                    fits(value.len(), self.value_bytes_max)?;
                    (value.into_owned(), version)
                }
                None => return Ok(Found::Absent),
            },
            Columns::Object { members, version } => (object_of(row, members, self.value_bytes_max)?, version),
        };
        let version = version.map_or(Ok(None), |column| number(row, column))?;
        Ok(Found::Value(value, version))
    }
}

impl Columns {
    fn new<'n>(shape: &Shape, names: impl ExactSizeIterator<Item = &'n str>) -> Result<Self, StoreError> {
        match shape {
            Shape::Value => match names.len() {
                2 => Ok(Self::Value { version: None }),
                3 => Ok(Self::Value { version: Some(2) }),
                _ => Err(StoreError::query(
                    "it must give two or three columns: key, value and perhaps version",
                )),
            },
            Shape::Columns { version } => Self::object(version.as_deref(), names),
        }
    }

    fn object<'n>(
        version_column: Option<&str>,
        names: impl Iterator<Item = &'n str>,
    ) -> Result<Self, StoreError> {
        let (mut members, mut version) = (Vec::<(String, usize)>::new(), None);
        for (column, name) in names.enumerate().skip(1) {
            if members.iter().any(|(other, _)| other == name)
                || (version.is_some() && version_column == Some(name))
            {
                return Err(StoreError::query(format!("it gives two columns `{name}`; rename one with AS")));
            }
            if version_column == Some(name) {
                version = Some(column);
            } else {
                members.push((name.to_owned(), column));
            }
        }
        match version_column {
            Some(name) if version.is_none() => Err(StoreError::query(format!(
                "it gives no column `{name}` beside the key; version_column must name one"
            ))),
            _ if members.is_empty() => {
                Err(StoreError::query("it must give the key and then at least one column to compare"))
            }
            _ => Ok(Self::Object { members, version }),
        }
    }
}

/// The row's key; `None` if it holds none.
pub(super) fn key(row: &impl Row) -> Option<Cow<'_, [u8]>> {
    bytes(row, 0).ok().flatten()
}

/// A column as the bytes of its one form; `None` if it is null.
fn bytes(row: &impl Row, column: usize) -> Result<Option<Cow<'_, [u8]>>, KeyError> {
    Ok(Some(match row.cell(column)? {
        Cell::Null => return Ok(None),
        Cell::Bool(value) => value.to_string().into_bytes().into(),
        Cell::Integer(value) => value.to_string().into_bytes().into(),
        Cell::Text(text) | Cell::Json(text) => text.as_bytes().into(),
        Cell::Bytes(bytes) => bytes.into(),
        Cell::Decimal(_)
        | Cell::Float32(_)
        | Cell::Float(_)
        | Cell::Timestamp { .. }
        | Cell::Date(_)
        | Cell::Time(_)
        | Cell::Uuid(_)
        | Cell::Array(_) => return Err(KeyError::ValueType { found: row.type_name(column) }),
    }))
}

/// The object of these columns. What is too large by its cells alone is not put together.
fn object_of(
    row: &impl Row,
    members: &[(String, usize)],
    value_bytes_max: usize,
) -> Result<Vec<u8>, KeyError> {
    let (mut cells, mut bytes) = (Vec::with_capacity(members.len()), 0);
    for (name, column) in members {
        let cell = row.cell(*column)?;
        bytes += bytes_in(&cell);
        fits(bytes, value_bytes_max)?;
        cells.push((name.as_str(), cell));
    }
    let object = object(cells.into_iter());
    fits(object.len(), value_bytes_max)?;
    Ok(object)
}

/// How many bytes a cell holds, if it may be large.
fn bytes_in(cell: &Cell<'_>) -> usize {
    match cell {
        Cell::Text(text) | Cell::Json(text) => text.len(),
        Cell::Bytes(bytes) => bytes.len(),
        _ => 0,
    }
}

fn number(row: &impl Row, column: usize) -> Result<Option<u64>, KeyError> {
    match row.cell(column) {
        Ok(Cell::Null) => Ok(None),
        Ok(Cell::Integer(version)) => u64::try_from(version).map(Some).map_err(|_| KeyError::Version),
        _ => Err(KeyError::Version),
    }
}

/// Text as a store gave it. What is not UTF-8 is told as the bytes that it is.
pub(super) fn text(bytes: &[u8]) -> Cell<'_> {
    std::str::from_utf8(bytes).map_or(Cell::Bytes(bytes), Cell::Text)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
    use super::*;

    struct Cells<'a>(Vec<Cell<'a>>);

    impl Row for Cells<'_> {
        fn cell(&self, column: usize) -> Result<Cell<'_>, KeyError> {
            Ok(self.0[column].clone())
        }

        fn type_name(&self, column: usize) -> String {
            format!("type{column}")
        }
    }

    fn layout(version: Option<&str>, names: &[&str]) -> Result<Layout, String> {
        let shape = Shape::Columns { version: version.map(Into::into) };
        Layout::new(&shape, names.iter().copied(), BYTES_MAX).map_err(|error| error.to_string())
    }

    /// Most bytes of a value.
    const BYTES_MAX: usize = 24;

    #[test]
    fn every_column_but_key_and_version_is_a_member() {
        let layout = layout(Some("n"), &["k", "a", "n", "b"]).unwrap();
        let row = |n| Cells(vec![Cell::Text("key"), Cell::Null, n, Cell::Decimal("1.50".into())]);
        let found = |version| Ok(Found::Value(b"{\"a\":null,\"b\":1.50}".to_vec(), version));
        assert_eq!(layout.answer(&row(Cell::Integer(7))), found(Some(7)));
        assert_eq!(layout.answer(&row(Cell::Null)), found(None));
        assert_eq!(layout.answer(&row(Cell::Integer(-1))), Err(KeyError::Version));
        assert_eq!(layout.answer(&row(Cell::Text("7"))), Err(KeyError::Version));
        assert_eq!(key(&row(Cell::Null)).as_deref(), Some(&b"key"[..]));
    }

    #[test]
    fn a_query_whose_columns_cannot_be_an_object_says_why() {
        for (version, names, why) in [
            (None, &["k", "a", "a"][..], "two columns `a`"),
            (Some("n"), &["k", "n", "a", "n"], "two columns `n`"),
            (Some("n"), &["n", "a"], "no column `n`"),
            (Some("n"), &["k", "n"], "at least one column"),
            (None, &["k"], "at least one column"),
        ] {
            let error = layout(version, names).err().unwrap();
            assert!(error.contains(why), "{why} in {error}");
        }
    }

    #[test]
    fn a_single_value_of_several_forms_is_refused_by_its_type() {
        let layout = Layout::new(&Shape::Value, ["k", "v"].into_iter(), BYTES_MAX).unwrap();
        let answer = layout.answer(&Cells(vec![Cell::Integer(1), Cell::Float(1.5)]));
        assert_eq!(answer, Err(KeyError::ValueType { found: "type1".into() }));
    }

    #[test]
    fn a_value_that_is_too_large_is_an_error_of_its_key_and_one_of_the_largest_size_is_read() {
        let of_value = || Layout::new(&Shape::Value, ["k", "v"].into_iter(), BYTES_MAX).unwrap();
        let of_columns = || layout(None, &["k", "v", "w"]).unwrap();
        let text = |bytes: usize| "x".repeat(bytes);
        // An object of two texts is `{"v":"","w":""}`, fifteen bytes, and what is in them.
        for (layout, texts, fits) in [
            (of_value(), vec![text(24)], true),
            (of_value(), vec![text(25)], false),
            (of_columns(), vec![text(4), text(5)], true),
            (of_columns(), vec![text(5), text(5)], false),
            (of_columns(), vec![text(4), "\"\"\"\"\"".into()], false),
            (of_columns(), vec![text(20), text(20)], false),
        ] {
            let cells: Vec<_> = texts.iter().map(|text| Cell::Text(text)).collect();
            let answer = layout.answer(&Cells([vec![Cell::Integer(1)], cells].concat()));
            let too_large = Err(KeyError::ValueTooLarge { value_bytes_max: BYTES_MAX });
            assert!(if fits { answer.is_ok() } else { answer == too_large }, "{texts:?}: {answer:?}");
        }
    }
}
