//! Everything of a comparator that decides, without a clock, I/O or waiting.
//!
//! The receiver hands uploads to [`Engine::take`], the scheduler observations to the table; each hands in the present
//! instant. So a simulation drives the engine in virtual time just as the comparator does in real time.
//!
//! # Invariants
//!
//! - Nothing of a batch is looked at before its code was found right.
//! - A batch's events are in the table before its watermark counts; batches of one source are taken one after the other.
//! - What nobody can know any more (numbers missing, a source lost, a clock not bounded) becomes doubt about keys before
//!   anything is judged without it.

mod gate;
mod rows;

pub use gate::{Limits, Refused};

use crate::clocks::{Clocks, Exchange, Translation};
use crate::config::Probing;
use crate::contract::{Contracts, MapId};
use crate::metrics;
use crate::sources::{Silence, Source, Sources, Taken};
use crate::table::{Effects, Table};
use ::metrics::Counter;
use counterfoil_clock::Domain;
use counterfoil_digest::DeploymentKey;
use counterfoil_judge::{Reason, Time};
use counterfoil_proto::{BucketSet, Columns, LossReason, Row, time, wire};
use gate::Gate;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Stands for the map of events whose map has no contract.
pub const NO_CONTRACT: MapId = MapId(u32::MAX);

/// Everything an engine is made of.
pub struct Options {
    /// What each map's owner promises.
    pub contracts: Arc<Contracts>,
    /// Authenticates batches.
    pub key: DeploymentKey,
    /// The clock of the instants that are handed in.
    pub own_clock: Domain,
    /// Bounds of a batch.
    pub limits: Limits,
    /// When probes are made.
    pub probing: Probing,
    /// Most keys kept in the table.
    pub keys_max: usize,
    /// Most sources known at a time.
    pub sources_max: usize,
    /// When a silent source is given up.
    pub silence: Silence,
}

/// Sources, clocks and the key table, and the one way events get into them.
pub struct Engine {
    contracts: Arc<Contracts>,
    sources: Arc<Sources>,
    clocks: Clocks,
    table: Table,
    gate: Gate,
    /// Events that went to the table or ended at once, per contract; the last is for maps without one.
    accepted: Box<[AtomicU64]>,
    counters: Counters,
}

struct Counters {
    batches: Counter,
    duplicates: Counter,
    lost: Vec<(LossReason, Counter)>,
    undeclared: Counter,
    clock_epochs: Counter,
    sources_lost: Counter,
}

impl Engine {
    /// Knows no source and no key yet.
    #[must_use]
    pub fn new(options: Options) -> Self {
        let contracts = options.contracts;
        Self {
            sources: Arc::new(Sources::new(options.sources_max, options.silence)),
            clocks: Clocks::new(options.own_clock),
            table: Table::new(contracts.clone(), options.probing, options.keys_max),
            gate: Gate::new(&options.key, options.limits),
            accepted: contracts.iter().map(|_| 0).chain([0]).map(AtomicU64::new).collect(),
            counters: Counters::new(),
            contracts,
        }
    }

    /// Takes one upload that arrived at `at`; gives what has to be done after it.
    ///
    /// # Errors
    ///
    /// [`Refused`] if it is not to be believed, too large, or of a source for which there is no room. No event of it was
    /// applied then.
    pub fn take(&self, upload: wire::Upload, at: Time) -> Result<Effects, Refused> {
        let columns = self.gate.open(&upload)?;
        self.learn_clock(&upload, at);
        let header = columns.header();
        let (source, resumed) = self.sources.enter(header, at).ok_or(Refused::Sources)?;
        // The same batch may come on two streams: the second must not promise what the first is still applying.
        let _turn = source.take_turn();
        let taken = source.take(header, columns.len() as u64, at);
        let translation = self.translation(&columns, at);
        if resumed {
            // What it reported to somebody else may still be on its way to the store.
            self.doubt(&BucketSet::All, at, Reason::Baseline);
        }
        self.doubt_what_is_missing(&source, &taken, translation, at);
        let new = columns.rows().filter(|(seq, _)| *seq >= taken.first_new);
        let effects = self.apply(&source, &columns, new, translation, at);
        // A promise for a time that had not come when it was sent was made before the clock jumped back.
        let is_of_other_clock = header.clock != Domain::from(upload.clock.unwrap_or_default());
        source.promise(header, is_of_other_clock || header.watermark <= time(upload.sent_ns));
        self.table.set_live(source.id, source.is_live());
        self.counters.batches.increment(1);
        let known = taken.first_new.saturating_sub(header.first_seq).min(columns.len() as u64);
        self.counters.duplicates.increment(known);
        Ok(effects)
    }

