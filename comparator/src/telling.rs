//! Telling: carries out what the table says has to be done. Counts outcomes and verdicts, records what happened to
//! divergences, and leaves a span for the check of a write that was traced.

mod spans;
mod turns;

pub(crate) use turns::Announcer;

use crate::contract::{Contracts, MapId};
use crate::engine::Engine;
use crate::evidence::{Confirmed, Evidence, facts};
use crate::ledger::{DivergenceId, Ledger, Opened, ScanPlace, Stats, Transition};
use crate::metrics;
use crate::table::{Calibration, Effects, NOBODY, Turn, Turned};
use crate::tally::{OTHER, Tallies};
use counterfoil_digest::Hint;
use counterfoil_judge::{Kind, Time, Verdict, WriteId};
use opentelemetry_sdk::trace::SdkTracer;
use spans::Spans;
use std::sync::Arc;

/// In the ledger, in place of the source of a write that no source told of. No source has such a name.
pub(crate) const NOBODY_NAME: &str = "nobody";

/// Carries out effects.
pub(crate) struct Telling {
    engine: Arc<Engine>,
    tallies: Arc<Tallies>,
    ledger: Ledger,
    spans: Option<Spans>,
    evidence: Option<Evidence>,
}

impl Telling {
    /// Tells what `engine` found through `tallies` and `ledger`, and through `tracer` if there is one: a share of `ratio` (0 to 1) of the
    /// checks that found nothing wrong get a span, all others always do.
    pub(crate) fn new(
        engine: Arc<Engine>,
        tallies: Arc<Tallies>,
        ledger: Ledger,
        tracer: Option<SdkTracer>,
        ratio: f64,
    ) -> Self {
        let spans = tracer.map(|tracer| Spans::new(tracer, ratio));
        Self { engine, tallies, ledger, spans, evidence: None }
    }

    /// The same, with evidence of what is confirmed.
    pub(crate) fn with_evidence(self, evidence: Option<Evidence>) -> Self {
        Self { evidence, ..self }
    }

    /// The evidence, where any is written.
    pub(crate) fn evidence(&self) -> Option<&Evidence> {
        self.evidence.as_ref()
    }

    /// Carries out `effects`. Waits while the ledger is behind.
    pub(crate) async fn tell(&self, effects: Effects) {
        for (map, count) in &effects.accepted {
            if let Some(tally) = self.tallies.of(*map) {
                tally.accepted(*count);
            }
        }
        metrics::MERGES.counter(&[]).increment(effects.merged);
        let is_like = |(map, verdict): &(MapId, Verdict), other: &(MapId, Verdict)| {
            (*map, verdict.label()) == (other.0, other.1.label())
        };
        for alike in effects.verdicts.chunk_by(is_like) {
            let of_first = alike.first().and_then(|(map, verdict)| Some((self.tallies.of(*map)?, verdict)));
            of_first.into_iter().for_each(|(tally, verdict)| tally.judged(verdict.label(), alike.len()));
        }
        effects.calibrated.iter().for_each(|(map, now)| self.calibrated(*map, *now));
        for of_map in effects.ended.chunk_by(|ended, next| ended.map == next.map) {
            let tally = of_map.first().and_then(|ended| self.tallies.of(ended.map));
            tally.into_iter().for_each(|tally| tally.ended(of_map));
        }
        self.trace(&effects);
        let transitions: Vec<_> = effects.turned.iter().map(|turned| self.transition(turned)).collect();
        if !transitions.is_empty()
            && let Err(error) = self.ledger.record(transitions).await
        {
            tracing::error!(%error, "divergences are not recorded any more; restart the comparator");
        }
        effects.turned.iter().for_each(|turned| self.give_evidence(turned));
        // From now on the journal may let go of them.
        self.engine.sources().ended(effects.ended.iter().map(|ended| ended.id));
    }

    fn calibrated(&self, map: MapId, now: Calibration) {
        if let Some(tally) = self.tallies.of(map) {
            tally.calibrated(now);
        }
        let table = self.engine.table();
        let fields_always = table.calibration_hints(map).map_or(0, |hints| hints.always());
        let is_noisy = table.store_noise(map).is_some_and(|noise| noise.is_noisy);
        let (map, store) = (self.name(map), self.store(map));
        match now {
            Calibration::Uncalibrated if is_noisy => tracing::error!(
                map,
                store,
                "nearly every value in the store is one that the map's side never reports, as the store gives another one each \
                 time it is asked; until that is mended such values are undetermined and not divergent"
            ),
            Calibration::Uncalibrated => tracing::error!(
                map,
                store,
                fields_always,
                "nearly every value in the store is in a form that the map's side never reports; until they agree, such values \
                 are undetermined and not divergent: `calibration_hints` and `suggested_rules` of the map in /v1/summary say \
                 which fields always differ and what to write; without them, compare the codec of the map in both \
                 configurations, and what the store's lookup gives"
            ),
            Calibration::Calibrated | Calibration::Calibrating => {
                tracing::info!(map, store, "the values of both sides have the same form")
            }
        }
    }

