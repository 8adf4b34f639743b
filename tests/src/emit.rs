//! A client of the socket that sends exactly what a test wants, right or wrong.

use bytes::Bytes;
use counterfoil_clock::{Domain, now};
use counterfoil_proto::PROTOCOL;
use counterfoil_proto::wire::emit::{
    AckLevel, Bye, Event, Events, Frame, Heartbeat, Hello, MapOutcome, Op, Stamps, StoreOutcome, Welcome,
    frame::Body,
};
use prost::Message;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// How long a read waits for the sidecar.
const TIMEOUT: Duration = Duration::from_secs(30);

/// A connection to the sidecar.
pub struct Client {
    stream: UnixStream,
}

impl Client {
    /// Connects, and says nothing yet.
    ///
    /// # Panics
    ///
    /// If the sidecar does not listen.
    #[must_use]
    pub fn connect(socket: &Path) -> Self {
        let stream = UnixStream::connect(socket).expect("the sidecar listens");
        stream.set_read_timeout(Some(TIMEOUT)).expect("a time limit can be set");
        Self { stream }
    }

    /// Connects and says hello.
    ///
    /// # Panics
    ///
    /// If the sidecar does not welcome it.
    #[must_use]
    pub fn welcomed(socket: &Path, service: &str) -> (Self, Welcome) {
        let mut client = Self::connect(socket);
        client.send(Body::Hello(hello(service)));
        match client.receive() {
            Some(Body::Welcome(welcome)) => (client, welcome),
            other => panic!("no welcome but {other:?}"),
        }
    }

    /// Sends one frame. What the sidecar does not take any more is not an error: its answer tells why.
    pub fn send(&mut self, body: Body) {
        self.send_bytes(&Frame { body: Some(body) }.encode_length_delimited_to_vec());
    }

    /// Sends bytes as they are.
    pub fn send_bytes(&mut self, bytes: &[u8]) {
        if let Err(error) = self.stream.write_all(bytes) {
            let closed = [io::ErrorKind::BrokenPipe, io::ErrorKind::ConnectionReset];
            assert!(closed.contains(&error.kind()), "the socket: {error}");
        }
    }

    /// Sends events with numbers from `first_seq` and a heartbeat that says that is all.
    pub fn report(&mut self, map: &str, first_seq: u64, events: Vec<Event>) {
        let next_seq = first_seq + events.len() as u64;
        self.send(Body::Events(Events {
            first_seq,
            maps: vec![map.to_owned()],
            cohorts: Vec::new(),
            events,
        }));
        self.send(Body::Heartbeat(Heartbeat { next_seq, watermark_ns: now_ns(), ..Default::default() }));
    }

    /// Says goodbye.
    pub fn bye(mut self) {
        self.send(Body::Bye(Bye {}));
    }

    /// Ends what this side sends, without goodbye; what the sidecar says can still be read.
    ///
    /// # Panics
    ///
    /// If the system refuses.
    pub fn hang_up(&self) {
        self.stream.shutdown(std::net::Shutdown::Write).expect("a stream can be shut down");
    }

    /// Reads and forgets everything the sidecar says from now on, in a thread of its own that ends with the connection.
    ///
    /// # Panics
    ///
    /// If there is no thread to be had.
    pub fn discard_answers(&self) {
        let mut stream = self.stream.try_clone().expect("a stream can be shared");
        stream.set_read_timeout(None).expect("a time limit can be taken away");
        std::thread::spawn(move || io::copy(&mut stream, &mut io::sink()));
    }

    /// Reads what the sidecar says from now on, in a thread of its own that ends with the connection; gives the number below
    /// which everything is acknowledged, as it grows.
    ///
    /// # Panics
    ///
    /// If there is no thread to be had.
    #[must_use]
    pub fn acknowledged(&self) -> Arc<AtomicU64> {
        let stream = self.stream.try_clone().expect("a stream can be shared");
        stream.set_read_timeout(None).expect("a time limit can be taken away");
        let mut ear = Self { stream };
        let heard = Arc::<AtomicU64>::default();
        let through_seq = Arc::clone(&heard);
        std::thread::spawn(move || {
            while let Some(said) = ear.receive() {
                if let Body::Ack(ack) = said {
                    heard.store(ack.through_seq, Ordering::Relaxed);
                }
            }
        });
        through_seq
    }

    /// The next frame of the sidecar; `None` when it closed the connection.
    ///
    /// # Panics
    ///
    /// If nothing comes, or something that is not a frame.
    pub fn receive(&mut self) -> Option<Body> {
        let mut length = 0_usize;
        for shift in (0..).step_by(7) {
            let byte = self.read_one()?;
            length |= usize::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                break;
            }
        }
        let mut frame = vec![0; length];
        self.stream.read_exact(&mut frame).expect("a whole frame");
        Some(Frame::decode(&frame[..]).expect("a frame").body.expect("a frame with a body"))
    }

    /// Reads until the sidecar closes; gives what it refused, if it said so.
    pub fn refusal(&mut self) -> Option<String> {
        let mut refusal = None;
        while let Some(body) = self.receive() {
            if let Body::Refusal(said) = body {
                refusal = Some(said.message);
            }
        }
        refusal
    }

    /// Reads until the sidecar closes; gives the text in what it said, whatever its form.
    ///
    /// # Panics
    ///
    /// If it does not close.
    pub fn raw_answer(&mut self) -> String {
        let mut answer = Vec::new();
        match self.stream.read_to_end(&mut answer) {
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
            Err(error) => panic!("waiting for the sidecar: {error}"),
        }
        String::from_utf8_lossy(&answer).into_owned()
    }

    fn read_one(&mut self) -> Option<u8> {
        let mut byte = [0];
        match self.stream.read(&mut byte) {
            Ok(1) => Some(byte[0]),
            Ok(_) => None,
            Err(error) if error.kind() == io::ErrorKind::ConnectionReset => None,
            Err(error) => panic!("waiting for the sidecar: {error}"),
        }
    }
}

/// Greetings of this process.
#[must_use]
pub fn hello(service: &str) -> Hello {
    Hello {
        protocol: PROTOCOL,
        service: service.to_owned(),
        instance: "test".to_owned(),
        epoch: now_ns(),
        clock: Some((&Domain::of_this_process()).into()),
        ack: AckLevel::Received.into(),
        stamps: Stamps::Emitter.into(),
        ..Default::default()
    }
}

/// The report of a put whose map leg is this instant; the contract supplies the store leg.
#[must_use]
pub fn put(key: &str, value: &[u8]) -> Event {
    let at = now_ns();
    Event {
        op: Op::Put.into(),
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: Bytes::copy_from_slice(value),
        map_outcome: MapOutcome::Done.into(),
        map_begin_ns: at,
        map_end_ns: at,
        ..Default::default()
    }
}

/// A dual write of this instant: calls `store`, and reports both legs of the put.
#[must_use]
pub fn dual_put(key: &str, value: &[u8], store: impl FnOnce()) -> Event {
    let event = put(key, value);
    let store_begin_ns = now_ns();
    store();
    Event { store_outcome: StoreOutcome::Ok.into(), store_begin_ns, store_end_ns: now_ns(), ..event }
}

/// The present instant as the socket has it.
#[must_use]
pub fn now_ns() -> u64 {
    u64::try_from(now().0).unwrap_or_default()
}
