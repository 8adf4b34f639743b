//! How numbers and bytes are written: as text, because a JSON number is exact up to 2^53 only. Each value has one spelling;
//! another one is refused.

use base64::Engine;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig, general_purpose};
use counterfoil_judge as judge;
use counterfoil_judge::{Fingerprint, Time};
use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// A text is not what it should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotText;

/// An instant in the comparator's timeline: nanoseconds, or `-inf` and `+inf` for [`Time::MIN`] and [`Time::MAX`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Instant(pub Time);

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Time::MIN => f.write_str("-inf"),
            Time::MAX => f.write_str("+inf"),
            Time(at) => write!(f, "{at}"),
        }
    }
}

impl FromStr for Instant {
    type Err = NotText;

    fn from_str(text: &str) -> Result<Self, NotText> {
        match text {
            "-inf" => Ok(Self(Time::MIN)),
            "+inf" => Ok(Self(Time::MAX)),
            number => number.parse().map(|at| Self(Time(at))).map_err(|_| NotText),
        }
    }
}

macro_rules! decimal {
    ($(#[$doc:meta] $name:ident($number:ty);)*) => {$(
        #[$doc]
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub struct $name(pub $number);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}", self.0)
            }
        }

        impl FromStr for $name {
            type Err = NotText;

            fn from_str(text: &str) -> Result<Self, NotText> {
                text.parse().map(Self).map_err(|_| NotText)
            }
        }
    )*};
}

decimal! {
    #[doc = "A length of time in nanoseconds."]
    Nanoseconds(i64);
    #[doc = "A number without a sign."]
    Number(u64);
}

/// The digest of a value: 32 hexadecimal digits, or `absent`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Digest(pub judge::Digest);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl FromStr for Digest {
    type Err = NotText;

    fn from_str(text: &str) -> Result<Self, NotText> {
        match text {
            "absent" => Ok(Self(judge::Digest::ABSENT)),
            digits => digits.parse().map(|Hex(bytes)| Self(judge::Digest(bytes))),
        }
    }
}

/// The fingerprint of a digest: 16 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Print(pub Fingerprint);

impl fmt::Display for Print {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0.0)
    }
}

impl FromStr for Print {
    type Err = NotText;

    fn from_str(text: &str) -> Result<Self, NotText> {
        u64::from_str_radix(text, 16).map(|print| Self(Fingerprint(print))).map_err(|_| NotText)
    }
}

/// So many bytes, as hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Hex<const N: usize>(pub [u8; N]);

impl<const N: usize> fmt::Display for Hex<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl<const N: usize> FromStr for Hex<N> {
    type Err = NotText;

    fn from_str(text: &str) -> Result<Self, NotText> {
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if pairs.len() != N || !rest.is_empty() || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(NotText);
        }
        let mut bytes = [0; N];
        for (byte, pair) in bytes.iter_mut().zip(pairs) {
            let digits = std::str::from_utf8(pair).map_err(|_| NotText)?;
            *byte = u8::from_str_radix(digits, 16).map_err(|_| NotText)?;
        }
        Ok(Self(bytes))
    }
}

/// Bytes in base 64.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Base64(pub Vec<u8>);

/// Base 64 for URLs, as an envelope may have it too; padded or not.
const URL_SAFE: GeneralPurpose = GeneralPurpose::new(
    &alphabet::URL_SAFE,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The bytes of a text in base 64, of either alphabet.
pub(crate) fn of_base64(text: &str) -> Option<Vec<u8>> {
    general_purpose::STANDARD.decode(text).or_else(|_| URL_SAFE.decode(text)).ok()
}

impl fmt::Display for Base64 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&general_purpose::STANDARD.encode(&self.0))
    }
}

impl FromStr for Base64 {
    type Err = NotText;

    fn from_str(text: &str) -> Result<Self, NotText> {
        general_purpose::STANDARD.decode(text).map(Self).map_err(|_| NotText)
    }
}

/// Reads a text that has to be spelled as it is written.
fn spelled<'de, D: Deserializer<'de>, T>(deserializer: D, what: &str) -> Result<T, D::Error>
where
    T: FromStr + fmt::Display,
{
    let text = String::deserialize(deserializer)?;
    let value = text.parse::<T>().ok().filter(|value| value.to_string() == text);
    value.ok_or_else(|| D::Error::custom(format_args!("needs {what}")))
}

macro_rules! as_text {
    ($([$($generic:tt)*] $name:ty: $what:expr;)*) => {$(
        impl<$($generic)*> Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de, $($generic)*> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                spelled(deserializer, $what)
            }
        }
    )*};
}

as_text! {
    [] Instant: "nanoseconds as text, -inf or +inf";
    [] Nanoseconds: "nanoseconds as text";
    [] Number: "a number as text";
    [] Digest: "32 hexadecimal digits, or absent";
    [] Print: "16 hexadecimal digits";
    [const N: usize] Hex<N>: &format!("{} hexadecimal digits", 2 * N);
    [] Base64: "base 64";
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use serde::de::DeserializeOwned;

    fn check<T: Serialize + DeserializeOwned + PartialEq + fmt::Debug>(
        value: &T,
        text: &str,
        others: &[&str],
    ) {
        let quoted = format!("\"{text}\"");
        assert_eq!(serde_json::to_string(value).unwrap(), quoted);
        assert_eq!(&serde_json::from_str::<T>(&quoted).unwrap(), value);
        for other in others {
            let error = serde_json::from_str::<T>(&format!("\"{other}\"")).unwrap_err().to_string();
            assert!(error.contains("needs "), "{other}: {error}");
        }
    }

    #[test]
    fn a_value_is_read_as_it_is_written_and_has_no_other_spelling() {
        check(&Instant(Time(-5)), "-5", &["", "inf", "+5", "05", "-9223372036854775808", "5.0", " 5"]);
        check(&Instant(Time::MAX), "+inf", &["9223372036854775807"]);
        check(&Instant(Time::MIN), "-inf", &["-INF"]);
        check(&Nanoseconds(1 << 60), "1152921504606846976", &["1e3", "+1"]);
        check(&Number(u64::MAX), "18446744073709551615", &["-1", "18446744073709551616"]);
        check(&Digest(judge::Digest([0xab; 16])), &"ab".repeat(16), &["AB", "ab", "+a"]);
        check(&Digest(judge::Digest::ABSENT), "absent", &["00000000000000000000000000000000"]);
        check(&Print(Fingerprint(0xab)), "00000000000000ab", &["ab", "00000000000000AB", "+0000000000000ab"]);
        check(&Hex([0, 255]), "00ff", &["00f", "00ff0", "00fF", "+0ff", "zz00"]);
        check(&Base64(b"\xff\xef".to_vec()), "/+8=", &["_-8=", "/+8", "/+9=", "/"]);
    }
}
