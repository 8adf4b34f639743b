//! Why two values differ, and the rule under which they would not.
//!
//! Most values that differ everywhere differ in how they are written. This looks at two of them side by side, part by part,
//! and names the parts that mean the same. Where one of the values is not at hand, [`crate::MapDigester::reconcile`] does the same
//! with what is known of it.

mod found;

pub(crate) use found::Found;

use crate::codec::{Codec, CodecError};
use crate::form::Form;
use crate::path::{Path, Step};
use crate::rules::Rule;
use crate::spelling::{matches, sorted, spellings};
use crate::tree::{Node, Numbers};
use std::fmt;

/// Most hints about two values.
const HINTS_MAX: usize = 64;

/// How often hints are looked over that did not make the values equal.
const ROUNDS_MAX: usize = 8;

/// A part in which two values differ.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hint {
    /// Where.
    pub field: Path,
    /// How.
    pub difference: Difference,
    /// What to write so that it does not count; its text is a line of the section `rules`. `None` where no rule helps.
    pub rule: Option<Rule>,
}

impl Hint {
    /// Whether the difference may well be one of the facts: one of writing leaves no doubt that the two sides mean the same.
    #[must_use]
    pub const fn is_weak(&self) -> bool {
        matches!(
            self.difference,
            Difference::LeftOnly | Difference::RightOnly | Difference::Other | Difference::NotCompared
        )
    }

    /// A hint about the value itself that no rule helps against.
    pub(crate) fn of_itself(difference: Difference) -> Self {
        Self { field: Path::default(), difference, rule: None }
    }
}

/// How a part of two values differs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Difference {
    /// The same number: spelled otherwise, or once a number and once a text.
    SameNumber,
    /// The same number, as exactly as one of the two has it.
    RoundedNumber,
    /// The same point in time: in another zone or notation, or more exact on one side.
    SameTime,
    /// The same text but for spaces at its end.
    TrailingSpaces,
    /// Null on one side, not there on the other.
    NullOrAbsent,
    /// The same elements, in another order or number.
    OtherOrder,
    /// The same JSON, written differently.
    SameJson,
    /// There is none on the right.
    LeftOnly,
    /// There is none on the left.
    RightOnly,
    /// Another value.
    Other,
    /// Nobody knows: the value has too many parts.
    NotCompared,
}

impl Difference {
    /// The difference in words, where the two sides have names, such as `the map` and `the store`.
    #[must_use]
    pub fn between(self, left: &str, right: &str) -> String {
        match self {
            Self::LeftOnly => format!("only in {left}"),
            Self::RightOnly => format!("only in {right}"),
            other => other.to_string(),
        }
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::SameNumber => "the same number, written differently",
            Self::RoundedNumber => "the same number, rounded on one side",
            Self::SameTime => "the same point in time, written differently",
            Self::TrailingSpaces => "the same text but for spaces at its end",
            Self::NullOrAbsent => "null on one side, absent on the other",
            Self::OtherOrder => "the same elements in another order",
            Self::SameJson => "the same JSON, written differently: set the map's codec to `json`",
            Self::LeftOnly => "only on the left",
            Self::RightOnly => "only on the right",
            Self::Other => "another value",
            Self::NotCompared => "too many parts: not all were compared",
        })
    }
}

/// Tells where two values of `form` differ, field by field, in the order of the fields' paths, and the rules under which they
/// would not. The elements of an array are one field, `*`. If each hint has a rule and there are fewer than 64, the values are
/// equal under these rules together with those that the form has.
///
/// # Errors
///
/// [`CodecError`] if a value is not what the form's codec wants.
pub fn explain(left: &[u8], right: &[u8], form: &Form) -> Result<Vec<Hint>, CodecError> {
    let codec = form.codec();
    if form.canonical(left)? == form.canonical(right)? {
        return Ok(Vec::new());
    }
    let is_same_json = || json(left).is_some_and(|left| Some(left) == json(right));
    if matches!(codec, Codec::Bytes | Codec::Text) && is_same_json() {
        return Ok(vec![Hint::of_itself(Difference::SameJson)]);
    }
    if codec == Codec::Bytes {
        return Ok(vec![Hint::of_itself(Difference::Other)]);
    }
    let mut found = compare(left, right, form)?;
    for _ in 0..ROUNDS_MAX {
        let rules: Vec<_> = found.rules().map(|(_, rule)| rule.clone()).collect();
        let rest = compare(left, right, &form.with(rules))?;
        if !found.give_up(rest.paths()) {
            break;
        }
    }
    Ok(found.into_hints())
}

/// The canonical form of a value of bytes or text that is JSON. Numbers and texts mean more as themselves; only what has parts is
/// worth the codec.
pub(crate) fn json(value: &[u8]) -> Option<Vec<u8>> {
    let node = Codec::Json.tree(value).ok()?;
    matches!(node, Node::Object(_) | Node::Array(_)).then(|| node.canonical(Numbers::Doubles))
}

fn compare(left: &[u8], right: &[u8], form: &Form) -> Result<Found, CodecError> {
    let mut comparison = Comparison { numbers: form.codec().numbers(), found: Found::new(form.codec()) };
    comparison.compare(&Path::default(), &form.tree(left)?, &form.tree(right)?);
    Ok(comparison.found)
}

/// Two values side by side.
struct Comparison {
    numbers: Numbers,
    found: Found,
}

impl Comparison {
    fn compare(&mut self, path: &Path, left: &Node<'_>, right: &Node<'_>) {
        if left.canonical(self.numbers) == right.canonical(self.numbers) {
            return;
        }
        match (left, right) {
            (Node::Object(lefts), Node::Object(rights)) => self.compare_members(path, lefts, rights),
            (Node::Array(lefts), Node::Array(rights)) => {
                if sorted(left, self.numbers) == sorted(right, self.numbers) {
                    self.found.note(path, Difference::OtherOrder, Rule::Sets(path.clone()));
                } else if lefts.len() == rights.len() {
                    let each = path.join(Step::Each);
                    lefts.iter().zip(rights).for_each(|(left, right)| self.compare(&each, left, right));
                } else {
                    self.found.note_other(path, Difference::Other);
                }
            }
            _ => match same(path, left, right, self.numbers) {
                Some((difference, rule)) => self.found.note(path, difference, rule),
                None => self.found.note_other(path, Difference::Other),
            },
        }
    }

    fn compare_members(&mut self, path: &Path, lefts: &[(String, Node<'_>)], rights: &[(String, Node<'_>)]) {
        for (name, left) in lefts {
            let path = path.join(Step::Member(name.clone()));
            match member(rights, name) {
                Some(right) => self.compare(&path, left, right),
                None => self.found.note_lonely(&path, left, Difference::LeftOnly),
            }
        }
        for (name, right) in rights {
            if member(lefts, name).is_none() {
                let path = path.join(Step::Member(name.clone()));
                self.found.note_lonely(&path, right, Difference::RightOnly);
            }
        }
    }
}

fn member<'a, 'v>(members: &'a [(String, Node<'v>)], name: &str) -> Option<&'a Node<'v>> {
    members.iter().find(|(other, _)| other == name).map(|(_, node)| node)
}

/// What two parts that are written differently have in common, and the rule that says so.
fn same(path: &Path, left: &Node<'_>, right: &Node<'_>, numbers: Numbers) -> Option<(Difference, Rule)> {
    let told = spellings(left, numbers);
    let found = matches(path, right, numbers).into_iter().find(|found| told.contains(&found.spelling))?;
    Some((found.difference, found.rule))
}

#[cfg(test)]
pub(crate) mod tests;
