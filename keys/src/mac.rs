//! Codes that prove who made a message.

use crate::secret::Secret;
use std::sync::Arc;

/// The key that a tenant's batches are authenticated with.
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
    /// A key from what was derived for it.
    pub(crate) fn of(secret: Arc<Secret>) -> Self {
        Self(secret)
    }

    /// The code of `message`: keyed BLAKE3.
    #[must_use]
    pub fn mac(&self, message: &[u8]) -> Mac {
        Mac(self.0.hash(message))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{DeploymentKey, TenantName};

    #[test]
    fn the_code_depends_on_key_tenant_and_message() {
        let of = |byte, tenant: &str| {
            let tenant: TenantName = tenant.parse().unwrap();
            DeploymentKey::new("k", [byte; 32]).tenant(&tenant).mac_key()
        };
        let one = of(1, "a");
        assert_eq!(one.mac(b"x"), of(1, "a").mac(b"x"));
        assert_ne!(one.mac(b"x"), one.mac(b"y"));
        assert_ne!(one.mac(b"x"), of(2, "a").mac(b"x"));
        assert_ne!(one.mac(b"x"), of(1, "b").mac(b"x"));
        assert_eq!(Mac::from_wire(one.mac(b"x").as_bytes()), Some(one.mac(b"x")));
        assert_eq!(Mac::from_wire(b"short"), None);
    }
}
