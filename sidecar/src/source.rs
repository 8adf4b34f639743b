//! The sources that the sidecar knows. A source's state outlives its connection, so that a connection made anew goes on
//! where the last one was.
//!
//! A connection owns its source's state for as long as it lives: it holds the lock. A newer connection of the same
//! source asks the older one to end and waits for the lock. So one task at a time changes a source, without a lock taken
//! per frame.

use crate::batcher::{Batcher, SourceId};
use crate::marks::Marks;
use crate::sequence::Sequence;
use counterfoil_judge::Time;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use tokio_util::sync::CancellationToken;

/// Sources remembered. Of those without a connection, the one not heard of for longest is forgotten first: were it to
/// come back, it would start where it stands, and the comparator drops what it knows.
pub(crate) const SOURCES_MAX: usize = 1_024;

/// What the sidecar knows of a source.
pub(crate) struct Source {
    pub(crate) sequence: Sequence,
    pub(crate) batcher: Batcher,
    /// It said bye.
    pub(crate) ended: bool,
    /// What of it waits to be acknowledged.
    pub(crate) marks: Marks,
    /// What [`crate::uplink::Outlet::chains_broken`] said when its chain began.
    pub(crate) chain: u64,
}

impl Source {
    /// A source of which nothing is known yet.
    pub(crate) fn new(batcher: Batcher, chain: u64) -> Self {
        Self { sequence: Sequence::default(), batcher, ended: false, marks: Marks::default(), chain }
    }
}

/// A source's state, shared between the connections that come one after the other.
pub(crate) type SharedSource = Arc<tokio::sync::Mutex<Source>>;

/// The sources, by name.
#[derive(Default)]
pub(crate) struct Registry {
    slots: Mutex<HashMap<SourceId, Slot>>,
}

struct Slot {
    source: SharedSource,
    /// Ends the connection that has the source, or had it last.
    holder: CancellationToken,
    claimed: Time,
}

/// A connection's claim to a source: the state is its own once the lock is taken.
pub(crate) struct Claim {
    pub(crate) source: SharedSource,
    /// Cancelled when a newer connection claims the source.
    pub(crate) replaced: CancellationToken,
}

impl Registry {
    /// Claims the source `id`, which `make` makes if it is new. Whoever holds it is asked to let go.
    pub(crate) fn claim(&self, id: &SourceId, now: Time, make: impl FnOnce() -> Source) -> Claim {
        let mut slots = self.slots.lock().unwrap_or_else(PoisonError::into_inner);
        let replaced = CancellationToken::new();
        if let Some(slot) = slots.get_mut(id) {
            std::mem::replace(&mut slot.holder, replaced.clone()).cancel();
            slot.claimed = now;
            return Claim { source: Arc::clone(&slot.source), replaced };
        }
        if slots.len() >= SOURCES_MAX {
            forget_oldest(&mut slots);
        }
        let source = Arc::new(tokio::sync::Mutex::new(make()));
        let slot = Slot { source: Arc::clone(&source), holder: replaced.clone(), claimed: now };
        slots.insert(id.clone(), slot);
        Claim { source, replaced }
    }

    /// Knows the source `id` from before the process started.
    pub(crate) fn restore(&self, id: SourceId, source: Source) {
        let slot = Slot {
            source: Arc::new(tokio::sync::Mutex::new(source)),
            holder: CancellationToken::new(),
            claimed: Time::MIN,
        };
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).insert(id, slot);
    }

    /// Forgets a source that can never come back.
    pub(crate) fn forget(&self, id: &SourceId) {
        self.slots.lock().unwrap_or_else(PoisonError::into_inner).remove(id);
    }
}

fn forget_oldest(slots: &mut HashMap<SourceId, Slot>) {
    let idle = slots.iter().filter(|(_, slot)| Arc::strong_count(&slot.source) == 1);
    let oldest = idle.min_by_key(|(_, slot)| slot.claimed).map(|(id, _)| id.clone());
    // Sources with a connection are bounded by socket.connections_max.
    if let Some(id) = oldest {
        slots.remove(&id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batcher::Seal;
    use counterfoil_clock::Domain;
    use counterfoil_keys::{DeploymentKey, SigningKey, TenantName};

    fn id(epoch: u64) -> SourceId {
        SourceId { service: "s".to_owned(), instance: "i".to_owned(), epoch }
    }

    fn claim(registry: &Registry, epoch: u64) -> Claim {
        let now = Time(i64::try_from(epoch).unwrap());
        registry.claim(&id(epoch), now, || {
            let key = DeploymentKey::new("k", [0; 32]).tenant(&TenantName::default());
            let seal = Seal::new(&key, Arc::new(SigningKey::new([1; 32])));
            let clock = Domain { boot_id: "b".to_owned(), offset_ns: 0 };
            Source::new(Batcher::new(id(epoch), clock, seal, 1), 0)
        })
    }

    #[test]
    fn a_newer_claim_ends_the_older_and_gets_the_same_state() {
        let registry = Registry::default();
        let older = claim(&registry, 1);
        older.source.try_lock().unwrap().sequence.start_at(7);
        let newer = claim(&registry, 1);
        assert!(older.replaced.is_cancelled() && !newer.replaced.is_cancelled());
        assert_eq!(newer.source.try_lock().unwrap().sequence.next(), Some(7));
        assert!(!claim(&registry, 2).replaced.is_cancelled());
    }

    #[test]
    fn the_number_of_sources_is_bounded_and_those_in_use_stay() {
        let registry = Registry::default();
        let in_use = claim(&registry, 0);
        in_use.source.try_lock().unwrap().sequence.start_at(7);
        for epoch in 1..=2 * SOURCES_MAX as u64 {
            claim(&registry, epoch);
        }
        assert_eq!(registry.slots.lock().unwrap().len(), SOURCES_MAX);
        assert_eq!(claim(&registry, 0).source.try_lock().unwrap().sequence.next(), Some(7));
    }
}
