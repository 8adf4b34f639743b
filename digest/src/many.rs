//! Many values at a time: their digests are computed side by side.

use crate::fields::Scratch;
use crate::print::Prints;
use crate::{CodecError, Digest, MapDigester, digest_in};
use counterfoil_keys::ValueKey;
use std::ops::Range;

/// Preimages are hashed once so many bytes wait: they stay in the processor's cache, and large values take no more room than one.
const WAITING_BYTES: usize = 64 * 1024;

/// Digests many values, of one map or of several, in order: appends one result per value to `digests`.
pub fn digest_many<'a>(
    values: impl Iterator<Item = (&'a MapDigester, Option<&'a [u8]>)>,
    digests: &mut Vec<Result<Digest, CodecError>>,
) {
    let mut waiting = Waiting::new(digests);
    values.for_each(|(map, value)| waiting.take(map, value));
    waiting.hash();
}

/// Digests many values as [`digest_many`] does, and appends the prints of the fields of those that come with `true`; of others, and
/// of those that the codec does not want, none.
pub fn digest_and_print_many<'a>(
    values: impl Iterator<Item = (&'a MapDigester, Option<&'a [u8]>, bool)>,
    digests: &mut Vec<Result<Digest, CodecError>>,
    prints: &mut Prints,
) {
    let mut scratch = Scratch::default();
    let mut waiting = Waiting::new(digests);
    for (map, value, is_printed) in values {
        match value.filter(|_| is_printed) {
            Some(value) => waiting.digests.push(
                prints
                    .take(|prints| map.digest_and_print(value, &mut scratch, |_, print| prints.push(print))),
            ),
            None => {
                prints.skip();
                waiting.take(map, value);
            }
        }
    }
    waiting.hash();
}

/// Values whose digests are still to be computed.
struct Waiting<'a, 'd> {
    digests: &'d mut Vec<Result<Digest, CodecError>>,
    preimages: Vec<u8>,
    /// Under which key, from where to where the preimage stands, and the place of the digest.
    places: Vec<(&'a ValueKey, Range<usize>, usize)>,
}

impl<'a, 'd> Waiting<'a, 'd> {
    fn new(digests: &'d mut Vec<Result<Digest, CodecError>>) -> Self {
        Self { digests, preimages: Vec::new(), places: Vec::new() }
    }

    fn take(&mut self, map: &'a MapDigester, value: Option<&[u8]>) {
        let canonical = value.map(|value| map.form.canonical(value)).transpose();
        if let Ok(Some(canonical)) = &canonical {
            let begin = self.preimages.len();
            map.append_preimage(canonical, &mut self.preimages);
            self.places.push((&map.key, begin..self.preimages.len(), self.digests.len()));
        }
        self.digests.push(canonical.map(|_| Digest::ABSENT));
        if self.preimages.len() >= WAITING_BYTES {
            self.hash();
        }
    }

    /// Puts the digests of all that waits into their places.
    fn hash(&mut self) {
        let preimage = |range: &Range<usize>| self.preimages.get(range.clone()).unwrap_or_default();
        let hashes = ValueKey::hash_many(self.places.iter().map(|(key, range, _)| (*key, preimage(range))));
        for ((_, _, place), hash) in self.places.drain(..).zip(hashes) {
            self.digests.get_mut(place).into_iter().for_each(|digest| *digest = Ok(digest_in(&hash)));
        }
        self.preimages.clear();
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crate::Codec;
    use crate::tests::digester;

    #[test]
    fn values_of_any_length_have_the_digests_that_they_have_alone_each_in_its_place() {
        let maps = [digester("a", Codec::Bytes), digester("b", Codec::Text)];
        let lengths = (0..400).map(|number| number * 37 % 1_500).chain([100_000, 3, 70_000]);
        let values: Vec<_> = lengths.map(|length| vec![b'x'; length]).collect();
        let all = || maps.iter().cycle().zip(values.iter().map(|value| Some(&value[..])));
        let mut digests = Vec::new();
        digest_many(all(), &mut digests);
        assert_eq!(digests, all().map(|(map, value)| map.digest(value)).collect::<Vec<_>>());
    }
}
