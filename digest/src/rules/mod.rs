//! Rules: which differences between two values do not count.
//!
//! Each kind of rule makes one text of many that mean the same, so applying a rule to what it gave changes nothing. The order
//! in which rules are applied is that of [`Rule`]'s kinds, whatever order they were written in. A rule that does not fit what
//! it finds (a text that is no number, a field that is not there) leaves it as it is.

mod written;

pub use written::{RuleProblem, WrittenNumbers, WrittenRules, WrittenTimestamps};

use crate::decimal::Decimal;
use crate::instant::{Epoch, Instant, Precision};
use crate::path::{Path, Step};
use crate::tree::{Node, Numbers};
use std::cmp::Reverse;
use std::fmt;

/// Goes into the name of every form with rules; grows when a rule comes to mean something else.
const VERSION: &[u8] = b"rules 1";

/// One rule, about the fields of one path.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Rule {
    /// The fields do not count.
    Ignore(Path),
    /// Spaces at the end of texts do not count.
    Trimmed(Path),
    /// Numbers, and texts that are numbers, are compared digit by digit, rounded to so many digits behind the point if given.
    Numbers(Path, Option<u8>),
    /// Points in time are compared as such, and numbers are such points if an epoch is given.
    Timestamps(Path, Precision, Option<Epoch>),
    /// Members that are null do not count, on any level.
    NullIsAbsent,
    /// Order and repetition of an array's elements do not count.
    Sets(Path),
}

/// Rules in the order in which they are applied, each once.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Rules(Vec<Rule>);

impl Rules {
    /// The rules in their order, whatever order they come in.
    pub(crate) fn new(mut rules: Vec<Rule>) -> Self {
        // Inner sets first: what they become decides how outer ones are sorted. And numbers become points in time first, so that
        // each rule about such points has its say in the same pass.
        rules.sort_by_cached_key(|rule| {
            let depth = if let Rule::Sets(path) = rule { path.steps().len() } else { 0 };
            let is_about_texts_alone = matches!(rule, Rule::Timestamps(_, _, None));
            (rule.kind(), Reverse(depth), is_about_texts_alone, rule.clone())
        });
        rules.dedup();
        Self(rules)
    }

    /// In the order in which they are applied.
    pub(crate) fn iter(&self) -> std::slice::Iter<'_, Rule> {
        self.0.iter()
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Makes of `node` what is compared.
    pub(crate) fn apply(&self, node: &mut Node<'_>, numbers: Numbers) {
        self.0.iter().for_each(|rule| rule.apply(node, numbers));
    }

    /// The first 32 bits of BLAKE3 over the rules, each with its length before it.
    pub(crate) fn fingerprint(&self) -> String {
        let mut hasher = blake3::Hasher::new();
        hasher.update(VERSION);
        for text in self.0.iter().map(ToString::to_string) {
            hasher.update(&crate::length(text.len()));
            hasher.update(text.as_bytes());
        }
        hasher.finalize().to_hex().chars().take(8).collect()
    }
}

impl Rule {
    /// As the section of a configuration in which it is written.
    pub(crate) const fn section(&self) -> &'static str {
        match self {
            Self::Ignore(_) => "ignore",
            Self::Trimmed(_) => "trimmed",
            Self::Numbers(..) => "numbers",
            Self::Timestamps(..) => "timestamps",
            Self::NullIsAbsent => "null_is_absent",
            Self::Sets(_) => "sets",
        }
    }

    /// The place of its kind among those of all rules.
    const fn kind(&self) -> u8 {
        match self {
            Self::Ignore(_) => 0,
            Self::Trimmed(_) => 1,
            Self::Numbers(..) => 2,
            Self::Timestamps(..) => 3,
            Self::NullIsAbsent => 4,
            Self::Sets(_) => 5,
        }
    }

    /// Which fields it is about; `None` for all of them.
    #[must_use]
    pub const fn path(&self) -> Option<&Path> {
        match self {
            Self::Ignore(path)
            | Self::Trimmed(path)
            | Self::Numbers(path, _)
            | Self::Timestamps(path, ..)
            | Self::Sets(path) => Some(path),
            Self::NullIsAbsent => None,
        }
    }

    fn apply(&self, node: &mut Node<'_>, numbers: Numbers) {
        match self {
            Self::Ignore(path) => ignore(node, path),
            Self::Trimmed(path) => node.visit(path.steps(), &mut trim),
            Self::Numbers(path, decimals) => {
                node.visit(path.steps(), &mut |node| to_number(node, *decimals, numbers));
            }
            Self::Timestamps(path, precision, epoch) => {
                node.visit(path.steps(), &mut |node| {
                    if let Some(instant) = instant(node, *epoch) {
                        *node = Node::Text(instant.text(*precision));
                    }
                });
            }
            Self::NullIsAbsent => drop_nulls(node),
            Self::Sets(path) => node.visit(path.steps(), &mut |node| sort(node, numbers)),
        }
    }
}

