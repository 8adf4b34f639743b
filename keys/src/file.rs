//! Files of keys: who may read them, and what they hold.

use crate::line::LINE_BYTES_MAX;
use crate::secret::KEY_BYTES;
use crate::tenant::TenantName;
use crate::token::{TOKEN_BYTES_MAX, TOKEN_BYTES_MIN, is_of_token};
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};
use thiserror::Error;
use zeroize::Zeroizing;

/// Permissions that a key's file must not have: others may not read, write or search it, and its group may not write it.
const MODE_REFUSED: u32 = 0o027;

/// Permissions that a key's file is made with.
const MODE_MADE: u32 = 0o400;

/// Largest file of a key in bytes: a line and some white space.
const FILE_BYTES_MAX: usize = 1024;

const _: () = assert!(
    TOKEN_BYTES_MAX < FILE_BYTES_MAX && LINE_BYTES_MAX < FILE_BYTES_MAX,
    "what is longer is seen to be"
);

/// Why a key could not be read from its file.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The file could not be read.
    #[error("key file {path}: {source}; `counterfoil key new` prints a new key")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// More people than its owner and its group's readers may use the file.
    #[error(
        "key file {path} has mode {mode:04o}: others may read it, or its group may write it; chmod 0400 {path}"
    )]
    Exposed {
        /// The file.
        path: PathBuf,
        /// Its permissions.
        mode: u32,
    },
    /// The file holds something else than a key.
    #[error(
        "key file {path}: needs 64 hexadecimal digits and nothing else (`counterfoil key new` prints them)"
    )]
    NotHex {
        /// The file.
        path: PathBuf,
    },
    /// The file holds neither a deployment key nor the key of a tenant.
    #[error(
        "key file {path}: needs 64 hexadecimal digits, or the line `tenant NAME DIGITS` that `counterfoil key tenant` \
         prints"
    )]
    NotTenantKey {
        /// The file.
        path: PathBuf,
    },
    /// The file holds something else than a bearer token.
    #[error(
        "token file {path}: needs {TOKEN_BYTES_MIN} to {TOKEN_BYTES_MAX} letters, digits and `-._~+/=` and nothing else (`counterfoil key \
         new` prints such)"
    )]
    NotToken {
        /// The file.
        path: PathBuf,
    },
    /// The file holds something else than one line of text.
    #[error(
        "secret file {path}: needs one line of 1 to {LINE_BYTES_MAX} visible ASCII characters and nothing else"
    )]
    NotLine {
        /// The file.
        path: PathBuf,
    },
    /// The file holds the key of another tenant.
    #[error(
        "key file {path} is of tenant `{found}`, and `tenant` is `{configured}`; set `tenant`, or take its key"
    )]
    OtherTenant {
        /// The file.
        path: PathBuf,
        /// Whose key it is.
        found: TenantName,
        /// Whose key it should be.
        configured: TenantName,
    },
    /// The system has no random bytes for a new key.
    #[error("no random bytes for a new key: {0}")]
    #[cfg(feature = "signing")]
    Random(#[from] getrandom::Error),
}

/// Writes `text` into a new file that only its owner may read.
///
/// # Errors
///
/// What the system said; there must not be such a file.
pub fn create_file(path: &Path, text: &str) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE_MADE).open(path)?;
    file.write_all(text.as_bytes())
}

/// The text of a key's file without the white space around it, for its key to be taken from.
pub(crate) struct Text {
    path: PathBuf,
    text: Zeroizing<Vec<u8>>,
}

impl Text {
    /// Reads the file at `path`, if nobody may read or write it who should not.
    pub(crate) fn read(path: &Path) -> Result<Self, KeyError> {
        let unreadable = |source| KeyError::Unreadable { path: path.to_owned(), source };
        let file = File::open(path).map_err(unreadable)?;
        let mode = file.metadata().map_err(unreadable)?.permissions().mode() & 0o777;
        if mode & MODE_REFUSED != 0 {
            return Err(KeyError::Exposed { path: path.to_owned(), mode });
        }
        // As large as it can become, so that no copy is left behind by growing.
        let mut text = Zeroizing::new(Vec::with_capacity(FILE_BYTES_MAX));
        file.take(FILE_BYTES_MAX as u64).read_to_end(&mut text).map_err(unreadable)?;
        Ok(Self { path: path.to_owned(), text })
    }

    /// The file.
    pub(crate) fn path(&self) -> PathBuf {
        self.path.clone()
    }

    /// The key, if the file holds 64 hexadecimal digits.
    pub(crate) fn key(&self) -> Option<[u8; KEY_BYTES]> {
        key_of_hex(self.text.trim_ascii())
    }

    /// The tenant and its key, if the file holds the line `tenant NAME DIGITS`.
    pub(crate) fn tenant_key(&self) -> Option<(TenantName, [u8; KEY_BYTES])> {
        let mut words = self.text.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        let (head, name, digits) = (words.next()?, words.next()?, words.next()?);
        let name = std::str::from_utf8(name).ok()?.parse().ok()?;
        (head == b"tenant" && words.next().is_none()).then_some(())?;
        Some((name, key_of_hex(digits)?))
    }

    /// The line, if the file holds one and nothing else.
    pub(crate) fn line(&self) -> Option<Zeroizing<String>> {
        let line = self.text.trim_ascii();
        let is_line = (1..=LINE_BYTES_MAX).contains(&line.len()) && line.iter().all(u8::is_ascii_graphic);
        let line = std::str::from_utf8(line).ok().filter(|_| is_line)?;
        Some(Zeroizing::new(line.to_owned()))
    }

    /// The bearer token, if the file holds one.
    pub(crate) fn token(&self) -> Option<Zeroizing<String>> {
        let token = self.text.trim_ascii();
        let fits = (TOKEN_BYTES_MIN..=TOKEN_BYTES_MAX).contains(&token.len());
        let is_token = fits && token.iter().all(|byte| is_of_token(*byte));
        let token = std::str::from_utf8(token).ok().filter(|_| is_token)?;
        Some(Zeroizing::new(token.to_owned()))
    }
}

fn key_of_hex(digits: &[u8]) -> Option<[u8; KEY_BYTES]> {
    blake3::Hash::from_hex(digits).ok().map(|key| *key.as_bytes())
}