    /// Gives up on sources that are silent at `at`. While one is lost, every key is in doubt: it may only be cut off, and
    /// go on writing. To be called before anything is judged at `at`.
    pub fn mind_silence(&self, at: Time) {
        let had_lost = self.sources.has_lost();
        let silent = self.sources.give_up_silent(at);
        for source in &silent.lost {
            tracing::warn!(source = %source.name, "a source fell silent; verdicts no longer wait for it");
            self.counters.sources_lost.increment(1);
            self.table.set_live(source.id, false);
        }
        for source in &silent.expired {
            tracing::warn!(source = %source.name, "a lost source is taken for gone; doubt about what it wrote ends");
        }
        if had_lost || !silent.lost.is_empty() {
            self.doubt(&BucketSet::All, at, Reason::SourceLost);
        }
    }

    /// The contracts.
    #[must_use]
    pub fn contracts(&self) -> &Arc<Contracts> {
        &self.contracts
    }

    /// The sources.
    #[must_use]
    pub fn sources(&self) -> &Arc<Sources> {
        &self.sources
    }

    /// What is known of other machines' clocks.
    #[must_use]
    pub fn clocks(&self) -> &Clocks {
        &self.clocks
    }

    /// The key table.
    #[must_use]
    pub fn table(&self) -> &Table {
        &self.table
    }

    /// Bounds of a batch.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.gate.limits
    }

    /// How many events of a map were accepted; [`NO_CONTRACT`] stands for those of maps without a contract. Never behind
    /// the table: an event is counted before it gets there.
    #[must_use]
    pub fn accepted(&self, map: MapId) -> u64 {
        self.accepted_of(map).map_or(0, |count| count.load(Ordering::Acquire))
    }

    fn accepted_of(&self, map: MapId) -> Option<&AtomicU64> {
        self.accepted.get(map.index()).or(self.accepted.last())
    }

    fn learn_clock(&self, upload: &wire::Upload, received: Time) {
        let Some(clock) = upload.clock.clone().map(Domain::from) else { return };
        let echo = (upload.echo_ns > 0).then(|| (time(upload.echo_ns), time(upload.echo_received_ns)));
        if self.clocks.observe(&clock, Exchange { sent: time(upload.sent_ns), received, echo }) {
            tracing::warn!(boot_id = clock.boot_id, "a clock jumped; what was told in its times is in doubt");
            self.counters.clock_epochs.increment(1);
            self.sources.forget_promises(&clock);
            self.doubt(&BucketSet::All, received, Reason::Clock);
        }
    }

    /// How to translate the times of a batch: as old as its oldest one.
    fn translation(&self, columns: &Columns, at: Time) -> Option<Translation> {
        let clock = &columns.header().clock;
        let present = self.clocks.translation(clock, at)?;
        if present.error == 0 {
            return Some(present);
        }
        let begun = |(_, row): (u64, Row<'_>)| row.legs.begun();
        let lost = columns.header().losses.iter().map(|loss| loss.during.begin);
        let oldest = columns.rows().map(begun).chain(lost).min();
        oldest.map_or(Some(present), |oldest| self.clocks.translation_since(clock, oldest, at))
    }

    fn doubt_what_is_missing(
        &self,
        source: &Source,
        taken: &Taken,
        translation: Option<Translation>,
        at: Time,
    ) {
        if taken.returned {
            tracing::warn!(source = %source.name, "a lost source is heard of again");
            self.doubt(&BucketSet::All, at, Reason::SourceLost);
        }
        for loss in &taken.losses {
            let end = translation.map_or(at, |clock| clock.interval(loss.during).widened(clock.error).end);
            self.doubt(&loss.buckets, end.min(at), Reason::Gap);
            self.counters.lost(loss.reason, loss.count);
        }
        if taken.undeclared > 0 {
            tracing::error!(source = %source.name, missing = taken.undeclared, "sequence numbers are missing");
            self.doubt(&BucketSet::All, at, Reason::Gap);
            self.counters.undeclared.increment(taken.undeclared);
        }
    }

    /// Writes nobody reported to keys of `buckets` ended by `at`; where their store calls were not watched, they may
    /// land until the deadline after that.
    fn doubt(&self, buckets: &BucketSet, at: Time, reason: Reason) {
        self.table.taint(buckets, at.plus(self.contracts.deadline_max()), reason);
    }
}

impl Counters {
    fn new() -> Self {
        let lost = |reason: LossReason| (reason, metrics::LOST.counter(&[("reason", reason.label())]));
        Self {
            batches: metrics::BATCHES.counter(&[]),
            duplicates: metrics::DUPLICATES.counter(&[]),
            lost: LossReason::ALL.into_iter().map(lost).collect(),
            undeclared: metrics::UNDECLARED.counter(&[]),
            clock_epochs: metrics::CLOCK_EPOCHS.counter(&[]),
            sources_lost: metrics::SOURCES_LOST.counter(&[]),
        }
    }

    fn lost(&self, reason: LossReason, count: u64) {
        if let Some((_, counter)) = self.lost.iter().find(|(other, _)| *other == reason) {
            counter.increment(count);
        }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) mod trial;