fn ignore(node: &mut Node<'_>, path: &Path) {
    let Some((last, above)) = path.steps().split_last() else { return };
    node.visit(above, &mut |node| match (node, last) {
        (Node::Object(members), Step::Member(name)) => members.retain(|(other, _)| other != name),
        (Node::Object(members), Step::Each) => members.clear(),
        (Node::Array(nodes), Step::Each) => nodes.clear(),
        _ => {}
    });
}

fn trim(node: &mut Node<'_>) {
    if let Node::Text(text) = node {
        text.truncate(trimmed(text).len());
    }
}

/// The text without the spaces at its end.
pub(crate) fn trimmed(text: &str) -> &str {
    text.trim_end_matches(' ')
}

fn to_number(node: &mut Node<'_>, decimals: Option<u8>, numbers: Numbers) {
    if let Some(number) = number(node, numbers) {
        *node = Node::Decimal(decimals.map_or(number.clone(), |decimals| number.rounded(decimals)));
    }
}

/// The number that `node` is, or that its text writes.
pub(crate) fn number(node: &Node<'_>, numbers: Numbers) -> Option<Decimal> {
    // What such a number would be written as could not be read again.
    let is_beyond = |text: &str| numbers == Numbers::Doubles && !text.parse().is_ok_and(f64::is_finite);
    node.decimal().filter(|_| !matches!(node, Node::Text(text) if is_beyond(text)))
}

/// The point in time that `node` tells: a text, or, with `epoch`, what counts from 1970.
pub(crate) fn instant(node: &Node<'_>, epoch: Option<Epoch>) -> Option<Instant> {
    let counted = epoch.and_then(|epoch| Instant::of_epoch(&node.decimal()?, epoch));
    match node {
        Node::Text(text) => counted.or_else(|| Instant::parse(text)),
        _ => counted,
    }
}

fn drop_nulls(node: &mut Node<'_>) {
    match node {
        Node::Object(members) => {
            members.retain(|(_, node)| *node != Node::Null);
            members.iter_mut().for_each(|(_, node)| drop_nulls(node));
        }
        Node::Array(nodes) => nodes.iter_mut().for_each(drop_nulls),
        Node::Null | Node::Bool(_) | Node::Number(_) | Node::Decimal(_) | Node::Text(_) => {}
    }
}

/// Sorts an array's elements by their canonical forms, each once.
pub(crate) fn sort(node: &mut Node<'_>, numbers: Numbers) {
    let Node::Array(nodes) = node else { return };
    let mut keyed: Vec<_> = nodes.drain(..).map(|node| (node.canonical(numbers), node)).collect();
    keyed.sort_by(|(left, _), (right, _)| left.cmp(right));
    keyed.dedup_by(|(left, _), (right, _)| left == right);
    nodes.extend(keyed.into_iter().map(|(_, node)| node));
}

/// As it is written in the section `rules` of a map.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let section = self.section();
        let fields = self.path().map(|path| serde_json::Value::from(path.to_string()).to_string());
        let fields = fields.unwrap_or_default();
        match self {
            Self::NullIsAbsent => write!(f, "{section}: true"),
            Self::Ignore(_) | Self::Trimmed(_) | Self::Sets(_) => write!(f, "{section}: [{fields}]"),
            Self::Numbers(_, decimals) => {
                let decimals = decimals.map(|decimals| format!(", decimals: {decimals}")).unwrap_or_default();
                write!(f, "{section}: [{{fields: [{fields}]{decimals}}}]")
            }
            Self::Timestamps(_, precision, epoch) => {
                let epoch = epoch.map(|epoch| format!(", epoch: {}", epoch.name())).unwrap_or_default();
                write!(f, "{section}: [{{fields: [{fields}], precision: {}{epoch}}}]", precision.name())
            }
        }
    }
}

#[cfg(test)]
mod tests;
