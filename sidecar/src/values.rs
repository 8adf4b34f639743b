//! Recent values, where a person turned that on: kept for a bounded time, so that the comparator can recall those it needs.
//!
//! # Invariants
//!
//! - Only values of the maps that the section `values` names are kept, masked as it says. Without the section nothing of this exists.
//! - They are in memory alone, at most about `bytes_max` bytes of them and none for much longer than `keep_s`, and are wiped when
//!   they are let go of. They outlive connections and streams, not the process.
//! - A frame's values are kept under one lock, before the frame's batch may be sent: what the comparator knows of can be recalled.
//! - No value is part of a log line, a metric or `Debug`.

mod ring;

use crate::batcher::SourceId;
use crate::config::{self, Map};
use crate::metrics::Meters;
use bytes::Bytes;
use counterfoil_clock::now;
use counterfoil_digest::Mask;
use counterfoil_judge::Time;
use counterfoil_proto::wire::emit::{Event, Op};
use counterfoil_proto::{NoValue, Recalled, Shown, wire};
use ring::{Entry, Found, Frame, Ring};
use std::borrow::Cow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

/// How often values are let go of that have grown old.
const TEND_EVERY: Duration = Duration::from_secs(1);

/// The values that are kept.
pub(crate) struct Values {
    names: Vec<Arc<str>>,
    /// By place; nothing for maps whose values are not kept.
    masks: Vec<Option<Mask>>,
    keep_ns: i64,
    bytes_max: usize,
    /// Most bytes a second that are shown.
    pub(crate) bytes_per_s_max: u32,
    ring: Mutex<Ring>,
    meters: Arc<Meters>,
}

impl Values {
    /// Keeps what `settings` say of the values of `maps`; nothing yet.
    pub(crate) fn new(settings: &config::Values, maps: &[Map], meters: Arc<Meters>) -> Self {
        if settings.is_insecure {
            tracing::warn!("values that the comparator recalls travel in plain text (values.insecure)");
        }
        let kept = settings.masks.iter().flatten().count();
        tracing::info!(maps = kept, "values are kept, and shown to the comparator when it recalls them");
        Self {
            names: maps.iter().map(|map| Arc::clone(&map.name)).collect(),
            masks: settings.masks.clone(),
            keep_ns: i64::try_from(settings.keep.as_nanos()).unwrap_or(i64::MAX),
            bytes_max: settings.bytes_max,
            bytes_per_s_max: settings.bytes_per_s_max,
            ring: Mutex::default(),
            meters,
        }
    }

    /// Begins to gather the values of a frame.
    pub(crate) fn gather(&self) -> Gathering<'_> {
        Gathering { values: self, parts: Vec::new(), bytes: 0 }
    }

    /// Lets go of what is old, until `stop`.
    pub(crate) async fn tend(self: Arc<Self>, stop: CancellationToken) {
        let mut ticks = tokio::time::interval(TEND_EVERY);
        while stop.run_until_cancelled(ticks.tick()).await.is_some() {
            self.let_go(self.ring(), now());
        }
    }

    /// The answer to a recall at `now`.
    pub(crate) fn recall(&self, recall: &wire::Recall, now: Time) -> Recalled {
        let shown = self.shown(recall, now);
        let result = match &shown {
            Ok(Shown { is_masked: true, .. }) => "masked",
            Ok(Shown { is_masked: false, .. }) => "value",
            Err(reason) => reason.label(),
        };
        self.meters.recalls.add(result, 1);
        Recalled { id: recall.id, shown }
    }

    fn shown(&self, recall: &wire::Recall, now: Time) -> Result<Shown, NoValue> {
        let wire::Recall { service, instance, epoch, seq, map, value_bytes_max, .. } = recall;
        let place = self.names.iter().position(|name| **name == **map).ok_or(NoValue::Off)?;
        self.masks.get(place).and_then(Option::as_ref).ok_or(NoValue::Off)?;
        let source = SourceId { service: service.clone(), instance: instance.clone(), epoch: *epoch };
        let ring = self.ring();
        match ring.find(&source, *seq, now.minus(self.keep_ns)) {
            Found::Value { value, .. }
                if value.len() > usize::try_from(*value_bytes_max).unwrap_or(usize::MAX) =>
            {
                Err(NoValue::TooLarge)
            }
            Found::Value { value, place: its, is_masked } if its == place => {
                Ok(Shown { value: Bytes::copy_from_slice(value), is_masked })
            }
            // Of another map than the comparator thinks: nothing that was asked for.
            Found::Value { .. } | Found::Unknown => Err(NoValue::Unknown),
            Found::Expired => Err(NoValue::Expired),
        }
    }

    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets go of what is old and of what there is no room for, and wipes it once the lock is free again.
    fn let_go(&self, mut ring: MutexGuard<'_, Ring>, now: Time) {
        let old = ring.let_go_older(now.minus(self.keep_ns));
        let crowded = ring.let_go_beyond(self.bytes_max);
        let (bytes, values) = (ring.bytes(), ring.values());
        drop(ring);
        for (reason, frames) in [("age", &old), ("room", &crowded)] {
            let count: usize = frames.iter().map(Frame::values).sum();
            self.meters.values_let_go.add(reason, count as u64);
        }
        self.meters.kept_bytes.set(bytes as f64);
        self.meters.kept_values.set(values as f64);
    }
}

