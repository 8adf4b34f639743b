//! Keys that sign: Ed25519, RFC 8032.

use crate::context;
use crate::file::{KeyError, Text};
use crate::secret::KEY_BYTES;
use ed25519_dalek::{Signature, VerifyingKey};
use std::fmt;
use std::path::Path;
use std::sync::Arc;
use zeroize::Zeroize;

/// What a signature is for. One that was made for one purpose does not hold for another.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Purpose {
    /// The code of a batch, signed by the sidecar that sealed it.
    Batch,
    /// A document in an envelope as DSSE has it (v1.0): the message is what stands behind the first space of its
    /// pre-authentication encoding.
    Envelope,
    /// The end of a chain of entries about repairs, signed by the comparator that wrote them.
    RepairAudit,
}

impl Purpose {
    /// What is signed: the purpose's name, a byte that is in no name, and the message.
    fn bind(self, message: &[u8]) -> Vec<u8> {
        let (context, end) = match self {
            Self::Batch => (context::BATCH_SIGNATURE, 0),
            Self::Envelope => (context::ENVELOPE_SIGNATURE, b' '),
            Self::RepairAudit => (context::REPAIR_AUDIT_SIGNATURE, 0),
        };
        [context.as_bytes(), &[end], message].concat()
    }
}

/// Whatever signs. In production this is [`SigningKey`]; a simulation may have something cheaper.
pub trait Signer: Send + Sync {
    /// The public half, with which a [`Verify`] checks signatures.
    fn public(&self) -> [u8; 32];

    /// The signature of `message` for `purpose`.
    fn sign(&self, purpose: Purpose, message: &[u8]) -> [u8; 64];
}

/// Whether a signature is of a message: public half, purpose, message, signature. In production this is [`verify`].
pub type Verify = fn(&[u8], Purpose, &[u8], &[u8]) -> bool;

/// A key that signs. Wiped from memory when dropped; `Debug` shows its public half only.
#[derive(Clone)]
pub struct SigningKey(Arc<ed25519_dalek::SigningKey>);

impl SigningKey {
    /// The key of a seed.
    #[must_use]
    pub fn new(mut seed: [u8; KEY_BYTES]) -> Self {
        let key = ed25519_dalek::SigningKey::from_bytes(&seed);
        seed.zeroize();
        Self(Arc::new(key))
    }

    /// A new key from the system's random bytes.
    ///
    /// # Errors
    ///
    /// [`KeyError::Random`] if the system has none.
    pub fn random() -> Result<Self, KeyError> {
        let mut seed = [0; KEY_BYTES];
        getrandom::fill(&mut seed)?;
        Ok(Self::new(seed))
    }

    /// Reads a seed of 64 hexadecimal digits from `path`.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if the file cannot be read, is open to others, or holds something else.
    pub fn from_file(path: &Path) -> Result<Self, KeyError> {
        let text = Text::read(path)?;
        text.key().map(Self::new).ok_or_else(|| KeyError::NotHex { path: text.path() })
    }
}

impl Signer for SigningKey {
    fn public(&self) -> [u8; 32] {
        self.0.verifying_key().to_bytes()
    }

    /// The same message always gets the same signature.
    fn sign(&self, purpose: Purpose, message: &[u8]) -> [u8; 64] {
        ed25519_dalek::Signer::sign(&*self.0, &purpose.bind(message)).to_bytes()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let public = blake3::Hash::from_bytes(self.public()).to_hex();
        f.debug_struct("SigningKey").field("public", &public.as_str()).finish_non_exhaustive()
    }
}

/// Whether `signature` is of `message`, for `purpose`, by the key with the public half `public`. Signatures that do not
/// bind their maker to the message, as those of weak keys, do not hold.
#[must_use]
pub fn verify(public: &[u8], purpose: Purpose, message: &[u8], signature: &[u8]) -> bool {
    let key = public.try_into().ok().and_then(|public| VerifyingKey::from_bytes(public).ok());
    let Some((key, signature)) = key.zip(Signature::from_slice(signature).ok()) else { return false };
    key.verify_strict(&purpose.bind(message), &signature).is_ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    #[test]
    fn a_signature_holds_for_its_key_and_message_and_no_other() {
        let (one, two) = (SigningKey::new([1; 32]), SigningKey::new([2; 32]));
        let signature = one.sign(Purpose::Batch, b"code");
        assert!(verify(&one.public(), Purpose::Batch, b"code", &signature));
        assert!(!verify(&one.public(), Purpose::Batch, b"cope", &signature));
        assert!(!verify(&two.public(), Purpose::Batch, b"code", &signature));
        assert!(!verify(&one.public(), Purpose::Batch, b"code", &two.sign(Purpose::Batch, b"code")));
        assert!(!verify(b"short", Purpose::Batch, b"code", &signature));
        assert!(!verify(&one.public(), Purpose::Batch, b"code", b"short"));
        assert!(!verify(&[0; 32], Purpose::Batch, b"code", &[0; 64]), "a weak key signs everything");
        let bare = ed25519_dalek::Signer::sign(&*one.0, b"code").to_bytes();
        assert!(!verify(&one.public(), Purpose::Batch, b"code", &bare), "made for another purpose");
        assert!(!verify(&one.public(), Purpose::Envelope, b"code", &signature), "made for another purpose");
    }

    #[test]
    fn a_seed_file_gives_the_same_key_each_time_and_random_keys_differ() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seed");
        crate::create_file(&path, &"07".repeat(32)).unwrap();
        assert_eq!(SigningKey::from_file(&path).unwrap().public(), SigningKey::new([7; 32]).public());
        assert_ne!(SigningKey::random().unwrap().public(), SigningKey::random().unwrap().public());
    }

    #[test]
    fn debug_shows_the_public_half_only() {
        let shown = format!("{:?}", SigningKey::new([0xab; 32]));
        assert!(shown.contains("public") && !shown.contains("abab"), "{shown}");
    }
}
