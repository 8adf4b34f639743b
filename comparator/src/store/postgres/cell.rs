//! Columns of Postgres, from the binary forms in which they come over the wire.

use super::super::KeyError;
use super::super::row::text;
use super::numeric;
use bytes::Buf;
use counterfoil_digest::cell::{Cell, Date, Time};
use tokio_postgres::types::{Kind, Type};

/// 2000-01-01, where Postgres begins to count, in days since 1970-01-01.
const EPOCH_DAYS: i64 = 10_957;
const MICROS_PER_DAY: i64 = 86_400_000_000;
/// Most dimensions of an array that Postgres has (`MAXDIM`).
const DIMENSIONS_MAX: i32 = 6;

/// The cell whose binary form is `raw`; no bytes are a null.
///
/// # Errors
///
/// [`KeyError::ValueType`] for types without a form of their own, and for what a type can hold and no form can say.
pub(super) fn cell<'a>(kind: &Type, raw: Option<&'a [u8]>) -> Result<Cell<'a>, KeyError> {
    let Some(raw) = raw else { return Ok(Cell::Null) };
    let cell = match kind.kind() {
        Kind::Enum(_) => Some(text(raw)),
        Kind::Array(element) => array(element, raw)?,
        _ => simple(kind.name(), raw),
    };
    cell.ok_or_else(|| refused(kind, raw))
}

/// Dates know more than has a form: `infinity`, and years beyond four digits.
fn refused(kind: &Type, raw: &[u8]) -> KeyError {
    let is_date = matches!(kind.name(), "date" | "timestamp" | "timestamptz") && !raw.is_empty();
    let beyond = if is_date { " outside the years 1 to 9999" } else { "" };
    KeyError::ValueType { found: format!("{}{beyond}", kind.name()) }
}

fn simple<'a>(name: &str, mut raw: &'a [u8]) -> Option<Cell<'a>> {
    Some(match name {
        "text" | "varchar" | "bpchar" | "name" | "citext" => text(raw),
        "bytea" => Cell::Bytes(raw),
        "json" => json(raw),
        // The binary form of jsonb is the number of its own version, 1, and then text.
        "jsonb" => json(raw.strip_prefix(&[1])?),
        "bool" => Cell::Bool(raw != [0]),
        "int2" => Cell::Integer(raw.try_get_i16().ok()?.into()),
        "int4" => Cell::Integer(raw.try_get_i32().ok()?.into()),
        "int8" => Cell::Integer(raw.try_get_i64().ok()?.into()),
        "numeric" => Cell::Decimal(numeric::digits(raw)?.into()),
        "float4" => Cell::Float32(raw.try_get_f32().ok()?),
        "float8" => Cell::Float(raw.try_get_f64().ok()?),
        "date" => Cell::Date(date(raw.try_get_i32().ok()?.into())?),
        "time" => Cell::Time(Time::of_micros(raw.try_get_i64().ok()?)?),
        "timestamp" => timestamp(raw.try_get_i64().ok()?, false)?,
        "timestamptz" => timestamp(raw.try_get_i64().ok()?, true)?,
        "uuid" => Cell::Uuid(raw.try_into().ok()?),
        _ => return None,
    })
}

fn json(raw: &[u8]) -> Cell<'_> {
    std::str::from_utf8(raw).map_or(Cell::Bytes(raw), Cell::Json)
}

fn date(days_since_2000: i64) -> Option<Date> {
    Date::of_days_since_1970(days_since_2000 + EPOCH_DAYS)
}

fn timestamp(micros_since_2000: i64, utc: bool) -> Option<Cell<'static>> {
    let date = date(micros_since_2000.div_euclid(MICROS_PER_DAY))?;
    let time = Time::of_micros(micros_since_2000.rem_euclid(MICROS_PER_DAY))?;
    Some(Cell::Timestamp { date, time, utc })
}

/// `None` if these bytes are no array. Its form: the number of dimensions, a flag, the type of the elements, for each
/// dimension its length and lower bound, and then the elements, the last dimension running fastest.
fn array<'a>(element: &Type, mut raw: &'a [u8]) -> Result<Option<Cell<'a>>, KeyError> {
    let Some(lengths) = lengths(&mut raw) else { return Ok(None) };
    if lengths.is_empty() {
        return Ok(Some(Cell::Array(Vec::new())));
    }
    nested(element, &lengths, &mut raw)
}

fn lengths(raw: &mut &[u8]) -> Option<Vec<i32>> {
    let dimensions = raw.try_get_i32().ok()?;
    raw.try_get_i64().ok()?;
    if !(0..=DIMENSIONS_MAX).contains(&dimensions) {
        return None;
    }
    let mut length = || {
        let length = raw.try_get_i32().ok()?;
        raw.try_get_i32().ok()?;
        (length > 0).then_some(length)
    };
    (0..dimensions).map(|_| length()).collect()
}

fn nested<'a>(element: &Type, lengths: &[i32], raw: &mut &'a [u8]) -> Result<Option<Cell<'a>>, KeyError> {
    let Some((length, inner)) = lengths.split_first() else {
        let Some(bytes) = element_bytes(raw) else { return Ok(None) };
        return cell(element, bytes).map(Some);
    };
    let mut cells = Vec::new();
    for _ in 0..*length {
        match nested(element, inner, raw)? {
            Some(cell) => cells.push(cell),
            None => return Ok(None),
        }
    }
    Ok(Some(Cell::Array(cells)))
}

/// The bytes of the next element: `Some(None)` for a null, `None` if there are fewer than it says.
fn element_bytes<'a>(raw: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let length = raw.try_get_i32().ok()?;
    if length == -1 {
        return Some(None);
    }
    let (bytes, rest) = raw.split_at_checked(usize::try_from(length).ok()?)?;
    *raw = rest;
    Some(Some(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_cut_off_are_refused_not_guessed() {
        // A two-dimensional array of int2, [[1, 2], [3, null]], as the server sends it.
        let mut whole = Vec::new();
        for word in [2, 1, 21, 2, 1, 2, 1] {
            whole.extend_from_slice(&i32::to_be_bytes(word));
        }
        for (length, element) in [(2, Some(1)), (2, Some(2)), (2, Some(3)), (-1, None)] {
            whole.extend_from_slice(&i32::to_be_bytes(length));
            whole.extend(element.into_iter().flat_map(i16::to_be_bytes));
        }
        let row = |cells: [Cell<'static>; 2]| Cell::Array(cells.into());
        let expected =
            Cell::Array(vec![row([Cell::Integer(1), Cell::Integer(2)]), row([Cell::Integer(3), Cell::Null])]);
        assert_eq!(cell(&Type::INT2_ARRAY, Some(&whole)), Ok(expected));
        for end in 0..whole.len() {
            let cut = cell(&Type::INT2_ARRAY, whole.get(..end));
            assert_eq!(cut, Err(KeyError::ValueType { found: "_int2".into() }), "{end}");
        }
    }

    #[test]
    fn what_a_date_can_hold_and_no_form_can_say_is_named() {
        for days in [i32::MIN, i32::MAX, 3_000_000] {
            let found = "date outside the years 1 to 9999".into();
            assert_eq!(cell(&Type::DATE, Some(&days.to_be_bytes())), Err(KeyError::ValueType { found }));
        }
    }
}
