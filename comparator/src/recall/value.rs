//! A value that must not be shown by accident.

use std::fmt;
use zeroize::Zeroizing;

/// What was recalled of a write.
pub(crate) struct Recalled {
    /// The value.
    pub(crate) value: Value,
    /// Fields of it were replaced: it can be looked at, but nobody proved that it is what was written.
    pub(crate) is_masked: bool,
}

/// A value, wiped from memory when it is dropped. What network and codec had of it on the way is not.
pub(crate) struct Value(Zeroizing<Vec<u8>>);

impl Value {
    /// A copy of `bytes`.
    pub(crate) fn new(bytes: &[u8]) -> Self {
        Self(bytes.to_vec().into())
    }

    /// The bytes, to be shown to whoever may see them.
    pub(crate) fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Value {
    /// Tells the size of the value, never the value.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Value({} bytes)", self.0.len())
    }
}

impl fmt::Debug for Recalled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Recalled({:?}, masked: {})", self.value, self.is_masked)
    }
}
