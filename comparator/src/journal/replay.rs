//! What a comparator that was started over makes of its journal.
//!
//! Every entry that is kept is taken again, at the instant at which it was taken: those with open events as they were, the
//! others for what they tell of their keys. So the table knows all writes since the first entry that is kept; what was written
//! before that is in doubt, as it is for a comparator that starts for the first time.
//!
//! After a reboot the instants of the journal are of another clock. Then only the sources are restored, and open events end
//! undetermined.

use super::hint::Hint;
use crate::engine::{Engine, Standing};
use crate::sources::SourceName;
use crate::table::Effects;
use counterfoil_clock::Domain;
use counterfoil_judge::Time;
use counterfoil_proto::{time, wire};
use counterfoil_spool::{Directory, Gap, Numbered, ReadError, Reader, Recovered, Spool};
use prost::Message;

/// Bytes of entries that are read at a time.
const READ_BYTES: usize = 4 << 20;

/// What stands in the journal.
pub(crate) struct Past {
    reader: Reader<Directory>,
    recovered: Recovered,
    hint: Hint,
}

/// What was made of it.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub(crate) struct Replayed {
    /// Entries taken again.
    pub(crate) entries: u64,
    /// Of these, those that had open events.
    pub(crate) open: u64,
    /// Entries that are lost: their bytes have rotted or are gone.
    pub(crate) lost: u64,
    /// Entries that the engine does not take, such as those of a key that is not accepted any more.
    pub(crate) refused: u64,
}

impl Past {
    pub(super) fn new(spool: &Spool, recovered: Recovered) -> Self {
        let hint = recovered.cursor.as_deref().map(Hint::decode).unwrap_or_default();
        Self { reader: spool.reader(), recovered, hint }
    }

    /// Takes everything again, at `now`; `tell` gets what has to be done after it.
    ///
    /// # Errors
    ///
    /// [`ReadError`] if a file cannot be read at present.
    pub(crate) fn replay(
        self,
        engine: &Engine,
        own_clock: Domain,
        now: Time,
        mut tell: impl FnMut(Effects),
    ) -> Result<Replayed, ReadError> {
        let Self { mut reader, recovered, hint } = self;
        let start = reader.from_start()?;
        for (subject, stamp) in &start.stamps {
            restore(engine, subject, stamp, now);
        }
        if !start.is_complete {
            engine.sources().loosen(true);
        }
        let mut replay =
            Replay { engine, own_clock, now, hint, is_gap: start.first > 1, replayed: Replayed::default() };
        let mut from = start.first;
        while from < recovered.next {
            let read = reader.read(from, READ_BYTES)?;
            let mut gaps = read.gaps.into_iter().peekable();
            for entry in &read.entries {
                while let Some(gap) = gaps.next_if(|gap| gap.numbers.start < entry.number) {
                    replay.miss(&gap);
                }
                tell(replay.take(entry));
                failpoint!("comparator::replay::halfway");
            }
            gaps.for_each(|gap| replay.miss(&gap));
            if read.next <= from {
                break;
            }
            from = read.next;
        }
        if replay.is_gap {
            engine.doubt_what_was_before(now);
        }
        // Signs of life are not in the journal, though they are links of their chains.
        engine.sources().loosen(false);
        Ok(replay.replayed)
    }
}

struct Replay<'a> {
    engine: &'a Engine,
    own_clock: Domain,
    now: Time,
    hint: Hint,
    /// What comes before the next entry is not known.
    is_gap: bool,
    replayed: Replayed,
}

impl Replay<'_> {
    fn miss(&mut self, gap: &Gap) {
        self.replayed.lost += gap.count();
        self.engine.sources().loosen(true);
        self.is_gap = true;
    }

    fn take(&mut self, entry: &Numbered) -> Effects {
        let Some((upload, at, clock)) = taken(&entry.entry.body) else {
            self.replayed.refused += 1;
            return Effects::default();
        };
        let is_open = self.hint.is_open(entry.number);
        let standing = Standing { is_open, is_placeable: clock == self.own_clock };
        // Instants of another clock say nothing here.
        let at = if standing.is_placeable { at } else { self.now };
        if std::mem::take(&mut self.is_gap) || !standing.is_placeable {
            self.engine.doubt_what_was_before(at);
        }
        match self.engine.replay(upload, standing, entry.number, at) {
            Ok(effects) => {
                if self.replayed.lost > 0 {
                    reconcile(self.engine, entry);
                }
                self.replayed.entries += 1;
                self.replayed.open += u64::from(is_open);
                effects
            }
            Err(refused) => {
                tracing::warn!(number = entry.number, "an entry of the journal is not taken: {refused}");
                self.replayed.refused += 1;
                Effects::default()
            }
        }
    }
}

fn taken(body: &[u8]) -> Option<(wire::Upload, Time, Domain)> {
    let taken = wire::journal::Taken::decode(body).ok()?;
    Some((taken.upload?, time(taken.at_ns), taken.clock?.into()))
}

fn restore(engine: &Engine, subject: &[u8], stamp: &[u8], now: Time) {
    match (name(subject), wire::journal::SourceStamp::decode(stamp)) {
        (Some(name), Ok(stamp)) => engine.sources().restore(name, stamp, now),
        _ => tracing::warn!("a source in the journal cannot be read; it is met as a new one"),
    }
}

/// Entries before this one are lost: what was taken from them is known from its stamp.
fn reconcile(engine: &Engine, entry: &Numbered) {
    let stamp = wire::journal::SourceStamp::decode(&*entry.entry.stamp);
    if let (Some(name), Ok(stamp)) = (name(&entry.entry.subject), stamp) {
        engine.sources().reconcile(&name, &stamp);
    }
}

fn name(subject: &[u8]) -> Option<SourceName> {
    SourceName::try_from(wire::journal::SourceId::decode(subject).ok()?).ok()
}
