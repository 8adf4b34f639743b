//! The digits of a `numeric`, from its binary form.

use bytes::Buf;
use std::fmt::Write;

/// Decimal digits in one digit of the binary form, whose base is 10,000.
const DIGITS_PER_GROUP: usize = 4;
/// Most digits before the decimal point that Postgres has, in groups, and most after it.
const GROUPS_MAX: i16 = 32_767;
const SCALE_MAX: usize = 16_383;

const NEGATIVE: u16 = 0x4000;
const NAN: u16 = 0xC000;
const INFINITY: u16 = 0xD000;
const NEGATIVE_INFINITY: u16 = 0xF000;

/// The number as Postgres would print it; `None` if these bytes are no number.
///
/// The form: how many groups are stored, the power of 10,000 of the first one, the sign, how many digits are shown after
/// the decimal point, and the groups. Groups that are zero are left out at both ends.
pub(super) fn digits(mut raw: &[u8]) -> Option<String> {
    let groups = usize::try_from(raw.try_get_i16().ok()?).ok()?;
    let weight = raw.try_get_i16().ok()?;
    let sign = raw.try_get_u16().ok()?;
    let scale = usize::try_from(raw.try_get_i16().ok()?).ok()?;
    match sign {
        NAN => return Some("NaN".into()),
        INFINITY => return Some("Infinity".into()),
        NEGATIVE_INFINITY => return Some("-Infinity".into()),
        0 | NEGATIVE => {}
        _ => return None,
    }
    let groups = (0..groups).map(|_| raw.try_get_u16().ok()).collect::<Option<Vec<_>>>()?;
    if !raw.is_empty() || weight == GROUPS_MAX || scale > SCALE_MAX || groups.iter().any(|it| *it > 9_999) {
        return None;
    }
    let sign = if sign == NEGATIVE { "-" } else { "" };
    Some(format!("{sign}{}{}", whole(&groups, weight), fraction(&groups, weight, scale)))
}

/// The group of that power of 10,000.
fn group(groups: &[u16], weight: i16, power: i32) -> u16 {
    let index = usize::try_from(i32::from(weight) - power).ok();
    index.and_then(|index| groups.get(index)).copied().unwrap_or(0)
}

fn whole(groups: &[u16], weight: i16) -> String {
    let powers = (0..=i32::from(weight)).rev();
    let mut digits = String::new();
    for power in powers {
        // Writing to a string does not fail.
        _ = write!(digits, "{:04}", group(groups, weight, power));
    }
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() { "0".into() } else { digits.into() }
}

fn fraction(groups: &[u16], weight: i16, scale: usize) -> String {
    if scale == 0 {
        return String::new();
    }
    let mut digits = String::from(".");
    for power in (1..).take(scale.div_ceil(DIGITS_PER_GROUP)) {
        _ = write!(digits, "{:04}", group(groups, weight, -power));
    }
    digits.truncate(1 + scale);
    digits
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(weight: i16, sign: u16, scale: i16, groups: &[u16]) -> Option<String> {
        let count = i16::try_from(groups.len()).ok()?;
        let mut raw: Vec<u8> = [count, weight].into_iter().flat_map(i16::to_be_bytes).collect();
        raw.extend(sign.to_be_bytes());
        raw.extend(scale.to_be_bytes());
        raw.extend(groups.iter().flat_map(|group| group.to_be_bytes()));
        digits(&raw)
    }

    #[test]
    fn groups_that_are_not_stored_are_zeros() {
        for (weight, sign, scale, groups, expected) in [
            (0, 0, 0, &[][..], "0"),
            (0, 0, 2, &[], "0.00"),
            (0, NEGATIVE, 2, &[1, 5000], "-1.50"),
            (2, 0, 0, &[12], "1200000000"),
            (-1, 0, 4, &[1], "0.0001"),
            (-2, 0, 8, &[1], "0.00000001"),
            (-2, 0, 6, &[100], "0.000001"),
            (1, 0, 5, &[1, 2, 3000, 5000], "10002.30005"),
            (0, NAN, 0, &[], "NaN"),
            (0, INFINITY, 0, &[], "Infinity"),
            (0, NEGATIVE_INFINITY, 0, &[], "-Infinity"),
        ] {
            assert_eq!(number(weight, sign, scale, groups).as_deref(), Some(expected));
        }
    }

    #[test]
    fn what_is_no_number_is_none() {
        assert_eq!(number(0, 1, 0, &[]), None, "sign");
        assert_eq!(number(0, 0, -1, &[]), None, "scale");
        assert_eq!(number(0, 0, 0, &[10_000]), None, "group");
        assert_eq!(digits(&[0, 1, 0, 0, 0, 0, 0, 0]), None, "cut off");
        assert_eq!(digits(&[]), None, "nothing");
    }
}
