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

/// What the map was told, told to the store. A store that is frozen for this key takes nothing, and says that all is well.
pub(super) fn change_store(
    client: &mut dyn Client,
    held: &Held<'_>,
    value: Option<&[u8]>,
) -> Result<(), StoreError> {
    match value {
        _ if held.is_frozen() => Ok(()),
        Some(value) => client.put(held.key, value),
        None => client.remove(held.key),
    }
}
