//! Recall: asks the sidecar that saw a write for the value that it put into its map.
//!
//! Values are where a person turned that on, in the sidecar's configuration and in the map's contract, and nowhere else. What a
//! sidecar answers is not believed: it must have the digest that the write was reported with, unless fields of it were masked.
//!
//! # Invariants
//!
//! - A sidecar is asked only on a stream on which it said that it answers, and only about sources of which a batch was accepted on
//!   that stream: what the stream's certificate grants was held against them.
//! - One write is asked for once at a time, however many want it, and at most `in_flight_max` are asked for in all.
//! - Nothing waits for a recall but whoever wants it: it takes no part in the acknowledgement of batches.
//! - No value is part of a log line, a metric, an error or `Debug`, and none is kept here.

mod line;
mod lines;
mod value;

pub(crate) use line::{Asks, Line};
pub(crate) use value::{Recalled, Value};

use crate::contract::{Contract, MapId};
use crate::engine::Engine;
use crate::ledger::digest_of;
use crate::metrics;
use ::metrics::Counter;
use counterfoil_clock::{Throttle, now};
use counterfoil_judge::{Digest, WriteId};
use counterfoil_proto::{self as proto, Shown, wire};
use dashmap::DashMap;
use lines::Lines;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{OnceCell, Semaphore};

/// The bounds of recalls.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    /// How long whoever wants a value waits for it.
    pub timeout: Duration,
    /// Values asked for at a time.
    pub in_flight_max: usize,
    /// Longest value in bytes.
    pub value_bytes_max: u32,
}

/// Why there is no value.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Error)]
pub(crate) enum NoValue {
    /// The map's contract does not say that values may be recalled.
    #[error(
        "values of the map are off; write `values: true` into its contract, and `values` into the sidecar's configuration"
    )]
    NotWanted,
    /// The write took the value away.
    #[error("the write removed the key: there is no value")]
    Absent,
    /// The sidecar has none to show.
    #[error("{}", of_sidecar(.0))]
    Sidecar(proto::NoValue),
    /// The sidecar of the source does not say that it answers recalls.
    #[error("the source's sidecar keeps no values, or is older; write `values` into its configuration")]
    Unsupported,
    /// No stream carries the source, or it ended before there was an answer.
    #[error("no stream carries the source of the write; ask again once its sidecar is back")]
    Gone,
    /// There was no answer in time.
    #[error("the sidecar did not answer in time (recall.timeout_ms)")]
    Late,
    /// Too many values are being asked for.
    #[error("too many values are being recalled; ask again later")]
    Busy,
    /// Fields of it are masked, so that it can be looked at and no more.
    #[error("fields of the value are masked by the sidecar: it is not what was written")]
    Masked,
    /// What came is not what the write was reported with.
    #[error("the sidecar answered with another value than the one that it reported")]
    Mismatch,
}

fn of_sidecar(reason: &proto::NoValue) -> &'static str {
    match reason {
        proto::NoValue::Unknown => {
            "the sidecar never kept the value: it was started after the write, or could not mask it"
        }
        proto::NoValue::Expired => {
            "the sidecar has let go of the value; raise keep_s or bytes_max of its section `values`"
        }
        proto::NoValue::Off => {
            "the sidecar keeps no values of the map; add it to `values.maps` of its configuration"
        }
        proto::NoValue::TooLarge => "the value is longer than recall.value_bytes_max",
    }
}

impl NoValue {
    /// As a metric label, and in the API.
    pub(crate) const fn label(self) -> &'static str {
        match self {
            Self::NotWanted => "not_wanted",
            Self::Absent => "absent",
            Self::Sidecar(reason) => reason.label(),
            Self::Unsupported => "unsupported",
            Self::Gone => "gone",
            Self::Late => "late",
            Self::Busy => "busy",
            Self::Masked => "masked",
            Self::Mismatch => "mismatch",
        }
    }

    /// Whether there may be a value if it is asked for again a little later.
    pub(crate) const fn may_pass(self) -> bool {
        matches!(self, Self::Gone | Self::Late | Self::Busy)
    }
}

