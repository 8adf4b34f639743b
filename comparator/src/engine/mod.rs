//! Everything of a comparator that decides, without a clock, I/O or waiting.
//!
//! The receiver hands uploads to [`Engine::take`], the scheduler observations to the table; each hands in the present
//! instant. So a simulation drives the engine in virtual time just as the comparator does in real time.
//!
//! # Invariants
//!
//! - Nothing of a batch is looked at before its code and its signature were found right, and nothing of it is applied unless
//!   it is the next one of its source's chain.
//! - A batch's events are in the table before its watermark counts; batches of one source are taken one after the other.
//! - What nobody can know any more (numbers missing, a source lost, a clock not bounded) becomes doubt about keys before
//!   anything is judged without it.

mod gate;
mod grants;
mod rows;

pub use gate::{Limits, Refused};
pub use grants::{Anything, Grants};

use crate::clocks::{Clocks, Exchange, Translation};
use crate::config::Probing;
use crate::contract::{Contracts, MapId};
use crate::evidence::Proofs;
use crate::gate::Lost;
use crate::metrics;
use crate::sources::{Link, Silence, Source, Sources, Step, Taken};
use crate::table::{Effects, Table};
use ::metrics::Counter;
use counterfoil_clock::Domain;
use counterfoil_judge::{Reason, Time};
use counterfoil_keys::{DeploymentKey, KeyNumber, Keyring, TenantName, Verify};
use counterfoil_proto::{BucketSet, Columns, LossReason, Row, time, wire};
use gate::{Gate, Opened};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Stands for the map of events whose map has no contract.
pub const NO_CONTRACT: MapId = MapId(u32::MAX);

/// Everything an engine is made of.
pub struct Options {
    /// What each map's owner promises.
    pub contracts: Arc<Contracts>,
    /// Authenticate batches: the current one first, then the others that are accepted.
    pub keys: Keyring<DeploymentKey>,
    /// Checks the signatures of batches.
    pub verify: Verify,
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

/// An upload that is to be believed, and whose it is.
pub struct Admitted {
    upload: wire::Upload,
    columns: Columns,
    key: KeyNumber,
    link: Link,
    source: Arc<Source>,
    is_resumed: bool,
}

impl Admitted {
    /// Whose it is.
    #[must_use]
    pub fn source(&self) -> &Arc<Source> {
        &self.source
    }

    /// Whether it is more than a sign of life: it has events or losses, or ends its source.
    #[must_use]
    pub fn has_news(&self) -> bool {
        let header = self.columns.header();
        !self.columns.is_empty() || !header.losses.is_empty() || header.bye
    }

    /// The upload as it came.
    #[must_use]
    pub fn into_upload(self) -> wire::Upload {
        self.upload
    }
}

/// What became of an upload.
#[derive(Debug)]
pub struct Entered {
    /// What has to be done after it.
    pub effects: Effects,
    /// Whether it was applied now, and not before.
    pub is_new: bool,
}

/// How the events of an upload stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Standing {
    /// They wait for their outcomes. If not, they had them before the comparator was started over, and are what is known of
    /// their keys, no more.
    pub is_open: bool,
    /// Their times can be related to the comparator's. If not, the machine was started over since.
    pub is_placeable: bool,
}

impl Standing {
    /// As events come.
    const NEW: Self = Self { is_open: true, is_placeable: true };
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
    /// Of each tenant, in their order.
    lost: Box<[Losses]>,
    counters: Counters,
    /// Where evidence is written.
    proofs: Option<Proofs>,
}

/// Events of a tenant's sources that did not come.
#[derive(Default)]
struct Losses {
    declared: AtomicU64,
    undeclared: AtomicU64,
}

