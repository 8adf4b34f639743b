//! Why two values differ, and the rule under which they would not.
//!
//! Most values that differ everywhere differ in how they are written. This looks at two of them side by side, part by part,
//! and names the parts that mean the same.

use crate::codec::{Codec, CodecError};
use crate::form::Form;
use crate::instant::{Epoch, Instant, Precision};
use crate::path::{Path, Step};
use crate::rules::{Rule, instant, sort};
use crate::tree::{Node, Numbers};
use std::collections::BTreeMap;
use std::fmt;

/// Most hints about two values.
const HINTS_MAX: usize = 64;

/// How often hints are looked over that did not make the values equal.
const ROUNDS_MAX: usize = 8;

/// Most digits behind the point that a rule rounds to.
const DECIMALS_MAX: u8 = 40;

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
        matches!(self.difference, Difference::LeftOnly | Difference::RightOnly | Difference::Other)
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
        })
    }
}

/// Tells where two values of `form` differ, field by field, in the order of the fields' paths, and the rules under which they would not.
/// The elements of an array are one field, `*`. If each hint has a rule and there are fewer than 64, the values are equal
/// under these rules together with those that the form has.
///
/// # Errors
///
/// [`CodecError`] if a value is not what the form's codec wants.
pub fn explain(left: &[u8], right: &[u8], form: &Form) -> Result<Vec<Hint>, CodecError> {
    let codec = form.codec();
    let itself = |difference| vec![Hint { field: Path::default(), difference, rule: None }];
    if form.canonical(left)? == form.canonical(right)? {
        return Ok(Vec::new());
    }
    if matches!(codec, Codec::Bytes | Codec::Text) && is_same_json(left, right) {
        return Ok(itself(Difference::SameJson));
    }
    if codec == Codec::Bytes {
        return Ok(itself(Difference::Other));
    }
    let mut hints = Comparison::of(left, right, form)?;
    for _ in 0..ROUNDS_MAX {
        let rest = Comparison::of(left, right, &form.with(hints.rules()))?;
        if !hints.give_up(&rest) {
            break;
        }
    }
    Ok(hints.into_hints())
}

/// Numbers and texts mean more as themselves; only what has parts is worth the codec.
fn is_same_json(left: &[u8], right: &[u8]) -> bool {
    let parts =
        |value| Codec::Json.tree(value).ok().filter(|node| matches!(node, Node::Object(_) | Node::Array(_)));
    let canonical = |value| parts(value).map(|node| node.canonical(Numbers::Doubles));
    canonical(left).is_some_and(|left| Some(left) == canonical(right))
}

/// What was found out about two values.
struct Comparison {
    codec: Codec,
    found: BTreeMap<Path, (Difference, Option<Rule>)>,
}

impl Comparison {
    fn of(left: &[u8], right: &[u8], form: &Form) -> Result<Self, CodecError> {
        let mut comparison = Self { codec: form.codec(), found: BTreeMap::new() };
        comparison.compare(&Path::default(), &form.tree(left)?, &form.tree(right)?);
        Ok(comparison)
    }

    fn rules(&self) -> Vec<Rule> {
        self.found.values().filter_map(|(_, rule)| rule.clone()).collect()
    }

    fn into_hints(self) -> Vec<Hint> {
        let hint = |(field, (difference, rule))| Hint { field, difference, rule };
        self.found.into_iter().map(hint).take(HINTS_MAX).collect()
    }

    /// Takes back what did not help where, in `rest`, the values still differ. Whether that changed anything.
    fn give_up(&mut self, rest: &Self) -> bool {
        let known = self.found.clone();
        for path in rest.found.keys() {
            self.found.remove(path);
            self.note_other(path, Difference::Other);
        }
        self.found != known
    }

    fn compare(&mut self, path: &Path, left: &Node<'_>, right: &Node<'_>) {
        let numbers = self.codec.numbers();
        if left.canonical(numbers) == right.canonical(numbers) {
            return;
        }
        match (left, right) {
            (Node::Object(lefts), Node::Object(rights)) => self.compare_members(path, lefts, rights),
            (Node::Array(lefts), Node::Array(rights)) => {
                let [left_set, right_set] = [left, right].map(|node| sorted(node, numbers));
                if left_set == right_set {
                    self.note(path, Difference::OtherOrder, Rule::Sets(path.clone()));
                } else if lefts.len() == rights.len() {
                    let each = path.join(Step::Each);
                    lefts.iter().zip(rights).for_each(|(left, right)| self.compare(&each, left, right));
                } else {
                    self.note_other(path, Difference::Other);
                }
            }
            _ => match same(path, left, right) {
                Some((difference, rule)) => self.note(path, difference, rule),
                None => self.note_other(path, Difference::Other),
            },
        }
    }

