//! The maps that are known, and what is told of their values.

use crate::batcher::MapName;
use crate::config::{self, Told};
use crate::events::Checked;
use counterfoil_digest::{CodecError, Digest, MapDigesters, Print, Prints, digest_and_print_many};
use counterfoil_keys::{KeyNumber, Keyring, TenantKey};
use counterfoil_proto::wire::emit::{Event, Op};
use std::collections::HashMap;
use std::sync::Arc;

/// Digests the values of the configured maps, under any of the tenant's keys.
pub(crate) struct Digester {
    maps: Vec<Map>,
    places: HashMap<Arc<str>, usize>,
}

struct Map {
    name: Arc<str>,
    digesters: MapDigesters,
    told: Told,
}

/// What values gave, in their order.
#[derive(Default)]
pub(crate) struct Digests {
    pub(crate) digests: Vec<Result<Digest, CodecError>>,
    /// Of the fields of those values whose map tells them.
    pub(crate) prints: Prints,
}

impl Digester {
    pub(crate) fn new(keys: &Keyring<TenantKey>, maps: &[config::Map]) -> Self {
        let map = |map: &config::Map| Map {
            name: Arc::clone(&map.name),
            digesters: MapDigesters::new(keys, &map.name, map.form.clone()),
            told: map.told,
        };
        let places = maps.iter().enumerate().map(|(place, map)| (Arc::clone(&map.name), place)).collect();
        Self { maps: maps.iter().map(map).collect(), places }
    }

    /// How many maps are known.
    pub(crate) fn maps(&self) -> usize {
        self.maps.len()
    }

    /// The place of a map in the configuration.
    pub(crate) fn place(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// The map at a place that [`Self::place`] gave.
    pub(crate) fn map(&self, place: usize) -> MapName<'_> {
        MapName { place, name: self.maps.get(place).map_or("", |map| &map.name) }
    }

    /// Whether samples of the values of the map at `place` travel.
    pub(crate) fn is_sampled(&self, place: usize) -> bool {
        self.maps.get(place).is_some_and(|map| map.told.samples)
    }

    /// Sets `all` to the digests under `key` of those events that are fit, in order, and the prints of their fields.
    pub(crate) fn digest(&self, key: KeyNumber, events: &[Event], checked: &[Checked], all: &mut Digests) {
        let values = events.iter().zip(checked).filter_map(|(event, checked)| {
            let map = self.maps.get(*checked.place.as_ref().ok()?)?;
            Some((map.digesters.under(key)?, value(event), map.told.fields))
        });
        all.digests.clear();
        all.prints.clear();
        digest_and_print_many(values, &mut all.digests, &mut all.prints);
    }

    /// The spellings under `key` of the value of an event of the map at `place`; none of no value.
    pub(crate) fn sample(&self, key: KeyNumber, place: usize, event: &Event) -> Vec<Print> {
        let map = self.maps.get(place).and_then(|map| map.digesters.under(key));
        let spellings = map.zip(value(event)).and_then(|(map, value)| map.spellings(value).ok());
        spellings.unwrap_or_default()
    }
}

/// The value that an event put.
fn value(event: &Event) -> Option<&[u8]> {
    (event.op() == Op::Put).then_some(&event.value[..])
}

#[cfg(test)]
#[path = "../../tests/vectors/mod.rs"]
#[allow(dead_code, reason = "of what vectors tell, digests, prints and refusals are the sidecar's")]
mod vectors;

#[cfg(test)]
mod tests {
    use super::vectors::{Expected, File, Vector, files, hex};
    use super::*;
    use crate::events::Unfit;
    use counterfoil_judge::Reported;

    #[test]
    fn the_digests_of_events_are_those_of_the_vectors() {
        for file in files() {
            for vector in &file.vectors {
                let found = digest(&file, vector);
                let digest_hex = found.as_ref().ok().map(|digest| hex(&digest.0));
                let refused = found.err().map(|error| Unfit::from(error).label().to_owned());
                let Expected { digest_hex: expected, refused: reason, .. } = &vector.expected;
                assert_eq!((&digest_hex, &refused), (expected, reason), "{}", vector.about);
            }
        }
    }

    fn digest(file: &File, vector: &Vector) -> Result<Digest, CodecError> {
        let told = Told { fields: false, samples: false };
        let map = config::Map { name: vector.map.as_str().into(), form: vector.form(), told };
        let digester = Digester::new(&file.keys(), &[map]);
        let op = if vector.value().is_some() { Op::Put } else { Op::Remove };
        let value = vector.value().unwrap_or_default().into();
        let event = Event { op: op.into(), value, ..Default::default() };
        let legs = Reported { map: None, store: None };
        let checked =
            Checked { legs, held: false, trace: None, place: Ok(digester.place(&vector.map).unwrap()) };
        let mut all = Digests::default();
        digester.digest(KeyNumber::default(), &[event], &[checked], &mut all);
        all.digests.remove(0)
    }
}
