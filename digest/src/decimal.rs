//! Exact decimal numbers: what JSON and SQL write, without a detour over binary floating point.

use std::cmp::Ordering;
use std::fmt;

/// A number is written without an exponent if that takes at most this many digits.
const PLAIN_DIGITS_MAX: usize = 40;

/// Exponents beyond this are not understood: sums of them must not overflow.
const EXPONENT_MAX: u64 = 1_000_000_000_000_000;

/// A decimal number of any length, in its only form: equal numbers are equal field by field.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Decimal {
    is_negative: bool,
    /// ASCII digits, without a zero at either end; none for zero.
    digits: Vec<u8>,
    /// The power of ten that the last digit counts; 0 for zero.
    exponent: i64,
}

impl Decimal {
    /// Reads a number as JSON writes it, and also with a plus sign, leading zeros, or nothing before or behind the point.
    /// `None` if it is no number, or its exponent is beyond any use.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (is_negative, unsigned) = match text.strip_prefix('-') {
            Some(unsigned) => (true, unsigned),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = unsigned.split_once(['e', 'E']).unwrap_or((unsigned, "0"));
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let digits = [whole, fraction].concat().into_bytes();
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return None;
        }
        let exponent: i64 = exponent.parse().ok()?;
        if exponent.unsigned_abs() > EXPONENT_MAX {
            return None;
        }
        Some(Self::normal(is_negative, digits, exponent.checked_sub(i64::try_from(fraction.len()).ok()?)?))
    }

    /// The only form of `digits`, whose last counts 10 to the power of `exponent`.
    fn normal(is_negative: bool, mut digits: Vec<u8>, mut exponent: i64) -> Self {
        while digits.pop_if(|digit| *digit == b'0').is_some() {
            exponent += 1;
        }
        let zeros = digits.iter().take_while(|digit| **digit == b'0').count();
        digits.drain(..zeros);
        if digits.is_empty() { Self::default() } else { Self { is_negative, digits, exponent } }
    }

    /// How many digits stand behind the point.
    pub(crate) fn decimals(&self) -> u64 {
        if self.exponent < 0 { self.exponent.unsigned_abs() } else { 0 }
    }

    /// The nearest number with at most so many digits behind the point; of two as near, the one whose last digit is even.
    pub(crate) fn rounded(&self, decimals: u8) -> Self {
        let exponent = -i64::from(decimals);
        let Ok(dropped @ 1..) = usize::try_from(exponent.saturating_sub(self.exponent)) else {
            return self.clone();
        };
        // With more to drop than there are digits, less than a tenth of the last place is left.
        let kept = self.digits.len().checked_sub(dropped);
        let Some((kept, rest)) = kept.and_then(|kept| self.digits.split_at_checked(kept)) else {
            return Self::default();
        };
        let mut kept = kept.to_vec();
        let is_odd = kept.last().is_some_and(|digit| digit % 2 == 1);
        match rest.cmp(b"5") {
            Ordering::Greater => increment(&mut kept),
            Ordering::Equal if is_odd => increment(&mut kept),
            Ordering::Equal | Ordering::Less => {}
        }
        Self::normal(self.is_negative, kept, exponent)
    }

    /// The whole part of the number times 10 to the power of `power`, rounded down; `None` if it is too large.
    pub(crate) fn floor_of_scaled(&self, power: u8) -> Option<i128> {
        let exponent = self.exponent + i64::from(power);
        let (whole, has_rest) = match usize::try_from(exponent) {
            Ok(zeros) => (self.magnitude(&self.digits, zeros)?, false),
            Err(_) => {
                let dropped = usize::try_from(exponent.unsigned_abs()).ok()?;
                let kept = self.digits.len().saturating_sub(dropped);
                (self.magnitude(self.digits.get(..kept)?, 0)?, true)
            }
        };
        if self.is_negative { Some(-whole - i128::from(has_rest)) } else { Some(whole) }
    }

    /// The number that `digits` and so many zeros write.
    fn magnitude(&self, digits: &[u8], zeros: usize) -> Option<i128> {
        if digits.is_empty() {
            return Some(0);
        }
        let digits: i128 = std::str::from_utf8(digits).ok()?.parse().ok()?;
        digits.checked_mul(10_i128.checked_pow(u32::try_from(zeros).ok()?)?)
    }

    /// Where the point stands: behind so many digits.
    fn point(&self) -> i64 {
        i64::try_from(self.digits.len()).unwrap_or(i64::MAX).saturating_add(self.exponent)
    }

    /// Whole digits and digits behind the point, with the zeros that only place the point; `None` if they are too many.
    fn plain(&self) -> Option<(String, String)> {
        let digits = String::from_utf8_lossy(&self.digits);
        let count = |places: i64| usize::try_from(places.max(0)).unwrap_or(usize::MAX);
        let (whole, fraction) = (count(self.point()).max(1), count(self.exponent.saturating_neg()));
        if whole.saturating_add(fraction) > PLAIN_DIGITS_MAX {
            return None;
        }
        let (before, behind) = digits.split_at_checked(count(self.point())).unwrap_or((&digits, ""));
        Some((format!("{before:0<whole$}"), format!("{behind:0>fraction$}")))
    }
}

