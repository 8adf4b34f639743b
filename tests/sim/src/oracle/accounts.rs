//! The accounts: what became of each sequence number. The comparator's own must say the same.

use super::Oracle;
use crate::delivery::Flushed;
use crate::plan::Mode;
use crate::world::{SourceRef, World, WriteRef};
use counterfoil_comparator::engine::Engine;
use counterfoil_comparator::sources::Report;
use counterfoil_judge::{Outcome, StoreOutcome, WriteId};
use counterfoil_proto::wire;
use prost::Message;

/// What became of a number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fate {
    /// It was given to an event or a loss.
    Issued,
    /// Its event reached the comparator.
    Accepted,
    /// Its event ended.
    Ended,
    /// The comparator was told that it is lost.
    Declared,
    /// The comparator went past it.
    Undeclared,
}

/// The numbers of one source.
#[derive(Default)]
pub(super) struct Account {
    numbers: Vec<(WriteRef, Fate)>,
    /// The first number the comparator has not got yet.
    next: u64,
    /// The first number the comparator may know of, since it started.
    base: u64,
    /// The comparator has started over and not heard of it since.
    is_unheard: bool,
}

impl Account {
    /// The write of a number.
    pub(super) fn write(&self, seq: u64) -> Option<WriteRef> {
        let (write, _) = self.numbers.get(usize::try_from(seq).ok()?)?;
        Some(*write)
    }

    /// Whether the comparator took the event of this number.
    pub(super) fn is_accepted(&self, seq: u64) -> bool {
        seq >= self.base && matches!(self.fate(seq), Some(Fate::Accepted | Fate::Ended))
    }

    fn fate(&self, seq: u64) -> Option<Fate> {
        usize::try_from(seq).ok().and_then(|seq| self.numbers.get(seq)).map(|(_, fate)| *fate)
    }

    /// Sets the fate of those numbers from `first` on that the comparator has not got yet; gives how many.
    fn set(&mut self, first: u64, count: u64, fate: Fate) -> u64 {
        let (from, end) = (first.max(self.next), first + count);
        for seq in from..end {
            if let Some(number) = usize::try_from(seq).ok().and_then(|seq| self.numbers.get_mut(seq)) {
                number.1 = fate;
            }
        }
        self.next = self.next.max(end);
        end.saturating_sub(from)
    }

    fn count(&self, fates: &[Fate]) -> u64 {
        let index = |seq: u64| usize::try_from(seq).unwrap_or(usize::MAX);
        let known = self.numbers.iter().take(index(self.next)).skip(index(self.base));
        known.filter(|(_, fate)| fates.contains(fate)).count() as u64
    }
}

impl Oracle {
    /// An emitter gave numbers to events and losses.
    pub fn issued(&mut self, source: SourceRef, flushed: &Flushed) {
        let account = self.accounts.entry(source).or_default();
        let lost = flushed.losses.iter().flat_map(|(_, writes)| writes);
        for write in flushed.events.iter().chain(lost) {
            self.issued.insert(*write, (source, account.numbers.len() as u64));
            account.numbers.push((*write, Fate::Issued));
        }
    }

    /// An upload is about to be taken.
    pub fn uploaded(&mut self, upload: &wire::Upload, world: &World) {
        let batch = wire::Batch::decode(upload.batch.clone()).expect("batches are made by the real batcher");
        let Some(source) = self.sources.get(&(batch.instance.clone(), batch.epoch)) else { return };
        let account = self.accounts.entry(*source).or_default();
        let count = u64::from(batch.count);
        if std::mem::take(&mut account.is_unheard) {
            let first_lost = batch.losses.iter().map(|loss| loss.first_seq).min();
            account.base = first_lost.map_or(batch.first_seq, |first| first.min(batch.first_seq));
            account.next = account.base;
        }
        let mut tainted = 0;
        let has_gaps = account.next < batch.losses.first().map_or(batch.first_seq, |loss| loss.first_seq);
        self.at_rest.has_losses |= has_gaps;
        for loss in &batch.losses {
            // Losses and events come in order; whatever lies before one of them and is in neither is undeclared.
            let missing = loss.first_seq.saturating_sub(account.next);
            self.paths
                .add("undeclared gap", account.set(loss.first_seq - missing, missing, Fate::Undeclared));
            tainted += account.set(loss.first_seq, loss.count, Fate::Declared);
        }
        let missing = batch.first_seq.saturating_sub(account.next);
        self.paths.add("undeclared gap", account.set(batch.first_seq - missing, missing, Fate::Undeclared));
        let new = account.set(batch.first_seq, count, Fate::Accepted);
        let end = batch.first_seq + count;
        let taken: Vec<_> = (end - new..end).filter_map(|seq| account.write(seq)).collect();
        self.at_rest.has_losses |= tainted > 0 || missing > 0;
        self.paths.add("gap tainted", tainted);
        self.paths.add("event delivered again", count - new);
        self.paths.add("map told whole", batch.snapshots.len() as u64);
        debug_assert!(account.next <= account.numbers.len() as u64, "{} at {}", account.next, world.now());
        for held in taken.into_iter().filter(|write| world.writes.get(*write).held) {
            self.paths.hit("held value told");
            self.at_rest.told(world.writes.get(held).key, world.now());
        }
    }

