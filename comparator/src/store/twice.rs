//! Two answers about one key that were read in a row: what differs between them says something about the store, or about a
//! write that came between.

use super::{Answer, Found};
use counterfoil_digest::{Difference, Form, Hint, Path, explain};

/// Where the two answers differ as values of `form`; nowhere if they are the same. `None` if that says nothing: one of them could
/// not be told or has not that form, or there is no value in either.
#[must_use]
pub fn differing(first: &Answer, second: &Answer, form: &Form) -> Option<Vec<Hint>> {
    match (first.as_ref().ok()?, second.as_ref().ok()?) {
        (Found::Absent, Found::Absent) => None,
        (Found::Value(..), Found::Absent) => Some(vec![of_whole(Difference::LeftOnly)]),
        (Found::Absent, Found::Value(..)) => Some(vec![of_whole(Difference::RightOnly)]),
        (Found::Value(first, _), Found::Value(second, _)) => explain(first, second, form).ok(),
    }
}

/// That a whole value is there on one side only: no rule helps.
fn of_whole(difference: Difference) -> Hint {
    Hint { field: Path::default(), difference, rule: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::KeyError;
    use counterfoil_digest::Codec;

    #[test]
    fn two_answers_differ_where_their_canonical_forms_do_and_an_error_or_no_value_says_nothing() {
        let value = |value: &str| Ok(Found::Value(value.as_bytes().to_vec(), None));
        let absent = || Ok(Found::Absent);
        for (first, second, expected) in [
            (value(r#"{"a":1,"b":2}"#), value(r#"{"b":2.0,"a":1}"#), Some(vec![])),
            (value(r#"{"a":1,"b":2}"#), value(r#"{"b":3,"a":1}"#), Some(vec!["b: another value"])),
            (
                value(r#"{"a":[1,2]}"#),
                value(r#"{"a":[2,1]}"#),
                Some(vec!["a: the same elements in another order"]),
            ),
            (value("{}"), absent(), Some(vec![".: only in the first"])),
            (absent(), value("{}"), Some(vec![".: only in the second"])),
            (absent(), absent(), None),
            (value("{"), value("{"), None),
            (value("{}"), Err(KeyError::SeveralRows), None),
            (Err(KeyError::SeveralRows), Err(KeyError::SeveralRows), None),
        ] {
            let form = Form::from(Codec::Json);
            let told = |hint: &Hint| {
                format!("{}: {}", hint.field, hint.difference.between("the first", "the second"))
            };
            let found = differing(&first, &second, &form);
            let found = found.map(|hints| hints.iter().map(told).collect::<Vec<_>>());
            let expected = expected.map(|hints| hints.into_iter().map(str::to_owned).collect::<Vec<_>>());
            assert_eq!(found, expected, "{first:?} {second:?}");
        }
    }
}
