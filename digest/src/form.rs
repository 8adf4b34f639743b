//! The form in which the values of a map are compared.

use crate::codec::{Codec, CodecError};
use crate::rules::{Rule, RuleProblem, Rules, WrittenRules};
use crate::tree::Node;
use std::borrow::Cow;
use std::fmt::Write;
use std::sync::Arc;

/// A codec, and rules about what does not count. Two values are equal if their canonical forms are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Form {
    codec: Codec,
    rules: Arc<Rules>,
    name: Arc<str>,
}

impl From<Codec> for Form {
    /// The codec without rules.
    fn from(codec: Codec) -> Self {
        Self::of(codec, Rules::default())
    }
}

impl Form {
    /// The form of values that are written in `codec`, under the rules that a person wrote.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the rules.
    pub fn new(codec: Codec, rules: &WrittenRules) -> Result<Self, Vec<RuleProblem>> {
        Ok(Self::of(codec, rules.used(codec)?))
    }

    fn of(codec: Codec, rules: Rules) -> Self {
        let name = match rules.is_empty() {
            true => codec.versioned_name().into(),
            false => format!("{}+{}", codec.versioned_name(), rules.fingerprint()).into(),
        };
        Self { codec, rules: Arc::new(rules), name }
    }

    /// The form with more rules.
    pub(crate) fn with(&self, rules: impl IntoIterator<Item = Rule>) -> Self {
        Self::of(self.codec, Rules::new(self.rules.iter().cloned().chain(rules).collect()))
    }

    /// The name under which values are hashed: that of the codec, and, with rules, eight hexadecimal digits that stand for
    /// them, as in `json/1+0123abcd`. Forms that differ have names that differ, but for one chance in 2^32.
    #[must_use]
    pub fn versioned_name(&self) -> &str {
        &self.name
    }

    /// Whether values may have fields.
    #[must_use]
    pub fn has_fields(&self) -> bool {
        matches!(self.codec, Codec::Json | Codec::Columns)
    }

    /// How values are written.
    pub(crate) fn codec(&self) -> Codec {
        self.codec
    }

    /// The form for people: `json/1, numbers: price (2 decimals), ignore: seen_at`.
    #[must_use]
    pub fn describe(&self) -> String {
        let mut text = self.codec.versioned_name().to_owned();
        let mut section = "";
        for rule in self.rules.iter() {
            let separator = if section.is_empty() || rule.section() == section { ", " } else { "; " };
            text.push_str(separator);
            if rule.section() != section {
                section = rule.section();
                text.push_str(section);
                text.push_str(": ");
            }
            describe(rule, &mut text);
        }
        text
    }

    /// The canonical form of `value`.
    ///
    /// # Errors
    ///
    /// [`CodecError`] if the value is not what the codec wants.
    pub fn canonical<'a>(&self, value: &'a [u8]) -> Result<Cow<'a, [u8]>, CodecError> {
        if self.rules.is_empty() {
            return self.codec.canonical(value);
        }
        Ok(Cow::Owned(self.canonical_of(&self.tree(value)?)))
    }

    /// The canonical form of a value, or of a part of it, whose rules were applied.
    pub(crate) fn canonical_of(&self, node: &Node<'_>) -> Vec<u8> {
        match (self.codec, node) {
            // A text is written without quotes.
            (Codec::Bytes | Codec::Text, Node::Text(text)) => text.as_bytes().to_vec(),
            _ => node.canonical(self.codec.numbers()),
        }
    }

    /// The parts of `value` that count; bytes that are text, and texts, have one.
    pub(crate) fn tree<'a>(&self, value: &'a [u8]) -> Result<Node<'a>, CodecError> {
        let mut node = match self.codec {
            Codec::Bytes | Codec::Text => match std::str::from_utf8(value) {
                Ok(text) => Node::Text(text.to_owned()),
                Err(bad) => return Err(CodecError::NotText { at: bad.valid_up_to() }),
            },
            Codec::Json | Codec::Columns => self.codec.tree(value)?,
        };
        self.rules.apply(&mut node, self.codec.numbers());
        Ok(node)
    }
}

