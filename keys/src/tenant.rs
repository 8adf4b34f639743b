//! Tenants: whose values and batches are whose.

use crate::context;
use crate::deployment::DeploymentKey;
use crate::file::{KeyError, Text};
use crate::mac::MacKey;
use crate::secret::{KEY_BYTES, Secret};
use std::borrow::Borrow;
use std::fmt;
use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;
use thiserror::Error;
use zeroize::Zeroizing;

/// Longest name of a tenant in bytes.
const NAME_BYTES_MAX: usize = 63;

/// The name of a tenant: 1 to 63 of `a` to `z`, `0` to `9` and `-`. By default `default`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct TenantName(Arc<str>);

/// It is no name of a tenant.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
#[error("not the name of a tenant; write 1 to {NAME_BYTES_MAX} of a-z, 0-9 and `-`")]
pub struct TenantNameError;

impl TenantName {
    /// The name as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A map by name can be asked with a text.
impl Borrow<str> for TenantName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl FromStr for TenantName {
    type Err = TenantNameError;

    fn from_str(name: &str) -> Result<Self, TenantNameError> {
        let is_of_names = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_name = (1..=NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(is_of_names);
        if is_name { Ok(Self(name.into())) } else { Err(TenantNameError) }
    }
}

impl Default for TenantName {
    fn default() -> Self {
        Self("default".into())
    }
}

impl fmt::Display for TenantName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The key of one tenant, derived from a deployment key, whose id it has.
#[derive(Clone)]
pub struct TenantKey {
    id: Arc<str>,
    name: TenantName,
    secret: Arc<Secret>,
}

impl TenantKey {
    /// A tenant's key from what was derived for it.
    pub(crate) fn of(id: Arc<str>, name: TenantName, secret: Arc<Secret>) -> Self {
        Self { id, name, secret }
    }

    /// Reads the key of the tenant `name` from `path` and names it `id`. The file holds either the deployment key as 64
    /// hexadecimal digits, of which the tenant's is derived, or the tenant's own as [`Self::to_line`] writes it.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if the file cannot be read, is open to others, or holds something else.
    pub fn from_file(id: &str, name: &TenantName, path: &Path) -> Result<Self, KeyError> {
        let text = Text::read(path)?;
        if let Some(bytes) = text.key() {
            return Ok(DeploymentKey::new(id, bytes).tenant(name));
        }
        let (found, bytes) = text.tenant_key().ok_or_else(|| KeyError::NotTenantKey { path: text.path() })?;
        if found != *name {
            return Err(KeyError::OtherTenant { path: text.path(), found, configured: name.clone() });
        }
        Ok(Self::of(id.into(), found, Secret::new(bytes)))
    }

    /// The id of the deployment key that it was derived from.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whose key it is.
    #[must_use]
    pub fn name(&self) -> &TenantName {
        &self.name
    }

    /// The key that batches are authenticated with: `derive_key("counterfoil 2026 batch mac v1", tenant key)`.
    #[must_use]
    pub fn mac_key(&self) -> MacKey {
        MacKey::of(self.secret.derive(context::BATCH_MAC, &[]))
    }

    /// The key that values are digested with: `derive_key("counterfoil 2026 value v1", tenant key)`.
    #[must_use]
    pub fn value_key(&self) -> ValueKey {
        ValueKey(self.secret.derive(context::VALUE, &[]))
    }

    /// The key that values replaced by a repair are sealed with: `derive_key("counterfoil 2026 repair undo v1", tenant key)`.
    #[must_use]
    pub fn repair_undo_key(&self) -> Zeroizing<[u8; KEY_BYTES]> {
        Zeroizing::new(*self.secret.derive(context::REPAIR_UNDO, &[]).bytes())
    }

    /// What its file holds: `tenant NAME` and 64 hexadecimal digits.
    #[must_use]
    pub fn to_line(&self) -> String {
        format!("tenant {} {}", self.name, self.secret.to_hex())
    }
}

impl fmt::Debug for TenantKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TenantKey").field("id", &self.id).field("name", &self.name).finish_non_exhaustive()
    }
}