    pub(super) fn ended(&mut self, id: WriteId, outcome: Outcome, engine: &Engine, world: &World) {
        self.score.ended(outcome);
        let fate = self.source(id.source, engine).and_then(|source| self.accounts.get(&source)?.fate(id.seq));
        let Some(write) = self.write(id, engine).filter(|_| fate == Some(Fate::Accepted)) else {
            self.breach(world.now(), format!("{id:?} ended {outcome:?}, but it was {fate:?}"));
            return;
        };
        if let Some(account) =
            self.source(id.source, engine).and_then(|source| self.accounts.get_mut(&source))
            && let Some(number) = usize::try_from(id.seq).ok().and_then(|seq| account.numbers.get_mut(seq))
        {
            number.1 = Fate::Ended;
        }
        self.outcomes.insert(write, outcome);
        self.note(write, outcome, world);
        self.check_outcome(write, outcome, world);
    }

    fn note(&mut self, write: WriteRef, outcome: Outcome, world: &World) {
        let it = world.writes.get(write);
        match outcome {
            Outcome::Shed(_) => {
                self.paths.hit("key shed");
                self.shed.insert(it.key);
            }
            Outcome::Undetermined(reason) => self.paths.hit(&format!("undetermined: {}", reason.label())),
            Outcome::Confirmed { .. } if it.outcome == StoreOutcome::Unknown => {
                self.paths.hit("unknown outcome resolved");
            }
            _ => {}
        }
        if !matches!(outcome, Outcome::Shed(_)) && self.shed.remove(&it.key) {
            self.paths.hit("shed key admitted again");
        }
    }

    /// The comparator started over: it knows of nothing that it was told before.
    pub fn restarted(&mut self) {
        self.paths.hit("comparator started over");
        self.has_started_over = true;
        self.calibrated_at.clear();
        self.numbers.clear();
        self.finds.restarted();
        self.at_rest.restarted();
        for account in self.accounts.values_mut() {
            (account.is_unheard, account.base) = (true, u64::MAX);
        }
    }

    /// Nothing of the sidecar's memory was left.
    pub fn sidecar_crashed(&mut self, sidecar: usize) {
        self.crashed.insert(sidecar);
    }

    /// Compares the comparator's account of each source with the true one.
    pub(super) fn close_accounts(&mut self, engine: &Engine, next: &[(SourceRef, u64)], world: &World) {
        let mut known = engine.sources().all();
        known.sort_by_key(|source| source.id);
        for source in known {
            let name = (source.name.instance.clone(), source.name.epoch);
            if let Some(it) = self.sources.get(&name).copied() {
                self.close_account(it, &source.report(), next, world);
            }
        }
        let open: u64 = engine.table().census().iter().map(|census| census.open).sum();
        if world.plan.mode == Mode::Liveness && open > 0 {
            self.breach(world.now(), format!("{open} events are open after the quiet time"));
        }
    }

    /// The story of the first event that never ended.
    fn open_story(&self, account: &Account, world: &World) -> String {
        let open = account.numbers.iter().find(|(_, fate)| *fate == Fate::Accepted);
        open.map_or(String::new(), |(write, _)| self.story(world.writes.get(*write).key, world))
    }

    fn close_account(&mut self, it: SourceRef, report: &Report, next: &[(SourceRef, u64)], world: &World) {
        let Some(account) = self.accounts.get(&it) else { return };
        let own = (
            account.next,
            account.count(&[Fate::Accepted, Fate::Ended]),
            account.count(&[Fate::Declared]),
            account.count(&[Fate::Undeclared]),
        );
        let (open, lost) = (account.count(&[Fate::Accepted]), report.lost.iter().sum());
        let theirs = (report.next_seq, report.accepted, lost, report.undeclared);
        let is_live = world.plan.mode == Mode::Liveness;
        let sidecar = world.plan.sources.get(it.0).map_or(0, |plan| plan.sidecar);
        let issued = next.iter().find(|(source, _)| *source == it).map_or(0, |(_, next)| *next);
        let delivers = is_live && world.sources.get(it).alive;
        let problems = [
            (own != theirs, format!("next, accepted, lost, undeclared: {theirs:?}; truly {own:?}")),
            (own.3 > 0 && !self.crashed.contains(&sidecar), format!("{} went missing undeclared", own.3)),
            (
                is_live && open > 0,
                format!("{open} accepted events never ended{}", self.open_story(account, world)),
            ),
            (delivers && issued != own.0, format!("{issued} numbers were issued, {} arrived", own.0)),
        ];
        for (_, problem) in problems.into_iter().filter(|(is_so, _)| *is_so) {
            self.breach(world.now(), format!("source {}: {problem}", it.0));
        }
    }
}
