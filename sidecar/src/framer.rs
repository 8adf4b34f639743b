//! Cuts the bytes of a connection into frames.
//!
//! The first bytes decide the form. A protobuf frame is a varint length and a `Frame`. A first byte `{` means lines of
//! JSON, unless the second byte is 0x0A: then it is the length, 123, of a `Frame` whose first field is a `Hello`.
//!
//! # Invariants
//!
//! - A length is checked against the limit before a byte of the frame is waited for, so the read buffer never grows past
//!   one frame and one read.
//! - Events are counted before any is decoded: a million empty ones fit a frame that is far larger in memory.
//! - Keys and values are not copied: they share the read buffer until the frame is digested.

use crate::json;
use crate::refused::Refused;
use bytes::{Buf, Bytes, BytesMut};
use counterfoil_proto::wire::emit::Frame;
use prost::Message;
use prost::encoding::{DecodeContext, WireType, decode_key, decode_varint, skip_field};

/// The number of the field `Frame.events`.
const EVENTS_OF_FRAME: u32 = 2;

/// The number of the field `Events.events`.
const EVENT_OF_EVENTS: u32 = 4;

/// A varint of this many bytes is more than any limit.
const LENGTH_BYTES_MAX: usize = 5;

/// How a connection talks.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Form {
    /// Length-delimited protobuf.
    Protobuf,
    /// Newline-delimited JSON.
    Json,
}

impl Form {
    /// The form of a connection that began with `bytes`; `None` if more are needed to tell.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        match bytes {
            [] | [b'{'] => None,
            [b'{', second, ..] if *second != 0x0A => Some(Self::Json),
            _ => Some(Self::Protobuf),
        }
    }
}

/// Cuts frames off the front of a read buffer.
pub(crate) struct Framer {
    form: Option<Form>,
    frame_bytes_max: u32,
    events_max: u32,
    /// Bytes at the front of the buffer known to hold no end of line.
    scanned: usize,
}

impl Framer {
    /// Frames have at most `frame_bytes_max` bytes and `events_max` events.
    pub(crate) fn new(frame_bytes_max: u32, events_max: u32) -> Self {
        Self { form: None, frame_bytes_max, events_max, scanned: 0 }
    }

    /// The form, once it is known.
    pub(crate) fn form(&self) -> Option<Form> {
        self.form
    }

