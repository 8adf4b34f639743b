//! Columns of MySQL and MariaDB, from what the driver makes of the binary protocol.

use super::super::KeyError;
use super::super::row::{self, text};
use counterfoil_digest::cell::{Cell, Date, Time};
use mysql_async::consts::{ColumnFlags, ColumnType};
use mysql_async::{Column, Row, Value};

/// The character set of what is not text.
const BINARY: u16 = 63;

const HOURS_PER_DAY: u32 = 24;

impl row::Row for Row {
    fn cell(&self, column: usize) -> Result<Cell<'_>, KeyError> {
        let (Some(about), Some(value)) = (self.columns_ref().get(column), self.as_ref(column)) else {
            return Err(KeyError::ValueType { found: "none, for there is no such column".into() });
        };
        cell(about, value).ok_or_else(|| KeyError::ValueType { found: refused(about, value) })
    }

    fn type_name(&self, column: usize) -> String {
        self.columns_ref().get(column).map_or_else(String::new, name)
    }
}

fn cell<'v>(about: &Column, value: &'v Value) -> Option<Cell<'v>> {
    Some(match value {
        Value::NULL => Cell::Null,
        Value::Int(value) => Cell::Integer((*value).into()),
        Value::UInt(value) => Cell::Integer((*value).into()),
        Value::Float(value) => Cell::Float32(*value),
        Value::Double(value) => Cell::Float(*value),
        Value::Date(year, month, day, hours, minutes, seconds, micros) => {
            let date = Some(Date { year: *year, month: *month, day: *day })
                .filter(|date| date.year > 0 && date.month > 0 && date.day > 0)?;
            let hours = u32::from(*hours);
            let (minutes, seconds, micros) = (*minutes, *seconds, *micros);
            let time = Time { negative: false, hours, minutes, seconds, micros };
            match about.column_type() {
                ColumnType::MYSQL_TYPE_DATE | ColumnType::MYSQL_TYPE_NEWDATE => Cell::Date(date),
                kind => Cell::Timestamp { date, time, utc: is_timestamp(kind) },
            }
        }
        Value::Time(negative, days, hours, minutes, seconds, micros) => Cell::Time(Time {
            negative: *negative,
            hours: days * HOURS_PER_DAY + u32::from(*hours),
            minutes: *minutes,
            seconds: *seconds,
            micros: *micros,
        }),
        Value::Bytes(bytes) => of_bytes(about, bytes)?,
    })
}

fn of_bytes<'v>(about: &Column, bytes: &'v [u8]) -> Option<Cell<'v>> {
    Some(match about.column_type() {
        ColumnType::MYSQL_TYPE_DECIMAL | ColumnType::MYSQL_TYPE_NEWDECIMAL => {
            Cell::Decimal(std::str::from_utf8(bytes).ok()?.into())
        }
        ColumnType::MYSQL_TYPE_BIT => Cell::Integer(bits(bytes)?),
        ColumnType::MYSQL_TYPE_JSON => Cell::Json(std::str::from_utf8(bytes).ok()?),
        ColumnType::MYSQL_TYPE_GEOMETRY => return None,
        _ if about.character_set() == BINARY => Cell::Bytes(bytes),
        _ => text(bytes),
    })
}

/// `BIT(64)` at most, the highest bits first.
fn bits(bytes: &[u8]) -> Option<i128> {
    let mut padded = [0; 8];
    padded.get_mut(8usize.checked_sub(bytes.len())?..)?.copy_from_slice(bytes);
    Some(u64::from_be_bytes(padded).into())
}

fn is_timestamp(kind: ColumnType) -> bool {
    matches!(kind, ColumnType::MYSQL_TYPE_TIMESTAMP | ColumnType::MYSQL_TYPE_TIMESTAMP2)
}

fn refused(about: &Column, value: &Value) -> String {
    match value {
        Value::Date(..) => format!("{} with a zero in it", name(about)),
        _ => name(about),
    }
}

/// The type's name, such as `datetime`.
fn name(about: &Column) -> String {
    if about.flags().contains(ColumnFlags::ENUM_FLAG) {
        return "enum".into();
    }
    let name = format!("{:?}", about.column_type());
    name.trim_start_matches("MYSQL_TYPE_").trim_start_matches("NEW").to_lowercase()
}
