//! Which spellings on the other side mean the same as a part at hand.

use super::{DECIMALS_MAX, Reading, Spelling, decimals, instants};
use crate::explain::Difference;
use crate::instant::{Epoch, Instant, Precision};
use crate::path::Path;
use crate::rules::{Rule, number, trimmed};
use crate::tree::{Node, Numbers};

/// A spelling on the other side that means the same as a part here.
pub(crate) struct Match {
    pub(crate) spelling: Spelling,
    pub(crate) difference: Difference,
    pub(crate) rule: Rule,
}

/// The spellings that mean the same as a part at `path` that is neither object nor array, and is written otherwise: the narrowest
/// rule first.
pub(crate) fn matches(path: &Path, node: &Node<'_>, numbers: Numbers) -> Vec<Match> {
    let mut matches = same_text(path, node, numbers);
    matches.extend(same_number(path, node, numbers));
    for (at, epoch) in instants(node) {
        match epoch {
            // A number is a point in time only beside a text that is one.
            Some(_) => matches.extend(same_time(path, at, epoch, None)),
            None => {
                let theirs = [&[None][..], &Epoch::ALL.map(Some)].concat();
                matches.extend(theirs.into_iter().flat_map(|theirs| same_time(path, at, theirs, theirs)));
            }
        }
    }
    matches
}

fn same_text(path: &Path, node: &Node<'_>, numbers: Numbers) -> Vec<Match> {
    let Node::Text(text) = node else { return Vec::new() };
    let canonical = Node::Text(trimmed(text).to_owned()).canonical(numbers);
    let as_read = |reading| Match {
        spelling: Spelling::new(reading, canonical.clone()),
        difference: Difference::TrailingSpaces,
        rule: Rule::Trimmed(path.clone()),
    };
    [Reading::Itself, Reading::Trimmed].map(as_read).into()
}

fn same_number(path: &Path, node: &Node<'_>, numbers: Numbers) -> Vec<Match> {
    let Some(number) = number(node, numbers) else { return Vec::new() };
    let exact = Match {
        spelling: Spelling::of_number(None, &number),
        difference: Difference::SameNumber,
        rule: Rule::Numbers(path.clone(), None),
    };
    let rounded = (1..=DECIMALS_MAX).rev().map(|places| Match {
        // Of two that are equal when rounded, one has no more digits than that.
        spelling: match places < decimals(&number) {
            true => Spelling::of_number(None, &number.rounded(places)),
            false => Spelling::of_number(Some(places), &number),
        },
        difference: Difference::RoundedNumber,
        rule: Rule::Numbers(path.clone(), Some(places)),
    });
    [exact].into_iter().chain(rounded).collect()
}

/// The same point in time, which the other side has with the epoch `theirs`; a rule needs the one that one of the two has.
fn same_time(
    path: &Path,
    at: Instant,
    epoch: Option<Epoch>,
    theirs: Option<Epoch>,
) -> impl Iterator<Item = Match> {
    Precision::ALL.into_iter().map(move |precision| Match {
        // Of two that are equal when truncated, one is no finer than that.
        spelling: match at.is_at(precision) {
            true => Spelling::of_time(at, precision, theirs),
            false => Spelling::of_time(at.truncated(precision), Precision::Ns, theirs),
        },
        difference: Difference::SameTime,
        rule: Rule::Timestamps(path.clone(), precision, epoch),
    })
}

/// The spellings under which a part on the other side is the same number as `node`, once both are rounded to so many digits.
pub(crate) fn same_when_rounded(node: &Node<'_>, decimals: u8, numbers: Numbers) -> Vec<Spelling> {
    let Some(number) = number(node, numbers) else { return Vec::new() };
    let rounded = number.rounded(decimals);
    // What has no more digits than that after finer rounding is the same after this one.
    let finer = (decimals..=DECIMALS_MAX).map(Some);
    let readings = [None].into_iter().chain(finer);
    let same = readings.map(|decimals| Spelling::of_number(decimals, &rounded));
    [Spelling::of_number(None, &number)].into_iter().chain(same).collect()
}
