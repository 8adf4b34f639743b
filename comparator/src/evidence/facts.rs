//! From a divergence that was confirmed to what its bundle says.

use super::Proofs;
use crate::contract::Contract;
use crate::engine::Engine;
use crate::ledger::DivergenceId;
use crate::sources::{Phase, Source};
use crate::table::{Captured, NOBODY, Turned};
use counterfoil_clock::Domain;
use counterfoil_evidence as evidence;
use counterfoil_evidence::{
    Base64, Batch, Clock, Hex, History, Instant, Nanoseconds, Number, Predicate, Trace, Unavailable,
    Unsigned, Verdict, WriteName, Written,
};
use counterfoil_judge::{Time, WriteId};
use std::sync::Arc;

/// Sources that a bundle names; those of its writes first.
const SOURCES_MAX: usize = 256;

/// A divergence that was confirmed.
pub(crate) struct Confirmed<'a> {
    /// Its id.
    pub(crate) id: DivergenceId,
    /// What became of it.
    pub(crate) turned: &'a Turned,
    /// What it was confirmed from.
    pub(crate) captured: &'a Captured,
    /// The name of the source of the write that should have shown.
    pub(crate) named_source: String,
}

impl Confirmed<'_> {
    /// How many writes its history has, kept, merged or remembered.
    pub(crate) fn writes(&self) -> usize {
        let history = &self.captured.history;
        let merged: usize = history.groups.iter().map(|group| group.digests.len()).sum();
        history.writes.len() + history.dropped.len() + merged
    }

    fn writes_named(&self) -> impl Iterator<Item = WriteId> {
        let kept = self.captured.history.writes.iter().map(|write| write.id);
        kept.chain([self.turned.divergence.named])
    }
}

/// What the bundle of a divergence says; `written` is who writes it. `None` if there is no contract for its map.
pub(crate) fn facts(confirmed: &Confirmed<'_>, engine: &Engine, written: Written) -> Option<Predicate> {
    let Confirmed { id, turned, captured, named_source } = confirmed;
    let contract = engine.contracts().get(turned.map)?;
    let (sources, sources_omitted) = sources(confirmed, contract, engine);
    let (batches, unsigned) = batches(confirmed, engine.proofs());
    Some(Predicate {
        divergence: Hex(id.0),
        contract: terms(contract, engine.contracts().store_name(turned.map)?),
        key: Base64(turned.key.to_vec()),
        key_id: engine.key_ids().nth(captured.digested_under.index())?.to_owned(),
        history: History::new(&captured.history, |write| trace(captured, write)),
        read: captured.read.into(),
        judged_at_ns: Instant(captured.at),
        calibration: captured.calibration.label().to_owned(),
        verdict: Verdict::new(captured.legality, &turned.divergence),
        judge: counterfoil_judge::VERSION.to_owned(),
        named_source: named_source.clone(),
        sources,
        sources_omitted,
        batches,
        unsigned,
        clock: clock(&Domain::of_this_process()),
        written,
    })
}

fn terms(contract: &Contract, store: &str) -> evidence::Contract {
    let (terms, form) = (&contract.terms, contract.digesters.form());
    evidence::Contract {
        map: contract.name.to_string(),
        tenant: contract.tenant.to_string(),
        store: store.to_owned(),
        store_is_reported: contract.is_reported,
        form: form.versioned_name().to_owned(),
        rules: form.describe(),
        scope: terms.scope.into(),
        deadline_ns: Nanoseconds(terms.deadline),
        lead_ns: Nanoseconds(terms.lead),
        give_up_ns: terms.give_up.map(Nanoseconds),
        patience_ns: Nanoseconds(terms.patience),
        expires: terms.expires,
    }
}

fn trace(captured: &Captured, write: WriteId) -> Option<Trace> {
    let (_, trace) = captured.traces.iter().find(|(id, _)| *id == write)?;
    Some(Trace { trace_id: Hex(trace.trace_id), span_id: Hex(trace.span_id) })
}

fn clock(domain: &Domain) -> Clock {
    Clock { boot_id: domain.boot_id.clone(), offset_ns: Nanoseconds(domain.offset_ns) }
}

/// The sources of the writes and the live ones of the tenant, as far as there is room, and how many of these there is none for.
fn sources(confirmed: &Confirmed<'_>, contract: &Contract, engine: &Engine) -> (Vec<evidence::Source>, u32) {
    let mut named: Vec<u32> = confirmed.writes_named().map(|write| write.source).collect();
    named.sort_unstable();
    named.dedup();
    let is_named = |source: &Source| named.binary_search(&source.id).is_ok();
    let all = engine.sources().all().into_iter().filter(|source| source.name.tenant == contract.tenant);
    let (mut first, others): (Vec<_>, Vec<_>) = all.partition(|source| is_named(source));
    let live = others.into_iter().filter(|source| source.report().phase == Phase::Live);
    first.extend(live);
    let omitted = first.len().saturating_sub(SOURCES_MAX);
    first.truncate(SOURCES_MAX);
    let told = first.iter().map(|source| source_at(source, engine, confirmed.captured.at)).collect();
    (told, u32::try_from(omitted).unwrap_or(u32::MAX))
}

fn source_at(source: &Arc<Source>, engine: &Engine, at: Time) -> evidence::Source {
    let (report, clocks) = (source.report(), engine.clocks());
    let since = clocks.translation_since(&report.clock, report.watermark, at);
    let watermark =
        since.filter(|_| report.watermark > Time::MIN).map(|clock| clock.earliest(report.watermark));
    evidence::Source {
        number: source.id,
        name: source.name.to_string(),
        service: source.name.service.clone(),
        instance: source.name.instance.clone(),
        epoch: Number(source.name.epoch),
        phase: report.phase.label().to_owned(),
        clock_error_ns: clocks.translation(&report.clock, at).map(|clock| Nanoseconds(clock.error)),
        watermark_ns: watermark.map(Instant),
    }
}

/// The batches that brought the writes, each once, and the writes whose batch is not at hand.
fn batches(confirmed: &Confirmed<'_>, proofs: Option<&Proofs>) -> (Vec<Batch>, Vec<Unsigned>) {
    let (mut batches, mut unsigned): (Vec<Batch>, Vec<Unsigned>) = (Vec::new(), Vec::new());
    for write in confirmed.writes_named() {
        let name = WriteName::from(write);
        if batches.iter().any(|batch| batch.has(name)) || unsigned.iter().any(|other| other.write == name) {
            continue;
        }
        match proofs.and_then(|proofs| proofs.of(write)) {
            Some(batch) => batches.push(batch),
            None => {
                let because = if write == NOBODY { Unavailable::Nobody } else { Unavailable::NotKept };
                unsigned.push(Unsigned { write: name, because });
            }
        }
    }
    (batches, unsigned)
}
