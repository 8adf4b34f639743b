//! What a read proves for later ones.

use super::History;
use crate::past::Past;
use crate::time::{Interval, Time};
use crate::verdict::{Legality, Observation};
use crate::write::{Digest, WriteId};

/// The value on which the store stands still.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Still {
    /// The value.
    pub digest: Digest,
    /// End of the first of the reads in a row that saw it: it was in the store by then.
    pub since: Time,
    /// Other writes of the same value may have landed until then.
    pub again_until: Time,
    /// The write behind it.
    pub past: Option<Past>,
}

/// The last possible read: whatever explains a later read of another value ended no earlier than it began.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LastRead {
    /// What it saw.
    pub digest: Digest,
    /// When it looked.
    pub at: Interval,
}

impl History {
    /// Notes what was read, after it was judged: from now on the value's write, if only one explains the read, is known to
    /// have happened by the end of it, whatever it was told; and no value that had certainly been overwritten by then may
    /// come back. Gives the write, if its value was certainly the one that was read.
    pub(crate) fn learn(&mut self, read: &Observation, legality: Legality) -> Option<WriteId> {
        let shown = match legality {
            Legality::Legal => self.narrow(read),
            Legality::Unknowable | Legality::Illegal => None,
        };
        let still = self.still_on(read);
        let rest = self.rest_mut();
        rest.still = Some(still);
        if legality != Legality::Illegal {
            rest.last = Some(LastRead { digest: read.digest, at: read.at });
        }
        shown
    }

    /// If exactly one write explains the read, it had happened by the end of it.
    fn narrow(&mut self, read: &Observation) -> Option<WriteId> {
        let newest = self.newest_begin(read.at.begin);
        let newest = newest.max(self.other_value_read(read.digest));
        if self.blind_until >= newest {
            return None;
        }
        let explains = |leg: Interval| leg.begin <= read.at.end && leg.end >= newest;
        if self.matches(read.digest).filter(|past| explains(past.store)).count() != 1 {
            return None;
        }
        let one = self.kept_mut().find(|write| {
            write.digest == read.digest && write.store().is_some_and(|leg| explains(leg.interval))
        })?;
        one.happened_by(read.at.end);
        Some(one.id())
    }

    fn still_on(&self, read: &Observation) -> Still {
        let before = self.still().filter(|still| still.digest == read.digest);
        let past = self.matches(read.digest).max_by_key(|past| past.store.end);
        if let Some(before) = before {
            return Still { past: past.or(before.past), ..before };
        }
        // Of one write that had begun it is known that it is the one that was read, unless the unknown past explains it.
        let due = self.newest_due(read.at.begin);
        let begun = self.matches(read.digest).filter(|past| past.store.begin <= read.at.end).count();
        let is_known = begun <= 1 && self.blind_until < due;
        let again = |past: &Past| !is_known || past.store.begin > read.at.end;
        let again = self.matches(read.digest).filter(again).map(|past| past.latest).max();
        let again_until = again.unwrap_or(Time::MIN).max(self.forgotten_until());
        Still { digest: read.digest, since: read.at.end, again_until, past }
    }
}
