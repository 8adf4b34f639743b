//! Why a value differs from another one of which only the spellings are known, and the rule under which it would not.
//!
//! The value at hand is the right one, as in [`crate::explain`], and its parts are gone through as there. What is only on the left
//! has no name here; that there is something shows in the names that an object's members have together.

use crate::MapDigester;
use crate::codec::{Codec, CodecError};
use crate::explain::{Difference, Found, Hint, json};
use crate::path::{MemberName, Path, Step};
use crate::print::Print;
use crate::rules::Rule;
use crate::sample::{ROOT, within};
use crate::spelling::{Reading, Spelling, matches, same_when_rounded, sorted};
use crate::tree::{Node, Numbers};

impl MapDigester {
    /// Tells where `value`, the right one, differs from the left one that has these [`Self::spellings`]: field by field, in the
    /// order of the fields' paths, and the rules under which the two would not differ, as [`crate::explain`] does with both
    /// values. Members that are only on the left are told as one field, `*`. Both are values of one map under one key and one
    /// form. If each hint has a rule and there are fewer than 64, the values are equal under these rules together with those
    /// that the form has.
    ///
    /// # Errors
    ///
    /// [`CodecError`] if the value is not what the codec wants.
    pub fn reconcile(&self, value: &[u8], spellings: &[Print]) -> Result<Vec<Hint>, CodecError> {
        let mut left = Left::new(self, spellings);
        let codec = self.form.codec();
        if codec == Codec::Bytes {
            if left.has(ROOT, Reading::Itself, value) {
                return Ok(Vec::new());
            }
            let difference = left.difference_in_writing(value).unwrap_or(Difference::Other);
            return Ok(vec![Hint::of_itself(difference)]);
        }
        let node = self.form.tree(value)?;
        if codec == Codec::Text
            && !left.has(ROOT, Reading::Itself, &node.canonical(codec.numbers()))
            && let Some(difference) = left.difference_in_writing(value)
        {
            return Ok(vec![Hint::of_itself(difference)]);
        }
        let mut right =
            Right { left, found: Found::new(codec), numbers: codec.numbers(), rounded: Vec::new() };
        right.walk(&mut String::new(), &Path::default(), &node);
        Ok(right.into_hints())
    }
}

/// What is known of the left value.
struct Left<'a> {
    digester: &'a MapDigester,
    /// Sorted.
    prints: Vec<Print>,
    /// Whether not all of its parts were taken.
    is_cut: bool,
    preimage: Vec<u8>,
}

impl<'a> Left<'a> {
    fn new(digester: &'a MapDigester, spellings: &[Print]) -> Self {
        let mut prints = spellings.to_vec();
        prints.sort_unstable();
        let mut left = Self { digester, prints, is_cut: false, preimage: Vec::new() };
        left.is_cut = left.has(ROOT, Reading::End, b"");
        left
    }

    /// How a value of bytes or text differs that is the same JSON.
    fn difference_in_writing(&mut self, value: &[u8]) -> Option<Difference> {
        let json = json(value)?;
        self.has(ROOT, Reading::Json, &json).then_some(Difference::SameJson)
    }

    fn spells(&mut self, place: &str, spelling: &Spelling) -> bool {
        let place = if place.is_empty() { ROOT } else { place };
        let print = self.digester.spelled(place, spelling, &mut self.preimage);
        self.prints.binary_search(&print).is_ok()
    }

    fn has(&mut self, place: &str, reading: Reading, canonical: &[u8]) -> bool {
        self.spells(place, &Spelling::new(reading, canonical))
    }

    /// Whether it has a part there, whatever it is.
    fn is_there(&mut self, place: &str) -> bool {
        [Reading::Scalar, Reading::Object, Reading::Array]
            .into_iter()
            .any(|shape| self.has(place, shape, b""))
    }
}

/// The walk over the right value.
struct Right<'a, 'v> {
    left: Left<'a>,
    found: Found,
    numbers: Numbers,
    /// The numbers that are the same as on the left when rounded, or written otherwise, and where they are.
    rounded: Vec<(String, Path, Node<'v>)>,
}

impl<'v> Right<'_, 'v> {
    fn walk(&mut self, place: &mut String, path: &Path, node: &Node<'v>) {
        let shape = match node {
            Node::Object(_) => Reading::Object,
            Node::Array(_) => Reading::Array,
            _ => Reading::Scalar,
        };
        match node {
            _ if !self.left.has(place, shape, b"") => self.stranger(place, path, node),
            Node::Object(members) => self.members(place, path, members),
            Node::Array(nodes) => self.elements(place, path, node, nodes),
            _ => self.scalar(place, path, node),
        }
    }

