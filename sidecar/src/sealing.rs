//! Which of its keys the sidecar uses: the first of its own that the comparator accepts; its own first until it was told.

use crate::batcher::{Seal, Sealed};
use crate::config::Settings;
use bytes::Bytes;
use counterfoil_keys::{KeyError, KeyNumber, Keyring, KeyringError, Signer, SigningKey, TenantKey};
use counterfoil_proto::Loss;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use thiserror::Error;

/// Why there are no keys to seal with.
#[derive(Debug, Error)]
pub enum SealingError {
    /// A tenant's or deployment key could not be read.
    #[error("keys[{place}].file: {source}")]
    Key {
        /// Its place in the list.
        place: usize,
        /// What is wrong with it.
        source: KeyError,
    },
    /// The keys make no keyring.
    #[error("keys: {0}")]
    Keyring(#[from] KeyringError),
    /// The signing key could not be read or made.
    #[error("signing.file: {0}")]
    Signing(#[source] KeyError),
}

/// Reads the tenant's keys.
///
/// # Errors
///
/// [`SealingError`], naming the key to set.
pub(crate) fn tenant_keys(settings: &Settings) -> Result<Keyring<TenantKey>, SealingError> {
    let read = |(place, key): (usize, &crate::config::Key)| {
        TenantKey::from_file(&key.id, &settings.tenant, &key.file)
            .map_err(|source| SealingError::Key { place, source })
    };
    Ok(Keyring::new(settings.keys.iter().enumerate().map(read).collect::<Result<_, _>>()?)?)
}

/// Reads the signing key, or makes one for as long as this process lives.
///
/// # Errors
///
/// [`SealingError::Signing`] if it cannot be read or made.
pub(crate) fn signing_key(settings: &Settings) -> Result<SigningKey, SealingError> {
    let key = match &settings.signing_file {
        Some(file) => SigningKey::from_file(file),
        None => SigningKey::random(),
    };
    key.map_err(SealingError::Signing)
}

/// The seals under each of the tenant's keys, and which of them is used now.
pub(crate) struct Sealing {
    seals: Keyring<Seal>,
    chosen: AtomicUsize,
}

impl Sealing {
    /// Seals under `keys`, signed with `signing`. The current key is used.
    pub(crate) fn new(keys: &Keyring<TenantKey>, signing: SigningKey) -> Self {
        let signing: Arc<dyn Signer> = Arc::new(signing);
        Self { seals: keys.map(|key| Seal::new(key, signing.clone())), chosen: AtomicUsize::new(0) }
    }

    /// The key that is used now, for digests and seals alike.
    pub(crate) fn chosen(&self) -> (KeyNumber, &Seal) {
        let chosen = self.seals.iter().nth(self.chosen.load(Ordering::Relaxed));
        chosen.unwrap_or_else(|| (KeyNumber::default(), self.seals.current()))
    }

    /// Seals a batch anew under the key that it has, behind another one and with one more loss before its own. `None` if that
    /// key is not there any more.
    pub(crate) fn anew(&self, sealed: &Sealed, previous_mac: Bytes, loss: Option<Loss>) -> Option<Sealed> {
        let mut seals = self.seals.iter();
        seals.find_map(|(_, seal)| seal.anew(sealed, previous_mac.clone(), loss.clone()))
    }

    /// The comparator accepts the keys with the ids `accepted`. Gives the id of the key that is used from now on; `None` if
    /// it accepts none of ours, and then nothing changes.
    pub(crate) fn choose(&self, accepted: &[String]) -> Option<&str> {
        let mut own = self.seals.ids().enumerate();
        let (at, id) = own.find(|(_, id)| accepted.iter().any(|other| other == id))?;
        self.chosen.store(at, Ordering::Relaxed);
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use counterfoil_keys::{DeploymentKey, Key, TenantName};

    fn sealing() -> Sealing {
        let ring = Keyring::new(vec![DeploymentKey::new("k2", [2; 32]), DeploymentKey::new("k1", [1; 32])]);
        Sealing::new(&ring.unwrap().tenant(&TenantName::default()), SigningKey::new([7; 32]))
    }

    #[test]
    fn the_first_own_key_that_the_comparator_accepts_is_used_and_its_number_goes_with_it() {
        let sealing = sealing();
        let used = || (sealing.chosen().0.index(), sealing.chosen().1.id().to_owned());
        assert_eq!(used(), (0, "k2".to_owned()), "its own first until it was told");
        for (accepted, chosen, expected) in [
            (vec!["k1", "k0"], Some("k1"), (1, "k1")),
            (vec!["k9"], None, (1, "k1")),
            (vec![], None, (1, "k1")),
            (vec!["k1", "k2"], Some("k2"), (0, "k2")),
        ] {
            let accepted: Vec<_> = accepted.into_iter().map(str::to_owned).collect();
            assert_eq!(sealing.choose(&accepted), chosen, "{accepted:?}");
            assert_eq!(used(), (expected.0, expected.1.to_owned()), "{accepted:?}");
        }
    }
}
