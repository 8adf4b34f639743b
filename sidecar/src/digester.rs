//! The maps that are known, and the digests of their values.

use crate::batcher::MapName;
use crate::config;
use crate::events::Checked;
use counterfoil_digest::{CodecError, Digest, MapDigesters, digest_many};
use counterfoil_keys::{KeyNumber, Keyring, TenantKey};
use counterfoil_proto::wire::emit::{Event, Op};
use std::collections::HashMap;
use std::sync::Arc;

/// Digests the values of the configured maps, under any of the tenant's keys.
pub(crate) struct Digester {
    maps: Vec<(Arc<str>, MapDigesters)>,
    places: HashMap<Arc<str>, usize>,
}

impl Digester {
    pub(crate) fn new(keys: &Keyring<TenantKey>, maps: &[config::Map]) -> Self {
        let digester =
            |map: &config::Map| (Arc::clone(&map.name), MapDigesters::new(keys, &map.name, map.form.clone()));
        let places = maps.iter().enumerate().map(|(place, map)| (Arc::clone(&map.name), place)).collect();
        Self { maps: maps.iter().map(digester).collect(), places }
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
        MapName { place, name: self.maps.get(place).map_or("", |(name, _)| name) }
    }

    /// Appends the digests under `key` of those events that are fit, in order.
    pub(crate) fn digest(
        &self,
        key: KeyNumber,
        events: &[Event],
        checked: &[Checked],
        digests: &mut Vec<Result<Digest, CodecError>>,
    ) {
        let values = events.iter().zip(checked).filter_map(|(event, checked)| {
            let (_, map) = self.maps.get(*checked.place.as_ref().ok()?)?;
            Some((map.under(key)?, (event.op() == Op::Put).then_some(&event.value[..])))
        });
        digest_many(values, digests);
    }
}

#[cfg(test)]
#[path = "../../tests/vectors/mod.rs"]
#[allow(dead_code, reason = "of what vectors tell, digests and refusals are the sidecar's")]
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
        let map = config::Map { name: vector.map.as_str().into(), form: vector.form() };
        let digester = Digester::new(&file.keys(), &[map]);
        let op = if vector.value().is_some() { Op::Put } else { Op::Remove };
        let value = vector.value().unwrap_or_default().into();
        let event = Event { op: op.into(), value, ..Default::default() };
        let legs = Reported { map: None, store: None };
        let checked =
            Checked { legs, held: false, trace: None, place: Ok(digester.place(&vector.map).unwrap()) };
        let mut digests = Vec::new();
        digester.digest(KeyNumber::default(), &[event], &[checked], &mut digests);
        digests.remove(0)
    }
}
