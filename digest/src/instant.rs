//! Points in time, as texts and numbers tell them.

use crate::decimal::Decimal;
use jiff::Timestamp;
use jiff::fmt::temporal::{DateTimePrinter, Pieces};
use jiff::tz::Offset;
use schemars::JsonSchema;
use serde::Deserialize;

/// How exactly points in time are compared. What is finer does not count.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Precision {
    /// Seconds.
    S,
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
    /// Nanoseconds.
    #[default]
    Ns,
}

/// What a number counts since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Epoch {
    /// Seconds.
    S,
    /// Milliseconds.
    Ms,
    /// Microseconds.
    Us,
}

impl Precision {
    /// From the finest to the coarsest.
    pub(crate) const ALL: [Self; 4] = [Self::Ns, Self::Us, Self::Ms, Self::S];

    /// As it is written in a configuration.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::S => "s",
            Self::Ms => "ms",
            Self::Us => "us",
            Self::Ns => "ns",
        }
    }

    const fn digits(self) -> u8 {
        match self {
            Self::S => 0,
            Self::Ms => 3,
            Self::Us => 6,
            Self::Ns => 9,
        }
    }
}

impl Epoch {
    /// Each of them.
    pub(crate) const ALL: [Self; 3] = [Self::S, Self::Ms, Self::Us];

    /// As it is written in a configuration.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::S => "s",
            Self::Ms => "ms",
            Self::Us => "us",
        }
    }

    /// Nanoseconds are the unit times 10 to this power.
    const fn power(self) -> u8 {
        match self {
            Self::S => 9,
            Self::Ms => 6,
            Self::Us => 3,
        }
    }
}

/// A point in time.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Instant(Timestamp);

impl Instant {
    /// Reads RFC 3339 or ISO 8601: a date and a time with `T` or a space between, and an offset, `Z`, or nothing, which is
    /// UTC. `None` if it is anything else, a date alone or a time zone's name without an offset among them.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let pieces = Pieces::parse(text).ok()?;
        let offset = match (pieces.to_numeric_offset(), pieces.time_zone_annotation()) {
            (Some(offset), _) => offset,
            (None, None) => Offset::UTC,
            (None, Some(_)) => return None,
        };
        offset.to_timestamp(pieces.date().to_datetime(pieces.time()?)).ok().map(Self)
    }

    /// The point in time that `number` counts; `None` if it is beyond the years -9999 to 9999.
    pub(crate) fn of_epoch(number: &Decimal, epoch: Epoch) -> Option<Self> {
        Timestamp::from_nanosecond(number.floor_of_scaled(epoch.power())?).ok().map(Self)
    }

    /// RFC 3339 in UTC, truncated to `precision`, with all its digits.
    pub(crate) fn text(self, precision: Precision) -> String {
        DateTimePrinter::new().precision(Some(precision.digits())).timestamp_to_string(&self.0)
    }

    /// The point in time without what is finer than `precision`.
    pub(crate) fn truncated(self, precision: Precision) -> Self {
        Self::parse(&self.text(precision)).unwrap_or(self)
    }

    /// Whether nothing of it is finer than `precision`.
    pub(crate) fn is_at(self, precision: Precision) -> bool {
        self.truncated(precision) == self
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn a_point_in_time_has_one_text_however_it_was_written() {
        let expected = "2026-11-23T10:00:00.123456000Z";
        for text in [
            "2026-11-23T10:00:00.123456Z",
            "2026-11-23T10:00:00.123456",
            "2026-11-23 10:00:00.123456",
            "2026-11-23 10:00:00.123456000+00",
            "2026-11-23t12:00:00.123456+02:00",
            "2026-11-23T04:30:00.123456-0530",
            "20261123T100000.123456Z",
            "2026-11-23T12:00:00.123456+02:00[Europe/Berlin]",
        ] {
            assert_eq!(Instant::parse(text).unwrap().text(Precision::Ns), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_point_in_time_is_none() {
        for text in [
            "",
            "2026-11-23",
            "10:00:00",
            "2026-13-01T00:00:00Z",
            "0000-00-00 00:00:00",
            "2026-11-23T10:00:00[Europe/Berlin]",
            "2026-11-23T10:00:00+99:00",
            "9999-12-31T23:59:59-23:00",
            "2026-11-23T10:00:00.1234567890Z",
            "yesterday",
            "1700000000",
        ] {
            assert_eq!(Instant::parse(text), None, "{text}");
        }
    }

    #[test]
    fn times_are_truncated_towards_the_past_before_1970_too() {
        for (text, precision, expected) in [
            ("2026-11-23T10:00:00.999999999Z", Precision::S, "2026-11-23T10:00:00Z"),
            ("2026-11-23T10:00:00.999999999Z", Precision::Ms, "2026-11-23T10:00:00.999Z"),
            ("2026-11-23T10:00:00.5Z", Precision::Us, "2026-11-23T10:00:00.500000Z"),
            ("1969-12-31T23:59:59.9Z", Precision::S, "1969-12-31T23:59:59Z"),
        ] {
            assert_eq!(Instant::parse(text).unwrap().text(precision), expected, "{text}");
        }
    }

    #[test]
    fn numbers_count_from_1970() {
        let text = |number: &str, epoch| {
            Some(Instant::of_epoch(&Decimal::parse(number)?, epoch)?.text(Precision::Ns))
        };
        for (number, epoch, expected) in [
            ("1763892000", Epoch::S, Some("2025-11-23T10:00:00.000000000Z")),
            ("1763892000123.4567", Epoch::Ms, Some("2025-11-23T10:00:00.123456700Z")),
            ("1.763892000123456e15", Epoch::Us, Some("2025-11-23T10:00:00.123456000Z")),
            ("-0.0000000001", Epoch::S, Some("1969-12-31T23:59:59.999999999Z")),
            ("1e30", Epoch::S, None),
        ] {
            assert_eq!(text(number, epoch).as_deref(), expected, "{number}");
        }
    }
}
