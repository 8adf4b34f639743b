//! One connection to the sidecar. Nothing here ever waits: a frozen sidecar cannot hold the writer thread.

use crate::limits::{INCOMING_BYTES_MAX, STALL, WRITE_BYTES, WRITE_SLICES};
use crate::writer::outbox::Outbox;
use counterfoil_clock::now;
use counterfoil_judge::Time;
use counterfoil_proto::wire::emit::{self, frame::Body};
use prost::Message;
use rustix::net::{
    AddressFamily, SendAncillaryBuffer, SendFlags, SocketAddrUnix, SocketFlags, SocketType, connect, sendmsg,
    socket_with,
};
use std::io::{ErrorKind, IoSlice, Read};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;

/// Bytes asked for in one read: acknowledgements are a few bytes each.
const READ_BYTES: usize = 4 << 10;
/// Bytes of the longest varint.
const VARINT_BYTES_MAX: usize = 10;

/// Where the sidecar listens.
pub(crate) struct Socket(SocketAddrUnix);

/// Why a connection is over.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Ended {
    /// There is none, or the other side is gone.
    Gone,
    /// The sidecar said why.
    Refused(String),
    /// The other side does not speak the protocol.
    Garbled,
    /// The other side did not answer or did not read for too long.
    Stalled,
    /// The emitter was closed.
    Left,
}

impl Socket {
    /// `None` if no socket can have this path.
    pub(crate) fn new(path: &Path) -> Option<Self> {
        SocketAddrUnix::new(path).ok().map(Self)
    }

    /// Connects, or fails, at once; a full backlog counts as absent.
    pub(crate) fn connect(&self) -> Result<Session, Ended> {
        let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None);
        let socket = socket.map_err(|_| Ended::Gone)?;
        connect(&socket, &self.0).map_err(|_| Ended::Gone)?;
        Ok(Session { stream: socket.into(), incoming: Vec::new(), blocked_since: None })
    }
}

pub(crate) struct Session {
    stream: UnixStream,
    incoming: Vec<u8>,
    blocked_since: Option<Time>,
}

impl Session {
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }

    /// Writes the first frame of a connection, for which an empty socket always has room.
    pub(crate) fn greet(&self, hello: &[u8]) -> Result<(), Ended> {
        if self.write(&[IoSlice::new(hello)])? == hello.len() { Ok(()) } else { Err(Ended::Stalled) }
    }

    /// Writes what it can of what waits.
    pub(crate) fn send(&mut self, outbox: &mut Outbox) -> Result<(), Ended> {
        while outbox.has_unsent() {
            let bytes = self.write(&outbox.unsent(WRITE_SLICES, WRITE_BYTES))?;
            if bytes == 0 {
                return self.blocked();
            }
            outbox.advance(bytes);
            self.blocked_since = None;
        }
        Ok(())
    }

    /// The next frame, if it is here.
    pub(crate) fn receive(&mut self) -> Result<Option<Body>, Ended> {
        loop {
            if let Some(frame) = self.take_frame()? {
                match frame.body {
                    Some(Body::Refusal(refusal)) => return Err(Ended::Refused(refusal.message)),
                    Some(body) => return Ok(Some(body)),
                    // A kind of frame that a newer sidecar may have.
                    None => continue,
                }
            }
            let mut read = [0; READ_BYTES];
            match self.stream.read(&mut read) {
                Ok(0) => return Err(Ended::Gone),
                Ok(bytes) => self.incoming.extend_from_slice(read.get(..bytes).unwrap_or_default()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(_) => return Err(Ended::Gone),
            }
        }
    }

    /// Bytes written; 0 if there is no room. A peer that is gone is an error, never a signal: the application may have
    /// its own idea of SIGPIPE.
    fn write(&self, pieces: &[IoSlice<'_>]) -> Result<usize, Ended> {
        loop {
            let flags = SendFlags::NOSIGNAL | SendFlags::DONTWAIT;
            match sendmsg(&self.stream, pieces, &mut SendAncillaryBuffer::default(), flags) {
                Ok(bytes) => return Ok(bytes),
                Err(rustix::io::Errno::INTR) => {}
                Err(rustix::io::Errno::AGAIN) => return Ok(0),
                Err(_) => return Err(Ended::Gone),
            }
        }
    }

    fn blocked(&mut self) -> Result<(), Ended> {
        let now = now();
        let since = *self.blocked_since.get_or_insert(now);
        let bound = i64::try_from(STALL.as_nanos()).unwrap_or(i64::MAX);
        if now.since(since) > bound { Err(Ended::Stalled) } else { Ok(()) }
    }

    fn take_frame(&mut self) -> Result<Option<emit::Frame>, Ended> {
        let Some(head) = self.incoming.iter().take(VARINT_BYTES_MAX).position(|byte| byte & 0x80 == 0) else {
            return if self.incoming.len() < VARINT_BYTES_MAX { Ok(None) } else { Err(Ended::Garbled) };
        };
        let head = head + 1;
        let length = prost::decode_length_delimiter(&self.incoming[..]).map_err(|_| Ended::Garbled)?;
        if length > INCOMING_BYTES_MAX {
            return Err(Ended::Garbled);
        }
        let Some(body) = self.incoming.get(head..head + length) else { return Ok(None) };
        let frame = emit::Frame::decode(body).map_err(|_| Ended::Garbled)?;
        self.incoming.drain(..head + length);
        Ok(Some(frame))
    }
}
