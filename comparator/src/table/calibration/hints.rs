//! Where values of the two sides differ, and the rules under which they would not, over many of them.

use counterfoil_digest::{Difference, Hint, Rule};
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};
use std::mem::discriminant;

/// Most ways of differing that are told apart, over all fields of a check; more are not counted.
const WAYS_MAX: usize = 256;

/// A field, one way in which it differs, and how often.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FieldHint {
    /// The field, and the difference and rule that hold for all values that differ in this way.
    pub hint: Hint,
    /// In so many values.
    pub times: u32,
}

/// What was found out about values that differ.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hints {
    /// How many values were looked at. Each differs somewhere.
    pub of: u32,
    /// Where: what always differs first, then what often does.
    pub fields: Vec<FieldHint>,
}

/// Counts in which fields values differ.
#[derive(Default)]
pub(super) struct Tally {
    values: u32,
    ways: Vec<FieldHint>,
}

impl Tally {
    /// Counts what was found out about one value.
    pub(super) fn add(&mut self, hints: &[Hint]) {
        self.values = self.values.saturating_add(1);
        for hint in hints {
            if let Some(way) = self.ways.iter_mut().find(|way| is_alike(&way.hint, hint)) {
                way.add(hint);
            } else if self.ways.len() < WAYS_MAX {
                self.ways.push(FieldHint { hint: hint.clone(), times: 1 });
            }
        }
    }

    /// All of them, in order.
    pub(super) fn hints(&self) -> Hints {
        let mut fields = self.ways.clone();
        fields.sort_by_key(|way| (Reverse(way.times), way.hint.field.clone()));
        Hints { of: self.values, fields }
    }
}

impl FieldHint {
    /// One more value differs in this way.
    fn add(&mut self, hint: &Hint) {
        self.times = self.times.saturating_add(1);
        self.hint.difference = self.hint.difference.max(hint.difference);
        self.hint.rule = self.hint.rule.take().zip(hint.rule.clone()).map(coarser);
    }
}

/// Whether one rule may do for both.
fn is_alike(one: &Hint, other: &Hint) -> bool {
    let kind = |hint: &Hint| hint.rule.as_ref().map(discriminant);
    one.field == other.field && one.is_weak() == other.is_weak() && kind(one) == kind(other)
}

/// Of two rules of a kind, about one field, one under which what either makes equal is equal.
fn coarser(rules: (Rule, Rule)) -> Rule {
    match rules {
        (Rule::Numbers(path, one), Rule::Numbers(_, other)) => {
            Rule::Numbers(path, one.into_iter().chain(other).min())
        }
        (Rule::Timestamps(path, one, epoch), Rule::Timestamps(_, other, other_epoch)) => {
            Rule::Timestamps(path, one.min(other), epoch.or(other_epoch))
        }
        (one, _) => one,
    }
}

impl Hints {
    /// How many fields differ in every value.
    #[must_use]
    pub fn always(&self) -> usize {
        self.fields.iter().filter(|way| self.is_always(way)).count()
    }

    fn is_always(&self, way: &FieldHint) -> bool {
        way.times == self.of
    }

    /// What to write so that all of these values agree, as keys of the map in both configurations: rules to be added to those
    /// that are there, or another codec. What differs in some values only, as facts do, is left out. `None` if nothing helps.
    #[must_use]
    pub fn suggested_rules(&self) -> Option<String> {
        let is_of_form = |way: &&FieldHint| !way.hint.is_weak() || self.is_always(way);
        let mut sections: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut scalars = BTreeSet::new();
        for FieldHint { hint, .. } in self.fields.iter().filter(is_of_form) {
            if hint.difference == Difference::SameJson {
                return Some("codec: json\n".to_owned());
            }
            let rule = hint.rule.as_ref()?;
            if matches!(rule, Rule::Numbers(..) | Rule::Timestamps(..)) && !scalars.insert(&hint.field) {
                // A field is one or the other: what it is more often.
                continue;
            }
            let line = rule.to_string();
            let (section, entries) = line.split_once(": ")?;
            let list = entries.strip_prefix('[').and_then(|entries| entries.strip_suffix(']'));
            let section = sections.entry(section.to_owned()).or_default();
            section.push(list.unwrap_or(entries).to_owned());
        }
        let lines = sections.iter().map(|(section, entries)| line(section, entries));
        (!sections.is_empty()).then(|| format!("rules:\n{}", lines.collect::<String>()))
    }
}

/// A section's line: what several rules list, in one list, or `true`.
fn line(section: &str, entries: &[String]) -> String {
    match entries {
        [flag, ..] if flag == "true" => format!("  {section}: true\n"),
        entries => format!("  {section}: [{}]\n", entries.join(", ")),
    }
}

#[cfg(test)]
mod tests;
