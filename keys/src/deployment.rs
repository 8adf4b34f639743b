//! The key of a deployment.

use crate::context;
use crate::file::{KeyError, Text};
use crate::secret::{KEY_BYTES, Secret};
use crate::tenant::{TenantKey, TenantName};
use std::fmt;
use std::path::Path;
use std::sync::Arc;

/// The key that everything else is derived from. The comparator holds it; a sidecar needs no more than its tenant's.
#[derive(Clone)]
pub struct DeploymentKey {
    id: Arc<str>,
    secret: Arc<Secret>,
}

impl DeploymentKey {
    /// A key from its bytes, named `id`.
    #[must_use]
    pub fn new(id: &str, bytes: [u8; KEY_BYTES]) -> Self {
        Self { id: id.into(), secret: Secret::new(bytes) }
    }

    /// A new key from the system's random bytes, named `id`.
    ///
    /// # Errors
    ///
    /// [`KeyError::Random`] if the system has none.
    #[cfg(feature = "signing")]
    pub fn random(id: &str) -> Result<Self, KeyError> {
        let mut bytes = [0; KEY_BYTES];
        getrandom::fill(&mut bytes)?;
        Ok(Self::new(id, bytes))
    }

    /// Reads a key of 64 hexadecimal digits from `path` and names it `id`.
    ///
    /// # Errors
    ///
    /// [`KeyError`] if the file cannot be read, is open to others, or holds something else.
    pub fn from_file(id: &str, path: &Path) -> Result<Self, KeyError> {
        let text = Text::read(path)?;
        let bytes = text.key().ok_or_else(|| KeyError::NotHex { path: text.path() })?;
        Ok(Self::new(id, bytes))
    }

    /// The id that travels with each batch.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The key of a tenant: `derive_key("counterfoil 2026 tenant v1", key ‖ name)`.
    #[must_use]
    pub fn tenant(&self, name: &TenantName) -> TenantKey {
        let secret = self.secret.derive(context::TENANT, name.as_str().as_bytes());
        TenantKey::of(self.id.clone(), name.clone(), secret)
    }

    /// What its file holds: 64 hexadecimal digits.
    #[must_use]
    pub fn to_line(&self) -> String {
        self.secret.to_hex()
    }
}

impl fmt::Debug for DeploymentKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeploymentKey").field("id", &self.id).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn debug_does_not_show_the_key() {
        let key = DeploymentKey::new("k1", [0xab; 32]);
        for shown in [format!("{key:?}"), format!("{:?}", key.tenant(&TenantName::default()))] {
            assert!(shown.contains("k1") && !shown.contains("abab") && !shown.contains("171"), "{shown}");
        }
    }

    #[test]
    fn a_key_file_that_is_not_hex_says_what_to_write() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str, text: &str| {
            crate::create_file(&folder.path().join(name), text).unwrap();
            DeploymentKey::from_file("k1", &folder.path().join(name))
        };
        let error = at("words", "secret").unwrap_err().to_string();
        assert!(error.contains("64 hexadecimal digits") && !error.contains("secret"), "{error}");
        let key = at("good", &format!("{}\n", "0f".repeat(32))).unwrap();
        assert_eq!((key.id(), key.to_line()), ("k1", "0f".repeat(32)));
        let missing = DeploymentKey::from_file("k1", &folder.path().join("nowhere")).unwrap_err().to_string();
        assert!(missing.contains("nowhere") && missing.contains("counterfoil key new"), "{missing}");
    }

    #[test]
    fn a_key_file_is_refused_exactly_when_others_may_use_it_or_its_group_may_write_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("key");
        crate::create_file(&path, &"0f".repeat(32)).unwrap();
        for mode in 0..=0o777 {
            // Who may not read its own file gets another answer, unless it is root.
            let mode = mode | 0o400;
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let read = DeploymentKey::from_file("k1", &path);
            assert_eq!(read.is_err(), mode & 0o007 != 0 || mode & 0o020 != 0, "{mode:04o}");
            if let Err(error) = read {
                let advice = format!("chmod 0400 {}", path.display());
                assert!(error.to_string().ends_with(&advice), "{error}");
            }
        }
    }
}
