//! Digests of a value's fields: where two values differ, without either.

use crate::codec::{Codec, CodecError};
use crate::path::Step;
use crate::tree::Node;
use crate::{MapDigester, length};
use std::collections::BTreeMap;

/// Most fields of a value that have a digest of their own.
pub const FIELDS_MAX: usize = 64;

/// The longest name of a field that has a digest of its own, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// Stands for all fields that have no digest of their own.
const REST: &str = "*";

/// Stands for a value that has no fields.
const ITSELF: &str = ".";

/// Stands between form and field in what is hashed.
const DOMAIN: &str = "field/1";

/// The digest of one field of a value.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FieldDigest {
    /// The field, as the path of a rule: the name of a member, `.` for a value that has none, or `*` for all fields that have
    /// no digest of their own.
    pub name: Box<str>,
    /// The first eight bytes of keyed BLAKE3.
    pub digest: [u8; 8],
}

impl MapDigester {
    /// The digests of a value's fields, in the order of RFC 8785: of the members of an object of JSON or columns, after the rules; of
    /// any other value as one. From the 65th member on, and for names beyond 128 bytes, there is one digest for all,
    /// `*`.
    ///
    /// Each is `blake3::keyed_hash(K, preimage)`, the first 8 bytes, where K is the key of digests and the preimage that of a
    /// digest with two parts more: map, form, `field/1`, the field's name, its canonical value.
    ///
    /// # Errors
    ///
    /// [`CodecError`] if the value is not what the codec wants.
    pub fn fields(&self, value: &[u8]) -> Result<Vec<FieldDigest>, CodecError> {
        if matches!(self.form.codec(), Codec::Bytes | Codec::Text) {
            let canonical = self.form.canonical(value)?;
            return Ok(vec![self.field(ITSELF, &canonical)]);
        }
        Ok(match self.form.tree(value)? {
            Node::Object(members) => self.members(&members),
            node => vec![self.field(ITSELF, &self.form.canonical_of(&node))],
        })
    }

