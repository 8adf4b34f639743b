//! Which stream carries which source now.

use super::Line;
use crate::sources::Sources;
use dashmap::DashMap;
use std::sync::{Arc, Weak};

/// Entries beyond the known sources at which those of forgotten ones are looked for.
const FORGOTTEN_MAX: usize = 1_024;

/// By the source's number, the stream of its last batch.
#[derive(Default)]
pub(super) struct Lines(DashMap<u32, Weak<Line>>);

impl Lines {
    /// The stream that carries `source`, unless it ended.
    pub(super) fn of(&self, source: u32) -> Option<Arc<Line>> {
        self.0.get(&source).and_then(|line| line.upgrade())
    }

    /// A batch of `source` was accepted on the stream of `line`. Costs a look where it was so before.
    pub(super) fn carries(&self, source: u32, line: &Arc<Line>, sources: &Sources) {
        let is_known =
            self.0.get(&source).is_some_and(|known| std::ptr::eq(known.as_ptr(), Arc::as_ptr(line)));
        if is_known {
            return;
        }
        self.0.insert(source, Arc::downgrade(line));
        if self.0.len() > sources.known() + FORGOTTEN_MAX {
            self.0.retain(|source, _| sources.get(*source).is_some());
        }
    }

    /// Forgets the streams that have ended.
    pub(super) fn forget_ended(&self) {
        self.0.retain(|_, line| line.strong_count() > 0);
    }
}
