//! Which bundles there are, in the order in which they were written.

use super::Presence;
use super::folder::Found;
use crate::ledger::DivergenceId;
use std::collections::{HashSet, VecDeque};

/// What is in the folder, and what is on its way there.
pub(super) struct Shelf {
    kept: HashSet<DivergenceId>,
    waiting: HashSet<DivergenceId>,
    /// The oldest one in front.
    order: VecDeque<Found>,
    bytes: u64,
}

/// Why a bundle has to go.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Expired {
    /// It is too old.
    Age,
    /// There is no room for it.
    Bytes,
}

impl Expired {
    /// As a metric label.
    pub(super) fn label(self) -> &'static str {
        let [age, bytes] = super::EXPIRED;
        match self {
            Self::Age => age,
            Self::Bytes => bytes,
        }
    }
}

impl Shelf {
    /// What was found in the folder.
    pub(super) fn of(mut found: Vec<Found>) -> Self {
        found.sort_by_key(|one| one.written_unix_ns);
        Self {
            kept: found.iter().map(|one| one.id).collect(),
            waiting: HashSet::new(),
            bytes: found.iter().map(|one| one.bytes).sum(),
            order: found.into(),
        }
    }

    pub(super) fn presence(&self, id: DivergenceId) -> Presence {
        if self.kept.contains(&id) {
            Presence::Kept
        } else if self.waiting.contains(&id) {
            Presence::Waiting
        } else {
            Presence::None
        }
    }

    /// A bundle is on its way.
    pub(super) fn wait_for(&mut self, id: DivergenceId) {
        self.waiting.insert(id);
    }

    /// It was written, or could not be.
    pub(super) fn came(&mut self, id: DivergenceId, written: Option<Found>) {
        self.waiting.remove(&id);
        if let Some(found) = written {
            self.kept.insert(id);
            self.bytes += found.bytes;
            self.order.push_back(found);
        }
    }

    /// Takes off the oldest bundle, if it was written before `before_unix_ns`, or all together take more than `bytes_max`.
    pub(super) fn take_off(
        &mut self,
        before_unix_ns: i64,
        bytes_max: u64,
    ) -> Option<(DivergenceId, Expired)> {
        let expired = match self.order.front()? {
            oldest if oldest.written_unix_ns < before_unix_ns => Expired::Age,
            _ if self.bytes > bytes_max => Expired::Bytes,
            _ => return None,
        };
        let oldest = self.order.pop_front()?;
        self.bytes = self.bytes.saturating_sub(oldest.bytes);
        self.kept.remove(&oldest.id);
        Some((oldest.id, expired))
    }

    /// How many bytes all bundles take.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }
}