struct Counters {
    batches: Counter,
    duplicates: Counter,
    chains_begun: Counter,
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
            gate: Gate::new(options.keys, options.verify, contracts.tenants(), options.limits),
            accepted: contracts.iter().map(|_| 0).chain([0]).map(AtomicU64::new).collect(),
            lost: contracts.tenants().iter().map(|_| Losses::default()).collect(),
            counters: Counters::new(),
            proofs: None,
            contracts,
        }
    }

    /// The same, keeping what evidence is made of.
    #[must_use]
    pub fn keeping_evidence(mut self) -> Self {
        self.table.capture();
        Self { proofs: Some(Proofs::new()), ..self }
    }

    /// Takes one upload that arrived at `at` from somebody who may report what `grants` says; gives what has to be done
    /// after it. One that was applied before is not applied again.
    ///
    /// # Errors
    ///
    /// [`Refused`] if it is not to be believed, not allowed, too large, not the next one of its source, or of a source for
    /// which there is no room. No event of it was applied then.
    pub fn take(&self, upload: wire::Upload, grants: &dyn Grants, at: Time) -> Result<Effects, Refused> {
        let admitted = self.admit(upload, grants, at)?;
        self.enter(&admitted, at).map(|entered| entered.effects)
    }

    /// The first half of [`Engine::take`]: finds out whose upload it is, and changes nothing but that its source is known.
    ///
    /// # Errors
    ///
    /// Those of [`Engine::take`], but for a batch that is not the next one of its source.
    pub fn admit(&self, upload: wire::Upload, grants: &dyn Grants, at: Time) -> Result<Admitted, Refused> {
        let Opened { columns, tenant, key, link } = self.gate.open(&upload, grants)?;
        let (source, is_resumed) =
            self.sources.enter(&tenant, columns.header(), at).ok_or(Refused::Sources)?;
        Ok(Admitted { upload, columns, key, link, source, is_resumed })
    }

    /// The second half.
    ///
    /// # Errors
    ///
    /// [`Refused::Chain`].
    pub fn enter(&self, admitted: &Admitted, at: Time) -> Result<Entered, Refused> {
        let Admitted { upload, columns, link, source, is_resumed, .. } = admitted;
        let (header, count) = (columns.header(), columns.len() as u64);
        // The same batch may come on two streams: the second must not promise what the first is still applying.
        let mut chain = source.take_turn();
        let step = source.follow(&mut chain, link, header, count)?;
        self.counters.batches.increment(1);
        self.learn_clock(upload, at);
        if *is_resumed {
            // What it reported to somebody else may still be on its way to the store.
            self.doubt(&source.name.tenant, &BucketSet::All, at, Reason::Baseline);
        }
        match step {
            Step::Next => {}
            Step::Begun => self.counters.chains_begun.increment(1),
            Step::Known => {
                self.counters.duplicates.increment(count);
                return Ok(Entered { effects: Effects::default(), is_new: false });
            }
        }
        let effects = self.put(admitted, Standing::NEW, at);
        Ok(Entered { effects, is_new: true })
    }

    /// Takes an upload again that was taken at `at` before the comparator was started over, and stands in the journal under
    /// the number `place`.
    ///
    /// # Errors
    ///
    /// Those of [`Engine::admit`]: what the engine believes and has room for may have changed meanwhile.
    pub fn replay(
        &self,
        upload: wire::Upload,
        standing: Standing,
        place: u64,
        at: Time,
    ) -> Result<Effects, Refused> {
        let admitted = self.admit(upload, &Anything, at)?;
        admitted.source.go_on(&admitted.link, admitted.columns.header());
        if standing.is_placeable {
            self.learn_clock(&admitted.upload, at);
        }
        let effects = self.put(&admitted, standing, at);
        admitted.source.placed(place);
        Ok(effects)
    }

    /// What happened to any key before `at` is not known.
    pub fn doubt_what_was_before(&self, at: Time) {
        for tenant in self.contracts.tenants() {
            self.doubt(tenant, &BucketSet::All, at, Reason::Baseline);
        }
    }

    /// Applies the next batch of a source.
    fn put(&self, admitted: &Admitted, standing: Standing, at: Time) -> Effects {
        let Admitted { upload, columns, source, .. } = admitted;
        let (header, count) = (columns.header(), columns.len() as u64);
        if let Some(proofs) = self.proofs.as_ref().filter(|_| count > 0) {
            proofs.keep(source.id, header.first_seq, count, upload);
        }
        let taken = source.take(header, count, at);
        let translation = if standing.is_placeable { self.translation(columns, at) } else { None };
        self.doubt_what_is_missing(source, &taken, translation, at);
        let told_whole = header.snapshots.iter().map(|snapshot| snapshot.map.as_str());
        let maps = columns.maps().iter().map(String::as_str).chain(told_whole);
        source.reported(maps.filter(|map| !self.contracts.find(&source.name.tenant, map).is_empty()));
        let effects = self.apply(admitted, taken.first_new, translation, standing, at);
        // A promise for a time that had not come when it was sent was made before the clock jumped back.
        let is_of_other_clock = header.clock != Domain::from(upload.clock.clone().unwrap_or_default());
        source.promise(header, is_of_other_clock || header.watermark <= time(upload.sent_ns));
        self.table.set_live(source.id, source.is_live());
        let known = taken.first_new.saturating_sub(header.first_seq).min(count);
        self.counters.duplicates.increment(known);
        effects
    }

    /// Gives up on sources that are silent at `at`. While one is lost, every key of its tenant is in doubt: it may only be cut
    /// off, and go on writing. To be called before anything is judged at `at`.
    pub fn mind_silence(&self, at: Time) {
        let mut doubted = self.sources.tenants_of_lost();
        let silent = self.sources.give_up_silent(at);
        for source in &silent.lost {
            tracing::warn!(source = %source.name, "a source fell silent; verdicts no longer wait for it");
            self.counters.sources_lost.increment(1);
            self.table.set_live(source.id, false);
            doubted.insert(source.name.tenant.clone());
        }
        for source in &silent.expired {
            tracing::warn!(source = %source.name, "a lost source is taken for gone; doubt about what it wrote ends");
        }
        for tenant in &doubted {
            self.doubt(tenant, &BucketSet::All, at, Reason::SourceLost);
        }
    }

    /// Finds out of which maps that are gone through row by row everything is known at `at` that they hold. To be called before
    /// rows are compared or judged at `at`.
    pub fn mind_wholes(&self, at: Time) {
        for (map, contract) in (0..).map(MapId).zip(self.contracts.iter()) {
            if contract.has_scan() {
                let since = self.sources.whole_since(&contract.tenant, &contract.name, &self.clocks, at);
                self.table.set_whole(map, since);
            }
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

    /// The signatures of the last batches, where evidence is written.
    pub(crate) fn proofs(&self) -> Option<&Proofs> {
        self.proofs.as_ref()
    }

    /// Bounds of a batch.
    #[must_use]
    pub fn limits(&self) -> Limits {
        self.gate.limits
    }

    /// Ids of the keys that batches are accepted under, the current one first.
    pub fn key_ids(&self) -> impl Iterator<Item = &str> {
        self.gate.key_ids()
    }

    /// How many events a check was given; [`NO_CONTRACT`] stands for those of maps without a contract. Never behind
    /// the table: an event is counted before it gets there.
    #[must_use]
    pub fn accepted(&self, map: MapId) -> u64 {
        self.accepted_of(map).map_or(0, |count| count.load(Ordering::Acquire))
    }

    /// How many events the sources of each tenant lost, in the order of the contracts' tenants. It never goes back, unlike the
    /// sum over the sources that are known.
    #[must_use]
    pub fn lost(&self) -> Vec<Lost> {
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        self.lost
            .iter()
            .map(|of| Lost { declared: read(&of.declared), undeclared: read(&of.undeclared) })
            .collect()
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
            // Times of the machine's clock may be those of any tenant.
            for tenant in self.contracts.tenants() {
                self.doubt(tenant, &BucketSet::All, received, Reason::Clock);
            }
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
            self.doubt(&source.name.tenant, &BucketSet::All, at, Reason::SourceLost);
        }
        let place = self.contracts.tenant_place(&source.name.tenant);
        if let Some(lost) = place.and_then(|place| self.lost.get(place)) {
            let declared = taken.losses.iter().map(|loss| loss.count).sum();
            lost.declared.fetch_add(declared, Ordering::Relaxed);
            lost.undeclared.fetch_add(taken.undeclared, Ordering::Relaxed);
        }
        for loss in &taken.losses {
            let end = translation.map_or(at, |clock| clock.interval(loss.during).widened(clock.error).end);
            self.doubt(&source.name.tenant, &loss.buckets, end.min(at), Reason::Gap);
            self.counters.lost(loss.reason, loss.count);
        }
        if taken.undeclared > 0 {
            tracing::error!(source = %source.name, missing = taken.undeclared, "sequence numbers are missing");
            self.doubt(&source.name.tenant, &BucketSet::All, at, Reason::Gap);
            self.counters.undeclared.increment(taken.undeclared);
        }
    }

    /// Writes nobody reported to the tenant's keys of `buckets` ended by `at`; where their store calls were not watched, they
    /// may land until the deadline after that.
    fn doubt(&self, tenant: &TenantName, buckets: &BucketSet, at: Time, reason: Reason) {
        self.table.taint(tenant, buckets, at.plus(self.contracts.deadline_max()), reason);
    }
}

impl Counters {
    fn new() -> Self {
        let lost = |reason: LossReason| (reason, metrics::LOST.counter(&[("reason", reason.label())]));
        Self {
            batches: metrics::BATCHES.counter(&[]),
            duplicates: metrics::DUPLICATES.counter(&[]),
            chains_begun: metrics::CHAINS_BEGUN.counter(&[]),
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