fn describe(rule: &Rule, text: &mut String) {
    let path = rule.path().map(ToString::to_string).unwrap_or_default();
    let written = match rule {
        Rule::Ignore(_) | Rule::Trimmed(_) | Rule::Sets(_) => write!(text, "{path}"),
        Rule::Numbers(_, None) => write!(text, "{path} (exact)"),
        Rule::Numbers(_, Some(decimals)) => write!(text, "{path} ({decimals} decimals)"),
        Rule::Timestamps(_, precision, None) => write!(text, "{path} ({})", precision.name()),
        Rule::Timestamps(_, precision, Some(epoch)) => {
            write!(text, "{path} ({}, numbers are {} since 1970)", precision.name(), epoch.name())
        }
        Rule::NullIsAbsent => write!(text, "everywhere"),
    };
    written.expect("a text takes every text");
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;

    fn form(codec: Codec, rules: &str) -> Form {
        Form::new(codec, &serde_saphyr::from_str(rules).unwrap()).unwrap()
    }

    #[test]
    fn a_codec_without_rules_keeps_its_name_and_its_forms() {
        for codec in [Codec::Bytes, Codec::Text, Codec::Json, Codec::Columns] {
            let form = Form::new(codec, &WrittenRules::default()).unwrap();
            assert_eq!(form, Form::from(codec));
            assert_eq!((form.versioned_name(), form.describe()), (codec.versioned_name(), form.describe()));
            assert_eq!(form.canonical(br#"{"b":1}"#), codec.canonical(br#"{"b":1}"#));
        }
    }

    #[test]
    fn the_name_tells_which_rules_there_are_and_not_how_they_are_written() {
        let name = |rules| form(Codec::Json, rules).versioned_name().to_owned();
        assert_eq!(name("ignore: [a, b]"), "json/1+7c18c3b6", "names do not drift");
        assert_eq!(name("ignore: [a, b]"), name("{ignore: [b, a, b], null_is_absent: false}"));
        assert_eq!(
            name("numbers: [{fields: [a, b]}]"),
            name("numbers: [{fields: [b]}, {fields: [a], decimals: null}]")
        );
        let all = [
            "ignore: [a]",
            "ignore: [a.b]",
            r"ignore: ['a\.b']",
            "trimmed: [a]",
            "sets: [a]",
            "null_is_absent: true",
            "numbers: [{fields: [a]}]",
            "numbers: [{fields: [a], decimals: 0}]",
            "timestamps: [{fields: [a]}]",
            "timestamps: [{fields: [a], precision: ms}]",
            "timestamps: [{fields: [a], precision: ms, epoch: ms}]",
        ];
        let names: std::collections::BTreeSet<_> = all.map(name).into();
        assert_eq!(names.len(), all.len());
        assert_ne!(name("ignore: [a]"), form(Codec::Columns, "ignore: [a]").versioned_name());
    }

    #[test]
    fn a_form_describes_itself() {
        let rules = "{ignore: [seen_at, items.*.id], numbers: [{fields: [price], decimals: 2}, {fields: [total]}], \
            timestamps: [{fields: [at], precision: ms, epoch: s}], trimmed: [code], null_is_absent: true, sets: [tags]}";
        assert_eq!(
            form(Codec::Json, rules).describe(),
            "json/1, ignore: items.*.id, seen_at; trimmed: code; numbers: price (2 decimals), total (exact); \
             timestamps: at (ms, numbers are s since 1970); null_is_absent: everywhere; sets: tags"
        );
    }

    #[test]
    fn a_text_may_be_a_number_or_a_point_in_time_or_end_in_spaces() {
        for (rules, value, expected) in [
            ("trimmed: ['.']", "a b  ", "a b"),
            ("numbers: [{fields: ['.'], decimals: 1}]", "12.25", "12.2"),
            (
                "timestamps: [{fields: ['.'], precision: s}]",
                "2026-11-23 10:00:00.5+00",
                "2026-11-23T10:00:00Z",
            ),
            ("numbers: [{fields: ['.']}]", "no \"number\"", "no \"number\""),
        ] {
            let form = form(Codec::Text, rules);
            assert_eq!(form.canonical(value.as_bytes()).unwrap(), expected.as_bytes(), "{rules}");
            assert_eq!(form.canonical(b"\xff"), Err(CodecError::NotText { at: 0 }));
        }
    }
}
