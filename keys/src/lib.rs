//! What is secret, and what is made of it.
//!
//! ```text
//! deployment key ──"tenant v1" ‖ name──▶ tenant key ──"value v1"─────▶ value key: digests of values
//!  (64 hex digits)                                  ├─"batch mac v1"─▶ MAC key: codes of batches
//!                                                   └─"repair undo v1"─▶ seals values that a repair replaced
//! signing key ──▶ signatures of batches' codes ("batch signature v1"), of envelopes ("DSSEv1"), of entries about repairs
//! ```
//!
//! Each arrow of the first two lines is `blake3::derive_key` under a context of its own, and each context is a constant in
//! one place. A sidecar needs its tenant's key only; the comparator holds the deployment keys and derives every tenant's.
//! Whoever has a deployment or tenant key can make a code; only the process that has a signing key can make its signature,
//! so a signature also proves to others which sidecar sent a batch.
//!
//! # Rotation
//!
//! A [`Keyring`] has several keys, the first of them *current*, the others accepted. Whatever is made under a key carries the
//! key's id, and digests under different ids are never compared.
//!
//! # Invariants
//!
//! - Secrets are wiped from memory when they are dropped, and so is the text they were read from.
//! - `Debug` shows ids and public keys only.
//! - A bearer [`Token`] is compared in constant time, and serves HTTP alone: nothing is derived of it.
//! - A file that others may read or write is refused, and so is one that its group may write.

mod context;
mod deployment;
mod file;
mod keyring;
mod line;
mod mac;
mod secret;
#[cfg(feature = "signing")]
mod signing;
mod tenant;
mod token;

pub use deployment::DeploymentKey;
pub use file::{KeyError, create_file};
pub use keyring::{KEYS_MAX, Key, KeyNumber, Keyring, KeyringError};
pub use line::{LINE_BYTES_MAX, SecretLine};
pub use mac::{Mac, MacKey};
#[cfg(feature = "signing")]
pub use signing::{Purpose, Signer, SigningKey, Verify, verify};
pub use tenant::{TenantKey, TenantName, TenantNameError, ValueKey};
pub use token::{TOKEN_BYTES_MAX, TOKEN_BYTES_MIN, Token};
