//! Where the value comes from that a repair puts into a store. The comparator keeps none: it knows digests.

use bytes::Bytes;
use counterfoil_judge::Digest;
use std::pin::Pin;

/// What is asked for: the value that a write gave a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Asked {
    /// The map.
    pub(crate) map: String,
    /// The key.
    pub(crate) key: Bytes,
    /// The source of the write: service, instance and epoch, separated by `/`.
    pub(crate) source: String,
    /// Its number there.
    pub(crate) seq: u64,
    /// What the value's digest is, as the ledger shows it.
    pub(crate) digest: String,
}

/// Why there is no value.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[allow(dead_code, reason = "it is whoever has values that says why there is none")]
pub(crate) enum NoValue {
    /// Nobody has it any more.
    #[error("nobody has the value any more")]
    Gone,
    /// Whoever may have it does not answer; ask again.
    #[error("whoever may have the value does not answer")]
    Silent,
}

/// Has values that sources reported lately. What it gives is checked against the digest before it is used.
pub(crate) trait Values: Send + Sync {
    /// The value of a write.
    ///
    /// # Errors
    ///
    /// [`NoValue`].
    fn value_of<'a>(
        &'a self,
        asked: &'a Asked,
    ) -> Pin<Box<dyn Future<Output = Result<Bytes, NoValue>> + Send + 'a>>;
}

/// How a ledger shows the digest of no value.
pub(super) fn absent() -> String {
    Digest::ABSENT.to_string()
}
