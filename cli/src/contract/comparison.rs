//! A value as the map's side has it, beside what the store has for its key: where they differ, and the rules under which they
//! would not.

use super::finding::Shown;
use counterfoil_comparator::store::{Answer, Found};
use counterfoil_digest::{CodecError, Form, Hint, explain};
use serde::Serialize;

/// Two values side by side.
#[derive(Serialize)]
pub(super) struct Comparison {
    pub(super) is_equal: bool,
    /// What is compared of the value that was given; `None` if it is hidden.
    pub(super) given: Option<Shown>,
    /// What is compared of the store's value; `None` if it is hidden, or there is none.
    pub(super) stored: Option<Shown>,
    pub(super) differences: Vec<Field>,
}

/// A field in which they differ.
#[derive(Serialize)]
pub(super) struct Field {
    /// Its path; `.` for the value itself.
    pub(super) path: String,
    pub(super) how: String,
    /// A line of the map's section `rules` under which this would not count; `None` where none helps.
    pub(super) rule: Option<String>,
    /// Whether the two sides may well mean different things.
    pub(super) is_weak: bool,
}

/// The value `given` beside what a read found; `None` if that was no value that can be compared, which is told with its key.
///
/// # Errors
///
/// [`CodecError`] if `given` is not what the form's codec wants.
pub(super) fn compare(given: &[u8], found: &Answer, form: &Form) -> Result<Option<Comparison>, CodecError> {
    let shown = Shown::of(&form.canonical(given)?);
    let stored = match found {
        Err(_) => return Ok(None),
        Ok(Found::Absent) => {
            let (given, differences) = (Some(shown), Vec::new());
            return Ok(Some(Comparison { is_equal: false, given, stored: None, differences }));
        }
        Ok(Found::Value(stored, _)) => stored,
    };
    let Ok(canonical) = form.canonical(stored) else { return Ok(None) };
    let hints = explain(given, stored, form)?;
    Ok(Some(Comparison {
        is_equal: hints.is_empty(),
        given: Some(shown),
        stored: Some(Shown::of(&canonical)),
        differences: hints.iter().map(Field::of).collect(),
    }))
}

impl Comparison {
    /// The same without what the values are.
    pub(super) fn without_values(self) -> Self {
        Self { given: None, stored: None, ..self }
    }
}

impl Field {
    fn of(hint: &Hint) -> Self {
        let how = hint.difference.between("the value that was given", "the store");
        let rule = hint.rule.as_ref().map(ToString::to_string);
        Self { path: hint.field.to_string(), how, rule, is_weak: hint.is_weak() }
    }
}
