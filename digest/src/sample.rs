//! Samples: what of a value is sent so that another one can be explained beside it, without the value.

use crate::MapDigester;
use crate::codec::{Codec, CodecError};
use crate::explain::json;
use crate::path::MemberName;
use crate::print::Print;
use crate::spelling::{Reading, Spelling, spellings};
use crate::tree::{Node, Numbers};
use std::fmt::Write;

/// Most prints of one value's spellings.
pub const SPELLINGS_MAX: usize = 1_024;

/// Where the whole value is.
pub(crate) const ROOT: &str = ".";

/// Stands between form and place in what is hashed.
const DOMAIN: &[u8] = b"spelling/1";

impl MapDigester {
    /// The prints of everything that the parts of a value may be read as, sorted: the number that a text writes, a point in time less
    /// exactly, an array as a set. [`Self::reconcile`] tells by them where another value differs, and why. None of a value of bytes
    /// that is no JSON; of one with very many parts, those of the first ones, in the order of their paths.
    ///
    /// Each is `blake3::keyed_hash(K, preimage)`, the first 8 bytes, where K is the key of digests and the preimage that of a digest
    /// with three parts more: map, form, `spelling/1`, the place, the reading, what is read. A place is member names as in the path of
    /// a rule, and indexes of elements from 0, with points between.
    ///
    /// # Errors
    ///
    /// [`CodecError`] if the value is not what the codec wants.
    pub fn spellings(&self, value: &[u8]) -> Result<Vec<Print>, CodecError> {
        let codec = self.form.codec();
        let mut sample =
            Sample { digester: self, numbers: codec.numbers(), prints: Vec::new(), preimage: Vec::new() };
        let json = matches!(codec, Codec::Bytes | Codec::Text).then(|| json(value)).flatten();
        let json = json.map(|json| Spelling::new(Reading::Json, json));
        let is_whole = match codec {
            Codec::Bytes => {
                let itself = json.as_ref().map(|_| Spelling::new(Reading::Itself, value));
                sample.take(ROOT, itself.into_iter().chain(json).collect())
            }
            _ => {
                let node = self.form.tree(value)?;
                sample.take(ROOT, json.into_iter().collect()) && sample.take_node(&mut String::new(), &node)
            }
        };
        if !is_whole {
            let end = Spelling::new(Reading::End, "");
            sample.prints.push(self.spelled(ROOT, &end, &mut sample.preimage));
        }
        sample.prints.sort_unstable();
        Ok(sample.prints)
    }

    /// The print of one spelling of the part at `place`.
    pub(crate) fn spelled(&self, place: &str, spelling: &Spelling, preimage: &mut Vec<u8>) -> Print {
        let reading = spelling.reading.to_string();
        self.print([DOMAIN, place.as_bytes(), reading.as_bytes(), &spelling.canonical], preimage)
    }
}

/// What was taken of a value so far.
struct Sample<'a> {
    digester: &'a MapDigester,
    numbers: Numbers,
    prints: Vec<Print>,
    preimage: Vec<u8>,
}

impl Sample<'_> {
    /// Takes a part and all that is in it. Whether there was room.
    fn take_node(&mut self, place: &mut String, node: &Node<'_>) -> bool {
        let name = if place.is_empty() { ROOT } else { place.as_str() };
        if !self.take(name, spellings(node, self.numbers)) {
            return false;
        }
        match node {
            Node::Object(members) => members
                .iter()
                .all(|(name, node)| within(place, MemberName(name), |place| self.take_node(place, node))),
            Node::Array(nodes) => nodes
                .iter()
                .enumerate()
                .all(|(at, node)| within(place, at, |place| self.take_node(place, node))),
            _ => true,
        }
    }

    /// Takes the spellings of one part: all or none. Whether there was room, and still is for the word that there was none.
    fn take(&mut self, place: &str, spellings: Vec<Spelling>) -> bool {
        let has_room = self.prints.len() + spellings.len() < SPELLINGS_MAX;
        if has_room {
            let print = |spelling: &Spelling| self.digester.spelled(place, spelling, &mut self.preimage);
            self.prints.extend(spellings.iter().map(print));
        }
        has_room
    }
}

/// Goes one step down from `place`, which is empty for the value itself, and back.
pub(crate) fn within<T>(
    place: &mut String,
    step: impl std::fmt::Display,
    go: impl FnOnce(&mut String) -> T,
) -> T {
    let length = place.len();
    if length > 0 {
        place.push('.');
    }
    write!(place, "{step}").expect("a text takes every text");
    let gone = go(place);
    place.truncate(length);
    gone
}
