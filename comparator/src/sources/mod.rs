//! The sources: what each has reported, what it lost, and until when it has told everything.
//!
//! # Invariants
//!
//! - Each sequence number of a source is applied once: [`Source::take`] says which events of a batch are new.
//! - No batch is applied after one that is missing: [`Source::follow`] keeps to the chain.
//! - Sources of different tenants share nothing.
//! - issued = accepted + declared lost + undeclared, always: every number below `next_seq` is one of the three.
//! - A source holds verdicts up until its watermark has passed them. It stops doing so when it says bye, or when it was
//!   silent for the time-out: then it is lost, and nobody knows what it writes.
//! - A lost source is never forgotten. It ends so by being heard of again, or by expiring: when it was silent for longer
//!   still, or was started over.

mod chain;
mod holdings;
mod open;
mod phase;
mod source;
mod stamp;

pub use chain::{Broken, Chain, Link, Step};
pub use open::OpenBatches;
pub use phase::{Phase, Silence};
pub use source::{Report, Source, SourceName, Taken};

use crate::clocks::Clocks;
use counterfoil_clock::Domain;
use counterfoil_judge::{Interval, Time, WriteId};
use counterfoil_keys::TenantName;
use counterfoil_proto::Header;
use counterfoil_proto::wire::journal::SourceStamp;
use dashmap::DashMap;
use holdings::Holding;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// Sequence numbers of a source begin here or one later.
const FIRST_SEQ_MAX: u64 = 1;

/// All sources.
pub struct Sources {
    by_name: DashMap<SourceName, Arc<Source>>,
    by_id: DashMap<u32, Arc<Source>>,
    next_id: AtomicU32,
    lost: Arc<AtomicUsize>,
    sources_max: usize,
    silence: Silence,
}

/// Sources that were given up on.
#[derive(Default)]
pub struct GivenUp {
    /// Verdicts no longer wait for them.
    pub lost: Vec<Arc<Source>>,
    /// They leave no new doubt any more. Of these, some may have been lost at the same time.
    pub expired: Vec<Arc<Source>>,
}

impl Sources {
    /// No sources yet, and never more than `sources_max`.
    #[must_use]
    pub fn new(sources_max: usize, silence: Silence) -> Self {
        Self {
            by_name: DashMap::new(),
            by_id: DashMap::new(),
            next_id: AtomicU32::new(0),
            lost: Arc::new(AtomicUsize::new(0)),
            sources_max,
            silence,
        }
    }

    /// The source of a tenant's batch, and whether it is new here though it had reported before: then what it reported before is
    /// not known. `None` if there is no room for another source.
    pub fn enter(&self, tenant: &TenantName, header: &Header, now: Time) -> Option<(Arc<Source>, bool)> {
        let name = SourceName::of(tenant, header);
        if let Some(known) = self.by_name.get(&name) {
            return Some((known.clone(), false));
        }
        if self.by_name.len() >= self.sources_max && !self.forget_one() {
            return None;
        }
        let first_lost = header.losses.iter().map(|loss| loss.first_seq).min();
        let next_seq = first_lost.map_or(header.first_seq, |lost| lost.min(header.first_seq));
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let source = Arc::new(Source::new(id, name.clone(), header, next_seq, now, self.lost.clone()));
        let source = self.by_name.entry(name).or_insert(source).value().clone();
        self.by_id.insert(source.id, source.clone());
        self.note_started_over(&source);
        Some((source, next_seq > FIRST_SEQ_MAX))
    }

    /// Knows the source `name` as `stamp` tells, which the journal had of it. It counts as heard of at `now`.
    pub fn restore(&self, name: SourceName, stamp: SourceStamp, now: Time) {
        let id = self.next_id.fetch_add(1, Ordering::Relaxed);
        let source = Arc::new(Source::restored(id, name.clone(), stamp, now, self.lost.clone()));
        self.by_name.insert(name, source.clone());
        self.by_id.insert(id, source.clone());
        self.note_started_over(&source);
    }

    /// Accounts for what the journal has lost of the source `name`, of which `stamp` was known after its last batch.
    pub fn reconcile(&self, name: &SourceName, stamp: &SourceStamp) {
        if let Some(source) = self.by_name.get(name) {
            source.reconcile(stamp);
        }
    }

    /// Which batch of each source was the last one is not known for certain. With `have_holes`, numbers that are missing
    /// before the next ones are lost here.
    pub fn loosen(&self, have_holes: bool) {
        self.by_name.iter().for_each(|entry| entry.value().loosen(have_holes));
    }

    /// These events have their outcomes.
    pub fn ended(&self, events: impl Iterator<Item = WriteId>) {
        let mut events: Vec<_> = events.collect();
        events.sort_unstable_by_key(|event| event.source);
        for of_source in events.chunk_by(|one, other| one.source == other.source) {
            if let Some(source) = of_source.first().and_then(|event| self.get(event.source)) {
                source.ended(of_source.iter().map(|event| event.seq));
            }
        }
    }

    /// The numbers in the journal of all batches with events that wait for their outcomes.
    #[must_use]
    pub fn open_places(&self) -> Vec<u64> {
        self.by_name.iter().flat_map(|entry| entry.value().open().places().collect::<Vec<_>>()).collect()
    }

    /// What stands in the journal below the number `below` is not kept any longer. Gives how many events waited for their
    /// outcomes there.
    #[must_use]
    pub fn uncover(&self, below: u64) -> u64 {
        self.by_name.iter().map(|entry| entry.value().open().uncover(below)).sum()
    }

