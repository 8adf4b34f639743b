//! What was found out about two values, part by part.

use super::{Difference, HINTS_MAX, Hint};
use crate::codec::Codec;
use crate::path::Path;
use crate::rules::Rule;
use crate::tree::Node;
use std::collections::BTreeMap;

/// What was found at one path.
type At = (Difference, Option<Rule>);

/// The parts in which two values differ.
pub(crate) struct Found {
    codec: Codec,
    parts: BTreeMap<Path, At>,
}

impl Found {
    /// Nothing, about two values of `codec`.
    pub(crate) fn new(codec: Codec) -> Self {
        Self { codec, parts: BTreeMap::new() }
    }

    /// The paths at which something was found, and what to write so that it does not count.
    pub(crate) fn rules(&self) -> impl Iterator<Item = (&Path, &Rule)> {
        self.parts.iter().filter_map(|(path, (_, rule))| Some((path, rule.as_ref()?)))
    }

    /// The rule that was found at `path`.
    pub(crate) fn rule(&self, path: &Path) -> Option<&Rule> {
        self.parts.get(path)?.1.as_ref()
    }

    /// Where something was found.
    pub(crate) fn paths(&self) -> impl Iterator<Item = &Path> {
        self.parts.keys()
    }

    /// What is told of it.
    pub(crate) fn into_hints(self) -> Vec<Hint> {
        let hint = |(field, (difference, rule))| Hint { field, difference, rule };
        self.parts.into_iter().map(hint).take(HINTS_MAX).collect()
    }

    /// Takes back the rules at `paths`, which do not help. Whether that changed anything.
    pub(crate) fn give_up<'p>(&mut self, paths: impl Iterator<Item = &'p Path>) -> bool {
        let known = self.parts.clone();
        for path in paths {
            self.parts.remove(path);
            self.note_other(path, Difference::Other);
        }
        self.parts != known
    }

    /// Notes that a part is on one side only.
    pub(crate) fn note_lonely(&mut self, path: &Path, node: &Node<'_>, difference: Difference) {
        match node {
            Node::Null => self.note(path, Difference::NullOrAbsent, Rule::NullIsAbsent),
            _ => self.note_other(path, difference),
        }
    }

    /// Notes a difference that only vanishes with the part.
    pub(crate) fn note_other(&mut self, path: &Path, difference: Difference) {
        self.note(path, difference, Rule::Ignore(path.clone()));
    }

    /// Notes what was found at `path`. Elements of an array may differ in several ways; then no rule but one fits them all.
    pub(crate) fn note(&mut self, path: &Path, difference: Difference, rule: Rule) {
        let is_of_use = rule.objection(self.codec).is_none() && path.is_writable();
        self.note_at(path, (difference, is_of_use.then_some(rule)));
    }

    /// Notes a difference against which no rule is known.
    pub(crate) fn note_without_rule(&mut self, path: &Path, difference: Difference) {
        self.note_at(path, (difference, None));
    }

    fn note_at(&mut self, path: &Path, now: At) {
        match self.parts.get(path) {
            None => _ = self.parts.insert(path.clone(), now),
            Some(known) if *known == now => {}
            Some(known) => {
                let both = coarser(known, &now);
                self.parts.remove(path);
                match both {
                    Some((difference, rule)) => self.note(path, difference, rule),
                    None => self.note_other(path, Difference::Other),
                }
            }
        }
    }
}

/// The one of two rules about numbers that rounds more.
fn coarser(one: &At, other: &At) -> Option<(Difference, Rule)> {
    let decimals = |(difference, rule): &At| match rule {
        Some(rule @ Rule::Numbers(_, decimals)) => {
            Some((decimals.unwrap_or(u8::MAX), *difference, rule.clone()))
        }
        _ => None,
    };
    let (_, difference, rule) = decimals(one)?.min(decimals(other)?);
    Some((difference, rule))
}
