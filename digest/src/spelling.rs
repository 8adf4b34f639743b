//! Spellings: what a part of a value may be read as, so that it can be found to mean the same as another one.
//!
//! One side lists how its part may be read ([`spellings`]); the other lists which of these would mean the same as its own, with the
//! rule under which the two are equal, the narrowest first ([`matches()`]). Neither needs to see the other's part. A spelling
//! under a rule is what the rule makes of the part, so parts with a spelling in common are equal under it.

mod matches;

pub(crate) use matches::{matches, same_when_rounded};

use crate::decimal::Decimal;
use crate::instant::{Epoch, Instant, Precision};
use crate::rules::{instant, number, sort, trimmed};
use crate::tree::{Node, Numbers};
use std::fmt;

/// Most digits behind the point that a rule rounds to.
const DECIMALS_MAX: u8 = 40;

/// Most roundings of one number that are listed, the coarsest first.
const ROUNDINGS_MAX: usize = 10;

/// What a part is read as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Reading {
    /// Itself.
    Itself,
    /// The number that it is; if given, one rounded to so many digits behind the point, which it is not by itself.
    Number(Option<u8>),
    /// The point in time that it tells, truncated if it is finer; if given, as a number that counts from 1970.
    Time(Precision, Option<Epoch>),
    /// The text without the spaces at its end, of which it has some.
    Trimmed,
    /// Its elements in the order of their canonical forms, each once.
    Set,
    /// The JSON that the whole value is.
    Json,
    /// An object, whatever is in it.
    Object,
    /// An array, whatever is in it.
    Array,
    /// Neither of these, whatever it is.
    Scalar,
    /// The names of all its members.
    Names,
    /// The names of its members that are not null, where some are.
    NamesNotNull,
    /// How many elements it has.
    Length,
    /// The end of a list that has no room for all parts.
    End,
}

/// As it is hashed.
impl fmt::Display for Reading {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Itself => f.write_str("itself"),
            Self::Number(None) => f.write_str("number"),
            Self::Number(Some(decimals)) => write!(f, "number {decimals}"),
            Self::Time(precision, None) => write!(f, "time {}", precision.name()),
            Self::Time(precision, Some(epoch)) => write!(f, "time {} of {}", precision.name(), epoch.name()),
            Self::Trimmed => f.write_str("trimmed"),
            Self::Set => f.write_str("set"),
            Self::Json => f.write_str("json"),
            Self::Object => f.write_str("object"),
            Self::Array => f.write_str("array"),
            Self::Scalar => f.write_str("scalar"),
            Self::Names => f.write_str("names"),
            Self::NamesNotNull => f.write_str("names not null"),
            Self::Length => f.write_str("length"),
            Self::End => f.write_str("end"),
        }
    }
}

/// A part as it is read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Spelling {
    pub(crate) reading: Reading,
    pub(crate) canonical: Vec<u8>,
}

impl Spelling {
    pub(crate) fn new(reading: Reading, canonical: impl Into<Vec<u8>>) -> Self {
        Self { reading, canonical: canonical.into() }
    }

    fn of_number(decimals: Option<u8>, number: &Decimal) -> Self {
        Self::new(Reading::Number(decimals), number.to_string())
    }

    fn of_time(at: Instant, precision: Precision, epoch: Option<Epoch>) -> Self {
        Self::new(Reading::Time(precision, epoch), at.text(precision))
    }

    /// The names of an object's members, in the order of RFC 8785.
    pub(crate) fn of_names<'n>(reading: Reading, names: impl Iterator<Item = &'n str>) -> Self {
        let names = Node::Array(names.map(|name| Node::Text(name.to_owned())).collect());
        Self::new(reading, names.canonical(Numbers::Exact))
    }
}

/// How a part may be read. Those of the parts within it are their own.
pub(crate) fn spellings(node: &Node<'_>, numbers: Numbers) -> Vec<Spelling> {
    let itself = || Spelling::new(Reading::Itself, node.canonical(numbers));
    let shape = |reading| Spelling::new(reading, "");
    match node {
        Node::Object(members) => of_object(members, shape(Reading::Object)),
        Node::Array(nodes) => {
            let length = Spelling::new(Reading::Length, nodes.len().to_string());
            vec![shape(Reading::Array), length, itself(), Spelling::new(Reading::Set, sorted(node, numbers))]
        }
        _ => {
            let mut spellings = vec![shape(Reading::Scalar), itself()];
            trimmings(node, numbers, &mut spellings);
            roundings(node, numbers, &mut spellings);
            times(node, &mut spellings);
            spellings
        }
    }
}

fn of_object(members: &[(String, Node<'_>)], shape: Spelling) -> Vec<Spelling> {
    let names = || members.iter().map(|(name, _)| name.as_str());
    let not_null = members.iter().filter(|(_, node)| *node != Node::Null);
    let mut spellings = vec![shape, Spelling::of_names(Reading::Names, names())];
    if not_null.clone().count() < members.len() {
        let names = not_null.map(|(name, _)| name.as_str());
        spellings.push(Spelling::of_names(Reading::NamesNotNull, names));
    }
    spellings
}

/// The canonical form of an array whose order and repetitions do not count.
pub(crate) fn sorted(node: &Node<'_>, numbers: Numbers) -> Vec<u8> {
    let mut node = node.clone();
    sort(&mut node, numbers);
    node.canonical(numbers)
}

fn trimmings(node: &Node<'_>, numbers: Numbers, spellings: &mut Vec<Spelling>) {
    if let Node::Text(text) = node
        && trimmed(text).len() < text.len()
    {
        let canonical = Node::Text(trimmed(text).to_owned()).canonical(numbers);
        spellings.push(Spelling::new(Reading::Trimmed, canonical));
    }
}

/// The number itself, and what it is rounded to: of roundings that give the same, the finest.
fn roundings(node: &Node<'_>, numbers: Numbers, spellings: &mut Vec<Spelling>) {
    let Some(number) = number(node, numbers) else { return };
    spellings.push(Spelling::of_number(None, &number));
    let finest = decimals(&number).saturating_sub(1);
    let mut rounded = Vec::new();
    for decimals in 1..=finest {
        let next = number.rounded(decimals);
        if rounded.last().is_some_and(|(_, last)| *last == next) {
            rounded.pop();
        }
        if rounded.len() == ROUNDINGS_MAX {
            break;
        }
        rounded.push((decimals, next));
    }
    spellings.extend(rounded.iter().map(|(decimals, number)| Spelling::of_number(Some(*decimals), number)));
}

/// Digits behind the point, as far as a rule may name them.
fn decimals(number: &Decimal) -> u8 {
    u8::try_from(number.decimals()).unwrap_or(u8::MAX).min(DECIMALS_MAX)
}

/// The points in time that a text tells, or that a number counts, each as exactly as it is and truncated to what is coarser.
fn times(node: &Node<'_>, spellings: &mut Vec<Spelling>) {
    for (at, epoch) in instants(node) {
        let precisions = Precision::ALL.into_iter();
        let told = precisions.filter(|&precision| precision == Precision::Ns || !at.is_at(precision));
        spellings.extend(told.map(|precision| Spelling::of_time(at, precision, epoch)));
    }
}

/// What a text tells is a point in time by itself; a number is one in each unit that it may count.
fn instants(node: &Node<'_>) -> Vec<(Instant, Option<Epoch>)> {
    match instant(node, None) {
        Some(at) => vec![(at, None)],
        None => {
            let counted = |epoch| Some((instant(node, Some(epoch))?, Some(epoch)));
            Epoch::ALL.into_iter().filter_map(counted).collect()
        }
    }
}
