//! What a repair replaced, sealed: AES-256-GCM under a key that is derived of the tenant's, bound to the repair.
//!
//! A sealed value is one byte, how long the id of the deployment key is, that id, a nonce of 12 bytes, and the cipher text with its
//! tag. The plain text is one byte, 0 for no value and 1 for one, and the value.

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};
use bytes::Bytes;
use counterfoil_keys::{DeploymentKey, Keyring, TenantName};
use zeroize::Zeroizing;

/// Before a value, and where there is none.
const VALUE: u8 = 1;
const ABSENT: u8 = 0;

/// Seals and opens.
pub(super) struct Sealer {
    keys: Keyring<DeploymentKey>,
}

impl Sealer {
    pub(super) fn new(keys: Keyring<DeploymentKey>) -> Self {
        Self { keys }
    }

    /// `value` of the tenant, sealed under the current key for the repair `id`; `None` if the cipher refuses it, as a value of
    /// some GiB.
    pub(super) fn seal(&self, tenant: &TenantName, id: &str, value: Option<&[u8]>) -> Option<Vec<u8>> {
        let deployment = self.keys.current();
        let mut text = Zeroizing::new(Vec::with_capacity(value.map_or(1, |value| value.len() + 64)));
        text.push(if value.is_some() { VALUE } else { ABSENT });
        text.extend_from_slice(value.unwrap_or_default());
        let nonce = key(deployment, tenant)?.seal_in_place_append_tag(Aad::from(id), &mut *text).ok()?;
        let key_id = deployment.id().as_bytes();
        let head = [u8::try_from(key_id.len()).ok()?];
        Some([&head, key_id, &nonce.as_ref()[..], &text].concat())
    }

    /// What was sealed for the repair `id`: a value, or that there was none. `None` if it was not sealed so, or the key is gone.
    pub(super) fn open(&self, tenant: &TenantName, id: &str, sealed: &[u8]) -> Option<Option<Bytes>> {
        let (length, rest) = sealed.split_first()?;
        let (key_id, rest) = rest.split_at_checked(usize::from(*length))?;
        let (nonce, text) = rest.split_at_checked(NONCE_LEN)?;
        let number = self.keys.number(std::str::from_utf8(key_id).ok()?)?;
        let mut text = Zeroizing::new(text.to_vec());
        let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
        let opened =
            key(self.keys.get(number)?, tenant)?.open_in_place(nonce, Aad::from(id), &mut text).ok()?;
        match opened.split_first()? {
            (&VALUE, value) => Some(Some(Bytes::copy_from_slice(value))),
            (&ABSENT, []) => Some(None),
            _ => None,
        }
    }
}

fn key(deployment: &DeploymentKey, tenant: &TenantName) -> Option<RandomizedNonceKey> {
    RandomizedNonceKey::new(&AES_256_GCM, &*deployment.tenant(tenant).repair_undo_key()).ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]
    use super::*;

    fn sealer(ids: &[&str]) -> Sealer {
        let keys = ids.iter().map(|id| DeploymentKey::new(id, [id.as_bytes()[0]; 32])).collect();
        Sealer::new(Keyring::new(keys).unwrap())
    }

    #[test]
    fn what_was_sealed_is_opened_for_the_same_repair_and_tenant_and_after_a_rotation_alone() {
        let (tenant, other): (TenantName, TenantName) = (TenantName::default(), "acme".parse().unwrap());
        for value in [Some(&b"a value"[..]), Some(b""), None] {
            let sealed = sealer(&["old"]).seal(&tenant, "id", value).unwrap();
            let expected = Some(value.map(Bytes::copy_from_slice));
            assert_eq!(sealer(&["old"]).open(&tenant, "id", &sealed), expected);
            assert_eq!(sealer(&["new", "old"]).open(&tenant, "id", &sealed), expected);
            assert_eq!(sealer(&["new"]).open(&tenant, "id", &sealed), None, "the key is gone");
            assert_eq!(sealer(&["old"]).open(&tenant, "id2", &sealed), None);
            assert_eq!(sealer(&["old"]).open(&other, "id", &sealed), None);
            for at in 0..sealed.len() {
                let mut changed = sealed.clone();
                changed[at] ^= 1;
                assert_eq!(sealer(&["old"]).open(&tenant, "id", &changed), None, "byte {at}");
                assert_eq!(sealer(&["old"]).open(&tenant, "id", &sealed[..at]), None, "{at} bytes");
            }
        }
    }
}