/// The key that a tenant's values are digested with.
#[derive(Clone)]
pub struct ValueKey(Arc<Secret>);

impl ValueKey {
    /// Keyed BLAKE3 of `preimage`.
    #[must_use]
    pub fn hash(&self, preimage: &[u8]) -> [u8; 32] {
        *self.0.hash(preimage).as_bytes()
    }

    /// Keyed BLAKE3 of each preimage under the key beside it, in their order: what [`Self::hash`] gives, for a third of its cost
    /// where there are many and they are short.
    #[must_use]
    pub fn hash_many<'a>(preimages: impl Iterator<Item = (&'a Self, &'a [u8])>) -> Vec<[u8; 32]> {
        let preimages: Vec<_> = preimages.map(|(key, preimage)| (&*key.0, preimage)).collect();
        Secret::hashes(&preimages)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn name(name: &str) -> TenantName {
        name.parse().unwrap()
    }

    #[test]
    fn a_tenants_keys_are_derived_as_the_documentation_says() {
        let tenant =
            blake3::derive_key("counterfoil 2026 tenant v1", &[&[7; 32], b"acme".as_slice()].concat());
        let key = DeploymentKey::new("k1", [7; 32]).tenant(&name("acme"));
        let value = blake3::derive_key("counterfoil 2026 value v1", &tenant);
        assert_eq!(key.value_key().hash(b"x"), *blake3::keyed_hash(&value, b"x").as_bytes());
        let mac = blake3::derive_key("counterfoil 2026 batch mac v1", &tenant);
        assert_eq!(key.mac_key().mac(b"x").as_bytes(), blake3::keyed_hash(&mac, b"x").as_bytes());
        assert_eq!(key.to_line(), format!("tenant acme {}", blake3::Hash::from_bytes(tenant).to_hex()));
    }

    #[test]
    fn names_are_of_small_letters_digits_and_hyphens() {
        let longest = "a".repeat(63);
        for good in ["default", "a", "team-7", longest.as_str()] {
            assert_eq!(name(good).as_str(), good);
        }
        let too_long = "a".repeat(64);
        for bad in ["", "A", "a b", "a_b", "\u{e9}", too_long.as_str()] {
            assert_eq!(bad.parse::<TenantName>(), Err(TenantNameError), "{bad:?}");
        }
    }

    #[test]
    fn a_file_holds_the_deployment_key_or_the_tenants_own_and_both_are_the_same_key() {
        let folder = tempfile::tempdir().unwrap();
        let deployment = DeploymentKey::new("k1", [7; 32]);
        let read = |file: &str, text: &str, tenant: &str| {
            let path = folder.path().join(file);
            crate::create_file(&path, text).unwrap();
            TenantKey::from_file("k1", &name(tenant), &path)
        };
        let derived = deployment.tenant(&name("acme")).to_line();
        let of_deployment = read("deployment", &deployment.to_line(), "acme").unwrap();
        let own = read("own", &format!("{derived}\n"), "acme").unwrap();
        assert_eq!((own.to_line(), of_deployment.to_line()), (derived.clone(), derived.clone()));
        let other = read("other", &derived, "umbrella").unwrap_err().to_string();
        assert!(other.contains("of tenant `acme`, and `tenant` is `umbrella`"), "{other}");
        let digits = "0f".repeat(32);
        for (file, text) in [
            ("head", format!("tenants acme {digits}")),
            ("tail", format!("tenant acme {digits} x")),
            ("name", format!("tenant ACME {digits}")),
            ("digits", "tenant acme 0f".to_owned()),
            ("empty", String::new()),
        ] {
            let error = read(file, &text, "acme").unwrap_err().to_string();
            assert!(error.contains("tenant NAME DIGITS") && !error.contains(&digits), "{file}: {error}");
        }
    }
}
