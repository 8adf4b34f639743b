//! Rows of an SQL store as JSON, so that they can be compared with what an application holds.
//!
//! Each kind of column has one defined form, whichever store it comes from:
//!
//! | cell | JSON |
//! |---|---|
//! | no value | `null` |
//! | boolean | `true`, `false` |
//! | integer, decimal | a number with exactly these digits: `-7`, `1.50`; what is no number as a text: `"NaN"`, `"Infinity"` |
//! | float | the shortest decimal that reads back as the same float of that width; else `"NaN"`, `"Infinity"`, `"-Infinity"` |
//! | text, enum | a string |
//! | bytes | a string of base64: the standard alphabet, padded |
//! | timestamp | `"2026-11-23T10:00:00.123456"`; with a zone in UTC, ending in `Z` |
//! | date | `"2026-11-23"` |
//! | time | `"10:00:00.5"`; a span may be negative or longer than a day: `"-838:59:59"` |
//! | UUID | a string in lower case with hyphens |
//! | JSON | as it is |
//! | array | an array of such forms |
//!
//! A fraction of a second has no zeros at its end, and is left out if it is zero. This is JSON, not a canonical form of it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::borrow::Cow;
use std::fmt::{self, Display};

/// Days from 0000-03-01, where the 400-year cycle of leap years begins, to 1970-01-01.
const CYCLE_BEGIN_TO_1970_DAYS: i64 = 719_468;
/// Days of that cycle.
const CYCLE_DAYS: i64 = 146_097;
/// 0001-01-01 and 9999-12-31, in days since 1970-01-01: what four digits of a year can say.
const DAYS_MIN: i64 = -719_162;
const DAYS_MAX: i64 = 2_932_896;

/// One column of one row.
#[derive(Clone, PartialEq, Debug)]
pub enum Cell<'a> {
    /// No value.
    Null,
    /// A boolean.
    Bool(bool),
    /// An integer.
    Integer(i128),
    /// A decimal number as its digits, such as `-1.50`.
    Decimal(Cow<'a, str>),
    /// A float of 32 bits.
    Float32(f32),
    /// A float of 64 bits.
    Float(f64),
    /// Text.
    Text(&'a str),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A date and a time of day.
    Timestamp {
        /// The date.
        date: Date,
        /// The time of that day.
        time: Time,
        /// Whether both are in UTC. If not, they are in a zone that nobody named.
        utc: bool,
    },
    /// A date.
    Date(Date),
    /// A time of day, or a span of time.
    Time(Time),
    /// A UUID.
    Uuid([u8; 16]),
    /// A JSON text.
    Json(&'a str),
    /// Several cells.
    Array(Vec<Cell<'a>>),
}

/// A day of the Gregorian calendar.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Date {
    /// The year, 1 to 9999.
    pub year: u16,
    /// The month, 1 to 12.
    pub month: u8,
    /// The day, from 1.
    pub day: u8,
}

impl Date {
    /// The date so many days after 1970-01-01; `None` outside the years 1 to 9999.
    ///
    /// From Howard Hinnant's "chrono-Compatible Low-Level Date Algorithms", `civil_from_days`.
    #[must_use]
    pub fn of_days_since_1970(days: i64) -> Option<Self> {
        if !(DAYS_MIN..=DAYS_MAX).contains(&days) {
            return None;
        }
        let shifted = days + CYCLE_BEGIN_TO_1970_DAYS;
        let (cycle, day_of_cycle) = (shifted.div_euclid(CYCLE_DAYS), shifted.rem_euclid(CYCLE_DAYS));
        let leap_days = day_of_cycle / 1_460 - day_of_cycle / 36_524 + day_of_cycle / 146_096;
        let year_of_cycle = (day_of_cycle - leap_days) / 365;
        let day_of_year = day_of_cycle - (365 * year_of_cycle + year_of_cycle / 4 - year_of_cycle / 100);
        // Months counted from March, so that the leap day comes last.
        let month_from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
        let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
        let year = 400 * cycle + year_of_cycle + i64::from(month <= 2);
        Some(Self { year: year.try_into().ok()?, month: month.try_into().ok()?, day: day.try_into().ok()? })
    }
}

/// A time of day, or a span of time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Time {
    /// Whether it is a span that goes backwards.
    pub negative: bool,
    /// Hours; of a time of day 0 to 24.
    pub hours: u32,
    /// Minutes, 0 to 59.
    pub minutes: u8,
    /// Seconds, 0 to 59.
    pub seconds: u8,
    /// Microseconds, 0 to 999,999.
    pub micros: u32,
}

impl Time {
    /// The time of day so many microseconds after midnight; `None` if they are negative or far too many.
    #[must_use]
    pub fn of_micros(micros: i64) -> Option<Self> {
        let seconds = micros / 1_000_000;
        Some(Self {
            negative: false,
            hours: (seconds / 3_600).try_into().ok()?,
            minutes: (seconds / 60 % 60).try_into().ok()?,
            seconds: (seconds % 60).try_into().ok()?,
            micros: (micros % 1_000_000).try_into().ok()?,
        })
    }
}

impl Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

impl Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.negative { "-" } else { "" };
        write!(f, "{sign}{:02}:{:02}:{:02}", self.hours, self.minutes, self.seconds)?;
        if self.micros == 0 {
            return Ok(());
        }
        write!(f, ".{}", format!("{:06}", self.micros).trim_end_matches('0'))
    }
}

