//! What is compared: the canonical form of a value, and its keyed digest.
//!
//! # The digest
//!
//! `blake3::keyed_hash(K, preimage)`, the first 16 bytes, where
//!
//! - `K = blake3::derive_key("counterfoil 2026 value v1", tenant key)`; [`counterfoil_keys`] derives the tenant key from the
//!   deployment key,
//! - `preimage = len(map) ‖ map ‖ len(form) ‖ form ‖ len(value) ‖ value`, each `len` a 4-byte little-endian count of
//!   bytes and `form` the versioned name of the map's [`Form`], such as `json/1`,
//! - absence has no preimage: it is [`Digest::ABSENT`], all zeros.
//!
//! Keyed, because a plain hash of a value of low entropy gives the value away. The map's name is hashed along, so that
//! equal values of two maps cannot be told to be equal. Digests under different keys are never compared: the key's id travels
//! with each batch.
//!
//! A form is a codec and rules about what does not count ([`WrittenRules`]). Its name stands for the rules too, so values that are
//! compared under different rules have different digests. Where two values differ, and why, is told
//!
//! - by one value and the prints of the other's fields ([`MapDigester::prints`]): which fields differ;
//! - by one value and the spellings of the other ([`MapDigester::spellings`]): why, and the rule to write;
//! - by both values, where both are at hand ([`explain`]): the same.
//!
//! # Invariants
//!
//! - The same logical value gives the same digest in the emitter's pod and at the comparator.
//! - Values are digested many at a time ([`digest_many`]), so that the lanes of a vector unit can be filled.

mod bucket;
pub mod cell;
mod codec;
mod decimal;
mod explain;
mod fields;
mod form;
mod instant;
mod many;
mod mask;
mod path;
mod print;
mod reconcile;
mod rules;
mod sample;
mod spelling;
mod tree;

pub use bucket::{BUCKETS, bucket, key_hash};
pub use codec::{Codec, CodecError, NotColumns};
pub use counterfoil_judge::Digest;
pub use explain::{Difference, Hint, explain};
pub use fields::{Differing, PRINTS_MAX};
pub use form::Form;
pub use instant::{Epoch, Precision};
pub use many::{digest_and_print_many, digest_many};
pub use mask::Mask;
pub use path::{Path, PathError};
pub use print::{Print, Prints};
pub use rules::{Rule, RuleProblem, WrittenNumbers, WrittenRules, WrittenTimestamps};
pub use sample::SPELLINGS_MAX;

use counterfoil_keys::{KeyNumber, Keyring, TenantKey, ValueKey};

/// Digests the values of one map: the map's form and everything of the preimage that does not change.
#[derive(Clone)]
pub struct MapDigester {
    form: Form,
    key: ValueKey,
    prefix: Box<[u8]>,
}

impl MapDigester {
    /// A digester for the values of the tenant's `map`, which are compared in `form`: a [`Form`], or a [`Codec`].
    #[must_use]
    pub fn new(tenant: &TenantKey, map: &str, form: impl Into<Form>) -> Self {
        let (form, mut prefix) = (form.into(), Vec::new());
        for part in [map, form.versioned_name()] {
            prefix.extend_from_slice(&length(part.len()));
            prefix.extend_from_slice(part.as_bytes());
        }
        Self { form, key: tenant.value_key(), prefix: prefix.into() }
    }

    /// The digest of one value as it was written, or of its absence.
    ///
    /// # Errors
    ///
    /// [`CodecError`] if the value is not what the codec wants.
    pub fn digest(&self, value: Option<&[u8]>) -> Result<Digest, CodecError> {
        self.digest_with(value, &mut Vec::new())
    }

    fn digest_with(&self, value: Option<&[u8]>, scratch: &mut Vec<u8>) -> Result<Digest, CodecError> {
        let Some(value) = value else { return Ok(Digest::ABSENT) };
        let canonical = self.form.canonical(value)?;
        Ok(self.digest_of(&canonical, scratch))
    }

    /// The digest of a value with this canonical form.
    fn digest_of(&self, canonical: &[u8], scratch: &mut Vec<u8>) -> Digest {
        scratch.clear();
        self.append_preimage(canonical, scratch);
        digest_in(&self.key.hash(scratch))
    }

    fn append_preimage(&self, canonical: &[u8], preimages: &mut Vec<u8>) {
        preimages.extend_from_slice(&self.prefix);
        print::append(preimages, canonical);
    }
}

/// The part of a hash that is the digest.
fn digest_in(hash: &[u8; 32]) -> Digest {
    let mut digest = [0; 16];
    digest.copy_from_slice(hash.split_at(16).0);
    Digest(digest)
}

/// Digests the values of one map under each key of a keyring.
#[derive(Clone)]
pub struct MapDigesters {
    form: Form,
    digesters: Box<[MapDigester]>,
}

impl MapDigesters {
    /// Digesters for the values of the tenant's `map`, which are compared in `form`: a [`Form`], or a [`Codec`].
    #[must_use]
    pub fn new(keys: &Keyring<TenantKey>, map: &str, form: impl Into<Form>) -> Self {
        let form = form.into();
        let digester = |key| MapDigester::new(key, map, form.clone());
        Self { digesters: keys.iter().map(|(_, key)| digester(key)).collect(), form }
    }

    /// The form in which the values are compared.
    #[must_use]
    pub fn form(&self) -> &Form {
        &self.form
    }

    /// The one under the key with this number; `None` if the keyring has no such key.
    #[must_use]
    pub fn under(&self, key: KeyNumber) -> Option<&MapDigester> {
        self.digesters.get(key.index())
    }

