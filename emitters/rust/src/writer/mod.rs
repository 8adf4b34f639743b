//! The writer thread: it numbers events, packs them into frames, sends them, and makes the heartbeats.
//!
//! # Sequence numbers
//!
//! They begin at 0. A frame takes one for each of its events, a declared loss one for each event lost; nothing else
//! does. So `issued = in the ring + not yet declared + next_seq`, whatever happens.
//!
//! # Back-pressure
//!
//! Frames stay in the outbox until they are acknowledged. When it is full, or while there is no connection, the ring is
//! left alone; it fills, and then events are lost and counted. A heartbeat made then repeats the last watermark.
//!
//! # Waiting
//!
//! The thread waits in one place, for its signal, its socket or the next heartbeat. While events come, and for [`ALERT`]
//! after the last one, it looks every [`LINGER`] and does not ask to be woken, so that busy producers make no system call
//! and are not interrupted. What the sidecar says waits for the next look then, unless somebody waits for it.

mod backoff;
mod beat;
mod frame;
mod outbox;
mod session;

pub(crate) use session::Socket;

use crate::event::Event;
use crate::flush::Covered;
use crate::identity::Identity;
use crate::limits::{
    ALERT, CLOCK_SLACK, HANDSHAKE, HEARTBEAT_MIN, LINGER, Limits, Options, REFUSALS_MAX, WRITE_BYTES,
};
use crate::losses::Reason;
use crate::shared::Shared;
use crate::snapshot::Told;
use backoff::Backoff;
use counterfoil_clock::{Domain, now};
use counterfoil_judge::Time;
use counterfoil_proto::PROTOCOL;
use counterfoil_proto::wire::emit::{self, frame::Body};
use frame::{FrameBuilder, encode};
use outbox::Outbox;
use session::{Ended, Session};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

pub(crate) struct Writer {
    shared: Arc<Shared>,
    socket: Socket,
    hello: Vec<u8>,
    terms: Terms,
    frame: FrameBuilder,
    outbox: Outbox,
    next_seq: u64,
    acknowledged: u64,
    watermark: Time,
    covered: Covered,
    /// Complete snapshots that are in the ring or have left it, until a heartbeat is made that comes after them.
    told: Vec<Told>,
    /// The last one of each map that heartbeats tell of.
    wholes: Vec<emit::Snapshot>,
    backoff: Backoff,
    /// Until then it looks for events without being woken.
    alert_until: Time,
    /// Refusals since the last acknowledgement, after a welcome.
    refusals: u32,
}

/// What the sidecar said when it welcomed the connection.
struct Terms {
    limits: Limits,
    heartbeat: Duration,
    /// None: every map is taken.
    maps: HashSet<String>,
}

impl Writer {
    pub(crate) fn new(shared: Arc<Shared>, socket: Socket, identity: Identity, options: &Options) -> Self {
        let terms = Terms {
            limits: Limits::default(),
            heartbeat: options.heartbeat.max(HEARTBEAT_MIN),
            maps: HashSet::new(),
        };
        Self {
            shared,
            socket,
            hello: hello(identity, options),
            terms,
            frame: FrameBuilder::default(),
            outbox: Outbox::new(options.replay_bytes),
            next_seq: 0,
            acknowledged: 0,
            // No write can have begun yet.
            watermark: now(),
            covered: Covered::default(),
            told: Vec::new(),
            wholes: Vec::new(),
            backoff: Backoff::new(options.retry_max),
            alert_until: Time::MIN,
            refusals: 0,
        }
    }

    /// Runs until the emitter is closed.
    pub(crate) fn run(mut self) {
        // Also should this thread panic: nobody waits for it then.
        let shared = Arc::clone(&self.shared);
        let _end = Finish(&shared);
        while shared.ending().is_none() {
            let ended = self.connection();
            self.learn(ended);
            self.pause();
        }
    }

    /// One connection, from its beginning to its end.
    fn connection(&mut self) -> Ended {
        let mut session = match self.socket.connect() {
            Ok(session) => session,
            Err(ended) => return ended,
        };
        match self.open(&mut session).and_then(|()| self.serve(&mut session)) {
            // What the sidecar said before it went, perhaps why.
            Err(Ended::Gone) => self.receive(&mut session).err().unwrap_or(Ended::Gone),
            Err(ended) => ended,
            Ok(()) => Ended::Left,
        }
    }