/// A JSON object with these members, in this order.
pub fn object<'n, 'c>(cells: impl Iterator<Item = (&'n str, Cell<'c>)>) -> Vec<u8> {
    let mut json = String::from("{");
    for (name, cell) in cells {
        if json.len() > 1 {
            json.push(',');
        }
        push_string(&mut json, name);
        json.push(':');
        push(&mut json, &cell);
    }
    json.push('}');
    json.into_bytes()
}

fn push(json: &mut String, cell: &Cell<'_>) {
    match cell {
        Cell::Null => json.push_str("null"),
        Cell::Bool(value) => json.push_str(if *value { "true" } else { "false" }),
        Cell::Integer(value) => json.push_str(&value.to_string()),
        Cell::Decimal(digits) => push_decimal(json, digits),
        // `Debug` of a float gives the shortest decimal that reads back, and uses exponents where they are shorter.
        Cell::Float32(value) if value.is_finite() => json.push_str(&format!("{value:?}")),
        Cell::Float(value) if value.is_finite() => json.push_str(&format!("{value:?}")),
        Cell::Float32(value) => push_string(json, not_finite(f64::from(*value))),
        Cell::Float(value) => push_string(json, not_finite(*value)),
        Cell::Text(text) => push_string(json, text),
        Cell::Bytes(bytes) => push_string(json, &STANDARD.encode(bytes)),
        Cell::Timestamp { date, time, utc } => {
            push_string(json, &format!("{date}T{time}{}", if *utc { "Z" } else { "" }));
        }
        Cell::Date(date) => push_string(json, &date.to_string()),
        Cell::Time(time) => push_string(json, &time.to_string()),
        Cell::Uuid(uuid) => push_string(json, &uuid_text(uuid)),
        Cell::Json(text) => json.push_str(text),
        Cell::Array(cells) => push_array(json, cells),
    }
}

fn push_array(json: &mut String, cells: &[Cell<'_>]) {
    json.push('[');
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            json.push(',');
        }
        push(json, cell);
    }
    json.push(']');
}

fn push_string(json: &mut String, text: &str) {
    json.push_str(&serde_json::Value::from(text).to_string());
}

/// Digits as a JSON number, which has no zeros at its beginning; what is no number as a string.
fn push_decimal(json: &mut String, digits: &str) {
    let (sign, unsigned) = digits.strip_prefix('-').map_or(("", digits), |unsigned| ("-", unsigned));
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if unsigned.is_empty() || unsigned == "." || !is_number(whole) || !is_number(fraction) {
        return push_string(json, digits);
    }
    let whole = whole.trim_start_matches('0');
    json.push_str(sign);
    json.push_str(if whole.is_empty() { "0" } else { whole });
    if !fraction.is_empty() {
        json.push('.');
        json.push_str(fraction);
    }
}

fn not_finite(value: f64) -> &'static str {
    if value.is_nan() {
        "NaN"
    } else if value.is_sign_positive() {
        "Infinity"
    } else {
        "-Infinity"
    }
}