    fn members(&self, members: &[(String, Node<'_>)]) -> Vec<FieldDigest> {
        let (mut digests, mut rest) = (Vec::new(), Vec::new());
        for (name, node) in members {
            let canonical = self.form.canonical_of(node);
            if digests.len() < FIELDS_MAX && name.len() <= NAME_BYTES_MAX {
                digests.push(self.field(&Step::Member(name.clone()).to_string(), &canonical));
            } else {
                append(&mut rest, name.as_bytes());
                append(&mut rest, &canonical);
            }
        }
        if !rest.is_empty() {
            digests.push(self.field(REST, &rest));
        }
        digests
    }

    fn field(&self, name: &str, canonical: &[u8]) -> FieldDigest {
        let mut preimage = self.prefix.to_vec();
        for part in [DOMAIN.as_bytes(), name.as_bytes(), canonical] {
            append(&mut preimage, part);
        }
        let mut digest = [0; 8];
        digest.copy_from_slice(self.key.hash(&preimage).split_at(8).0);
        FieldDigest { name: name.into(), digest }
    }
}

/// Appends a part with its length before it.
fn append(preimage: &mut Vec<u8>, part: &[u8]) {
    preimage.extend_from_slice(&length(part.len()));
    preimage.extend_from_slice(part);
}

/// The names of the fields that differ, or that are on one side only, in the order of their bytes. Both sides are digests of one map
/// under one key and one form; of values with more fields than have digests, the last names may be off where fields are missing.
#[must_use]
pub fn differing<'a>(left: &'a [FieldDigest], right: &'a [FieldDigest]) -> Vec<&'a str> {
    let mut sides: BTreeMap<&str, [Option<[u8; 8]>; 2]> = BTreeMap::new();
    for field in left {
        sides.entry(&field.name).or_default()[0] = Some(field.digest);
    }
    for field in right {
        sides.entry(&field.name).or_default()[1] = Some(field.digest);
    }
    sides.into_iter().filter(|(_, [left, right])| left != right).map(|(name, _)| name).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crate::{Form, Rule, tests::digester};
    use proptest::prelude::*;
    use std::fmt::Write;

    fn names(left: &str, right: &str) -> Vec<String> {
        let digester = digester("cart", Form::from(Codec::Json).with([Rule::NullIsAbsent]));
        let fields = |value: &str| digester.fields(value.as_bytes()).unwrap();
        differing(&fields(left), &fields(right)).into_iter().map(str::to_owned).collect()
    }

    #[test]
    fn the_fields_that_differ_are_named() {
        for (left, right, expected) in [
            (r#"{"a":1,"b":2}"#, r#"{"b":2.0,"a":1}"#, vec![]),
            (r#"{"a":1,"b":2}"#, r#"{"a":1,"b":3}"#, vec!["b"]),
            (r#"{"a":1,"b":[{"c":1}]}"#, r#"{"b":[{"c":2}],"d":1}"#, vec!["a", "b", "d"]),
            (r#"{"a":1,"b":null}"#, r#"{"a":1}"#, vec![]),
            (r#"{"*":1,".":1,"a.b":1}"#, r#"{"*":2,".":2,"a.b":2}"#, vec![r"\*", r"\.", r"a\.b"]),
            ("1", "1.0", vec![]),
            ("1", "2", vec!["."]),
            ("1", r#"{"a":1}"#, vec![".", "a"]),
        ] {
            assert_eq!(names(left, right), expected, "{left} and {right}");
        }
    }

    #[test]
    fn a_value_of_many_fields_has_few_digests() {
        let object = |last: &str| {
            let mut text = (0..100).fold("{".to_owned(), |mut text, at| {
                write!(text, "\"f{at:02}\":{at},").unwrap();
                text
            });
            write!(text, "\"{}\":1,\"z\":{last}}}", "n".repeat(NAME_BYTES_MAX + 1)).unwrap();
            text
        };
        let digester = digester("cart", Codec::Columns);
        assert_eq!(digester.fields(object("1").as_bytes()).unwrap().len(), FIELDS_MAX + 1);
        assert_eq!(names(&object("1"), &object("2")), ["*"]);
        assert_eq!(names(&object("1"), &object("1.0")), Vec::<String>::new());
    }

    #[test]
    fn a_fields_digest_is_what_the_documentation_says_and_depends_on_map_form_and_name() {
        let of = |map: &str, codec: Codec, value: &str| {
            digester(map, codec).fields(value.as_bytes()).unwrap().remove(0).digest
        };
        let one = of("cart", Codec::Json, r#"{"a":1}"#);
        let mut preimage = Vec::new();
        for part in ["cart", "json/1", "field/1", "a", "1"] {
            append(&mut preimage, part.as_bytes());
        }
        assert_eq!(one, crate::tests::key(7).value_key().hash(&preimage)[..8]);
        for other in [
            of("carts", Codec::Json, r#"{"a":1}"#),
            of("cart", Codec::Columns, r#"{"a":1}"#),
            of("cart", Codec::Json, r#"{"b":1}"#),
            of("cart", Codec::Json, r#"{"a":2}"#),
        ] {
            assert_ne!(one, other);
        }
        assert_eq!(of("cart", Codec::Text, "a"), of("cart", Codec::Text, "a"));
        assert_ne!(of("cart", Codec::Bytes, "\u{fffd}"), {
            digester("cart", Codec::Bytes).fields(b"\xff").unwrap().remove(0).digest
        });
    }

    proptest! {
        #[test]
        fn some_field_differs_exactly_where_digests_do(
            left in prop::collection::btree_map("[a-c]", 0..3_u8, 0..3),
            right in prop::collection::btree_map("[a-c]", 0..3_u8, 0..3),
        ) {
            let digester = digester("cart", Codec::Columns);
            let [left, right] = [left, right].map(|members| serde_json::to_vec(&members).unwrap());
            let digest = |value: &[u8]| digester.digest(Some(value)).unwrap();
            let (lefts, rights) = (digester.fields(&left).unwrap(), digester.fields(&right).unwrap());
            prop_assert_eq!(differing(&lefts, &rights).is_empty(), digest(&left) == digest(&right));
        }
    }
}
