//! The deployment key and what is derived from it.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

const VALUE_CONTEXT: &str = "counterfoil 2026 value v1";
const MAC_CONTEXT: &str = "counterfoil 2026 batch mac v1";

/// Bytes of a key.
const KEY_BYTES: usize = 32;

#[derive(Zeroize, ZeroizeOnDrop)]
struct Secret([u8; KEY_BYTES]);

/// The key that all sidecars and the comparator of a deployment share. Wiped from memory when dropped; `Debug` shows
/// its id only.
#[derive(Clone)]
pub struct DeploymentKey {
    id: Arc<str>,
    secret: Arc<Secret>,
}

/// Why a deployment key could not be read.
#[derive(Debug, Error)]
pub enum KeyError {
    /// The file could not be read.
    #[error(
        "key file {path}: {source}; set `key.file` to a file of 64 hexadecimal digits (openssl rand -hex 32)"
    )]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file holds something else than 64 hexadecimal digits.
    #[error("key file {path}: needs 64 hexadecimal digits and nothing else (openssl rand -hex 32)")]
    NotHex {
        /// The file.
        path: PathBuf,
    },
}

impl DeploymentKey {
    /// A key from its bytes, named `id`.
    #[must_use]
    pub fn new(id: &str, bytes: [u8; KEY_BYTES]) -> Self {
        Self { id: id.into(), secret: Arc::new(Secret(bytes)) }
    }

    /// Reads a key of 64 hexadecimal digits from `path` and names it `id`.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if the file cannot be read or holds something else.
    pub fn from_file(id: &str, path: &Path) -> Result<Self, KeyError> {
        let mut text = std::fs::read_to_string(path)
            .map_err(|source| KeyError::Unreadable { path: path.to_owned(), source })?;
        let bytes = blake3::Hash::from_hex(text.trim()).map(|hash| *hash.as_bytes());
        text.zeroize();
        match bytes {
            Ok(bytes) => Ok(Self::new(id, bytes)),
            Err(_) => Err(KeyError::NotHex { path: path.to_owned() }),
        }
    }

    /// The id that travels with each batch.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The key that batches are authenticated with.
    #[must_use]
    pub fn mac_key(&self) -> MacKey {
        MacKey(self.derive(MAC_CONTEXT))
    }

    pub(crate) fn value_key(&self) -> ValueKey {
        ValueKey(self.derive(VALUE_CONTEXT))
    }

    fn derive(&self, context: &str) -> Arc<Secret> {
        Arc::new(Secret(blake3::derive_key(context, &self.secret.0)))
    }
}

impl fmt::Debug for DeploymentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeploymentKey").field("id", &self.id).finish_non_exhaustive()
    }
}

#[derive(Clone)]
pub(crate) struct ValueKey(Arc<Secret>);

impl ValueKey {
    pub(crate) fn hash(&self, preimage: &[u8]) -> [u8; 32] {
        *blake3::keyed_hash(&self.0.0, preimage).as_bytes()
    }
}

/// The key that batches are authenticated with: `derive_key("counterfoil 2026 batch mac v1", deployment key)`.
#[derive(Clone)]
pub struct MacKey(Arc<Secret>);

/// A message authentication code. Comparison takes the same time wherever the two differ.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Mac(blake3::Hash);

impl Mac {
    /// A code as it came over the wire; `None` unless it has 32 bytes.
    #[must_use]
    pub fn from_wire(bytes: &[u8]) -> Option<Self> {
        blake3::Hash::from_slice(bytes).ok().map(Self)
    }

    /// The 32 bytes that go over the wire.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8; 32] {
        self.0.as_bytes()
    }
}

impl MacKey {
    /// The code of `message`: keyed BLAKE3.
    #[must_use]
    pub fn mac(&self, message: &[u8]) -> Mac {
        Mac(blake3::keyed_hash(&self.0.0, message))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn debug_does_not_show_the_key() {
        let shown = format!("{:?}", DeploymentKey::new("k1", [0xab; 32]));
        assert!(
            shown.contains("k1") && !shown.to_lowercase().contains("ab") && !shown.contains("171"),
            "{shown}"
        );
    }

    #[test]
    fn a_key_file_that_is_not_hex_says_what_to_write() {
        let path = std::env::temp_dir().join(format!("counterfoil-key-{}", std::process::id()));
        std::fs::write(&path, "secret").unwrap();
        let error = DeploymentKey::from_file("k1", &path).unwrap_err().to_string();
        assert!(error.contains("64 hexadecimal digits") && !error.contains("secret"), "{error}");
        std::fs::write(&path, format!("{}\n", "0f".repeat(32))).unwrap();
        assert_eq!(DeploymentKey::from_file("k1", &path).unwrap().id(), "k1");
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn the_mac_depends_on_key_and_message() {
        let (one, two) =
            (DeploymentKey::new("a", [1; 32]).mac_key(), DeploymentKey::new("a", [2; 32]).mac_key());
        assert_eq!(one.mac(b"x"), one.mac(b"x"));
        assert_ne!(one.mac(b"x"), one.mac(b"y"));
        assert_ne!(one.mac(b"x"), two.mac(b"x"));
        assert_eq!(Mac::from_wire(one.mac(b"x").as_bytes()), Some(one.mac(b"x")));
        assert_eq!(Mac::from_wire(b"short"), None);
    }
}