fn uuid_text(uuid: &[u8; 16]) -> String {
    let mut text = String::with_capacity(36);
    for (index, byte) in uuid.iter().enumerate() {
        if matches!(index, 4 | 6 | 8 | 10) {
            text.push('-');
        }
        text.push_str(&format!("{byte:02x}"));
    }
    text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn json(cell: Cell<'_>) -> String {
        let object = String::from_utf8(object([("c", cell)].into_iter())).unwrap();
        assert!(serde_json::from_str::<serde_json::Value>(&object).is_ok(), "{object}");
        object.strip_prefix("{\"c\":").unwrap().strip_suffix('}').unwrap().to_owned()
    }

    fn time(negative: bool, hours: u32, micros: u32) -> Time {
        Time { negative, hours, minutes: 4, seconds: 5, micros }
    }

    #[test]
    fn each_cell_has_the_form_that_the_table_says() {
        let (date, noon) = (Date { year: 26, month: 1, day: 2 }, time(false, 12, 120_000));
        let uuid = std::array::from_fn(|index| 0xf0 + u8::try_from(index).unwrap());
        for (cell, expected) in [
            (Cell::Null, "null"),
            (Cell::Bool(true), "true"),
            (Cell::Bool(false), "false"),
            (Cell::Integer(u64::MAX.into()), "18446744073709551615"),
            (Cell::Integer(-7), "-7"),
            (Cell::Decimal("12345678901234567890.50".into()), "12345678901234567890.50"),
            (Cell::Decimal("-000.50".into()), "-0.50"),
            (Cell::Decimal(".5".into()), "0.5"),
            (Cell::Decimal("0007.".into()), "7"),
            (Cell::Decimal("NaN".into()), "\"NaN\""),
            (Cell::Decimal("-".into()), "\"-\""),
            (Cell::Decimal(".".into()), "\".\""),
            (Cell::Decimal("1e5".into()), "\"1e5\""),
            (Cell::Float32(1.1), "1.1"),
            (Cell::Float(1.1f32.into()), "1.100000023841858"),
            (Cell::Float(0.1 + 0.2), "0.30000000000000004"),
            (Cell::Float(1e300), "1e300"),
            (Cell::Float(f64::NAN), "\"NaN\""),
            (Cell::Float(f64::INFINITY), "\"Infinity\""),
            (Cell::Float32(f32::NEG_INFINITY), "\"-Infinity\""),
            (Cell::Text("a\"\n\u{e9}"), "\"a\\\"\\n\u{e9}\""),
            (Cell::Bytes(b"\xff\x00"), "\"/wA=\""),
            (Cell::Bytes(b""), "\"\""),
            (Cell::Timestamp { date, time: noon, utc: false }, "\"0026-01-02T12:04:05.12\""),
            (Cell::Timestamp { date, time: time(false, 0, 0), utc: true }, "\"0026-01-02T00:04:05Z\""),
            (Cell::Date(date), "\"0026-01-02\""),
            (Cell::Time(time(false, 1, 1)), "\"01:04:05.000001\""),
            (Cell::Time(time(true, 838, 0)), "\"-838:04:05\""),
            (Cell::Uuid(uuid), "\"f0f1f2f3-f4f5-f6f7-f8f9-fafbfcfdfeff\""),
            (Cell::Json("{\"a\": [1.0]}"), "{\"a\": [1.0]}"),
            (Cell::Array(vec![]), "[]"),
            (Cell::Array(vec![Cell::Null, Cell::Array(vec![Cell::Integer(1)])]), "[null,[1]]"),
        ] {
            assert_eq!(json(cell.clone()), expected, "{cell:?}");
        }
    }

    #[test]
    fn members_keep_their_order_and_their_names() {
        let cells = [("b", Cell::Integer(1)), ("a\"", Cell::Null)];
        assert_eq!(object(cells.into_iter()), b"{\"b\":1,\"a\\\"\":null}");
        assert_eq!(object(std::iter::empty::<(&str, Cell<'_>)>()), b"{}");
    }

    #[test]
    fn days_are_dates_of_the_gregorian_calendar() {
        for (days, expected) in [
            (0, "1970-01-01"),
            (-1, "1969-12-31"),
            (10_957, "2000-01-01"),
            (11_016, "2000-02-29"),
            (11_017, "2000-03-01"),
            (20_780, "2026-11-23"),
            (DAYS_MIN, "0001-01-01"),
            (DAYS_MAX, "9999-12-31"),
            (-25_508, "1900-03-01"),
            (-25_509, "1900-02-28"),
        ] {
            assert_eq!(Date::of_days_since_1970(days).unwrap().to_string(), expected, "{days}");
        }
        assert_eq!(Date::of_days_since_1970(DAYS_MIN - 1), None);
        assert_eq!(Date::of_days_since_1970(DAYS_MAX + 1), None);
    }

    #[test]
    fn a_day_has_24_hours_and_no_time_is_negative() {
        assert_eq!(Time::of_micros(86_400_000_000).unwrap().to_string(), "24:00:00");
        assert_eq!(Time::of_micros(36_000_500_000).unwrap().to_string(), "10:00:00.5");
        assert_eq!(Time::of_micros(-1), None);
    }
}
