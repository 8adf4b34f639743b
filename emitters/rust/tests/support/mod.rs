//! A sidecar that a test plays by hand over a real socket, and what every sidecar may rely on.

#![allow(dead_code, reason = "each test file uses its part of it")]
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test may panic")]

use counterfoil_emitter::{Emitter, Identity, MapEmitter, Options, Time};
use counterfoil_proto::wire::emit::{self, frame::Body};
use prost::Message;
use std::io::{BufReader, Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::Duration;

/// Longer than anything here takes; only a failing test waits so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) struct FakeSidecar {
    _folder: tempfile::TempDir,
    pub(crate) path: PathBuf,
    listener: UnixListener,
}

impl FakeSidecar {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("emit.sock");
        let listener = UnixListener::bind(&path).unwrap();
        Self { _folder: folder, path, listener }
    }

    pub(crate) fn connect(&self) -> Emitter {
        self.connect_with(Options::default())
    }

    /// An emitter whose pauses suit a test.
    pub(crate) fn connect_with(&self, options: Options) -> Emitter {
        let options = Options { retry_max: Duration::from_millis(50), ..options };
        Emitter::connect_with(&self.path, Identity::new("cart"), options).unwrap()
    }

    /// The next connection, after its Hello.
    pub(crate) fn accept(&self) -> Peer {
        let (stream, _) = self.listener.accept().unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let reader = BufReader::new(stream.try_clone().unwrap());
        let mut peer =
            Peer { stream, reader, hello: emit::Hello::default(), seen: Seen::default(), frames: Vec::new() };
        let Body::Hello(hello) = peer.read() else { panic!("a connection begins with a Hello") };
        peer.hello = hello;
        peer
    }

    pub(crate) fn accept_and_welcome(&self) -> Peer {
        let mut peer = self.accept();
        peer.welcome(welcome());
        peer
    }
}

/// A welcome without limits, maps or history.
pub(crate) fn welcome() -> emit::Welcome {
    emit::Welcome { protocol: 1, heartbeat_ms: 5, ..Default::default() }
}

pub(crate) struct Peer {
    stream: UnixStream,
    reader: BufReader<UnixStream>,
    pub(crate) hello: emit::Hello,
    pub(crate) seen: Seen,
    /// Every frame as it came.
    pub(crate) frames: Vec<Body>,
}

impl Peer {
    pub(crate) fn send(&mut self, body: Body) {
        let frame = emit::Frame { body: Some(body) };
        self.send_raw(&frame.encode_length_delimited_to_vec());
    }

    pub(crate) fn send_raw(&mut self, bytes: &[u8]) {
        self.stream.write_all(bytes).unwrap();
    }

    pub(crate) fn welcome(&mut self, welcome: emit::Welcome) {
        self.seen.next_seq = welcome.next_seq;
        self.send(Body::Welcome(welcome));
    }

    pub(crate) fn ack(&mut self, through_seq: u64) {
        self.send(Body::Ack(emit::Ack { level: emit::AckLevel::Received.into(), through_seq }));
    }

    pub(crate) fn refuse(&mut self, message: &str) {
        self.send(Body::Refusal(emit::Refusal { message: message.to_owned() }));
    }

    pub(crate) fn read(&mut self) -> Body {
        self.try_read().expect("the emitter went away")
    }

    /// `None` when the other side has closed.
    pub(crate) fn try_read(&mut self) -> Option<Body> {
        let mut length = 0_usize;
        for shift in (0..).step_by(7) {
            let mut byte = [0];
            match self.reader.read(&mut byte) {
                Ok(0) => return None,
                read => read.unwrap(),
            };
            length |= usize::from(byte[0] & 0x7f) << shift;
            if byte[0] & 0x80 == 0 {
                break;
            }
        }
        let mut frame = vec![0; length];
        self.reader.read_exact(&mut frame).unwrap();
        let body = emit::Frame::decode(&frame[..]).unwrap().body.unwrap();
        self.frames.push(body.clone());
        Some(body)
    }

    /// Reads and checks until `enough`.
    pub(crate) fn read_until(&mut self, enough: impl Fn(&Seen) -> bool) {
        while !enough(&self.seen) {
            let body = self.read();
            self.seen.take(body);
        }
    }

    /// Reads, checks and acknowledges until the emitter has said goodbye.
    pub(crate) fn serve(&mut self) {
        self.ack_if_heard();
        while !self.seen.bye {
            let before = self.seen.next_seq;
            let body = self.read();
            self.seen.take(body);
            if self.seen.next_seq > before {
                self.ack_if_heard();
            }
        }
    }

