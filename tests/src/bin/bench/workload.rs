//! The bytes that an emitter sends: events of 270 bytes with values of 200, in frames of just under 64 KiB.

use counterfoil_proto::wire::emit::{Event, Events};
use counterfoil_tests::emit::dual_put;
use prost::Message;

/// The map of every event.
pub(crate) const MAP: &str = "cart";
/// Bytes of a value.
pub(crate) const VALUE_BYTES: usize = 200;
/// Events in a frame: as many as the default frame limit of 64 KiB holds.
pub(crate) const EVENTS_PER_FRAME: usize = 240;
/// Bytes of an event on the socket.
const EVENT_BYTES: usize = 270;

const TAG_FIRST_SEQ: u8 = 0x08;
const TAG_EVENTS: u8 = 0x12;

/// Events that are sent over and over, with new sequence numbers.
pub(crate) struct Workload {
    /// The values, for the floor.
    pub(crate) values: Vec<Vec<u8>>,
    /// An `Events` message without its `first_seq`.
    events: Vec<u8>,
}

impl Workload {
    pub(crate) fn new() -> Self {
        let values: Vec<_> = (0..EVENTS_PER_FRAME as u64).map(value).collect();
        let events: Vec<_> = values.iter().zip(0..).map(|(value, at)| event(at, value)).collect();
        let bytes = events.iter().map(Message::encoded_len).max().expect("there are events") + 3;
        assert_eq!(bytes, EVENT_BYTES, "the size of an event changed; set the length of the key");
        let message = Events { maps: vec![MAP.to_owned()], events, ..Default::default() };
        Self { values, events: message.encode_to_vec() }
    }

    /// Appends a frame whose first event has the number `first_seq`.
    pub(crate) fn append_frame(&self, first_seq: usize, bytes: &mut Vec<u8>) {
        let body = 1 + prost::length_delimiter_len(first_seq) + self.events.len();
        let frame = 1 + prost::length_delimiter_len(body) + body;
        append_varint(frame, bytes);
        bytes.push(TAG_EVENTS);
        append_varint(body, bytes);
        bytes.push(TAG_FIRST_SEQ);
        append_varint(first_seq, bytes);
        bytes.extend_from_slice(&self.events);
    }
}

fn append_varint(number: usize, bytes: &mut Vec<u8>) {
    prost::encode_length_delimiter(number, bytes).expect("a vector grows");
}

/// The value with this number.
pub(crate) fn value(at: u64) -> Vec<u8> {
    format!("{at:08} ").into_bytes().into_iter().cycle().take(VALUE_BYTES).collect()
}

/// The same in SQL, of a number that is written as text.
pub(crate) fn value_in_sql(at: &str) -> String {
    format!("left(repeat(concat(lpad({at}, 8, '0'), ' '), {VALUE_BYTES}), {VALUE_BYTES})")
}

fn event(at: usize, value: &[u8]) -> Event {
    dual_put(&format!("user-{at:015}"), value, || {})
}
