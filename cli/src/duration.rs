//! Durations as people write and read them: `500ms`, `2s`, `1m`; a plain integer is nanoseconds.

use thiserror::Error;

/// Nanoseconds in each unit, longest suffix first where one ends in another.
const UNITS: [(&str, i64); 6] = [
    ("ns", 1),
    ("us", 1_000),
    ("ms", 1_000_000),
    ("s", 1_000_000_000),
    ("m", 60_000_000_000),
    ("h", 3_600_000_000_000),
];

/// Text that is not a duration.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub(crate) enum DurationError {
    /// No number, or an unknown unit.
    #[error("`{0}` is not a duration; write a whole number and a unit, such as 500ms, 2s or 1m")]
    Malformed(String),
    /// Too long for nanoseconds in 63 bits.
    #[error("`{0}` is longer than 292 years")]
    TooLong(String),
}

/// Nanoseconds of a duration as written; never negative.
pub(crate) fn parse(text: &str) -> Result<i64, DurationError> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let scale = match unit {
        "" => Some(1),
        unit => UNITS.iter().find(|(name, _)| *name == unit).map(|(_, scale)| *scale),
    };
    let (Some(scale), false) = (scale, number.is_empty()) else {
        return Err(DurationError::Malformed(text.to_owned()));
    };
    let number = number.parse::<i64>().ok();
    number.and_then(|number| number.checked_mul(scale)).ok_or_else(|| DurationError::TooLong(text.to_owned()))
}

/// A duration in milliseconds as people read it: its two largest units.
pub(crate) fn shown(ms: i64) -> String {
    let seconds = ms / 1_000;
    let (minutes, hours, days) = (seconds / 60, seconds / 3_600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, ..) => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_scale_and_a_plain_number_is_nanoseconds() {
        for (text, nanoseconds) in [
            ("0", 0),
            ("7", 7),
            ("7ns", 7),
            ("3us", 3_000),
            ("500ms", 500_000_000),
            ("2s", 2_000_000_000),
            ("1m", 60_000_000_000),
            ("1h", 3_600_000_000_000),
        ] {
            assert_eq!(parse(text), Ok(nanoseconds), "{text}");
        }
    }

    #[test]
    fn a_duration_is_shown_in_its_two_largest_units() {
        for (ms, text) in [
            (0, "0s"),
            (59_999, "59s"),
            (60_000, "1m 0s"),
            (3_723_000, "1h 2m"),
            (86_400_000, "1d 0h"),
            (864_000_000 + 7_200_000, "10d 2h"),
        ] {
            assert_eq!(shown(ms), text, "{ms}");
        }
    }

    #[test]
    fn what_is_not_a_duration_is_refused_with_the_text() {
        for text in ["", "s", "-1s", "1.5s", "2 s", "1d", "1S"] {
            assert_eq!(parse(text), Err(DurationError::Malformed(text.to_owned())), "{text}");
        }
        for text in ["99999999999999999999", "9999999999s"] {
            assert_eq!(parse(text), Err(DurationError::TooLong(text.to_owned())), "{text}");
        }
    }
}
