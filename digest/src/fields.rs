//! Prints of a value's fields: where two values differ, without either.

use crate::codec::CodecError;
use crate::path::MemberName;
use crate::print::{Print, append};
use crate::tree::{Node, write_members};
use crate::{Digest, MapDigester};
use std::fmt::Write;

/// Most fields of a value that have a print of their own.
const FIELDS_MAX: usize = 64;

/// Most prints of a value's fields: one more may stand for the rest.
pub const PRINTS_MAX: usize = FIELDS_MAX + 1;

/// The longest name of a field that has a print of its own, in bytes.
const NAME_BYTES_MAX: usize = 128;

/// Stands for all fields that have no print of their own.
const REST: &str = "*";

/// Stands for a value that has no fields.
const ITSELF: &str = ".";

/// Stands between form and field in what is hashed.
const DOMAIN: &[u8] = b"field/1";

/// In which fields a value differs from another one, of which only the prints are known.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Differing {
    /// The fields of the value that have another content on the other side, or are not there: as paths of rules, in the order of
    /// their bytes. A path is the name of a member, `.` for a value without members, or `*` for all fields without a print of their
    /// own.
    pub names: Vec<Box<str>>,
    /// How many fields only the other side has, at the least: its fields have no names.
    pub only_there: usize,
}

/// Buffers that are used for one value after the other.
#[derive(Default)]
pub(crate) struct Scratch {
    canonical: Vec<u8>,
    pub(crate) preimage: Vec<u8>,
    name: String,
    rest: Vec<u8>,
}

impl MapDigester {
    /// The prints of a value's fields, sorted and without their names: of the members of an object of JSON or columns, after the
    /// rules; of any other value as one. From the 65th member on, in the order of RFC 8785, and for names beyond 128 bytes, there
    /// is one print for all.
    ///
    /// Each is `blake3::keyed_hash(K, preimage)`, the first 8 bytes, where K is the key of digests and the preimage that of a
    /// digest with two parts more: map, form, `field/1`, the field's name, its canonical value.
    ///
    /// # Errors
    ///
    /// [`CodecError`] if the value is not what the codec wants.
    pub fn prints(&self, value: &[u8]) -> Result<Vec<Print>, CodecError> {
        let mut prints = Vec::new();
        self.digest_and_print(value, &mut Scratch::default(), |_, print| prints.push(print))?;
        prints.sort_unstable();
        Ok(prints)
    }

    /// Where `value` differs from the value that has these prints. Both are values of one map under one key and one form; of values
    /// with more fields than have prints, the last names may be off where fields are missing.
    ///
    /// # Errors
    ///
    /// [`CodecError`] if the value is not what the codec wants.
    pub fn differing_from(&self, value: &[u8], prints: &[Print]) -> Result<Differing, CodecError> {
        let (mut names, mut both): (Vec<Box<str>>, usize) = (Vec::new(), 0);
        self.digest_and_print(value, &mut Scratch::default(), |name, print| {
            if prints.contains(&print) {
                both += 1;
            } else {
                names.push(name.into());
            }
        })?;
        names.sort_unstable();
        let only_there = prints.len().saturating_sub(both + names.len());
        Ok(Differing { names, only_there })
    }

    /// The digest of a value; its fields are told, each by its name and print. One walk over the value gives both.
    pub(crate) fn digest_and_print(
        &self,
        value: &[u8],
        scratch: &mut Scratch,
        mut tell: impl FnMut(&str, Print),
    ) -> Result<Digest, CodecError> {
        if !self.form.has_fields() {
            let canonical = self.form.canonical(value)?;
            tell(ITSELF, self.field(ITSELF, &canonical, &mut scratch.preimage));
            return Ok(self.digest_of(&canonical, &mut scratch.preimage));
        }
        let node = self.form.tree(value)?;
        scratch.canonical.clear();
        match &node {
            Node::Object(members) => self.members(members, scratch, tell),
            node => {
                node.write(self.form.codec().numbers(), &mut scratch.canonical);
                tell(ITSELF, self.field(ITSELF, &scratch.canonical, &mut scratch.preimage));
            }
        }
        Ok(self.digest_of(&scratch.canonical, &mut scratch.preimage))
    }

