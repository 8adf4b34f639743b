//! A dual write as a careful application does it: the map first, then the store, both while the key is held.

use super::map::Held;
use crate::app_store::{Client, StoreError};
use counterfoil_emitter::{DualWrite, MapEmitter};

/// Begins a dual write and changes the map; the store's part is left to the caller.
pub(super) fn change_map(emitter: &MapEmitter, held: &mut Held<'_>, value: Option<&[u8]>) -> DualWrite {
    let mut write = match value {
        Some(value) => emitter.begin_put(held.key, value),
        None => emitter.begin_remove(held.key),
    };
    let order = write.map(|| held.set(value));
    write.order(order);
    write
}

/// What the map was told, told to the store.
pub(super) fn change_store(
    client: &mut dyn Client,
    key: &str,
    value: Option<&[u8]>,
) -> Result<(), StoreError> {
    match value {
        Some(value) => client.put(key, value),
        None => client.remove(key),
    }
}
