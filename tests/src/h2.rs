//! The least of HTTP/2 that a hostile caller needs: frames, written and read as they are (RFC 9113).

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::time::Duration;

/// What a connection begins with.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Kinds of frames.
pub mod kind {
    /// The bytes of a message.
    pub const DATA: u8 = 0;
    /// A request, the head of an answer, or its end.
    pub const HEADERS: u8 = 1;
    /// A stream is given up.
    pub const RST_STREAM: u8 = 3;
    /// What one side allows the other.
    pub const SETTINGS: u8 = 4;
    /// The connection is given up.
    pub const GOAWAY: u8 = 7;
    /// More may be sent.
    pub const WINDOW_UPDATE: u8 = 8;
}

/// The frame is the last of its stream.
pub const END_STREAM: u8 = 1;

/// The frame has all of the headers.
const END_HEADERS: u8 = 4;

/// The error code for a stream that its caller does not want any more.
const CANCEL: u32 = 8;

/// A frame that every receiver takes has at most so many bytes.
const FRAME_BYTES_MAX: usize = 16_384;

/// How long a read waits.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A frame as it came.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame {
    /// See [`kind`].
    pub kind: u8,
    /// What its bits mean depends on the kind.
    pub flags: u8,
    /// The stream; 0 for the connection.
    pub stream: u32,
    /// The rest.
    pub payload: Vec<u8>,
}

impl Frame {
    /// Its bytes.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.payload.len()).unwrap_or(u32::MAX).to_be_bytes();
        let head = [&length[1..], &[self.kind, self.flags], &self.stream.to_be_bytes()].concat();
        [head, self.payload.clone()].concat()
    }

    /// Opens a stream with these headers, none of them compressed.
    #[must_use]
    pub fn headers(stream: u32, headers: &[(&str, &str)]) -> Self {
        let text = |text: &str| {
            let length = u8::try_from(text.len()).ok().filter(|length| *length < 127);
            [&[length.expect("a short text")], text.as_bytes()].concat()
        };
        let payload = headers.iter().flat_map(|(name, value)| [vec![0], text(name), text(value)].concat());
        Self { kind: kind::HEADERS, flags: END_HEADERS, stream, payload: payload.collect() }
    }

    /// Gives a stream up.
    #[must_use]
    pub fn reset(stream: u32) -> Self {
        Self { kind: kind::RST_STREAM, flags: 0, stream, payload: CANCEL.to_be_bytes().into() }
    }

    /// The error code of a frame that gives the connection up.
    #[must_use]
    pub fn goaway_code(&self) -> Option<u32> {
        let code = self.payload.get(4..8).filter(|_| self.kind == kind::GOAWAY)?;
        Some(u32::from_be_bytes(code.try_into().ok()?))
    }
}

/// A caller.
pub struct Connection {
    stream: TcpStream,
}

impl Connection {
    /// Connects and says that HTTP/2 is spoken.
    ///
    /// # Panics
    ///
    /// If nobody listens.
    #[must_use]
    pub fn open(port: u16) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("somebody listens");
        stream.set_read_timeout(Some(TIMEOUT)).expect("a time limit can be set");
        let mut connection = Self { stream };
        let settings = Frame { kind: kind::SETTINGS, flags: 0, stream: 0, payload: Vec::new() };
        connection.write(&[PREFACE, &settings.bytes()].concat()).expect("the first bytes are taken");
        connection
    }

    /// Another hand on the same connection.
    ///
    /// # Panics
    ///
    /// If there is none to be had.
    #[must_use]
    pub fn again(&self) -> Self {
        Self { stream: self.stream.try_clone().expect("a stream can be shared") }
    }

    /// Sends bytes.
    ///
    /// # Errors
    ///
    /// The other side has closed.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    /// Sends the bytes of a message on a stream, in frames that everybody takes.
    ///
    /// # Errors
    ///
    /// The other side has closed.
    pub fn data(&mut self, stream: u32, bytes: &[u8]) -> io::Result<()> {
        bytes.chunks(FRAME_BYTES_MAX).try_for_each(|part| {
            self.write(&Frame { kind: kind::DATA, flags: 0, stream, payload: part.into() }.bytes())
        })
    }

    fn read(&mut self, bytes: &mut [u8]) -> Option<()> {
        match self.stream.read_exact(bytes) {
            Ok(()) => Some(()),
            Err(error) => {
                let closed = [io::ErrorKind::UnexpectedEof, io::ErrorKind::ConnectionReset];
                assert!(closed.contains(&error.kind()), "waiting for a frame: {error}");
                None
            }
        }
    }
}

/// The frames that come, until the other side has closed. Panics if nothing comes.
impl Iterator for Connection {
    type Item = Frame;

    fn next(&mut self) -> Option<Frame> {
        let mut head = [0; 9];
        self.read(&mut head)?;
        let [high, middle, low, kind, flags, stream @ ..] = head;
        let mut payload = vec![0; u32::from_be_bytes([0, high, middle, low]) as usize];
        self.read(&mut payload)?;
        Some(Frame { kind, flags, stream: u32::from_be_bytes(stream) & (u32::MAX >> 1), payload })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_has_the_bytes_of_the_standard() {
        let bytes = Frame::headers(1, &[("a", "bc")]).bytes();
        assert_eq!(bytes, [0, 0, 6, 1, 4, 0, 0, 0, 1, 0, 1, b'a', 2, b'b', b'c']);
        assert_eq!(Frame::reset(3).bytes(), [0, 0, 4, 3, 0, 0, 0, 0, 3, 0, 0, 0, 8]);
        let goaway =
            Frame { kind: kind::GOAWAY, flags: 0, stream: 0, payload: vec![0, 0, 0, 1, 0, 0, 0, 11] };
        assert_eq!((goaway.goaway_code(), Frame::reset(3).goaway_code()), (Some(11), None));
    }
}
