//! How things are written for people.

use crate::ledger::DivergenceId;
use jiff::Timestamp;
use std::fmt::Write;

/// Most letters of a key that are shown.
const KEY_CHARS_MAX: usize = 160;

/// Most bytes of one that is no text.
const KEY_BYTES_MAX: usize = 64;

const S: i64 = 1_000_000_000;

/// A key as it is shown.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Key {
    pub(super) text: String,
    /// It is no text that can be printed: the text is its bytes in hexadecimal.
    pub(super) is_hex: bool,
    /// How many bytes it has, if not all of them are shown.
    pub(super) bytes_if_cut: Option<usize>,
}

/// A key for people: text as it is if all of it can be printed, else its bytes; not all of a long one.
pub(super) fn key(bytes: &[u8]) -> Key {
    let printable = std::str::from_utf8(bytes).ok().filter(|text| text.chars().all(is_printable));
    let (text, is_cut) = match printable {
        Some(text) => (text.chars().take(KEY_CHARS_MAX).collect(), text.chars().nth(KEY_CHARS_MAX).is_some()),
        None => (hex(bytes), bytes.len() > KEY_BYTES_MAX),
    };
    Key { text, is_hex: printable.is_none(), bytes_if_cut: is_cut.then_some(bytes.len()) }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(KEY_BYTES_MAX).fold(String::new(), |mut text, byte| {
        let written = write!(text, "{byte:02x}");
        debug_assert!(written.is_ok(), "a string takes all that is written");
        text
    })
}

/// Whether a letter shows itself, and does nothing to those beside it.
fn is_printable(letter: char) -> bool {
    let turns_text = matches!(letter, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
    !letter.is_control() && !turns_text
}

/// A time, in UTC.
pub fn time(unix_ns: i64) -> String {
    let second =
        Timestamp::from_nanosecond(unix_ns.into()).map(|at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string());
    second.unwrap_or_else(|_| format!("{unix_ns} ns after 1970"))
}

/// The same for programs.
pub(super) fn rfc3339(unix_ns: i64) -> String {
    Timestamp::from_nanosecond(unix_ns.into()).map_or_else(|_| String::new(), |at| at.to_string())
}

/// A length of time in nanoseconds, in the two units that matter.
pub fn span(ns: i64) -> String {
    let ms = ns as f64 / 1e6;
    let whole_s = ns / S;
    match ns.unsigned_abs() {
        0..1_000_000 => format!("{ms:.2} ms"),
        1_000_000..10_000_000 => format!("{ms:.1} ms"),
        10_000_000..1_000_000_000 => format!("{ms:.0} ms"),
        1_000_000_000..60_000_000_000 => format!("{:.1} s", ns as f64 / 1e9),
        60_000_000_000..3_600_000_000_000 if whole_s % 60 == 0 => format!("{} min", whole_s / 60),
        60_000_000_000..3_600_000_000_000 => format!("{} min {} s", whole_s / 60, whole_s % 60),
        3_600_000_000_000..172_800_000_000_000 => format!("{} h {} min", whole_s / 3_600, whole_s / 60 % 60),
        _ => format!("{} d {} h", whole_s / 86_400, whole_s / 3_600 % 24),
    }
}

/// The same of milliseconds.
pub fn span_ms(ms: f64) -> String {
    #[allow(clippy::cast_possible_truncation, reason = "a float to integer cast saturates")]
    span((ms * 1e6) as i64)
}

/// A share from 0 to 1, in hundredths; never rounded up to all or down to nothing.
pub fn share(share: f64) -> String {
    let percent = share * 100.0;
    if percent == 0.0 || share == 1.0 {
        return format!("{percent:.0} %");
    }
    match percent {
        0.001..99.99 if percent < 1.0 => format!("{percent:.3} %"),
        0.001..99.99 => format!("{percent:.1} %"),
        _ if percent < 1.0 => "< 0.001 %".to_owned(),
        99.99..99.9999 => format!("{percent:.4} %"),
        _ => "> 99.9999 %".to_owned(),
    }
}

/// A count, its thousands apart.
pub fn count(count: u64) -> String {
    let digits = count.to_string();
    let apart = |(place, digit): (usize, char)| {
        let comma = (place > 0 && (digits.len() - place).is_multiple_of(3)).then_some(',');
        comma.into_iter().chain([digit])
    };
    digits.chars().enumerate().flat_map(apart).collect()
}

/// The beginning of an id: enough to tell those of a page apart.
pub(super) fn short(id: DivergenceId) -> String {
    id.to_string().chars().take(8).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_text_if_all_of_it_can_be_printed_and_bytes_if_not() {
        for (bytes, text, is_hex) in [
            ("caf\u{e9} 7".as_bytes(), "caf\u{e9} 7", false),
            (b"<script>", "<script>", false),
            (b"", "", false),
            (b"a\nb", "610a62", true),
            (b"\x1b[31m", "1b5b33316d", true),
            ("a\u{202e}b".as_bytes(), "61e280ae62", true),
            (b"\xff\x00", "ff00", true),
        ] {
            assert_eq!(key(bytes), Key { text: text.into(), is_hex, bytes_if_cut: None });
        }
    }

    #[test]
    fn not_all_of_a_long_key_is_shown() {
        let long = key("\u{e9}".repeat(500).as_bytes());
        assert_eq!((long.text.chars().count(), long.bytes_if_cut), (KEY_CHARS_MAX, Some(1_000)));
        let bytes = key(&[0xff; 300]);
        assert_eq!((bytes.text.len(), bytes.bytes_if_cut), (2 * KEY_BYTES_MAX, Some(300)));
    }

    #[test]
    fn a_length_of_time_has_the_units_that_matter() {
        for (ns, text) in [
            (0, "0.00 ms"),
            (1_230_000, "1.2 ms"),
            (45_600_000, "46 ms"),
            (1_240 * S / 1_000, "1.2 s"),
            (125 * S, "2 min 5 s"),
            (600 * S, "10 min"),
            (3_720 * S, "1 h 2 min"),
            (200_000 * S, "2 d 7 h"),
        ] {
            assert_eq!(span(ns), text);
        }
        assert_eq!(span_ms(1_240.0), "1.2 s");
    }

    #[test]
    fn a_share_is_never_rounded_to_all_or_nothing() {
        for (of, text) in [
            (0.0, "0 %"),
            (0.000_000_1, "< 0.001 %"),
            (0.000_5, "0.050 %"),
            (0.123, "12.3 %"),
            (0.999_95, "99.9950 %"),
            (0.999_999_9, "> 99.9999 %"),
            (1.0, "100 %"),
        ] {
            assert_eq!(share(of), text);
        }
    }

    #[test]
    fn thousands_stand_apart_and_times_are_in_utc() {
        for (of, text) in [(0, "0"), (999, "999"), (1_000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(of), text);
        }
        assert_eq!(time(1_770_091_446_500_000_000), "2026-02-03 04:04:06 UTC");
        assert_eq!(rfc3339(1_770_091_446_000_000_000), "2026-02-03T04:04:06Z");
    }
}