/// Adds one in the last place.
fn increment(digits: &mut Vec<u8>) {
    for digit in digits.iter_mut().rev() {
        if *digit < b'9' {
            *digit += 1;
            return;
        }
        *digit = b'0';
    }
    digits.insert(0, b'1');
}

/// As canonical JSON: plain if that takes at most 40 digits, else `d.ddde±n`.
impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.is_negative {
            f.write_str("-")?;
        }
        if let Some((whole, fraction)) = self.plain() {
            let point = if fraction.is_empty() { "" } else { "." };
            return write!(f, "{whole}{point}{fraction}");
        }
        let digits = String::from_utf8_lossy(&self.digits);
        let (first, rest) = digits.split_at_checked(1).unwrap_or((&digits, ""));
        let point = if rest.is_empty() { "" } else { "." };
        write!(f, "{first}{point}{rest}e{:+}", self.point() - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn normal(text: &str) -> String {
        Decimal::parse(text).map_or_else(|| "none".to_owned(), |number| number.to_string())
    }

    #[test]
    fn equal_numbers_are_written_alike_and_exactly() {
        for (text, expected) in [
            ("12.50", "12.5"),
            ("1.25e1", "12.5"),
            ("1250E-2", "12.5"),
            ("+012.5", "12.5"),
            ("-0", "0"),
            ("0.000", "0"),
            ("0e9", "0"),
            (".5", "0.5"),
            ("5.", "5"),
            ("100", "100"),
            ("1e2", "100"),
            ("-0.00120", "-0.0012"),
            ("9007199254740993", "9007199254740993"),
            ("1e39", "1000000000000000000000000000000000000000"),
            ("1e40", "1e+40"),
            ("1e-39", "0.000000000000000000000000000000000000001"),
            ("1e-40", "1e-40"),
            ("-12345e-50", "-1.2345e-46"),
            ("12345678901234567890123456789012345678901", "1.2345678901234567890123456789012345678901e+40"),
            ("1e1000000000000000", "1e+1000000000000000"),
        ] {
            assert_eq!(normal(text), expected, "{text}");
        }
    }

    #[test]
    fn what_is_no_number_is_none() {
        for text in ["", "-", ".", "e5", "1e", "1e+", "1e1.5", "0x1", "1 ", "NaN", "Infinity", "1,5", "--1"] {
            assert_eq!(normal(text), "none", "{text}");
        }
        assert_eq!(normal("1e1000000000000001"), "none", "nobody can add up such exponents");
        assert_eq!(normal("1e99999999999999999999"), "none");
    }

    #[test]
    fn halves_are_rounded_to_the_even_digit() {
        for (text, decimals, expected) in [
            ("0.125", 2, "0.12"),
            ("0.135", 2, "0.14"),
            ("0.1250001", 2, "0.13"),
            ("-0.135", 2, "-0.14"),
            ("9.995", 2, "10"),
            ("0.5", 0, "0"),
            ("1.5", 0, "2"),
            ("0.6", 0, "1"),
            ("0.05", 0, "0"),
            ("99.5", 0, "100"),
            ("12.3", 5, "12.3"),
            ("1e-30", 2, "0"),
            ("1e30", 2, "1000000000000000000000000000000"),
        ] {
            let rounded = Decimal::parse(text).map(|number| number.rounded(decimals).to_string());
            assert_eq!(rounded.as_deref(), Some(expected), "{text} to {decimals}");
        }
    }

    #[test]
    fn scaled_numbers_are_rounded_down() {
        for (text, power, expected) in [
            ("1.5", 0, Some(1)),
            ("-1.5", 0, Some(-2)),
            ("-0.001", 0, Some(-1)),
            ("1.5", 3, Some(1500)),
            ("17e8", 9, Some(1_700_000_000_000_000_000)),
            ("1e-20", 9, Some(0)),
            ("1e60", 9, None),
        ] {
            let scaled = Decimal::parse(text).and_then(|number| number.floor_of_scaled(power));
            assert_eq!(scaled, expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back_as_the_same_number(text in r"[+-]?[0-9]{0,45}\.?[0-9]{0,45}([eE][+-]?[0-9]{1,3})?") {
            if let Some(number) = Decimal::parse(&text) {
                let written = number.to_string();
                prop_assert_eq!(Decimal::parse(&written), Some(number));
                prop_assert!(serde_json::from_str::<&serde_json::value::RawValue>(&written).is_ok(), "{}", written);
            }
        }

        #[test]
        fn rounding_is_what_integers_say(value in -10_000_000_i64..10_000_000, decimals in 0_u8..5) {
            let number = Decimal::parse(&format!("{value}e-5"));
            let unit = 10_i64.pow(u32::from(5 - decimals));
            let (floor, rest) = (value.div_euclid(unit), value.rem_euclid(unit));
            let up = rest * 2 > unit || (rest * 2 == unit && floor % 2 != 0);
            let expected = Decimal::parse(&format!("{}e-{decimals}", floor + i64::from(up)));
            prop_assert_eq!(number.map(|number| number.rounded(decimals)), expected);
        }
    }
}