    /// Whether `digest` is that of `value`, under whichever of the keys.
    #[must_use]
    pub fn are_of(&self, digest: Digest, value: &[u8]) -> bool {
        self.digesters.iter().any(|digester| digester.digest(Some(value)) == Ok(digest))
    }
}

/// The 4-byte length prefix of a preimage. Values are bounded far below 4 GiB by the frame limit.
fn length(bytes: usize) -> [u8; 4] {
    u32::try_from(bytes).unwrap_or(u32::MAX).to_le_bytes()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::cast_possible_truncation, reason = "a test may panic")]
    use super::*;
    use counterfoil_keys::{DeploymentKey, TenantName};

    pub(crate) fn key(byte: u8) -> TenantKey {
        DeploymentKey::new(&format!("k{byte}"), [byte; 32]).tenant(&TenantName::default())
    }

    pub(crate) fn digester(map: &str, form: impl Into<Form>) -> MapDigester {
        MapDigester::new(&key(7), map, form)
    }

    #[test]
    fn the_digest_is_what_the_module_doc_says() {
        let tenant =
            blake3::derive_key("counterfoil 2026 tenant v1", &[&[7; 32], b"default".as_slice()].concat());
        let key = blake3::derive_key("counterfoil 2026 value v1", &tenant);
        let mut preimage = Vec::new();
        for part in [&b"cart"[..], b"bytes/1", b"hello"] {
            preimage.extend_from_slice(&(part.len() as u32).to_le_bytes());
            preimage.extend_from_slice(part);
        }
        let expected = blake3::keyed_hash(&key, &preimage);
        let digest = digester("cart", Codec::Bytes).digest(Some(b"hello")).unwrap();
        assert_eq!(digest.0, expected.as_bytes()[..16]);
    }

    #[test]
    fn golden_digests_do_not_drift() {
        let digests =
            GOLDEN.map(|(map, codec, value, _)| digester(map, codec).digest(value).unwrap().to_string());
        assert_eq!(digests, GOLDEN.map(|(_, _, _, golden)| golden));
    }
    type Golden = (&'static str, Codec, Option<&'static [u8]>, &'static str);
    const GOLDEN: [Golden; 4] = [
        ("cart", Codec::Bytes, None, "absent"),
        ("cart", Codec::Bytes, Some(b""), "be82f969ce92fb8fce3f9230d54ffe10"),
        ("cart", Codec::Text, Some("h\u{e9}".as_bytes()), "4a95a6f8504d19a61fa4a6cc1ab433c0"),
        ("cart", Codec::Json, Some(br#"{"b":1.0,"a":[true]}"#), "866da48464663ed5f8930526e557421b"),
    ];

    #[test]
    fn many_values_give_what_each_gives_alone() {
        let maps = [digester("a", Codec::Bytes), digester("b", Codec::Text)];
        let values: [(&MapDigester, Option<&[u8]>); 4] =
            [(&maps[0], Some(b"x")), (&maps[1], None), (&maps[1], Some(&[0xff])), (&maps[0], Some(&[0xff]))];
        let mut many = Vec::new();
        digest_many(values.into_iter(), &mut many);
        let one: Vec<_> = values.iter().map(|(map, value)| map.digest(*value)).collect();
        assert_eq!(many, one);
        assert!(many[2].is_err(), "0xff is not text");
    }

    #[test]
    fn digests_and_prints_are_those_that_each_value_gives_alone() {
        let maps = [digester("a", Codec::Json), digester("b", Codec::Columns)];
        let values: [(&MapDigester, Option<&[u8]>, bool); 6] = [
            (&maps[0], Some(br#"{"b":1.0,"a":[true]}"#), true),
            (&maps[1], Some(b"{"), true),
            (&maps[1], None, true),
            (&maps[1], Some(br#"{"b":1.0,"a":[true]}"#), false),
            (&maps[1], Some(br#"{"c":{"d":1.50}}"#), true),
            (&maps[0], Some(b"7"), true),
        ];
        let (mut digests, mut prints) = (Vec::new(), Prints::default());
        digest_and_print_many(values.into_iter(), &mut digests, &mut prints);
        for (at, (map, value, is_printed)) in values.into_iter().enumerate() {
            assert_eq!(digests[at], map.digest(value), "{at}");
            let alone = value.filter(|_| is_printed).and_then(|value| map.prints(value).ok());
            assert_eq!(prints.of(at), alone.unwrap_or_default(), "{at}");
        }
        assert_eq!([0, 1, 2, 3, 4, 5, 6].map(|at| prints.of(at).len()), [2, 0, 0, 0, 1, 1, 0]);
    }

    #[test]
    fn each_key_of_a_keyring_gives_a_digest_of_its_own_and_absence_has_one_for_all() {
        let ring = Keyring::new(vec![key(7), key(8)]).unwrap();
        let digesters = MapDigesters::new(&ring, "cart", Codec::Bytes);
        let under =
            |id: &str, value| digesters.under(ring.number(id).unwrap()).unwrap().digest(value).unwrap();
        assert_eq!(
            under("k7", Some(b"hello")),
            digester("cart", Codec::Bytes).digest(Some(b"hello")).unwrap()
        );
        assert_ne!(under("k7", Some(b"hello")), under("k8", Some(b"hello")));
        assert_eq!(under("k7", None), under("k8", None));
        assert!(digesters.are_of(under("k8", Some(b"hello")), b"hello"));
        assert!(!digesters.are_of(under("k8", Some(b"hello")), b"hallo"));
    }
}
