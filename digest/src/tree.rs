//! A JSON value whose numbers are still as they were written.

use crate::decimal::Decimal;
use crate::path::Step;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::fmt;

/// Objects and arrays nest at most this deep, as everywhere in `serde_json`.
const DEPTH_MAX: usize = 127;

/// How the numbers of a value are compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Numbers {
    /// As binary floating point of 64 bits, as RFC 8785 wants it.
    Doubles,
    /// Digit by digit. One whose exponent is beyond any use is compared as it was written.
    Exact,
}

/// A value, or a part of one.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Node<'a> {
    Null,
    Bool(bool),
    /// A number as it was written.
    Number(&'a str),
    /// A number that is compared digit by digit, whatever the others are.
    Decimal(Decimal),
    Text(String),
    Array(Vec<Node<'a>>),
    /// In the order of RFC 8785: by the UTF-16 code units of the names.
    Object(Vec<(String, Node<'a>)>),
}

/// Why a text has no tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Broken {
    /// It is no JSON, nests too deep, or has a number that its codec cannot hold.
    Json,
    /// Two members of an object have one name.
    RepeatedName,
}

impl From<serde_json::Error> for Broken {
    fn from(_: serde_json::Error) -> Self {
        Self::Json
    }
}

impl<'a> Node<'a> {
    /// Reads a value. Of members with one name, the last counts with [`Numbers::Doubles`], as in other readers of JSON;
    /// [`Numbers::Exact`] refuses them.
    pub(crate) fn parse(value: &'a [u8], numbers: Numbers) -> Result<Self, Broken> {
        let text = std::str::from_utf8(value).map_err(|_| Broken::Json)?;
        Self::read(serde_json::from_str::<&RawValue>(text)?.get(), numbers, DEPTH_MAX)
    }

    /// Reads `text`, in which no white space stands around the value, and in which objects and arrays may nest `depth` deep.
    /// Only raw parts keep their digits, so each level reads again what is below it: at worst the value as often as it is deep.
    fn read(text: &'a str, numbers: Numbers, depth: usize) -> Result<Self, Broken> {
        let below = || depth.checked_sub(1).ok_or(Broken::Json);
        Ok(match text.as_bytes().first() {
            Some(b'{') => Self::Object(members(text, numbers, below()?)?),
            Some(b'[') => {
                let (elements, depth): (Vec<&RawValue>, _) = (serde_json::from_str(text)?, below()?);
                let read = elements.iter().map(|element| Self::read(element.get(), numbers, depth));
                Self::Array(read.collect::<Result<_, _>>()?)
            }
            Some(b'"') => Self::Text(serde_json::from_str(text)?),
            Some(b't' | b'f') => Self::Bool(serde_json::from_str(text)?),
            Some(b'n') => Self::Null,
            _ => {
                if numbers == Numbers::Doubles {
                    serde_json::from_str::<serde_json::Number>(text)?;
                }
                Self::Number(text)
            }
        })
    }

    /// The number that it is, or that its text writes.
    pub(crate) fn decimal(&self) -> Option<Decimal> {
        match self {
            Self::Number(text) => Decimal::parse(text),
            Self::Text(text) => Decimal::parse(text),
            Self::Decimal(number) => Some(number.clone()),
            Self::Null | Self::Bool(_) | Self::Array(_) | Self::Object(_) => None,
        }
    }

    /// Does `change` to each part that `path` leads to.
    pub(crate) fn visit(&mut self, path: &[Step], change: &mut dyn FnMut(&mut Self)) {
        let Some((step, path)) = path.split_first() else { return change(self) };
        match (self, step) {
            (Self::Object(members), Step::Member(name)) => {
                if let Some((_, node)) = members.iter_mut().find(|(other, _)| other == name) {
                    node.visit(path, change);
                }
            }
            (Self::Object(members), Step::Each) => {
                members.iter_mut().for_each(|(_, node)| node.visit(path, change));
            }
            (Self::Array(nodes), Step::Each) => nodes.iter_mut().for_each(|node| node.visit(path, change)),
            _ => {}
        }
    }

    /// The canonical form.
    pub(crate) fn canonical(&self, numbers: Numbers) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(numbers, &mut out);
        out
    }

    /// Appends the canonical form.
    pub(crate) fn write(&self, numbers: Numbers, out: &mut Vec<u8>) {
        match self {
            Self::Null => out.extend_from_slice(b"null"),
            Self::Bool(true) => out.extend_from_slice(b"true"),
            Self::Bool(false) => out.extend_from_slice(b"false"),
            Self::Number(text) => write_number(text, numbers, out),
            Self::Decimal(number) => out.extend_from_slice(number.to_string().as_bytes()),
            Self::Text(text) => write_text(text, out),
            Self::Array(nodes) => write_between(*b"[]", nodes, out, |node, out| node.write(numbers, out)),
            Self::Object(members) => write_members(members, numbers, out, &mut |_, _| {}),
        }
    }
}

/// Appends the canonical form of an object with these members; each is told, by its name and the canonical form of its value.
pub(crate) fn write_members(
    members: &[(String, Node<'_>)],
    numbers: Numbers,
    out: &mut Vec<u8>,
    tell: &mut dyn FnMut(&str, &[u8]),
) {
    write_between(*b"{}", members, out, |(name, node), out| {
        write_text(name, out);
        out.push(b':');
        let begin = out.len();
        node.write(numbers, out);
        tell(name, out.get(begin..).unwrap_or_default());
    });
}

/// The members of the object `text` in their order.
fn members(text: &str, numbers: Numbers, depth: usize) -> Result<Vec<(String, Node<'_>)>, Broken> {
    let Members(written) = serde_json::from_str(text)?;
    let mut members = Vec::with_capacity(written.len());
    for (name, text) in written {
        members.push((name, Node::read(text.get(), numbers, depth)?));
    }
    members.sort_by(|(left, _), (right, _)| left.encode_utf16().cmp(right.encode_utf16()));
    let count = members.len();
    members.dedup_by(|later, earlier| {
        let is_repeated = later.0 == earlier.0;
        if is_repeated {
            std::mem::swap(later, earlier);
        }
        is_repeated
    });
    if numbers == Numbers::Exact && members.len() < count {
        return Err(Broken::RepeatedName);
    }
    Ok(members)
}

/// Strings of `serde_json` are those of RFC 8785.
fn write_text(text: &str, out: &mut Vec<u8>) {
    serde_json::to_writer(out, text).expect("a vector takes every text");
}

fn write_number(text: &str, numbers: Numbers, out: &mut Vec<u8>) {
    match numbers {
        Numbers::Exact => match Decimal::parse(text) {
            Some(number) => out.extend_from_slice(number.to_string().as_bytes()),
            None => out.extend_from_slice(text.as_bytes()),
        },
        Numbers::Doubles => {
            let number: serde_json::Number =
                serde_json::from_str(text).expect("was looked at when it was read");
            serde_json_canonicalizer::to_writer(&number, out).expect("a vector takes every number");
        }
    }
}

fn write_between<T>(
    [open, close]: [u8; 2],
    parts: &[T],
    out: &mut Vec<u8>,
    mut write: impl FnMut(&T, &mut Vec<u8>),
) {
    out.push(open);
    for (at, part) in parts.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write(part, out);
    }
    out.push(close);
}

/// The members of an object as they were written, those with one name among them.
struct Members<'a>(Vec<(String, &'a RawValue)>);

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Reader;

        impl<'de> Visitor<'de> for Reader {
            type Value = Vec<(String, &'de RawValue)>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(members)
            }
        }

        deserializer.deserialize_map(Reader).map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(text: &str, numbers: Numbers) -> Result<String, Broken> {
        let node = Node::parse(text.as_bytes(), numbers)?;
        Ok(String::from_utf8_lossy(&node.canonical(numbers)).into_owned())
    }

    #[test]
    fn numbers_are_exact_or_doubles() {
        let text = r#"{"b":[12.50,-0,9007199254740993],"a":1E2}"#;
        let exact = canonical(text, Numbers::Exact);
        assert_eq!(exact.as_deref(), Ok(r#"{"a":100,"b":[12.5,0,9007199254740993]}"#));
        let doubles = canonical(text, Numbers::Doubles);
        assert_eq!(doubles.as_deref(), Ok(r#"{"a":100,"b":[12.5,0,9007199254740992]}"#));
        assert_eq!(canonical("1e400", Numbers::Exact).as_deref(), Ok("1e+400"));
        assert_eq!(canonical("1e400", Numbers::Doubles), Err(Broken::Json));
    }

    #[test]
    fn members_are_sorted_by_utf_16_code_units() {
        let text = "{\"\u{fb33}\":1,\"\u{1f600}\":2,\"a\":3,\"\":4}";
        let expected = "{\"\":4,\"a\":3,\"\u{1f600}\":2,\"\u{fb33}\":1}";
        assert_eq!(canonical(text, Numbers::Exact).as_deref(), Ok(expected));
    }

    #[test]
    fn a_repeated_name_is_refused_where_numbers_are_exact_and_else_the_last_counts() {
        let text = r#"{"a":{"b":1,"c":2,"\u0062":3}}"#;
        assert_eq!(canonical(text, Numbers::Exact), Err(Broken::RepeatedName));
        assert_eq!(canonical(text, Numbers::Doubles).as_deref(), Ok(r#"{"a":{"b":3,"c":2}}"#));
    }

    #[test]
    fn nesting_has_the_bound_of_serde_json() {
        let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
        for numbers in [Numbers::Exact, Numbers::Doubles] {
            for depth in [1, DEPTH_MAX, DEPTH_MAX + 1, 100_000] {
                let is_taken = canonical(&nested(depth), numbers).is_ok();
                assert_eq!(is_taken, depth <= DEPTH_MAX, "{depth}");
                if depth <= DEPTH_MAX + 1 {
                    assert_eq!(is_taken, serde_json::from_str::<serde_json::Value>(&nested(depth)).is_ok());
                }
            }
        }
    }
}
