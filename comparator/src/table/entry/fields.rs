//! What is known of a value besides its digest: prints of its fields, where the map's side tells them.

use super::Entry;
use crate::table::Printed;
use counterfoil_digest::Print;
use counterfoil_judge::{Time, Write};
use std::sync::Arc;

impl Entry {
    /// Keeps the prints of the newest write, and of no other.
    pub(super) fn keep_prints(&mut self, write: &Write, prints: &[Print]) {
        if !prints.is_empty() {
            let printed = Printed { id: write.id, digest: write.digest, prints: prints.into() };
            self.extra_mut().fields = Some(Arc::new(printed));
        } else if let Some(extra) = &mut self.extra {
            extra.fields = None;
        }
    }

    /// The prints of the newest write's fields, if a read at `now` may confirm that the store differs from it: before the
    /// deadline of what waits a value that differs is most of all one that is not there yet.
    pub(in crate::table) fn fields_to_compare(&self, now: Time) -> Option<Arc<Printed>> {
        let fields = self.extra.as_ref()?.fields.as_ref()?;
        let waiting = self.history.writes().filter(|write| write.pending);
        let may_confirm = self.has_divergence() || waiting.map(|write| write.deadline).all(|it| it < now);
        may_confirm.then(|| fields.clone())
    }
}