    fn learn(&mut self, ended: Ended) {
        let welcomed = self.shared.counters.connected.swap(false, Ordering::Relaxed);
        if let Ended::Refused(message) = ended {
            self.shared.counters.refuse(&message);
            self.refusals = self.refusals.saturating_add(u32::from(welcomed));
            self.backoff.lengthen();
        }
    }

    fn pause(&mut self) {
        let until = later(now(), self.backoff.pause());
        while self.shared.ending().is_none() && now() < until {
            self.shared.waker.sleep(None, left(until));
        }
    }

    /// Says hello and waits for the welcome.
    fn open(&mut self, session: &mut Session) -> Result<(), Ended> {
        session.greet(&self.hello)?;
        let deadline = later(now(), HANDSHAKE);
        loop {
            if let Some(Body::Welcome(welcome)) = session.receive()? {
                return self.welcome(welcome);
            }
            if self.shared.ending().is_some() {
                return Err(Ended::Left);
            }
            if now() >= deadline {
                return Err(Ended::Stalled);
            }
            self.shared.waker.sleep(Some((session.fd(), false)), left(deadline));
        }
    }

    fn welcome(&mut self, welcome: emit::Welcome) -> Result<(), Ended> {
        if welcome.protocol != PROTOCOL {
            let theirs = welcome.protocol;
            return Err(Ended::Refused(format!(
                "welcome.protocol is {theirs}; this emitter speaks {PROTOCOL}"
            )));
        }
        self.outbox.rewind();
        // At a higher level, "seen" is not yet "safe": then all that is not acknowledged goes again.
        if welcome.ack() <= emit::AckLevel::Received {
            self.acknowledge(welcome.next_seq);
        }
        if self.refusals >= REFUSALS_MAX {
            self.refusals = 0;
            let condemned = self.outbox.condemn(welcome.next_seq);
            self.shared.counters.lose(Reason::Abandoned, condemned);
        }
        self.terms.limits = welcome.limits.as_ref().map_or_else(Limits::default, Limits::from);
        if welcome.heartbeat_ms > 0 {
            self.terms.heartbeat = Duration::from_millis(welcome.heartbeat_ms.into());
        }
        self.terms.maps = welcome.maps.into_iter().collect();
        self.shared.limits.tell(&self.terms.limits);
        self.shared.cohorts.tell(welcome.cohort_keys);
        self.shared.counters.welcomes.fetch_add(1, Ordering::Relaxed);
        self.shared.counters.connected.store(true, Ordering::Relaxed);
        self.backoff.reset();
        Ok(())
    }

    /// Goes on until the connection is over.
    fn serve(&mut self, session: &mut Session) -> Result<(), Ended> {
        let mut beat_at = now();
        loop {
            self.receive(session)?;
            if self.shared.ending().is_some() {
                return self.leave(session);
            }
            let gathered = if now() >= beat_at || self.covered.wanting(&self.shared.tickets) {
                beat_at = later(now(), self.terms.heartbeat);
                self.beat()
            } else {
                self.gather(self.shared.ring.len())
            };
            self.send(session)?;
            self.covered.settle(&self.shared.tickets, self.acknowledged);
            self.rest(session, gathered, beat_at);
        }
    }

    fn receive(&mut self, session: &mut Session) -> Result<(), Ended> {
        while let Some(body) = session.receive()? {
            if let Body::Ack(ack) = body {
                self.acknowledge(ack.through_seq);
            }
        }
        Ok(())
    }

    fn acknowledge(&mut self, through: u64) {
        let through = through.min(self.outbox.sent_through());
        if through > self.acknowledged {
            self.acknowledged = through;
            self.refusals = 0;
            self.shared.counters.acknowledged.store(through, Ordering::Relaxed);
        }
        self.outbox.acknowledge(self.acknowledged);
        self.covered.settle(&self.shared.tickets, self.acknowledged);
    }

