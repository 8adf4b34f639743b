//! Masks: fields of a value that nobody is to see, where the rest of it may be seen.

use crate::form::Form;
use crate::path::Path;
use crate::rules::RuleProblem;
use crate::tree::{Node, Numbers};
use std::borrow::Cow;

/// Stands in the place of what is masked.
const MASKED: &str = "***";

/// Most fields of a mask.
const FIELDS_MAX: usize = 256;

/// Fields of the values of a map that are replaced before a value is shown.
#[derive(Clone, Default, Debug)]
pub struct Mask(Box<[Path]>);

impl Mask {
    /// Masks the parts that `fields` lead to, written as in rules: `card`, `address.city`, `items.*.price`.
    ///
    /// # Errors
    ///
    /// Everything that is wrong with the fields, each with a path below `mask`; any of them if values of `form` have no fields.
    pub fn new(form: &Form, fields: &[String]) -> Result<Self, Vec<RuleProblem>> {
        let problem = |path: String, message: String| RuleProblem { path, message };
        if !fields.is_empty() && !form.has_fields() {
            let message =
                "values of this codec have no fields; remove it, or set `codec` to `json` or `columns`";
            return Err(vec![problem("mask".to_owned(), message.to_owned())]);
        }
        if fields.len() > FIELDS_MAX {
            let message = format!("has {} fields; write at most {FIELDS_MAX}", fields.len());
            return Err(vec![problem("mask".to_owned(), message)]);
        }
        let (mut paths, mut problems) = (Vec::new(), Vec::new());
        for (at, field) in fields.iter().enumerate() {
            match field.parse::<Path>() {
                Ok(path) => paths.push(path),
                Err(error) => problems.push(problem(format!("mask[{at}]"), error.to_string())),
            }
        }
        if problems.is_empty() { Ok(Self(paths.into())) } else { Err(problems) }
    }

    /// The value as it may be shown: borrowed where it has none of the fields, else written anew with each of them replaced.
    /// `None` where it cannot be known what the fields are, because the value is no JSON or has a name twice.
    #[must_use]
    pub fn applied<'a>(&self, value: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        if self.0.is_empty() {
            return Some(Cow::Borrowed(value));
        }
        // Exact, so that nothing that is not masked is changed, and no second member of a name hides the first.
        let mut node = Node::parse(value, Numbers::Exact).ok()?;
        let mut is_masked = false;
        for path in &self.0 {
            node.visit(path.steps(), &mut |part| {
                *part = Node::Text(MASKED.to_owned());
                is_masked = true;
            });
        }
        Some(if is_masked { Cow::Owned(node.canonical(Numbers::Exact)) } else { Cow::Borrowed(value) })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crate::Codec;

    fn mask(fields: &[&str]) -> Mask {
        let fields: Vec<_> = fields.iter().map(|&field| field.to_owned()).collect();
        Mask::new(&Codec::Json.into(), &fields).unwrap()
    }

    #[test]
    fn the_fields_are_replaced_and_nothing_else() {
        let fields = mask(&["card", "items.*.price", "who.name"]);
        for (value, expected) in [
            (r#"{"card":"4111","n":12.50}"#, Some(r#"{"card":"***","n":12.5}"#)),
            (
                r#"{"items":[{"price":1},{"price":2,"id":3}]}"#,
                Some(r#"{"items":[{"price":"***"},{"id":3,"price":"***"}]}"#),
            ),
            (r#"{"who":{"name":{"first":"A"}}}"#, Some(r#"{"who":{"name":"***"}}"#)),
            (r#"{"c\u0061rd":null}"#, Some(r#"{"card":"***"}"#)),
            (r#"{ "n" : 1e2, "who": "A" }"#, Some(r#"{ "n" : 1e2, "who": "A" }"#)),
            (r#"{"card":1,"card":2}"#, None),
            (r#"{"who":{"name":1},"who":{}}"#, None),
            ("4111", Some("4111")),
            ("{", None),
        ] {
            let shown = fields.applied(value.as_bytes());
            assert_eq!(shown.as_deref(), expected.map(str::as_bytes), "{value}");
        }
    }

    #[test]
    fn a_value_that_nothing_was_masked_in_is_the_value_itself() {
        let value = br#"{"n" : 1}"#;
        assert!(matches!(mask(&["card"]).applied(value), Some(Cow::Borrowed(_))));
        assert!(matches!(Mask::default().applied(b"\xff"), Some(Cow::Borrowed(b"\xff"))));
    }

    #[test]
    fn a_mask_that_cannot_be_used_says_what_to_write() {
        let problem = |codec: Codec, fields: &[&str]| {
            let fields: Vec<_> = fields.iter().map(|&field| field.to_owned()).collect();
            let found = Mask::new(&codec.into(), &fields).unwrap_err();
            found
                .into_iter()
                .map(|RuleProblem { path, message }| format!("{path}: {message}"))
                .collect::<Vec<_>>()
        };
        assert!(
            problem(Codec::Text, &["a"]).concat().starts_with("mask: values of this codec have no fields")
        );
        let names = problem(Codec::Columns, &["a", "b..c", ""]);
        assert!(names.len() == 2 && names.concat().contains("mask[1]: has an empty name"), "{names:?}");
        assert!(problem(Codec::Json, &["a"; 257]).concat().contains("at most 256"));
        assert!(Mask::new(&Codec::Bytes.into(), &[]).is_ok());
    }
}
