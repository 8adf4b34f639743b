//! What a sidecar answers when it is asked for the value of a write.

use crate::wire;
use bytes::Bytes;
use std::fmt;
use thiserror::Error;

/// Recalls of one stream that may wait for their answers. A comparator asks no more at a time, and a sidecar leaves what is asked
/// beyond that unanswered.
pub const RECALLS_MAX: usize = 16;

/// The answer to one recall.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Recalled {
    /// The recall that this answers.
    pub id: u64,
    /// What was written, or why that cannot be told.
    pub shown: Result<Shown, NoValue>,
}

/// A value as a sidecar shows it.
#[derive(Clone, PartialEq, Eq)]
pub struct Shown {
    /// The value.
    pub value: Bytes,
    /// Fields of it were replaced, so its digest is another one.
    pub is_masked: bool,
}

impl fmt::Debug for Shown {
    /// Tells the size of the value, never the value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Shown({} bytes, masked: {})", self.value.len(), self.is_masked)
    }
}

/// Why a sidecar has no value to show.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoValue {
    /// It never kept it.
    Unknown,
    /// It has let go of it.
    Expired,
    /// It keeps no values of the map.
    Off,
    /// The value is longer than wanted.
    TooLarge,
}

impl NoValue {
    /// Each of them.
    pub const ALL: [Self; 4] = [Self::Unknown, Self::Expired, Self::Off, Self::TooLarge];

    /// As a metric label.
    #[must_use]
    pub const fn label(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Expired => "expired",
            Self::Off => "off",
            Self::TooLarge => "too_large",
        }
    }
}

/// The answer makes no sense.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub enum RecalledError {
    /// It has a reason why there is no value, and a value.
    #[error("recalled has a value and no_value; send one of the two")]
    Both,
    /// It has a reason that nobody knows.
    #[error("recalled.no_value is {0}, which stands for nothing")]
    Reason(i32),
}

impl TryFrom<wire::Recalled> for Recalled {
    type Error = RecalledError;

    fn try_from(wire: wire::Recalled) -> Result<Self, RecalledError> {
        let wire::Recalled { id, value, masked, no_value } = wire;
        let reason = match wire::NoValue::try_from(no_value) {
            Ok(wire::NoValue::Unspecified) => {
                return Ok(Self { id, shown: Ok(Shown { value, is_masked: masked }) });
            }
            Ok(wire::NoValue::Unknown) => NoValue::Unknown,
            Ok(wire::NoValue::Expired) => NoValue::Expired,
            Ok(wire::NoValue::Off) => NoValue::Off,
            Ok(wire::NoValue::TooLarge) => NoValue::TooLarge,
            Err(_) => return Err(RecalledError::Reason(no_value)),
        };
        if !value.is_empty() || masked {
            Err(RecalledError::Both)
        } else {
            Ok(Self { id, shown: Err(reason) })
        }
    }
}

impl From<Recalled> for wire::Recalled {
    fn from(Recalled { id, shown }: Recalled) -> Self {
        let reason = match shown {
            Ok(Shown { value, is_masked }) => return Self { id, value, masked: is_masked, no_value: 0 },
            Err(NoValue::Unknown) => wire::NoValue::Unknown,
            Err(NoValue::Expired) => wire::NoValue::Expired,
            Err(NoValue::Off) => wire::NoValue::Off,
            Err(NoValue::TooLarge) => wire::NoValue::TooLarge,
        };
        Self { id, no_value: reason.into(), ..Self::default() }
    }
}

impl fmt::Debug for wire::Recalled {
    /// Tells the size of the value, never the value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, value, masked, no_value } = self;
        write!(f, "Recalled({id}, {} bytes, masked: {masked}, no_value: {no_value})", value.len())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use prost::Message;

    #[test]
    fn each_answer_comes_back_as_it_was_sent() {
        let value =
            |value: &'static [u8], is_masked| Ok(Shown { value: Bytes::from_static(value), is_masked });
        let shown = [value(b"", false), value(b"2 apples", false), value(b"{}", true)];
        for shown in shown.into_iter().chain(NoValue::ALL.map(Err)) {
            let recalled = Recalled { id: 7, shown };
            let bytes = wire::Recalled::from(recalled.clone()).encode_to_vec();
            assert_eq!(Recalled::try_from(wire::Recalled::decode(&bytes[..]).unwrap()), Ok(recalled));
        }
    }

    #[test]
    fn an_answer_that_makes_no_sense_is_told() {
        let off = i32::from(wire::NoValue::Off);
        for (value, masked, no_value, error) in [
            (&b"v"[..], false, off, RecalledError::Both),
            (b"", true, off, RecalledError::Both),
            (b"", false, 99, RecalledError::Reason(99)),
        ] {
            let wire = wire::Recalled { id: 1, value: Bytes::from_static(value), masked, no_value };
            assert_eq!(Recalled::try_from(wire), Err(error));
        }
    }

    #[test]
    fn no_text_of_an_answer_tells_the_value() {
        let shown = Shown { value: Bytes::from_static(b"secret"), is_masked: false };
        let recalled = Recalled { id: 1, shown: Ok(shown) };
        let reply = wire::Upload { recalled: Some(recalled.clone().into()), ..Default::default() };
        for text in [format!("{recalled:?}"), format!("{reply:?}")] {
            assert!(text.contains("6 bytes") && !text.contains("secret"), "{text}");
        }
    }
}