    /// The source with this number.
    #[must_use]
    pub fn get(&self, id: u32) -> Option<Arc<Source>> {
        self.by_id.get(&id).map(|source| source.clone())
    }

    /// How many are known.
    pub(crate) fn known(&self) -> usize {
        self.by_name.len()
    }

    /// All of them, in the order in which they were first heard of.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<Source>> {
        let mut all: Vec<_> = self.by_name.iter().map(|entry| entry.value().clone()).collect();
        all.sort_unstable_by_key(|source| source.id);
        all
    }

    /// How many are in each phase, in the order of [`Phase::ALL`].
    #[must_use]
    pub fn count(&self) -> [(Phase, usize); Phase::ALL.len()] {
        let mut counts = Phase::ALL.map(|phase| (phase, 0));
        for entry in &self.by_name {
            let phase = entry.value().lock().phase;
            counts.iter_mut().filter(|(of, _)| *of == phase).for_each(|(_, count)| *count += 1);
        }
        counts
    }

    /// The tenants of which a source is lost: any of their keys may be written without a report.
    #[must_use]
    pub fn tenants_of_lost(&self) -> BTreeSet<TenantName> {
        if !self.has_lost() {
            return BTreeSet::new();
        }
        let is_lost = |source: &Source| source.lock().phase == Phase::Lost;
        let lost = self.by_name.iter().filter(|entry| is_lost(entry.value()));
        lost.map(|entry| entry.key().tenant.clone()).collect()
    }

    /// Whether a source is lost.
    #[must_use]
    pub fn has_lost(&self) -> bool {
        self.lost.load(Ordering::Relaxed) > 0
    }

    /// For each of `tenants`, which are in the order of their names, an instant of the comparator's timeline: every write
    /// begun before it was reported by every live source of the tenant.
    #[must_use]
    pub fn horizons(&self, tenants: &[TenantName], clocks: &Clocks, now: Time) -> Vec<Time> {
        let mut horizons = vec![Time::MAX; tenants.len()];
        for entry in &self.by_name {
            let place = tenants.binary_search(&entry.key().tenant).ok();
            let Some(horizon) = place.and_then(|place| horizons.get_mut(place)) else { continue };
            let report = entry.value().lock();
            if report.phase == Phase::Live {
                let clock = clocks.translation_since(&report.clock, report.watermark, now);
                let passed = clock.map_or(Time::MIN, |clock| clock.earliest(report.watermark));
                *horizon = passed.min(*horizon);
            }
        }
        horizons
    }

    /// Since when all that a map of the tenant holds was told: from the first to the last of the instants since which its live
    /// sources have told all. `None` if there is no such source, or one that reported about the map, or may have, has not and
    /// was heard of since.
    #[must_use]
    pub fn whole_since(
        &self,
        tenant: &TenantName,
        map: &str,
        clocks: &Clocks,
        now: Time,
    ) -> Option<Interval> {
        let (mut since, mut heard_of_part) = (None::<Interval>, Time::MIN);
        for entry in self.by_name.iter().filter(|entry| entry.key().tenant == *tenant) {
            let report = entry.value().lock();
            let is_live = report.phase == Phase::Live;
            match report.holdings.of(map) {
                Holding::None => {}
                Holding::Whole(whole) if is_live => {
                    let clock = clocks.translation_since(&whole.clock, whole.begin, now)?;
                    let begin = clock.interval(Interval::new(whole.begin, whole.begin)).widened(clock.error);
                    since = Some(since.map_or(begin, |since| since.hull(begin)));
                }
                Holding::Part if is_live => return None,
                Holding::Part => heard_of_part = heard_of_part.max(report.heard),
                // What it told is known, and it holds nothing any more.
                Holding::Whole(_) => {}
            }
        }
        since.filter(|since| heard_of_part < since.begin && since.end <= now)
    }

    /// The clock of these sources jumped: what they promised in its earlier epoch cannot be placed any more.
    pub fn forget_promises(&self, clock: &Domain) {
        for entry in &self.by_name {
            let mut report = entry.value().lock();
            if report.clock == *clock {
                report.watermark = Time::MIN;
            }
            report.holdings.forget(clock);
        }
    }

    /// Gives up on sources that are silent for too long at `at`; gives those whose phase that changed.
    #[must_use]
    pub fn give_up_silent(&self, at: Time) -> GivenUp {
        let mut given_up = GivenUp::default();
        for entry in &self.by_name {
            let (lost, expired) = entry.value().give_up(at, self.silence);
            given_up.lost.extend(lost.then(|| entry.value().clone()));
            given_up.expired.extend(expired.then(|| entry.value().clone()));
        }
        given_up
    }

    /// A process that was started over is gone as it was before.
    fn note_started_over(&self, newcomer: &Source) {
        for entry in &self.by_name {
            let other = entry.value();
            if other.name.is_followed_by(&newcomer.name) {
                other.note_started_over();
            }
            if newcomer.name.is_followed_by(&other.name) {
                newcomer.note_started_over();
            }
        }
    }

    /// Makes room by forgetting the source that ended or expired first. One that is lost is not forgotten: nothing else
    /// would remember the doubt.
    fn forget_one(&self) -> bool {
        let over = self.by_name.iter().filter_map(|entry| {
            let report = entry.value().lock();
            let is_over = matches!(report.phase, Phase::Ended | Phase::Expired);
            is_over.then(|| (report.heard, entry.value().clone()))
        });
        let first = over.min_by_key(|(heard, source)| (*heard, source.id));
        let Some((_, source)) = first else { return false };
        self.by_name.remove(&source.name);
        self.by_id.remove(&source.id);
        true
    }
}

#[cfg(test)]
mod tests;