    /// The emitter may have left: it does not wait for what it has heard before.
    fn ack_if_heard(&mut self) {
        let ack = emit::Ack { level: emit::AckLevel::Received.into(), through_seq: self.seen.next_seq };
        let frame = emit::Frame { body: Some(Body::Ack(ack)) };
        self.stream.write_all(&frame.encode_length_delimited_to_vec()).ok();
    }
}

/// What a connection has told, checked as it came: numbers without holes, true watermarks.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) next_seq: u64,
    pub(crate) events: Vec<Told>,
    pub(crate) losses: Vec<emit::Loss>,
    pub(crate) heartbeats: u64,
    pub(crate) watermark_ns: u64,
    pub(crate) open: u32,
    /// Of the last heartbeat.
    pub(crate) snapshots: Vec<emit::Snapshot>,
    pub(crate) bye: bool,
}

/// An event with its names put back.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Told {
    pub(crate) seq: u64,
    pub(crate) map: String,
    pub(crate) cohort: Option<String>,
    pub(crate) event: emit::Event,
}

impl Told {
    /// The earliest thing the event tells of.
    pub(crate) fn begin_ns(&self) -> u64 {
        let map = (self.event.map_outcome() != emit::MapOutcome::Skipped).then_some(self.event.map_begin_ns);
        let reported = self.event.store_outcome() != emit::StoreOutcome::Unspecified;
        let store = reported.then_some(self.event.store_begin_ns);
        map.into_iter().chain(store).min().expect("an event has a leg")
    }
}

impl Seen {
    pub(crate) fn lost(&self) -> u64 {
        self.losses.iter().map(|loss| loss.count).sum()
    }

    /// Takes one frame, and fails if it breaks a promise.
    pub(crate) fn take(&mut self, body: Body) {
        assert!(!self.bye, "{body:?} after the farewell");
        match body {
            Body::Events(events) => self.take_events(events),
            Body::Heartbeat(heartbeat) => self.take_heartbeat(heartbeat),
            Body::Bye(_) => self.bye = true,
            other => panic!("no emitter sends {other:?}"),
        }
    }

    fn take_events(&mut self, events: emit::Events) {
        assert_eq!(events.first_seq, self.next_seq, "a hole in the sequence numbers");
        assert!(!events.events.is_empty());
        for event in events.events {
            let cohort = event.cohort.checked_sub(1).map(|at| events.cohorts[at as usize].clone());
            let map = events.maps[event.map as usize].clone();
            let told = Told { seq: self.next_seq, map, cohort, event };
            let begin = told.begin_ns();
            let is_held = told.event.map_outcome() == emit::MapOutcome::Held;
            assert!(
                is_held || begin >= self.watermark_ns,
                "{begin} came after {} was promised",
                self.watermark_ns
            );
            self.events.push(told);
            self.next_seq += 1;
        }
    }

    fn take_heartbeat(&mut self, heartbeat: emit::Heartbeat) {
        for loss in heartbeat.losses {
            assert_eq!(loss.first_seq, self.next_seq, "a hole in the sequence numbers");
            assert!(loss.begin_ns >= self.watermark_ns, "lost before {} was promised", self.watermark_ns);
            self.next_seq += loss.count;
            self.losses.push(loss);
        }
        assert_eq!(heartbeat.next_seq, self.next_seq);
        assert!(heartbeat.watermark_ns >= self.watermark_ns, "the watermark went back");
        self.watermark_ns = heartbeat.watermark_ns;
        self.heartbeats += 1;
        self.open = heartbeat.open;
        let told = heartbeat.snapshots.iter().all(|it| it.end_seq <= self.next_seq);
        assert!(told, "a snapshot is told after all that it speaks of");
        self.snapshots = heartbeat.snapshots;
    }
}

/// A welcome that lists cohort keys.
pub(crate) fn welcome_with_cohorts(cohort_keys: &[&str]) -> emit::Welcome {
    emit::Welcome { cohort_keys: cohort_keys.iter().map(|&key| key.to_owned()).collect(), ..welcome() }
}

/// Lets `writes` write to the map `cart` and returns the events that came of it.
pub(crate) fn events_of(count: usize, writes: impl FnOnce(&MapEmitter)) -> Vec<Told> {
    let sidecar = FakeSidecar::new();
    let emitter = sidecar.connect();
    let mut peer = sidecar.accept_and_welcome();
    writes(&emitter.map("cart"));
    let serving = std::thread::spawn(move || {
        peer.serve();
        peer.seen
    });
    assert!(emitter.close(PATIENCE));
    let seen = serving.join().unwrap();
    assert_eq!((seen.events.len(), seen.lost()), (count, 0), "{:?}", seen.events);
    seen.events
}

/// As it travels.
pub(crate) fn ns(time: Time) -> u64 {
    u64::try_from(time.0).unwrap()
}
