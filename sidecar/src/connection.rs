//! One connection: reads, applies, sends on, replies, waits.
//!
//! A turn reads what is there, up to 64 KiB, applies the frames that are complete, replies without waiting for the
//! emitter, and sends the sealed batches to the uplink. That is the one place where it waits: while the uplink's memory is
//! full the socket is not read, the emitter's writes block, and its ring takes the loss.

use crate::Shared;
use crate::framer::{Form, Framer};
use crate::greeting::{Greeting, Peer};
use crate::json;
use crate::rate::Rate;
use crate::refused::Refused;
use crate::replies::Replies;
use crate::session::{self, Said, Session};
use crate::uplink::News;
use bytes::BytesMut;
use counterfoil_clock::now;
use counterfoil_judge::Time;
use counterfoil_proto::wire::emit::{Frame, frame::Body};
use std::io::ErrorKind;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::UnixStream;
use tokio_util::sync::CancellationToken;

/// What one read asks for. Larger ones give no more speed, smaller ones cost a call each.
const READ_BYTES: usize = 65_536;

/// Turns that a stopping sidecar still gives a connection that never falls silent.
const LAST_TURNS_MAX: u32 = 256;

/// The runtime learns of bytes on a socket well within this time.
const NOTICE_MAX: Duration = Duration::from_millis(10);

/// How long a connection that has ended waits for its last events to be as safe as it asked for.
const SETTLE_MAX: Duration = Duration::from_secs(5);

/// How long the last reply waits for its reader.
const FAREWELL_MAX: Duration = Duration::from_secs(1);

/// Serves a connection until it ends.
pub(crate) async fn serve(shared: Arc<Shared>, stream: UnixStream, peer: Peer, stop: CancellationToken) {
    let mut connection = Connection {
        framer: Framer::new(
            shared.settings.limits.frame_bytes_max,
            shared.settings.limits.events_per_frame_max,
        ),
        stream,
        peer,
        stop,
        buffer: BytesMut::new(),
        replies: Replies::default(),
        last_read: now(),
        partial_since: None,
        rate: Rate::new(shared.settings.limits.events_per_second_max, now()),
        news: shared.outlet.news(),
        shared,
    };
    let open = connection.shared.meters.connections_open.clone();
    open.increment(1.0);
    if let Err(refused) = connection.converse().await {
        connection.refuse(&refused);
    }
    connection.farewell().await;
    open.decrement(1.0);
}

/// Tells a peer why it is not served, in the form in which it speaks.
pub(crate) async fn turn_away(stream: UnixStream, message: String) {
    let told = async {
        let mut first = [0; 2];
        let form = loop {
            if stream.readable().await.is_err() {
                return;
            }
            match stream.try_read(&mut first) {
                Ok(read) => break Form::of(first.get(..read).unwrap_or_default()).unwrap_or(Form::Protobuf),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return,
            }
        };
        let mut replies = Replies::default();
        replies.refusal(form, message);
        replies.write(form, &stream);
    };
    // Whoever says nothing is told nothing.
    if tokio::time::timeout(FAREWELL_MAX, told).await.is_err() {
        tracing::debug!("a peer that was turned away said nothing");
    }
}

enum Input {
    /// Bytes were read.
    Bytes,
    /// There were none, as far as the runtime knew; `has_unread` knows for sure. The instant is from before.
    Quiet(Time),
    /// There will be no more.
    Ended,
}

struct Connection {
    shared: Arc<Shared>,
    stream: UnixStream,
    peer: Peer,
    stop: CancellationToken,
    buffer: BytesMut,
    framer: Framer,
    replies: Replies,
    last_read: Time,
    /// Since when a frame that has begun waits for its end.
    partial_since: Option<Time>,
    rate: Rate,
    /// Tells when events are safer.
    news: News,
}

impl Connection {
    async fn converse(&mut self) -> Result<(), Refused> {
        let Some((greeting, first)) = self.hello().await? else { return Ok(()) };
        let claim = session::claim(&self.shared, &greeting, now());
        let ms = self.shared.settings.limits.handshake_timeout_ms;
        let lock = tokio::time::timeout(Duration::from_millis(ms.into()), claim.source.lock_owned()).await;
        let source = lock.map_err(|_| Refused::HandshakeTimeout { ms })?;
        let mut session = Session::begin(Arc::clone(&self.shared), greeting, source, self.last_read)?;
        self.replies.welcome(self.form(), session.welcome());
        let outcome = self.talk(&mut session, first, &claim.replaced).await;
        session.end(outcome == Err(Refused::Replaced), now());
        self.send_on(&mut session).await;
        if outcome.is_ok() {
            self.settle(&mut session, &claim.replaced).await;
        }
        outcome
    }

