//! Checks events one by one: parses their legs, and tells those that no batch can take.
//!
//! An event that breaks the protocol refuses its frame. An event that only breaks a limit, or whose map nobody
//! configured, is [`Unfit`]: it is declared lost at its own number, and the stream goes on.

use crate::config::WrittenLimits;
use crate::refused::Refused;
use counterfoil_digest::CodecError;
use counterfoil_judge::{Interval, Reported, StoreOutcome, Time};
use counterfoil_proto::TraceRef;
use counterfoil_proto::time;
use counterfoil_proto::wire::emit::{self, Event, MapOutcome, Op, Stamps};
use thiserror::Error;

/// Why an event is declared lost.
#[derive(Clone, PartialEq, Eq, Debug, Error)]
pub(crate) enum Unfit {
    #[error("map is not configured; add it to `maps`")]
    UnknownMap,
    #[error("key is empty; send 1 to {max} bytes (limits.key_bytes_max)")]
    KeyEmpty { max: u32 },
    #[error("key has {bytes} bytes; limits.key_bytes_max is {max}")]
    KeyTooLong { bytes: usize, max: u32 },
    #[error("value has {bytes} bytes; limits.value_bytes_max is {max}")]
    ValueTooLong { bytes: usize, max: u32 },
    #[error(transparent)]
    Codec(#[from] CodecError),
}

impl Unfit {
    /// Every label that [`Self::label`] gives.
    pub(crate) const LABELS: &[&str] = &[
        "unknown_map",
        "key_empty",
        "key_too_long",
        "value_too_long",
        "not_text",
        "not_json",
        "not_columns",
    ];

    /// The reason as a metric label.
    pub(crate) const fn label(&self) -> &'static str {
        match self {
            Self::UnknownMap => "unknown_map",
            Self::KeyEmpty { .. } => "key_empty",
            Self::KeyTooLong { .. } => "key_too_long",
            Self::ValueTooLong { .. } => "value_too_long",
            Self::Codec(CodecError::NotText { .. }) => "not_text",
            Self::Codec(CodecError::NotJson { .. }) => "not_json",
            Self::Codec(CodecError::NotColumns(_)) => "not_columns",
        }
    }
}

/// What a check needs to know besides the event.
pub(crate) struct Rules<'a> {
    pub(crate) limits: &'a WrittenLimits,
    pub(crate) stamps: Stamps,
    /// For each map of the frame its place in the configuration.
    pub(crate) places: &'a [Option<usize>],
    /// How many cohorts the frame has.
    pub(crate) cohorts: usize,
    /// When the frame was read.
    pub(crate) arrival: Time,
}

/// An event that keeps to the protocol.
pub(crate) struct Checked {
    pub(crate) legs: Reported,
    /// Nobody saw the write: the map held its value.
    pub(crate) held: bool,
    pub(crate) trace: Option<TraceRef>,
    /// The map's place in the configuration, or why the event is lost.
    pub(crate) place: Result<usize, Unfit>,
}

impl Rules<'_> {
    /// Checks the event at index `at` of its frame.
    pub(crate) fn check(&self, at: usize, event: &Event) -> Result<Checked, Refused> {
        let refused = |(field, problem)| Refused::Event { at, field, problem };
        self.check_form(event).map_err(refused)?;
        let legs = match self.stamps {
            Stamps::Sidecar => legs_on_arrival(event, self.arrival),
            Stamps::Emitter | Stamps::Unspecified => legs_as_reported(event),
        };
        let legs = legs.map_err(refused)?;
        let trace = trace(event).map_err(refused)?;
        let held = event.map_outcome() == MapOutcome::Held;
        Ok(Checked { legs, held, trace, place: self.place(event) })
    }

    fn check_form(&self, event: &Event) -> Result<(), Wrong> {
        let map = usize::try_from(event.map).unwrap_or(usize::MAX);
        let cohort = usize::try_from(event.cohort).unwrap_or(usize::MAX);
        match event.op() {
            _ if map >= self.places.len() => Err(("map", "points outside of events.maps")),
            _ if cohort > self.cohorts => Err(("cohort", "points outside of events.cohorts")),
            Op::Unspecified => Err(("op", "is not set; send PUT or REMOVE")),
            Op::Remove if !event.value.is_empty() => Err(("value", "a remove has none; leave it empty")),
            _ if event.version == Some(u64::MAX) => Err(("version", "2^64 - 1 stands for none; send less")),
            _ if event.map_order == Some(u64::MAX) => {
                Err(("map_order", "2^64 - 1 stands for none; send less"))
            }
            Op::Put | Op::Remove if event.map_outcome() == MapOutcome::Held => held_alone(event),
            Op::Put | Op::Remove => Ok(()),
        }
    }

    fn place(&self, event: &Event) -> Result<usize, Unfit> {
        let WrittenLimits { key_bytes_max, value_bytes_max, .. } = *self.limits;
        let place = usize::try_from(event.map).ok().and_then(|map| self.places.get(map).copied().flatten());
        let place = place.ok_or(Unfit::UnknownMap)?;
        let (key, value) = (event.key.len(), event.value.len());
        if key == 0 {
            return Err(Unfit::KeyEmpty { max: key_bytes_max });
        }
        if key > key_bytes_max as usize {
            return Err(Unfit::KeyTooLong { bytes: key, max: key_bytes_max });
        }
        if value > value_bytes_max as usize {
            return Err(Unfit::ValueTooLong { bytes: value, max: value_bytes_max });
        }
        Ok(place)
    }
}