/// The values of one frame that are to be kept.
pub(crate) struct Gathering<'a> {
    values: &'a Values,
    parts: Vec<(u64, usize, Part)>,
    bytes: usize,
}

/// One value, as it is kept.
enum Part {
    /// As it was reported. Shares the frame's memory until it is copied.
    Whole(Bytes),
    Masked(Zeroizing<Vec<u8>>),
}

impl Part {
    fn bytes(&self) -> &[u8] {
        match self {
            Self::Whole(value) => value,
            Self::Masked(value) => value,
        }
    }
}

impl Gathering<'_> {
    /// Adds the value of the event with number `seq` of the map at `place`, if it is to be kept. Numbers grow.
    pub(crate) fn add(&mut self, seq: u64, place: usize, event: &Event) {
        let Some(Some(mask)) = self.values.masks.get(place) else { return };
        if event.op() != Op::Put {
            return;
        }
        let part = match mask.applied(&event.value) {
            Some(Cow::Borrowed(_)) => Part::Whole(event.value.clone()),
            Some(Cow::Owned(masked)) => Part::Masked(masked.into()),
            // Not even a part of it may be seen.
            None => return,
        };
        self.bytes += part.bytes().len();
        self.parts.push((seq, place, part));
    }

    /// Keeps what was gathered, which `source` wrote and which came at `at`.
    pub(crate) fn keep(self, source: &SourceId, at: Time) {
        if self.parts.is_empty() {
            return;
        }
        // Of just the size: memory that a vector grows out of is not wiped.
        let mut bytes = Zeroizing::new(Vec::with_capacity(self.bytes));
        let mut entries = Vec::with_capacity(self.parts.len());
        for (seq, place, part) in self.parts {
            bytes.extend_from_slice(part.bytes());
            entries.push(Entry { seq, place, end: bytes.len(), is_masked: matches!(part, Part::Masked(_)) });
        }
        let mut ring = self.values.ring();
        ring.keep(source, Frame { at, bytes, entries });
        self.values.let_go(ring, at);
    }
}

/// Values for tests.
#[cfg(test)]
pub(crate) mod trial {
    use super::*;
    use crate::config::settings_of;

    pub(super) const AT: Time = Time(1_000_000_000_000);

    pub(super) fn source() -> SourceId {
        SourceId { service: "cart".to_owned(), instance: "a".to_owned(), epoch: 1 }
    }

    pub(super) fn put(value: &[u8]) -> Event {
        Event { op: Op::Put.into(), value: value.to_vec().into(), ..Event::default() }
    }

    /// Asks for what the source wrote to `cart` as number `seq`.
    pub(crate) fn recall(seq: u64) -> wire::Recall {
        let SourceId { service, instance, epoch } = source();
        let value_bytes_max = u32::MAX;
        wire::Recall { id: seq, service, instance, epoch, seq, map: "cart".to_owned(), value_bytes_max }
    }

    /// Keeps what the section says of the maps `cart`, with this codec, `notes` and `other`.
    pub(super) fn kept_with(section: &str, codec: &str) -> Arc<Values> {
        let maps = format!("maps=[{{name: cart, codec: {codec}}}, {{name: notes}}, {{name: other}}]");
        let settings = settings_of(&[&maps, &format!("values={{{section}}}")]);
        Arc::new(Values::new(&settings.values.expect("a section"), &settings.maps, Arc::new(Meters::new())))
    }

    /// Keeps `puts`, the values of the writes from number 0 on, and shows so many bytes a second.
    pub(crate) fn kept(bytes_per_s_max: u32, puts: &[Vec<u8>]) -> Arc<Values> {
        let values =
            kept_with(&format!("maps: [cart], bytes_per_s_max: {bytes_per_s_max}, keep_s: 86400"), "bytes");
        let mut gathering = values.gather();
        (0..).zip(puts).for_each(|(seq, value)| gathering.add(seq, 0, &put(value)));
        gathering.keep(&source(), Time(0));
        values
    }
}

#[cfg(test)]
mod tests;
