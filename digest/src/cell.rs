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
mod tests;