    /// A part that is not there on the left, or is something else.
    fn stranger(&mut self, place: &str, path: &Path, node: &Node<'v>) {
        if self.left.is_there(place) {
            self.found.note_other(path, Difference::Other);
        } else if !self.left.is_cut {
            self.found.note_lonely(path, node, Difference::RightOnly);
        }
    }

    fn members(&mut self, place: &mut String, path: &Path, members: &[(String, Node<'v>)]) {
        let (mut both, mut both_not_null) = (Vec::new(), Vec::new());
        for (name, node) in members {
            within(place, MemberName(name), |place| {
                self.walk(place, &path.join(Step::Member(name.clone())), node);
                if self.left.is_there(place) {
                    both.push(name.as_str());
                    if !self.left.has(place, Reading::Itself, b"null") {
                        both_not_null.push(name.as_str());
                    }
                }
            });
        }
        let has_others = !self.left.spells(place, &Spelling::of_names(Reading::Names, both.into_iter()));
        if !has_others || self.left.is_cut {
            return;
        }
        let others = path.join(Step::Each);
        let not_null = Spelling::of_names(Reading::NamesNotNull, both_not_null.into_iter());
        if self.left.spells(place, &not_null) {
            self.found.note(&others, Difference::NullOrAbsent, Rule::NullIsAbsent);
        } else {
            self.found.note_without_rule(&others, Difference::LeftOnly);
        }
    }

    fn elements(&mut self, place: &mut String, path: &Path, node: &Node<'v>, nodes: &[Node<'v>]) {
        if self.left.has(place, Reading::Itself, &node.canonical(self.numbers)) {
            return;
        }
        if self.left.has(place, Reading::Set, &sorted(node, self.numbers)) {
            self.found.note(path, Difference::OtherOrder, Rule::Sets(path.clone()));
        } else if self.left.has(place, Reading::Length, nodes.len().to_string().as_bytes()) {
            let each = path.join(Step::Each);
            for (at, node) in nodes.iter().enumerate() {
                within(place, at, |place| self.walk(place, &each, node));
            }
        } else {
            self.found.note_other(path, Difference::Other);
        }
    }

    fn scalar(&mut self, place: &str, path: &Path, node: &Node<'v>) {
        if self.left.has(place, Reading::Itself, &node.canonical(self.numbers)) {
            return;
        }
        let mut matches = matches(path, node, self.numbers).into_iter();
        match matches.find(|found| self.left.spells(place, &found.spelling)) {
            Some(found) => {
                if matches!(found.rule, Rule::Numbers(..)) {
                    self.rounded.push((place.to_owned(), path.clone(), node.clone()));
                }
                self.found.note(path, found.difference, found.rule);
            }
            None => self.found.note_other(path, Difference::Other),
        }
    }

    fn into_hints(mut self) -> Vec<Hint> {
        let useless = [self.rounded_too_far(), meeting(&self.found)].concat();
        self.found.give_up(useless.iter());
        if self.left.is_cut {
            self.found.note_without_rule(&Path::default(), Difference::NotCompared);
        }
        self.found.into_hints()
    }

    /// Where elements of an array share a rule that rounds, and one of them is not the same under it.
    fn rounded_too_far(&mut self) -> Vec<Path> {
        let (left, found, numbers) = (&mut self.left, &self.found, self.numbers);
        let differs = |(place, path, node): &(String, Path, Node<'v>)| {
            let Some(Rule::Numbers(_, Some(decimals))) = found.rule(path) else { return None };
            let same = same_when_rounded(node, *decimals, numbers);
            (!same.iter().any(|spelling| left.spells(place, spelling))).then(|| path.clone())
        };
        self.rounded.iter().filter_map(differs).collect()
    }
}

/// Where two rules about single parts may meet at one part: the first of them may make something of it that the second one was not
/// found for.
fn meeting(found: &Found) -> Vec<Path> {
    let is_of_parts =
        |rule: &Rule| matches!(rule, Rule::Trimmed(_) | Rule::Numbers(..) | Rule::Timestamps(..));
    let rules: Vec<_> = found.rules().filter(|(_, rule)| is_of_parts(rule)).collect();
    let meets = |path: &Path| rules.iter().any(|(other, _)| *other != path && other.meets(path));
    rules.iter().filter(|(path, _)| meets(path)).map(|(path, _)| (*path).clone()).collect()
}

#[cfg(test)]
mod tests;
