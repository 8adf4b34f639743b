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
