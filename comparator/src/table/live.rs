//! The sources that live, as far as copies of their own matter.

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

/// Numbers of sources whose copies have to follow the store. There are no more of them than sources are known.
#[derive(Default)]
pub(super) struct Live(RwLock<HashSet<u32>>);

impl Live {
    /// Notes whether `source` lives.
    pub(super) fn set(&self, source: u32, lives: bool) {
        if self.has(source) != lives {
            let mut live = self.0.write().unwrap_or_else(PoisonError::into_inner);
            if lives {
                live.insert(source)
            } else {
                live.remove(&source)
            };
        }
    }

    /// Whether `source` lives.
    pub(super) fn has(&self, source: u32) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(&source)
    }
}