/// A field and what is wrong with it.
type Wrong = (&'static str, &'static str);

/// That the map held a value says nothing of a store call, and that it held none is no event.
fn held_alone(event: &Event) -> Result<(), Wrong> {
    if event.op() != Op::Put {
        return Err(("op", "a held value is a put; leave out keys that have none"));
    }
    match event.store_outcome() {
        emit::StoreOutcome::Unspecified => Ok(()),
        _ => Err(("store_outcome", "nobody knows of a held value's store call; leave it out")),
    }
}

fn legs_as_reported(event: &Event) -> Result<Reported, Wrong> {
    let map = match event.map_outcome() {
        MapOutcome::Skipped => None,
        MapOutcome::Done | MapOutcome::Held | MapOutcome::Unspecified => {
            if event.map_begin_ns == 0 || event.map_end_ns == 0 {
                return Err((
                    "map_begin_ns",
                    "is needed, and so is map_end_ns, unless the map leg was skipped",
                ));
            }
            Some(Interval::new(time(event.map_begin_ns), time(event.map_end_ns)))
        }
    };
    let outcome = match event.store_outcome() {
        emit::StoreOutcome::Unspecified => None,
        emit::StoreOutcome::Ok => Some(StoreOutcome::Ok),
        emit::StoreOutcome::Failed => Some(StoreOutcome::Failed),
        emit::StoreOutcome::Unknown => Some(StoreOutcome::Unknown),
    };
    if outcome.is_some() && (event.store_begin_ns == 0 || event.store_end_ns == 0) {
        return Err((
            "store_begin_ns",
            "is needed, and so is store_end_ns, where a store outcome is reported",
        ));
    }
    if outcome.is_none() && event.store_end_ns != 0 {
        return Err(("store_outcome", "is needed where the store leg has times"));
    }
    let leg = Interval::new(time(event.store_begin_ns), time(event.store_end_ns));
    let store = outcome.map(|outcome| (leg, outcome));
    if map.is_none() && store.is_none() {
        return Err((
            "map_outcome",
            "the map leg was skipped and there is no store leg; report one of the two",
        ));
    }
    Ok(Reported { map, store })
}

/// The legs of an event that carries no times. The instant of arrival bounds the map leg from above; how long before it
/// the write began is the contract's to say (`lead`). So an acknowledged store leg is left to the contract too, and
/// one of unknown outcome cannot be placed in time at all.
fn legs_on_arrival(event: &Event, arrival: Time) -> Result<Reported, Wrong> {
    const NO_TIMES: &str = "the sidecar reads the clock on this connection; leave times out, or say hello with \
        stamps `emitter`";
    for (field, time) in [
        ("map_begin_ns", event.map_begin_ns),
        ("map_end_ns", event.map_end_ns),
        ("store_begin_ns", event.store_begin_ns),
        ("store_end_ns", event.store_end_ns),
    ] {
        if time != 0 {
            return Err((field, NO_TIMES));
        }
    }
    if event.map_outcome() == MapOutcome::Skipped {
        return Err((
            "map_outcome",
            "a skipped map leg needs the times of the store leg; stamp them in the emitter",
        ));
    }
    let at = Interval::new(arrival, arrival);
    let store = match event.store_outcome() {
        emit::StoreOutcome::Unspecified | emit::StoreOutcome::Ok => None,
        emit::StoreOutcome::Failed => Some((at, StoreOutcome::Failed)),
        emit::StoreOutcome::Unknown => {
            return Err((
                "store_outcome",
                "an unknown outcome needs the times of the store leg; stamp them in the emitter",
            ));
        }
    };
    Ok(Reported { map: Some(at), store })
}

fn trace(event: &Event) -> Result<Option<TraceRef>, Wrong> {
    if event.trace_id.is_empty() && event.span_id.is_empty() {
        return Ok(None);
    }
    let trace_id = event.trace_id[..].try_into().map_err(|_| ("trace_id", "send 16 bytes, or neither id"))?;
    let span_id = event.span_id[..].try_into().map_err(|_| ("span_id", "send 8 bytes, or neither id"))?;
    Ok((trace_id != [0; 16]).then_some(TraceRef { trace_id, span_id }))
}

/// The interval in which a lost write happened. One of unknown outcome may still land.
pub(crate) fn hull(legs: &Reported) -> Interval {
    let store = legs.store.map(|(leg, outcome)| match outcome {
        StoreOutcome::Unknown => Interval::new(leg.begin, Time::MAX),
        StoreOutcome::Ok | StoreOutcome::Failed => leg,
    });
    match (legs.map, store) {
        (Some(map), Some(store)) => map.hull(store),
        (Some(leg), None) | (None, Some(leg)) => leg,
        (None, None) => Interval::new(Time::MIN, Time::MAX),
    }
}

#[cfg(test)]
mod tests;