    /// Writes the canonical form of an object with these members, and tells its fields.
    fn members(
        &self,
        members: &[(String, Node<'_>)],
        scratch: &mut Scratch,
        mut tell: impl FnMut(&str, Print),
    ) {
        let Scratch { canonical, preimage, name: path, rest } = scratch;
        rest.clear();
        let mut told = 0;
        write_members(members, self.form.codec().numbers(), canonical, &mut |name, content| {
            if told < FIELDS_MAX && name.len() <= NAME_BYTES_MAX {
                told += 1;
                path.clear();
                write!(path, "{}", MemberName(name)).expect("a text takes every text");
                tell(path, self.field(path, content, preimage));
            } else {
                append(rest, name.as_bytes());
                append(rest, content);
            }
        });
        if !rest.is_empty() {
            tell(REST, self.field(REST, rest, preimage));
        }
    }

    fn field(&self, name: &str, canonical: &[u8], preimage: &mut Vec<u8>) -> Print {
        self.print([DOMAIN, name.as_bytes(), canonical], preimage)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crate::{Codec, Form, Rule, tests::digester};
    use proptest::prelude::*;
    use std::fmt::Write;

    /// The names in which `right` differs from `left`, and how many fields only `left` has.
    fn differing(digester: &MapDigester, left: &str, right: &str) -> (Vec<String>, usize) {
        let prints = digester.prints(left.as_bytes()).unwrap();
        let Differing { names, only_there } = digester.differing_from(right.as_bytes(), &prints).unwrap();
        (names.iter().map(ToString::to_string).collect(), only_there)
    }

    #[test]
    fn the_fields_that_differ_are_named() {
        let digester = digester("cart", Form::from(Codec::Json).with([Rule::NullIsAbsent]));
        for (left, right, expected, only_left) in [
            (r#"{"a":1,"b":2}"#, r#"{"b":2.0,"a":1}"#, vec![], 0),
            (r#"{"a":1,"b":2}"#, r#"{"a":1,"b":3}"#, vec!["b"], 0),
            (r#"{"a":1,"b":[{"c":1}]}"#, r#"{"b":[{"c":2}],"d":1}"#, vec!["b", "d"], 0),
            (r#"{"a":1,"b":2,"c":3}"#, r#"{"b":3}"#, vec!["b"], 2),
            (r#"{"a":1,"b":null}"#, r#"{"a":1}"#, vec![], 0),
            (r#"{"*":1,".":1,"a.b":1}"#, r#"{"*":2,".":2,"a.b":2}"#, vec![r"\*", r"\.", r"a\.b"], 0),
            (
                r#"{"b":1,"\ufb33":1,"\ud83d\ude00":1}"#,
                r#"{"\ufb33":2,"\ud83d\ude00":2,"a":1}"#,
                vec!["a", "\u{fb33}", "\u{1f600}"],
                0,
            ),
            ("1", "1.0", vec![], 0),
            ("1", "2", vec!["."], 0),
            ("1", r#"{"a":1}"#, vec!["a"], 0),
        ] {
            let expected = (expected.into_iter().map(str::to_owned).collect(), only_left);
            assert_eq!(differing(&digester, left, right), expected, "{left} and {right}");
        }
        assert!(digester.prints(b"{").is_err() && digester.differing_from(b"{", &[]).is_err());
    }

    #[test]
    fn a_value_of_many_fields_has_few_prints() {
        let object = |last: &str| {
            let mut text = (0..100).fold("{".to_owned(), |mut text, at| {
                write!(text, "\"f{at:02}\":{at},").unwrap();
                text
            });
            write!(text, "\"{}\":1,\"z\":{last}}}", "n".repeat(NAME_BYTES_MAX + 1)).unwrap();
            text
        };
        let digester = digester("cart", Codec::Columns);
        assert_eq!(digester.prints(object("1").as_bytes()).unwrap().len(), PRINTS_MAX);
        assert_eq!(differing(&digester, &object("1"), &object("2")), (vec!["*".to_owned()], 0));
        assert_eq!(differing(&digester, &object("1"), &object("1.0")), (vec![], 0));
    }

    #[test]
    fn a_print_is_what_the_documentation_says_and_depends_on_map_form_and_name() {
        let of =
            |map: &str, codec: Codec, value: &[u8]| digester(map, codec).prints(value).unwrap().remove(0);
        let one = of("cart", Codec::Json, br#"{"a":1}"#);
        let mut preimage = Vec::new();
        for part in ["cart", "json/1", "field/1", "a", "1"] {
            append(&mut preimage, part.as_bytes());
        }
        assert_eq!(one.0, crate::tests::key(7).value_key().hash(&preimage)[..8]);
        for other in [
            of("carts", Codec::Json, br#"{"a":1}"#),
            of("cart", Codec::Columns, br#"{"a":1}"#),
            of("cart", Codec::Json, br#"{"b":1}"#),
            of("cart", Codec::Json, br#"{"a":2}"#),
        ] {
            assert_ne!(one, other);
        }
        assert_eq!(of("cart", Codec::Text, b"a"), of("cart", Codec::Text, b"a"));
        assert_ne!(of("cart", Codec::Bytes, "\u{fffd}".as_bytes()), of("cart", Codec::Bytes, b"\xff"));
    }

    proptest! {
        #[test]
        fn some_field_differs_exactly_where_digests_do(
            left in prop::collection::btree_map("[a-c]", 0..3_u8, 0..3),
            right in prop::collection::btree_map("[a-c]", 0..3_u8, 0..3),
        ) {
            let digester = digester("cart", Codec::Columns);
            let [left, right] = [left, right].map(|members| serde_json::to_string(&members).unwrap());
            let digest = |value: &str| digester.digest(Some(value.as_bytes())).unwrap();
            let (names, only_left) = differing(&digester, &left, &right);
            prop_assert_eq!(names.is_empty() && only_left == 0, digest(&left) == digest(&right));
        }
    }
}
