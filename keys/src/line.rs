//! Secrets of others: an address that is known to few, a key that somebody else gave out.

use crate::file::{KeyError, Text};
use std::fmt;
use std::path::Path;
use zeroize::Zeroizing;

/// Longest secret in bytes.
pub const LINE_BYTES_MAX: usize = 1000;

/// A secret that somebody else made: one line of text. `Debug` shows stars.
pub struct SecretLine(Zeroizing<String>);

impl SecretLine {
    /// Reads a secret from `path`: 1 to [`LINE_BYTES_MAX`] visible ASCII characters.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if the file cannot be read, is open to others, or holds something else.
    pub fn from_file(path: &Path) -> Result<Self, KeyError> {
        let text = Text::read(path)?;
        text.line().map(Self).ok_or_else(|| KeyError::NotLine { path: text.path() })
    }

    /// The text, to be used.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for SecretLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretLine(***)")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn a_secret_is_one_line_of_a_file_that_others_may_not_read() {
        let folder = tempfile::tempdir().unwrap();
        let read = |name: &str, text: &str| {
            let path = folder.path().join(name);
            crate::create_file(&path, text).unwrap();
            SecretLine::from_file(&path)
        };
        let good = read("good", " https://hooks.example.com/services/T0/B0/x\n").unwrap();
        assert_eq!(good.expose(), "https://hooks.example.com/services/T0/B0/x");
        assert_eq!(format!("{good:?}"), "SecretLine(***)");
        for (name, text) in [("empty", "\n"), ("two", "a\nb"), ("long", &"x".repeat(LINE_BYTES_MAX + 1))] {
            let error = read(name, text).unwrap_err().to_string();
            assert!(error.contains("1 to 1000 visible ASCII characters"), "{name}: {error}");
        }
    }
}
