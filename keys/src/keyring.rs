//! Several keys at a time, so that a key can be changed while things are under way.

use crate::deployment::DeploymentKey;
use crate::tenant::{TenantKey, TenantName};
use thiserror::Error;

/// Most keys in a keyring. Two are enough to change from one to the next; a key's number takes a byte.
pub const KEYS_MAX: usize = 8;

const _: () = assert!(KEYS_MAX > 1 && KEYS_MAX <= u8::MAX as usize);

/// A key with an id.
pub trait Key {
    /// The id that travels with what was made under it.
    fn id(&self) -> &str;
}

impl Key for DeploymentKey {
    fn id(&self) -> &str {
        self.id()
    }
}

impl Key for TenantKey {
    fn id(&self) -> &str {
        self.id()
    }
}

/// The place of a key in a keyring. By default that of the current one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct KeyNumber(u8);

impl KeyNumber {
    /// The number of the key at a place, the current one's being 0; `None` where no keyring has so many.
    #[must_use]
    pub fn nth(place: usize) -> Option<Self> {
        u8::try_from(place).ok().filter(|_| place < KEYS_MAX).map(Self)
    }

    /// As an index, below [`KEYS_MAX`].
    #[must_use]
    pub fn index(self) -> usize {
        usize::from(self.0)
    }
}

/// Keys of different ids: the first is current, the others are accepted.
#[derive(Clone, Debug)]
pub struct Keyring<K> {
    current: K,
    others: Vec<K>,
}

/// Why keys make no keyring.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub enum KeyringError {
    /// There is none.
    #[error("needs a key")]
    Empty,
    /// There are too many.
    #[error("has {0} keys; at most {KEYS_MAX} fit")]
    Many(usize),
    /// Two have the same id.
    #[error("`{0}` is there twice; give each key an id of its own")]
    Twice(Box<str>),
}

impl<K> Keyring<K> {
    /// A keyring of one key.
    #[must_use]
    pub fn of(key: K) -> Self {
        Self { current: key, others: Vec::new() }
    }

    /// The current key.
    #[must_use]
    pub fn current(&self) -> &K {
        &self.current
    }

    /// The keys with their numbers, the current one first.
    pub fn iter(&self) -> impl Iterator<Item = (KeyNumber, &K)> {
        (0..=u8::MAX).map(KeyNumber).zip(std::iter::once(&self.current).chain(&self.others))
    }

    /// The key with this number.
    #[must_use]
    pub fn get(&self, number: KeyNumber) -> Option<&K> {
        match number.index().checked_sub(1) {
            None => Some(&self.current),
            Some(other) => self.others.get(other),
        }
    }

    /// What `make` makes of each key, under the same numbers.
    #[must_use]
    pub fn map<T>(&self, make: impl Fn(&K) -> T) -> Keyring<T> {
        Keyring { current: make(&self.current), others: self.others.iter().map(make).collect() }
    }
}

impl<K: Key> Keyring<K> {
    /// A keyring of `keys`, the first of them current.
    ///
    /// # Errors
    ///
    /// [`KeyringError`] if there is none, if there are more than [`KEYS_MAX`], or if two have the same id.
    pub fn new(keys: Vec<K>) -> Result<Self, KeyringError> {
        if keys.len() > KEYS_MAX {
            return Err(KeyringError::Many(keys.len()));
        }
        for (at, key) in keys.iter().enumerate() {
            if keys.iter().take(at).any(|other| other.id() == key.id()) {
                return Err(KeyringError::Twice(key.id().into()));
            }
        }
        let mut keys = keys.into_iter();
        let current = keys.next().ok_or(KeyringError::Empty)?;
        Ok(Self { current, others: keys.collect() })
    }

    /// The number of the key with this id.
    #[must_use]
    pub fn number(&self, id: &str) -> Option<KeyNumber> {
        self.iter().find(|(_, key)| key.id() == id).map(|(number, _)| number)
    }

    /// The ids, the current key's first.
    pub fn ids(&self) -> impl Iterator<Item = &str> {
        self.iter().map(|(_, key)| key.id())
    }
}

impl Keyring<DeploymentKey> {
    /// The keys of a tenant, under the same numbers.
    #[must_use]
    pub fn tenant(&self, name: &TenantName) -> Keyring<TenantKey> {
        self.map(|key| key.tenant(name))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn key(id: &str) -> DeploymentKey {
        DeploymentKey::new(id, [7; 32])
    }

    #[test]
    fn keys_are_found_by_id_and_number_and_a_tenants_have_the_same() {
        let ring = Keyring::new(vec![key("k2"), key("k1")]).unwrap();
        assert_eq!(ring.ids().collect::<Vec<_>>(), ["k2", "k1"]);
        assert_eq!((ring.number("k2"), ring.number("k3")), (Some(KeyNumber::default()), None));
        let number = ring.number("k1").unwrap();
        assert_eq!(ring.get(number).unwrap().id(), "k1");
        assert_eq!(ring.tenant(&TenantName::default()).number("k1"), Some(number));
    }

    #[test]
    fn a_keyring_has_one_to_eight_keys_of_different_ids() {
        let refused = |ids: &[&str]| Keyring::new(ids.iter().map(|id| key(id)).collect()).err();
        assert_eq!(refused(&[]), Some(KeyringError::Empty));
        assert_eq!(refused(&["a", "b", "a"]), Some(KeyringError::Twice("a".into())));
        assert_eq!(refused(&["1", "2", "3", "4", "5", "6", "7", "8", "9"]), Some(KeyringError::Many(9)));
        assert_eq!(refused(&["1", "2", "3", "4", "5", "6", "7", "8"]), None);
    }
}
