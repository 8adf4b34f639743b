//! Packs events into frames: each has its own dictionaries of maps and cohorts and keeps the sidecar's limits.

use crate::event::{Event, span};
use crate::limits::{Limits, WRITE_BYTES};
use counterfoil_judge::Interval;
use counterfoil_proto::wire::emit::{self, frame::Body};
use prost::Message;
use std::collections::HashMap;

/// Most bytes of a frame besides its events and dictionaries: tag and length of the body, tag and number of the first
/// sequence number.
const HEAD_BYTES: usize = 24;

/// The frame being packed.
#[derive(Default)]
pub(crate) struct FrameBuilder {
    message: emit::Events,
    maps: HashMap<String, u32>,
    cohorts: HashMap<String, u32>,
    bytes: usize,
    during: Option<Interval>,
}

/// A frame that is ready to go.
pub(crate) struct Packed {
    /// Length and body.
    pub(crate) bytes: Vec<u8>,
    /// How many events it holds.
    pub(crate) count: u64,
    /// From the first begin to the last end of its events.
    pub(crate) during: Interval,
}

impl FrameBuilder {
    /// Adds an event, or gives it back if the frame has no room for it.
    pub(crate) fn push(&mut self, event: Box<Event>, limits: &Limits) -> Result<(), Box<Event>> {
        let bytes = self.bytes.max(HEAD_BYTES) + self.cost(&event);
        // Only an event that is alone in its frame may need all that the sidecar takes.
        let room = if self.message.events.is_empty() { usize::MAX } else { WRITE_BYTES };
        if bytes > limits.frame_bytes.min(room) || self.message.events.len() >= limits.events_per_frame {
            return Err(event);
        }
        self.bytes = bytes;
        let leg = span(&event.legs);
        self.during = Some(self.during.map_or(leg, |sum| sum.hull(leg)));
        let map = enter(&mut self.maps, &mut self.message.maps, &event.map);
        let cohort = event.marks.cohort.as_deref();
        let cohort =
            cohort.map_or(0, |cohort| enter(&mut self.cohorts, &mut self.message.cohorts, cohort) + 1);
        self.message.events.push(event.into_wire(map, cohort));
        Ok(())
    }

    /// The frame, numbered from `first_seq`; `None` if it has no event. The builder is empty afterwards.
    pub(crate) fn finish(&mut self, first_seq: u64) -> Option<Packed> {
        let during = self.during.take()?;
        let message = emit::Events { first_seq, ..std::mem::take(&mut self.message) };
        self.maps.clear();
        self.cohorts.clear();
        self.bytes = 0;
        let count = u64::try_from(message.events.len()).unwrap_or(u64::MAX);
        Some(Packed { bytes: encode(Body::Events(message)), count, during })
    }

    /// At most how many bytes the event and its new entries in the dictionaries take.
    fn cost(&self, event: &Event) -> usize {
        /// Tags, numbers, outcomes and times of an event, each at its longest.
        const FIXED_BYTES: usize = 6 + 2 + 2 + 4 * 9 + 2 + 2 * 11 + 6;
        /// Tag and length of a field of bytes.
        const FIELD_BYTES: usize = 6;
        let field = |bytes: usize| FIELD_BYTES + bytes;
        let map = if self.maps.contains_key(&*event.map) { 0 } else { field(event.map.len()) };
        let cohort = match event.marks.cohort.as_deref() {
            Some(cohort) if !self.cohorts.contains_key(cohort) => field(cohort.len()),
            _ => 0,
        };
        let trace = if event.marks.trace.is_some() { field(16) + field(8) } else { 0 };
        let content = field(event.content.key.len()) + field(event.content.value().len());
        FIELD_BYTES + FIXED_BYTES + content + trace + map + cohort
    }
}

fn enter(known: &mut HashMap<String, u32>, names: &mut Vec<String>, name: &str) -> u32 {
    if let Some(&at) = known.get(name) {
        return at;
    }
    // A frame holds far fewer than 2^32 names.
    let at = u32::try_from(names.len()).unwrap_or(u32::MAX);
    names.push(name.to_owned());
    known.insert(name.to_owned(), at);
    at
}

/// A frame with its length before it.
pub(crate) fn encode(body: Body) -> Vec<u8> {
    emit::Frame { body: Some(body) }.encode_length_delimited_to_vec()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may panic")]
    use super::*;
    use crate::event::{Content, Marks};
    use counterfoil_judge::{Reported, StoreOutcome, Time};
    use counterfoil_proto::TraceRef;

    fn event(map: &str, value: usize, cohort: Option<&str>) -> Box<Event> {
        let leg = Interval::new(Time(5), Time(i64::MAX));
        Box::new(Event {
            map: map.into(),
            content: Content { key: vec![7; 3], value: Some(vec![1; value]) },
            legs: Reported { map: Some(leg), store: Some((leg, StoreOutcome::Unknown)) },
            marks: Marks {
                map_order: Some(u64::MAX - 1),
                version: Some(u64::MAX - 1),
                trace: Some(TraceRef { trace_id: [1; 16], span_id: [2; 8] }),
                cohort: cohort.map(Into::into),
                held: false,
            },
        })
    }

    fn open(packed: &Packed) -> emit::Events {
        match emit::Frame::decode_length_delimited(&packed.bytes[..]).unwrap().body {
            Some(Body::Events(events)) => events,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_frame_has_each_name_once_and_is_numbered_from_its_first_event() {
        let (mut frame, limits) = (FrameBuilder::default(), Limits::default());
        for (map, cohort) in [("a", None), ("b", Some("c=1")), ("a", Some("c=2")), ("b", Some("c=1"))] {
            assert!(frame.push(event(map, 1, cohort), &limits).is_ok());
        }
        let events = open(&frame.finish(9).unwrap());
        assert_eq!((events.first_seq, &events.maps[..]), (9, &["a".to_owned(), "b".to_owned()][..]));
        assert_eq!(events.cohorts, ["c=1", "c=2"]);
        let pairs: Vec<_> = events.events.iter().map(|event| (event.map, event.cohort)).collect();
        assert_eq!(pairs, [(0, 0), (1, 1), (0, 2), (1, 1)]);
        assert!(frame.finish(0).is_none());
    }

    #[test]
    fn a_frame_keeps_its_limits_even_with_the_longest_numbers() {
        for value in [0, 100, 3_000] {
            let limits = Limits { frame_bytes: 8_192, ..Limits::default() };
            let mut frame = FrameBuilder::default();
            let mut count = 0;
            while frame
                .push(event(&format!("map-{count}"), value, Some(&format!("c={count}"))), &limits)
                .is_ok()
            {
                count += 1;
            }
            assert!(count > 0);
            let packed = frame.finish(u64::MAX).unwrap();
            let body = emit::Frame { body: Some(Body::Events(open(&packed))) }.encoded_len();
            assert!(body <= limits.frame_bytes, "{body} bytes");
            assert_eq!((packed.count, packed.during.begin), (count, Time(5)));
        }
        let limits = Limits { frame_bytes: 1 << 20, ..Limits::default() };
        let mut frame = FrameBuilder::default();
        assert!(frame.push(event("a", 500_000, None), &limits).is_ok());
        assert!(frame.push(event("a", 1, None), &limits).is_err(), "frames of several events stay small");
        let limits = Limits { events_per_frame: 1, ..Limits::default() };
        let mut frame = FrameBuilder::default();
        assert!(frame.push(event("a", 1, None), &limits).is_ok());
        assert!(frame.push(event("a", 1, None), &limits).is_err());
    }
}