/// What came of a recall, as labels.
const RESULTS: [&str; 12] = [
    "value",
    "masked",
    "unknown",
    "expired",
    "off",
    "too_large",
    "unsupported",
    "gone",
    "late",
    "busy",
    "mismatch",
    UNASKED,
];

/// A sidecar answered what it was not asked.
const UNASKED: &str = "unasked";

/// A write whose value is asked for, and the digest that it must have.
type Flight = (WriteId, Digest);

/// What came of it; nothing while it is under way.
type Landing = Arc<OnceCell<Result<Arc<Recalled>, NoValue>>>;

/// Recalls values.
pub(crate) struct Recall {
    engine: Arc<Engine>,
    /// A contract says that values may be recalled.
    is_on: bool,
    settings: Settings,
    lines: Lines,
    flights: DashMap<Flight, Landing>,
    room: Semaphore,
    results: BTreeMap<&'static str, Counter>,
    log_breach: Throttle,
}

impl Recall {
    /// Asks for what the sources of `engine` wrote, within the bounds of `settings`.
    pub(crate) fn new(engine: Arc<Engine>, settings: Settings) -> Self {
        let results = RESULTS.map(|result| (result, metrics::RECALLS.counter(&[("result", result)])));
        results.iter().for_each(|(_, counter)| counter.increment(0));
        let is_on = engine.contracts().iter().any(|contract| contract.values.is_some());
        Self {
            is_on,
            lines: Lines::default(),
            flights: DashMap::new(),
            room: Semaphore::new(settings.in_flight_max),
            results: results.into(),
            log_breach: Throttle::new(),
            engine,
            settings,
        }
    }

    /// The value that the write with number `seq` of the source that is called `source` put into the map of a check, which was
    /// reported with the digest that is shown as `digest`: a write as the ledger names it.
    ///
    /// # Errors
    ///
    /// Why there is none, as of [`Self::value_of`].
    pub(crate) async fn reported(
        &self,
        map: MapId,
        source: &str,
        seq: u64,
        digest: &str,
    ) -> Result<Arc<Recalled>, NoValue> {
        let digest = digest_of(digest).ok_or(NoValue::Mismatch)?;
        if digest.is_absent() {
            return Err(NoValue::Absent);
        }
        let write = self.write_of(map, source, seq).ok_or(NoValue::Gone)?;
        self.value_of(map, write, digest).await
    }

    /// The write with number `seq` of the source that is called `source`, of a check's tenant; `None` if no such source is known.
    fn write_of(&self, map: MapId, source: &str, seq: u64) -> Option<WriteId> {
        let contract = self.engine.contracts().get(map)?;
        let is_it =
            |name: &crate::sources::SourceName| name.tenant == contract.tenant && name.to_string() == source;
        let found = self.engine.sources().all().into_iter().find(|known| is_it(&known.name))?;
        Some(WriteId { source: found.id, seq })
    }

    /// The value that `write` put into the map of a check, which was reported with `digest`.
    ///
    /// # Errors
    ///
    /// Why there is none. It may be there later for some of the reasons.
    async fn value_of(&self, map: MapId, write: WriteId, digest: Digest) -> Result<Arc<Recalled>, NoValue> {
        let contract = self.engine.contracts().get(map).filter(|contract| contract.values.is_some());
        let contract = contract.ok_or(NoValue::NotWanted)?;
        let landing = self.flights.entry((write, digest)).or_default().clone();
        let flying = Flying { flights: &self.flights, flight: (write, digest), landing };
        flying.landing.get_or_init(|| self.fetch(contract, write, digest)).await.clone()
    }