    /// Stays for the last acks, unless a newer connection of the source gets them.
    async fn settle(&mut self, session: &mut Session, replaced: &CancellationToken) {
        let settled = async {
            while session.awaits() {
                self.news.changed().await;
                self.send_on(session).await;
            }
        };
        let settled = tokio::time::timeout(SETTLE_MAX, settled);
        if let Some(Err(_)) = replaced.run_until_cancelled(settled).await {
            tracing::debug!("a connection has ended before its last events were as safe as it asked for");
        }
    }

    /// Waits for the hello. Gives the first frame too where that is none.
    async fn hello(&mut self) -> Result<Option<(Greeting, Option<Frame>)>, Refused> {
        let ms = self.shared.settings.limits.handshake_timeout_ms;
        let deadline = later(now(), ms);
        loop {
            let frame = match self.read() {
                Input::Bytes => self.framer.next(&mut self.buffer)?,
                Input::Ended => match self.framer.last(&mut self.buffer)? {
                    None => return Ok(None),
                    last => last,
                },
                Input::Quiet(_) if self.stop.is_cancelled() => return Ok(None),
                Input::Quiet(at) if at >= deadline => return Err(Refused::HandshakeTimeout { ms }),
                Input::Quiet(at) => {
                    tokio::select! {
                        _ready = self.stream.readable() => {}
                        () = tokio::time::sleep(until(deadline, at)) => {}
                        () = self.stop.cancelled() => {}
                    }
                    None
                }
            };
            if let Some(frame) = frame {
                return self.understand(frame).map(Some);
            }
        }
    }

    fn understand(&self, frame: Frame) -> Result<(Greeting, Option<Frame>), Refused> {
        let (form, peer, naming) = (self.form(), self.peer, &self.shared.settings.source);
        match frame.body {
            Some(Body::Hello(hello)) => Ok((Greeting::understand(hello, form, peer, naming, now())?, None)),
            None => Err(Refused::NoBody),
            Some(_) if form == Form::Json => {
                Ok((Greeting::understand(json::implicit_hello(), form, peer, naming, now())?, Some(frame)))
            }
            Some(_) => Err(Refused::Order { frame: "frame", when: "before hello" }),
        }
    }

    async fn talk(
        &mut self,
        session: &mut Session,
        first: Option<Frame>,
        replaced: &CancellationToken,
    ) -> Result<(), Refused> {
        if let Some(frame) = first
            && session.apply(frame, self.last_read)? == Said::Bye
        {
            return Ok(());
        }
        let mut last_turns = 0;
        loop {
            if self.apply_frames(session)? == Said::Bye {
                return Ok(());
            }
            self.send_on(session).await;
            if replaced.is_cancelled() {
                return Err(Refused::Replaced);
            }
            if self.stop.is_cancelled() {
                last_turns += 1;
            }
            if last_turns == 0
                && let Some(until) = self.rate.wait(now())
            {
                self.pause(session, until, replaced).await;
                continue;
            }
            match self.read() {
                Input::Bytes if last_turns <= LAST_TURNS_MAX => tokio::task::consume_budget().await,
                Input::Quiet(_)
                    if last_turns <= LAST_TURNS_MAX
                        && (last_turns > 0 || session.keeps_watermark())
                        && self.has_unread() =>
                {
                    self.notice().await;
                }
                Input::Quiet(before) if last_turns == 0 => {
                    if self.buffer.is_empty() {
                        session.quiet(before);
                    }
                    self.wait(session, replaced).await?;
                }
                Input::Ended => return self.last_frame(session),
                Input::Bytes | Input::Quiet(_) => return Ok(()),
            }
        }
    }

    /// Applies the frames that are complete.
    fn apply_frames(&mut self, session: &mut Session) -> Result<Said, Refused> {
        let mut frames = 0;
        let mut said = Ok(Said::More);
        while said == Ok(Said::More) {
            said = match self.framer.next(&mut self.buffer) {
                Ok(Some(frame)) => session.apply(frame, self.last_read),
                Ok(None) => break,
                Err(refused) => Err(refused),
            };
            frames += u64::from(said.is_ok());
        }
        self.shared.meters.frames.increment(frames);
        self.rate.count(session.take_count());
        let waiting_since = self.partial_since.filter(|_| frames == 0).unwrap_or(self.last_read);
        self.partial_since = (!self.buffer.is_empty()).then_some(waiting_since);
        said
    }

    fn last_frame(&mut self, session: &mut Session) -> Result<(), Refused> {
        if let Some(frame) = self.framer.last(&mut self.buffer)? {
            session.apply(frame, self.last_read)?;
            self.shared.meters.frames.increment(1);
        }
        Ok(())
    }

