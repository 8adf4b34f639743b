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