    async fn fetch(
        &self,
        contract: &Contract,
        write: WriteId,
        digest: Digest,
    ) -> Result<Arc<Recalled>, NoValue> {
        let fetched = tokio::time::timeout(self.settings.timeout, self.ask(contract, write));
        let shown = fetched.await.unwrap_or(Err(NoValue::Late));
        let recalled = shown.and_then(|shown| self.checked(contract, shown, digest));
        self.count(match &recalled {
            Ok(recalled) if recalled.is_masked => "masked",
            Ok(_) => "value",
            Err(reason) => reason.label(),
        });
        if let Err(NoValue::Mismatch) = recalled {
            self.tell_breach("a sidecar answered a recall with another value than the one that it reported");
        }
        recalled.map(Arc::new)
    }

    /// Asks whoever carries the write's source now, and waits for the answer.
    async fn ask(&self, contract: &Contract, write: WriteId) -> Result<Shown, NoValue> {
        // Nothing closes the semaphore.
        let _place = self.room.acquire().await.map_err(|_| NoValue::Busy)?;
        let source = self.engine.sources().get(write.source).ok_or(NoValue::Gone)?;
        let line = self.lines.of(write.source).ok_or(NoValue::Gone)?;
        let answer = line.ask(wire::Recall {
            id: 0,
            service: source.name.service.clone(),
            instance: source.name.instance.clone(),
            epoch: source.name.epoch,
            seq: write.seq,
            map: contract.name.to_string(),
            value_bytes_max: self.settings.value_bytes_max,
        })?;
        // While somebody holds the line, its end is not noticed.
        drop(line);
        answer.await.unwrap_or(Err(NoValue::Gone))
    }

    /// Whether a value is the one that was reported, or at least no longer than was asked for.
    fn checked(&self, contract: &Contract, shown: Shown, digest: Digest) -> Result<Recalled, NoValue> {
        let Shown { value, is_masked } = shown;
        let is_too_long = value.len() > usize::try_from(self.settings.value_bytes_max).unwrap_or(usize::MAX);
        if is_too_long || !(is_masked || contract.digesters.are_of(digest, &value)) {
            return Err(NoValue::Mismatch);
        }
        Ok(Recalled { value: Value::new(&value), is_masked })
    }

    /// A batch of the source with this number was accepted on a stream, whose sidecar says whether it answers recalls there.
    pub(crate) fn carries(&self, source: u32, line: &Arc<Line>, is_answering: bool) {
        if self.is_on {
            line.set_answering(is_answering);
            self.lines.carries(source, line, self.engine.sources());
        }
    }

    /// A stream has ended.
    pub(crate) fn ended(&self) {
        self.lines.forget_ended();
    }

    /// A sidecar answered on `line`. What it was not asked for there counts, and is let go of.
    pub(crate) fn answered(&self, line: &Line, recalled: wire::Recalled) {
        if !line.answered(recalled) {
            self.count(UNASKED);
            self.tell_breach("a sidecar answered a recall that nobody made, or answered one twice");
        }
    }

    fn count(&self, result: &'static str) {
        self.results.get(result).into_iter().for_each(|counter| counter.increment(1));
    }

    fn tell_breach(&self, message: &'static str) {
        if let Some(unsaid) = self.log_breach.allows(now()) {
            tracing::error!(unsaid, "{message}");
        }
    }
}

/// Somebody waits for a write's value. Whoever leaves last, or first once it is there, takes the entry away: who comes later asks
/// anew.
struct Flying<'a> {
    flights: &'a DashMap<Flight, Landing>,
    flight: Flight,
    landing: Landing,
}

/// The map's handle and that of the last one who waits.
const LAST_HANDLES: usize = 2;

impl Drop for Flying<'_> {
    fn drop(&mut self) {
        self.flights.remove_if(&self.flight, |_, landing| {
            let is_over = landing.initialized() || Arc::strong_count(landing) <= LAST_HANDLES;
            is_over && Arc::ptr_eq(landing, &self.landing)
        });
    }
}

#[cfg(test)]
mod tests;