    fn read(&mut self) -> Input {
        self.buffer.reserve(READ_BYTES);
        let before = now();
        match self.stream.try_read_buf(&mut self.buffer) {
            Ok(0) => Input::Ended,
            Ok(read) => {
                self.shared.meters.read_bytes.increment(read as u64);
                self.last_read = now();
                Input::Bytes
            }
            Err(error) if error.kind() == ErrorKind::WouldBlock => Input::Quiet(before),
            // A peer that closed without reading its replies: what it sent was read before this comes.
            Err(_) => Input::Ended,
        }
    }

    /// Whether the socket holds bytes that were not read. The runtime learns of them a moment after they came; where it
    /// matters that there are none, the system is asked.
    fn has_unread(&self) -> bool {
        rustix::io::ioctl_fionread(&self.stream).is_ok_and(|bytes| bytes > 0)
    }

    /// Gives the runtime time to learn of bytes that have come.
    async fn notice(&self) {
        if tokio::time::timeout(NOTICE_MAX, self.stream.readable()).await.is_err() {
            tracing::debug!("the runtime is late to notice bytes on a socket");
        }
    }

    /// Replies, then sends the sealed batches on. Waits while the uplink is full.
    async fn send_on(&mut self, session: &mut Session) {
        session.flush_if_due(now());
        let form = self.form();
        for warning in session.take_warnings() {
            self.replies.warning(form, &warning);
        }
        if let Some((level, through_seq)) = session.take_ack() {
            failpoint!("sidecar::ack::before");
            self.replies.ack(level, through_seq);
        }
        self.replies.write(form, &self.stream);
        for sealed in session.take_sealed() {
            self.shared.meters.batches.increment(1);
            let through_seq = sealed.about.next_seq;
            let place = self.shared.outlet.send(sealed, session.is_durable()).await;
            session.note_placed(through_seq, place);
        }
    }

    /// Reads nothing until `until_then`: the emitter's writes block, and its ring takes the loss.
    async fn pause(&mut self, session: &Session, until_then: Time, replaced: &CancellationToken) {
        self.shared.meters.throttled.increment(1);
        let due = session.due(false).map_or(until_then, |due| due.min(until_then));
        tokio::select! {
            () = tokio::time::sleep(until(due, now())) => {}
            () = self.news.changed(), if session.awaits() => {}
            () = self.stop.cancelled() => {}
            () = replaced.cancelled() => {}
        }
    }

    /// Waits until something is to be done; refuses a connection whose time is over.
    async fn wait(&mut self, session: &Session, replaced: &CancellationToken) -> Result<(), Refused> {
        let limits = self.shared.settings.limits;
        let idle = later(self.last_read, limits.idle_timeout_ms);
        let frame = self.partial_since.map(|since| later(since, limits.frame_timeout_ms));
        let due = session.due(self.buffer.is_empty());
        let deadline = [Some(idle), frame, due].into_iter().flatten().min().unwrap_or(idle);
        tokio::select! {
            _ready = self.stream.readable() => return Ok(()),
            _ready = self.stream.writable(), if self.replies.are_waiting() => {}
            () = self.news.changed(), if session.awaits() => {}
            () = tokio::time::sleep(until(deadline, now())) => {}
            () = self.stop.cancelled() => {}
            () = replaced.cancelled() => {}
        }
        let at = now();
        if frame.is_some_and(|frame| at >= frame) {
            return Err(Refused::FrameTimeout { ms: limits.frame_timeout_ms });
        }
        if at >= idle { Err(Refused::IdleTimeout { ms: limits.idle_timeout_ms }) } else { Ok(()) }
    }

    fn refuse(&mut self, refused: &Refused) {
        self.shared.meters.frames_refused.add(refused.label(), 1);
        if let Some(unsaid) = self.shared.log_refused.allows(now()) {
            let (uid, reason, message) = (self.peer.uid, refused.label(), refused.for_log());
            tracing::warn!(uid, reason, unsaid, "connection refused: {message}");
        }
        self.replies.refusal(self.form(), refused.to_string());
    }

    async fn farewell(&mut self) {
        let form = self.form();
        let written = async {
            self.replies.write(form, &self.stream);
            while self.replies.are_waiting() && self.stream.writable().await.is_ok() {
                self.replies.write(form, &self.stream);
            }
        };
        if tokio::time::timeout(FAREWELL_MAX, written).await.is_err() {
            tracing::debug!("a peer did not read the last reply");
        }
    }

    /// The form, as far as it is known.
    fn form(&self) -> Form {
        self.framer.form().unwrap_or(Form::Protobuf)
    }
}

fn later(at: Time, milliseconds: u32) -> Time {
    at.plus(i64::from(milliseconds) * 1_000_000)
}

/// How long it is from `at` until `deadline`.
fn until(deadline: Time, at: Time) -> Duration {
    Duration::from_nanos(u64::try_from(deadline.since(at)).unwrap_or_default())
}