    fn send(&mut self, session: &mut Session) -> Result<(), Ended> {
        let sent = session.send(&mut self.outbox);
        self.shared.counters.sent.store(self.outbox.sent_through(), Ordering::Relaxed);
        // What was safe before it was sent again.
        self.outbox.acknowledge(self.acknowledged);
        sent
    }

    /// Takes up to `waiting` events out of the ring and packs them; returns how many it took.
    fn gather(&mut self, waiting: usize) -> usize {
        let mut taken = 0;
        while taken < waiting && !self.outbox.is_full() {
            let Some(event) = self.shared.ring.pop() else { break };
            taken += 1;
            self.pack(event);
        }
        self.seal();
        if taken > 0 {
            self.shared.room.freed();
        }
        taken
    }

    fn pack(&mut self, event: Box<Event>) {
        let limits = self.terms.limits;
        if !self.terms.maps.is_empty() && !self.terms.maps.contains(&*event.map) {
            return self.shared.lose(&event.lost(Reason::UnknownMap));
        }
        if !limits.admit(&event.content.key, event.content.value()) {
            return self.shared.lose(&event.lost(Reason::Limit));
        }
        let Err(event) = self.frame.push(event, &limits) else { return };
        self.seal();
        if let Err(event) = self.frame.push(event, &limits) {
            self.shared.lose(&event.lost(Reason::Limit));
        }
    }

    /// Numbers the events packed so far and puts their frame into the outbox.
    fn seal(&mut self) {
        let first_seq = self.next_seq;
        if let Some(packed) = self.frame.finish(first_seq) {
            self.next_seq += packed.count;
            self.outbox.push_events((first_seq, self.next_seq), packed.bytes, packed.during, self.watermark);
        }
    }

    /// Waits for something to do.
    fn rest(&mut self, session: &Session, gathered: usize, beat_at: Time) {
        let now = now();
        if gathered > 0 {
            self.alert_until = later(now, ALERT);
        }
        let Shared { waker, ring, .. } = &*self.shared;
        let has_unsent = self.outbox.has_unsent();
        let (mut timeout, mut socket) = (left(beat_at), Some((session.fd(), has_unsent)));
        if self.outbox.is_full() {
            // Only the sidecar can help, by reading or by acknowledging.
        } else if ring.bytes() >= WRITE_BYTES {
            return;
        } else if now < self.alert_until {
            timeout = timeout.min(LINGER);
            socket = socket.filter(|_| has_unsent || self.covered.is_waiting());
        } else {
            waker.arm();
            if !ring.is_empty() {
                return waker.disarm();
            }
        }
        waker.sleep(socket, timeout);
        waker.disarm();
    }

    /// The last frames: everything that is left, and the farewell. Stays until they are acknowledged or time is up.
    fn leave(&mut self, session: &mut Session) -> Result<(), Ended> {
        self.shared.close();
        // The last watermark then lies past everything that was taken.
        std::thread::sleep(CLOCK_SLACK);
        let mut said = false;
        loop {
            said = said || self.farewell();
            self.send(session)?;
            self.receive(session)?;
            let end_by = self.shared.ending().unwrap_or(Time::MIN);
            if (said && self.outbox.is_empty()) || now() >= end_by {
                return Err(Ended::Left);
            }
            self.shared.waker.sleep(Some((session.fd(), self.outbox.has_unsent())), left(end_by));
        }
    }
}

/// Tells those who wait that the writer thread has ended.
struct Finish<'a>(&'a Shared);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        self.0.close();
        self.0.tickets.finish();
    }
}

fn hello(identity: Identity, options: &Options) -> Vec<u8> {
    encode(Body::Hello(emit::Hello {
        protocol: PROTOCOL,
        service: identity.service,
        instance: identity.instance,
        epoch: identity.epoch,
        clock: Some((&Domain::of_this_process()).into()),
        ack: emit::AckLevel::from(options.ack).into(),
        map_order: emit::MapOrder::Interval.into(),
        stamps: emit::Stamps::Emitter.into(),
    }))
}

fn later(time: Time, by: Duration) -> Time {
    time.plus(i64::try_from(by.as_nanos()).unwrap_or(i64::MAX))
}

/// How long it is until `time`; zero if that is past.
fn left(time: Time) -> Duration {
    Duration::from_nanos(u64::try_from(time.since(now())).unwrap_or_default())
}
