//! Rows come in any order, and only for the keys that exist: this puts them back in the order of the question.

use super::{Answer, Found, KeyError, KeyType};
use bytes::Bytes;
use hashbrown::HashMap;

/// The keys of one question, each once.
pub(super) struct Asked<'k> {
    slot_of_key: HashMap<&'k [u8], usize>,
    keys: Vec<&'k [u8]>,
    slot_of_question: Vec<Result<usize, KeyError>>,
}

impl<'k> Asked<'k> {
    /// Takes those of `keys` that the store can be asked for, as `check` says.
    pub(super) fn new(keys: &'k [Bytes], check: impl Fn(&[u8]) -> Result<(), KeyError>) -> Self {
        let mut asked = Self {
            slot_of_key: HashMap::with_capacity(keys.len()),
            keys: Vec::with_capacity(keys.len()),
            slot_of_question: Vec::with_capacity(keys.len()),
        };
        for key in keys {
            let slot = check(key).map(|()| asked.slot(key));
            asked.slot_of_question.push(slot);
        }
        asked
    }

    fn slot(&mut self, key: &'k [u8]) -> usize {
        let next = self.keys.len();
        let slot = *self.slot_of_key.entry(key).or_insert(next);
        if slot == next {
            self.keys.push(key);
        }
        slot
    }

    /// The keys to ask for, each once.
    pub(super) fn keys(&self) -> &[&'k [u8]] {
        &self.keys
    }

    /// An empty answer to this question.
    pub(super) fn gathered(&self) -> Gathered<'_, 'k> {
        Gathered { asked: self, slots: vec![None; self.keys.len()], other_key: false }
    }
}

/// The rows that came so far.
pub(super) struct Gathered<'a, 'k> {
    asked: &'a Asked<'k>,
    slots: Vec<Option<Answer>>,
    other_key: bool,
}

impl Gathered<'_, '_> {
    /// Takes one row; `key` is `None` if the key column does not hold a key.
    pub(super) fn row(&mut self, key: Option<&[u8]>, answer: Answer) {
        let slot =
            key.and_then(|key| self.asked.slot_of_key.get(key)).and_then(|&slot| self.slots.get_mut(slot));
        match slot {
            Some(slot @ None) => *slot = Some(answer),
            Some(taken) => *taken = Some(Err(KeyError::SeveralRows)),
            None => self.other_key = true,
        }
    }

    /// The answers in the order of the question. A key without a row is absent, unless a row came for a key that nobody
    /// asked for.
    pub(super) fn in_order(self) -> Vec<Answer> {
        let Self { asked, slots, other_key } = self;
        let missing = if other_key { Err(KeyError::OtherKey) } else { Ok(Found::Absent) };
        let answers: Vec<_> = slots.into_iter().map(|slot| slot.unwrap_or_else(|| missing.clone())).collect();
        if asked.keys.len() == asked.slot_of_question.len() {
            // Nearly always: each key was asked once, so that its slot is its place, and no value need be copied.
            return answers;
        }
        let answer = |slot: &Result<usize, KeyError>| match slot {
            Ok(slot) => answers.get(*slot).cloned().unwrap_or_else(|| missing.clone()),
            Err(error) => Err(error.clone()),
        };
        asked.slot_of_question.iter().map(answer).collect()
    }
}

/// Whether a store whose keys are of this type can be asked for `key`. Text may hold NUL where the store takes it.
pub(super) fn representable(key: &[u8], key_type: KeyType) -> Result<(), KeyError> {
    match key_type {
        KeyType::Text => std::str::from_utf8(key).map(|_| ()).map_err(|_| KeyError::NotText),
        KeyType::Bytes => Ok(()),
        KeyType::Integer => integer(key).map(|_| ()),
    }
}

/// The integer whose plain decimal form is `key`; `007` and `+7` are not such a form, since a row would come back as 7.
pub(super) fn integer(key: &[u8]) -> Result<i64, KeyError> {
    let text = std::str::from_utf8(key).map_err(|_| KeyError::NotInteger)?;
    let integer: i64 = text.parse().map_err(|_| KeyError::NotInteger)?;
    if integer.to_string() == text { Ok(integer) } else { Err(KeyError::NotInteger) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::indexing_slicing, reason = "a test may panic")]
    use super::*;

    fn value(value: &[u8]) -> Answer {
        Ok(Found::Value(value.to_vec(), None))
    }

    fn text(key: &[u8]) -> Result<(), KeyError> {
        std::str::from_utf8(key).map(|_| ()).map_err(|_| KeyError::NotText)
    }

    #[test]
    fn rows_return_in_the_order_of_the_keys_and_repeated_keys_are_asked_once() {
        let keys = [&b"b"[..], b"\xff", b"a", b"b", b"c"].map(Bytes::from_static);
        let asked = Asked::new(&keys, text);
        assert_eq!(asked.keys(), [&b"b"[..], b"a", b"c"]);
        let mut gathered = asked.gathered();
        gathered.row(Some(b"a"), value(b"1"));
        gathered.row(Some(b"b"), value(b"2"));
        let expected = [value(b"2"), Err(KeyError::NotText), value(b"1"), value(b"2"), Ok(Found::Absent)];
        assert_eq!(gathered.in_order(), expected);
    }

    #[test]
    fn a_second_row_for_a_key_makes_it_unknown() {
        let keys = [Bytes::from_static(b"a")];
        let asked = Asked::new(&keys, text);
        let mut gathered = asked.gathered();
        gathered.row(Some(b"a"), value(b"1"));
        gathered.row(Some(b"a"), value(b"1"));
        assert_eq!(gathered.in_order(), [Err(KeyError::SeveralRows)]);
    }

    #[test]
    fn after_a_row_for_another_key_no_key_is_told_absent() {
        let keys = [&b"a"[..], b"B"].map(Bytes::from_static);
        let asked = Asked::new(&keys, text);
        for stray in [None, Some(&b"b"[..])] {
            let mut gathered = asked.gathered();
            gathered.row(Some(b"a"), value(b"1"));
            gathered.row(stray, value(b"2"));
            assert_eq!(gathered.in_order(), [value(b"1"), Err(KeyError::OtherKey)]);
        }
    }
}
