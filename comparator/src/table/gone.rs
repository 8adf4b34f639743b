//! Sources that have ended or are lost, as far as copies of their own matter.

use std::collections::HashSet;
use std::sync::{PoisonError, RwLock};

/// Numbers of sources whose copies need not follow the store.
#[derive(Default)]
pub(crate) struct Gone(RwLock<HashSet<u32>>);

impl Gone {
    /// Notes that `source` is gone, or that it is back.
    pub(crate) fn set(&self, source: u32, is_gone: bool) {
        let mut gone = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if is_gone { gone.insert(source) } else { gone.remove(&source) };
    }

    /// Whether `source` is gone.
    pub(crate) fn has(&self, source: u32) -> bool {
        self.0.read().unwrap_or_else(PoisonError::into_inner).contains(&source)
    }
}