    fn compare_members(&mut self, path: &Path, lefts: &[(String, Node<'_>)], rights: &[(String, Node<'_>)]) {
        for (name, left) in lefts {
            let path = path.join(Step::Member(name.clone()));
            match member(rights, name) {
                Some(right) => self.compare(&path, left, right),
                None => self.note_lonely(&path, left, Difference::LeftOnly),
            }
        }
        for (name, right) in rights {
            if member(lefts, name).is_none() {
                self.note_lonely(&path.join(Step::Member(name.clone())), right, Difference::RightOnly);
            }
        }
    }

    fn note_lonely(&mut self, path: &Path, node: &Node<'_>, difference: Difference) {
        match node {
            Node::Null => self.note(path, Difference::NullOrAbsent, Rule::NullIsAbsent),
            _ => self.note_other(path, difference),
        }
    }

    fn note_other(&mut self, path: &Path, difference: Difference) {
        self.note(path, difference, Rule::Ignore(path.clone()));
    }

    /// Notes what was found at `path`. Elements of an array may differ in several ways; then no rule but one fits them all.
    fn note(&mut self, path: &Path, difference: Difference, rule: Rule) {
        let is_of_use = rule.objection(self.codec).is_none() && path.is_writable();
        let now = (difference, is_of_use.then_some(rule));
        match self.found.get(path) {
            None => _ = self.found.insert(path.clone(), now),
            Some(known) if *known == now => {}
            Some(known) => {
                let both = coarser(known, &now);
                self.found.remove(path);
                match both {
                    Some((difference, rule)) => self.note(path, difference, rule),
                    None => self.note_other(path, Difference::Other),
                }
            }
        }
    }
}

fn member<'a, 'v>(members: &'a [(String, Node<'v>)], name: &str) -> Option<&'a Node<'v>> {
    members.iter().find(|(other, _)| other == name).map(|(_, node)| node)
}

/// The one of two rules about numbers that rounds more.
fn coarser(
    one: &(Difference, Option<Rule>),
    other: &(Difference, Option<Rule>),
) -> Option<(Difference, Rule)> {
    let decimals = |(difference, rule): &(Difference, Option<Rule>)| match rule {
        Some(rule @ Rule::Numbers(_, decimals)) => {
            Some((decimals.unwrap_or(u8::MAX), *difference, rule.clone()))
        }
        _ => None,
    };
    let (_, difference, rule) = decimals(one)?.min(decimals(other)?);
    Some((difference, rule))
}

fn sorted<'a>(node: &Node<'a>, numbers: Numbers) -> Vec<u8> {
    let mut node = node.clone();
    sort(&mut node, numbers);
    node.canonical(numbers)
}

/// What two parts that are written differently have in common, and the rule that says so.
fn same(path: &Path, left: &Node<'_>, right: &Node<'_>) -> Option<(Difference, Rule)> {
    if let (Node::Text(left), Node::Text(right)) = (left, right)
        && left.trim_end_matches(' ') == right.trim_end_matches(' ')
    {
        return Some((Difference::TrailingSpaces, Rule::Trimmed(path.clone())));
    }
    let number = same_number(left, right).map(|(difference, decimals)| {
        let rule = Rule::Numbers(path.clone(), decimals);
        (difference, rule)
    });
    number.or_else(|| {
        let (precision, epoch) = same_time(left, right)?;
        Some((Difference::SameTime, Rule::Timestamps(path.clone(), precision, epoch)))
    })
}

/// Two numbers are the same if they are equal when both are rounded to no fewer digits than one of them has.
fn same_number(left: &Node<'_>, right: &Node<'_>) -> Option<(Difference, Option<u8>)> {
    let (left, right) = (left.decimal()?, right.decimal()?);
    if left == right {
        return Some((Difference::SameNumber, None));
    }
    let bounded = |decimals: u64| u8::try_from(decimals).unwrap_or(u8::MAX).min(DECIMALS_MAX);
    let fewest = bounded(left.decimals().min(right.decimals())).max(1);
    let most = bounded(left.decimals().max(right.decimals()));
    let decimals =
        (fewest..=most).rev().find(|decimals| left.rounded(*decimals) == right.rounded(*decimals))?;
    Some((Difference::RoundedNumber, Some(decimals)))
}

/// Two points in time are the same if they are equal when truncated to what one of them has. A number is one only beside a
/// text that is one.
fn same_time(left: &Node<'_>, right: &Node<'_>) -> Option<(Precision, Option<Epoch>)> {
    let are_texts = [left, right].map(|node| instant(node, None).is_some());
    let epochs = match are_texts {
        [true, true] => vec![None],
        [false, false] => return None,
        _ => Epoch::ALL.map(Some).to_vec(),
    };
    epochs.into_iter().find_map(|epoch| {
        let (left, right) = (instant(left, epoch)?, instant(right, epoch)?);
        let is_at = |at: Instant, precision| Instant::parse(&at.text(precision)) == Some(at);
        let precision = Precision::ALL.into_iter().find(|&precision| {
            left.text(precision) == right.text(precision)
                && (is_at(left, precision) || is_at(right, precision))
        })?;
        Some((precision, epoch))
    })
}

#[cfg(test)]
mod tests;