    /// The next frame, or `None` until more bytes come.
    pub(crate) fn next(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, Refused> {
        self.form = self.form.or_else(|| Form::of(buffer));
        match self.form {
            None => Ok(None),
            Some(Form::Protobuf) => self.delimited(buffer)?.map(|frame| self.decode(frame)).transpose(),
            Some(Form::Json) => self.line(buffer)?.map(|line| json::frame(&line)).transpose(),
        }
    }

    /// What stands in the buffer when the connection has ended: a last line may lack its end, a frame may not.
    pub(crate) fn last(&mut self, buffer: &mut BytesMut) -> Result<Option<Frame>, Refused> {
        let rest = buffer.split();
        match self.form {
            _ if rest.is_empty() => Ok(None),
            Some(Form::Json) if json::is_blank(&rest) => Ok(None),
            Some(Form::Json) => {
                json::frame(&rest).map(Some).map_err(|_| Refused::Truncated { bytes: rest.len() })
            }
            Some(Form::Protobuf) | None => Err(Refused::Truncated { bytes: rest.len() }),
        }
    }

    fn delimited(&self, buffer: &mut BytesMut) -> Result<Option<Bytes>, Refused> {
        let Some((length, width)) = varint(buffer)? else { return Ok(None) };
        if length > u64::from(self.frame_bytes_max) {
            return Err(Refused::Oversize { bytes: length, max: self.frame_bytes_max });
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if buffer.len() - width < length {
            return Ok(None);
        }
        buffer.advance(width);
        Ok(Some(buffer.split_to(length).freeze()))
    }

    fn decode(&self, frame: Bytes) -> Result<Frame, Refused> {
        let (count, max) = (events(&frame), self.events_max);
        if count > usize::try_from(max).unwrap_or(usize::MAX) {
            return Err(Refused::Events { count, max });
        }
        Frame::decode(frame).map_err(Refused::NotProtobuf)
    }

    /// The next line that is not blank, without its end.
    fn line(&mut self, buffer: &mut BytesMut) -> Result<Option<BytesMut>, Refused> {
        loop {
            let unscanned = buffer.iter().skip(self.scanned);
            let end = unscanned.take_while(|&&byte| byte != b'\n').count() + self.scanned;
            if end > self.frame_bytes_max as usize {
                return Err(Refused::Oversize { bytes: end as u64, max: self.frame_bytes_max });
            }
            if end == buffer.len() {
                self.scanned = end;
                return Ok(None);
            }
            self.scanned = 0;
            let line = buffer.split_to(end);
            buffer.advance(1);
            if !json::is_blank(&line) {
                return Ok(Some(line));
            }
        }
    }
}

/// How many events an encoded frame has, before it is decoded.
fn events(frame: &[u8]) -> usize {
    let mut count = 0;
    each_field(frame, EVENTS_OF_FRAME, |events| each_field(events, EVENT_OF_EVENTS, |_| count += 1));
    count
}

/// Calls `with` for each field `number` of a message that is a message or a text. Ends where the bytes make no sense; whoever
/// decodes them says what is wrong.
fn each_field(mut message: &[u8], number: u32, mut with: impl FnMut(&[u8])) {
    while let Ok((tag, wire)) = decode_key(&mut message) {
        if wire != WireType::LengthDelimited {
            if skip_field(wire, tag, &mut message, DecodeContext::default()).is_err() {
                return;
            }
            continue;
        }
        let length = decode_varint(&mut message).ok().and_then(|length| usize::try_from(length).ok());
        let Some((field, rest)) = length.and_then(|length| message.split_at_checked(length)) else { return };
        message = rest;
        if tag == number {
            with(field);
        }
    }
}

/// The varint at the front of `buffer` and its width; `None` if its end has not come.
fn varint(buffer: &[u8]) -> Result<Option<(u64, usize)>, Refused> {
    let mut value = 0;
    for (at, byte) in buffer.iter().take(LENGTH_BYTES_MAX).enumerate() {
        value |= u64::from(byte & 0x7f) << (7 * at);
        if byte & 0x80 == 0 {
            return Ok(Some((value, at + 1)));
        }
    }
    if buffer.len() < LENGTH_BYTES_MAX { Ok(None) } else { Err(Refused::Length) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use counterfoil_proto::wire::emit::{Bye, Event, Events, Hello, frame::Body};

    const EVENTS_MAX: u32 = 3;

    fn frames(framer: &mut Framer, bytes: &[u8], step: usize) -> Result<Vec<Frame>, Refused> {
        let (mut buffer, mut frames) = (BytesMut::new(), Vec::new());
        for chunk in bytes.chunks(step) {
            buffer.extend_from_slice(chunk);
            while let Some(frame) = framer.next(&mut buffer)? {
                frames.push(frame);
            }
        }
        frames.extend(framer.last(&mut buffer)?);
        Ok(frames)
    }

    #[test]
    fn frames_are_the_same_however_the_bytes_arrive() {
        let hello =
            Frame { body: Some(Body::Hello(Hello { service: "x".repeat(119), ..Default::default() })) };
        let bye = Frame { body: Some(Body::Bye(Bye {})) };
        let mut bytes = hello.encode_length_delimited_to_vec();
        assert_eq!(bytes.get(..2), Some(&[b'{', 0x0A][..]), "the frame that looks like JSON at first");
        bytes.extend(bye.encode_length_delimited_to_vec());
        for step in 1..bytes.len() {
            let mut framer = Framer::new(65_536, EVENTS_MAX);
            assert_eq!(
                frames(&mut framer, &bytes, step).unwrap(),
                [hello.clone(), bye.clone()],
                "step {step}"
            );
            assert_eq!(framer.form(), Some(Form::Protobuf));
        }
        let lines = b"{\"bye\":{}}\r\n\n{\"bye\":{}}";
        for step in 1..lines.len() {
            let mut framer = Framer::new(64, EVENTS_MAX);
            assert_eq!(frames(&mut framer, lines, step).unwrap(), [bye.clone(), bye.clone()], "step {step}");
        }
    }

    #[test]
    fn a_frame_over_the_limit_is_refused_by_its_length_alone() {
        let refused = frames(&mut Framer::new(1_024, EVENTS_MAX), &[0x81, 0x08], 1).unwrap_err();
        assert_eq!(refused, Refused::Oversize { bytes: 1_025, max: 1_024 });
        assert!(refused.to_string().contains("limits.frame_bytes_max is 1024"), "{refused}");
        let line = [b"{ ".as_slice(), &[b' '; 1_030]].concat();
        assert!(matches!(
            frames(&mut Framer::new(1_024, EVENTS_MAX), &line, 7),
            Err(Refused::Oversize { .. })
        ));
    }

    #[test]
    fn bytes_that_are_no_frame_are_refused() {
        let refused = |bytes: &[u8]| frames(&mut Framer::new(1_024, EVENTS_MAX), bytes, 3).unwrap_err();
        assert_eq!(refused(&[0xff; 20]), Refused::Length);
        assert!(matches!(refused(&[3, 0xff, 0xff, 0xff]), Refused::NotProtobuf(_)));
        assert!(matches!(refused(b"{garbage}\n"), Refused::NotJson { .. }));
    }

    #[test]
    fn a_frame_cut_short_by_the_end_is_refused() {
        let refused = |bytes: &[u8]| frames(&mut Framer::new(1_024, EVENTS_MAX), bytes, 64).unwrap_err();
        assert_eq!(refused(&[9, 1, 2]), Refused::Truncated { bytes: 3 });
        assert_eq!(refused(b"{\"bye\":{"), Refused::Truncated { bytes: 8 });
        assert_eq!(refused(&[0x80]), Refused::Truncated { bytes: 1 });
    }

    #[test]
    fn events_are_counted_before_they_are_decoded() {
        let frame = |count| Frame {
            body: Some(Body::Events(Events {
                first_seq: 1,
                maps: vec!["cart".to_owned()],
                events: vec![Event { key: "k".into(), ..Event::default() }; count],
                ..Events::default()
            })),
        };
        let hear = |frame: Frame| {
            frames(&mut Framer::new(65_536, EVENTS_MAX), &frame.encode_length_delimited_to_vec(), 64)
        };
        assert_eq!(hear(frame(3)).unwrap().len(), 1);
        assert_eq!(hear(frame(4)).unwrap_err(), Refused::Events { count: 4, max: 3 });
        // A field of events may come in pieces, and unknown ones beside it.
        let pieces = [[frame(2).encode_to_vec(), vec![0x78, 7]].concat(), frame(2).encode_to_vec()].concat();
        assert_eq!(events(&pieces), 4);
        assert_eq!(events(&[0x12, 0xff, 0x01]), 0, "what makes no sense is the decoder's to refuse");
    }
}
