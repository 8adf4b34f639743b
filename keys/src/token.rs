//! Bearer tokens: what a person or a script shows to say who asks.

use crate::file::{KeyError, Text};
use std::fmt;
use std::path::Path;
use zeroize::Zeroizing;

/// Shortest token in bytes: fewer can be guessed.
pub const TOKEN_BYTES_MIN: usize = 16;

/// Longest token in bytes.
pub const TOKEN_BYTES_MAX: usize = 512;

/// A token, as it is shown over HTTP.
pub struct Token(Zeroizing<String>);

impl Token {
    /// Reads a token from `path`: [`TOKEN_BYTES_MIN`] to [`TOKEN_BYTES_MAX`] letters, digits and
    /// `-._~+/=`.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if the file cannot be read, is open to others, or holds something else.
    pub fn from_file(path: &Path) -> Result<Self, KeyError> {
        let text = Text::read(path)?;
        text.token().map(Self).ok_or_else(|| KeyError::NotToken { path: text.path() })
    }

    /// Whether it is what was `shown`. Takes the same time wherever the two differ: hashes are compared.
    #[must_use]
    pub fn is(&self, shown: &[u8]) -> bool {
        blake3::hash(self.0.as_bytes()) == blake3::hash(shown)
    }

    /// The text, to be shown.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(***)")
    }
}

/// Whether a byte may stand in a token (RFC 6750, `b64token`).
pub(crate) fn is_of_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"-._~+/=".contains(&byte)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    const GOOD: &str = "0123456789abcde-._~+/=";

    #[test]
    fn a_token_is_itself_and_nothing_else_and_is_not_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        crate::create_file(&path, &format!("{GOOD}\n")).unwrap();
        let token = Token::from_file(&path).unwrap();
        assert!(token.is(GOOD.as_bytes()) && token.expose() == GOOD);
        for other in ["", "0", &GOOD[1..], &format!("{GOOD}0"), &GOOD.to_uppercase()] {
            assert!(!token.is(other.as_bytes()), "{other}");
        }
        assert_eq!(format!("{token:?}"), "Token(***)");
    }

    #[test]
    fn a_file_that_holds_no_token_or_is_open_to_others_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        let read = |text: &str, mode| {
            std::fs::write(&path, text).unwrap();
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            Token::from_file(&path).map_err(|error| error.to_string())
        };
        let long = "0".repeat(TOKEN_BYTES_MAX + 1);
        for text in
            ["", &long, "0123456789abcde", "two words of some length", "caf\u{e9}caf\u{e9}caf\u{e9}caf\u{e9}"]
        {
            let error = read(text, 0o600).unwrap_err();
            assert!(error.contains("16 to 512 letters, digits"), "{error}");
            assert!(text.is_empty() || !error.contains(text), "{error}");
        }
        assert!(read(GOOD, 0o644).is_err_and(|error| error.contains("chmod 0400")));
        assert!(read(GOOD, 0o640).is_ok());
    }
}