    /// Tells what keys of `map` showed that were read twice in a row: where the two answers of each differ.
    pub(crate) fn read_twice(&self, map: MapId, keys: &[Vec<Hint>]) {
        let same = keys.iter().filter(|hints| hints.is_empty()).count();
        if let Some(tally) = self.tallies.of(map) {
            tally.read_twice(same as u64, (keys.len() - same) as u64);
        }
        if self.engine.table().read_twice(map, keys) {
            let (map, store) = (self.name(map), self.store(map));
            tracing::error!(
                map,
                store,
                "read twice in a row, nearly every row has another value, so none can ever be seen to agree: the query gives another \
                 value for the same row each time; look for now(), random(), an unordered aggregate; or ignore the fields in \
                 `rules`: `store_noise` of the map in /v1/summary names them"
            );
        }
    }

    /// Has it written down how far a store was gone through; a place that is lost costs a round.
    pub(crate) async fn keep_place(&self, place: ScanPlace) {
        if let Err(error) = self.ledger.keep_place(place).await {
            tracing::error!(%error, "how far stores were gone through is not recorded any more");
        }
    }

    /// Figures of the ledger's writer.
    pub(crate) fn ledger_stats(&self) -> Stats {
        self.ledger.stats()
    }

    /// Has what was captured written, if anything was.
    fn give_evidence(&self, turned: &Turned) {
        let (Some(evidence), Some(captured)) = (&self.evidence, &turned.captured) else { return };
        let (id, named_source) = self.named(turned);
        let confirmed = Confirmed { id, turned, captured, named_source };
        evidence.take(id, confirmed.writes(), |written| facts(&confirmed, &self.engine, written));
    }

    /// The id of a divergence, and the name of the source of the write that should have shown.
    fn named(&self, turned: &Turned) -> (DivergenceId, String) {
        let named = turned.divergence.named;
        let source = self.source(named);
        (divergence_id(self.engine.contracts(), turned.map, &turned.key, &source, named.seq), source)
    }

    fn transition(&self, turned: &Turned) -> Transition {
        let (id, source) = self.named(turned);
        let at_unix_ns = counterfoil_clock::wall_unix_ns();
        match turned.turn {
            Turn::Opened => self.opened(turned, id, source, at_unix_ns).into(),
            Turn::Confirmed => Transition::Confirmed { id, at_unix_ns, fields: turned.fields.clone() },
            Turn::Resolved(how) => Transition::Resolved { id, at_unix_ns, how },
        }
    }

    fn opened(&self, turned: &Turned, id: DivergenceId, source: String, opened_at_unix_ns: i64) -> Opened {
        let divergence = &turned.divergence;
        let (stale_versions, stale_at_least_ns) = match divergence.kind {
            Kind::Stale { versions, at_least } => (Some(versions), Some(at_least)),
            _ => (None, None),
        };
        let known = Some(divergence.ended).filter(|&ended| ended > Time::MIN && ended < Time::MAX);
        Opened {
            id,
            map: self.name(turned.map).to_owned(),
            store: self.store(turned.map).map(str::to_owned),
            key: turned.key.to_vec(),
            kind: divergence.kind.label(),
            source,
            seq: divergence.named.seq,
            opened_at_unix_ns,
            store_digest: turned.found,
            map_digest: divergence.expected,
            stale_versions,
            stale_at_least_ns,
            write_ended_ns: known.map(|ended| ended.0),
            seen_after_ns: known.map(|ended| turned.at.end.since(ended)),
            trace_id: turned.trace.map(|trace| trace.trace_id),
            fields: turned.fields.clone(),
        }
    }

    fn name(&self, map: MapId) -> &str {
        self.engine.contracts().get(map).map_or(OTHER, |contract| &*contract.name)
    }

    fn store(&self, map: MapId) -> Option<&str> {
        self.engine.contracts().store_name(map)
    }

    fn source(&self, write: WriteId) -> String {
        if write == NOBODY {
            return NOBODY_NAME.to_owned();
        }
        self.engine
            .sources()
            .get(write.source)
            .map_or_else(|| "forgotten".to_owned(), |source| source.name.to_string())
    }
}

/// The id of a divergence: the same from the same facts, whoever computes it and whenever. It does not name the map's
/// first store, so that it stays what it is when the map gets a second one.
pub(crate) fn divergence_id(
    contracts: &Contracts,
    map: MapId,
    key: &[u8],
    source: &str,
    seq: u64,
) -> DivergenceId {
    let contract = contracts.get(map);
    let name = contract.map_or(OTHER, |contract| &*contract.name);
    let is_first = contract.is_none_or(|contract| contract.is_reported);
    let store = contracts.store_name(map).filter(|_| !is_first);
    DivergenceId(counterfoil_evidence::divergence_id(name, key, source, store, seq))
}
