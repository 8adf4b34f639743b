//! Bytes that are wiped from memory when they are dropped.

use std::sync::Arc;
use zeroize::{Zeroize, ZeroizeOnDrop};

/// Bytes of a key.
pub(crate) const KEY_BYTES: usize = 32;

/// The bytes of a key.
#[derive(Zeroize, ZeroizeOnDrop)]
pub(crate) struct Secret([u8; KEY_BYTES]);

impl Secret {
    /// Takes `bytes` over.
    pub(crate) fn new(bytes: [u8; KEY_BYTES]) -> Arc<Self> {
        Arc::new(Self(bytes))
    }

    /// The secret for another purpose: `derive_key(context, self ‖ salt)`.
    pub(crate) fn derive(&self, context: &str, salt: &[u8]) -> Arc<Self> {
        let mut derivation = blake3::Hasher::new_derive_key(context);
        derivation.update(&self.0).update(salt);
        let derived = Self::new(*derivation.finalize().as_bytes());
        derivation.zeroize();
        derived
    }

    /// Keyed BLAKE3 of `message`.
    pub(crate) fn hash(&self, message: &[u8]) -> blake3::Hash {
        blake3::keyed_hash(&self.0, message)
    }

    /// Keyed BLAKE3 of each message under the secret beside it.
    pub(crate) fn hashes(messages: &[(&Self, &[u8])]) -> Vec<[u8; 32]> {
        let messages: Vec<_> = messages.iter().map(|(secret, message)| (&secret.0, *message)).collect();
        counterfoil_lanes::keyed_hashes(&messages)
    }

    /// The bytes themselves, for a cipher.
    pub(crate) fn bytes(&self) -> &[u8; KEY_BYTES] {
        &self.0
    }

    /// The bytes as 64 hexadecimal digits.
    pub(crate) fn to_hex(&self) -> String {
        blake3::Hash::from_bytes(self.0).to_hex().to_string()
    }
}
