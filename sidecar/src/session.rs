//! What a connection says after its hello, applied to its source: events, heartbeats, bye. All changes are made here, in
//! plain calls; reading, writing and waiting is [`crate::connection`]'s.

mod acks;
mod samples;
mod snapshots;
mod take;

use crate::Shared;
use crate::batcher::{Batcher, Sealed};
use crate::framer::Form;
use crate::greeting::Greeting;
use crate::refused::Refused;
use crate::source::{Claim, Source};
use counterfoil_judge::{Interval, Time};
use counterfoil_keys::KeyNumber;
use counterfoil_proto::wire::emit::{AckLevel, Frame, Heartbeat, Limits, Stamps, Welcome, frame::Body};
use counterfoil_proto::{Loss, PROTOCOL, time};
use std::sync::Arc;
use tokio::sync::OwnedMutexGuard;

/// Whether more follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Said {
    /// The connection goes on.
    More,
    /// That was all.
    Bye,
}

/// A connection after its hello.
pub(crate) struct Session {
    shared: Arc<Shared>,
    greeting: Greeting,
    source: OwnedMutexGuard<Source>,
    /// The key that values are digested under: that of the open batch.
    key: KeyNumber,
    /// The level at which the connection is acknowledged.
    level: AckLevel,
    /// There is something to acknowledge as received.
    news: bool,
    /// What was acknowledged last, at a level above that.
    acked: Option<u64>,
    /// Events that came since it was asked.
    counted: u64,
    warnings: Vec<String>,
    /// What the source has said of complete snapshots.
    snapshots: snapshots::Snapshots,
    /// The last watermark that the sidecar set for a source without a clock.
    promised: Time,
    scratch: take::Scratch,
    samples: samples::Samples,
}

/// Claims the greeted source. The claim becomes a session once its lock is taken.
pub(crate) fn claim(shared: &Shared, greeting: &Greeting, now: Time) -> Claim {
    shared.registry.claim(&greeting.id, now, || {
        let (id, clock) = (greeting.id.clone(), greeting.clock.clone());
        let (_, seal) = shared.sealing.chosen();
        let batcher = Batcher::new(id, clock, seal.clone(), shared.digester.maps());
        Source::new(batcher, shared.outlet.chains_broken())
    })
}

impl Session {
    /// Begins the conversation with a source whose state is now this connection's own; what it said first was read at `now`.
    pub(crate) fn begin(
        shared: Arc<Shared>,
        greeting: Greeting,
        mut source: OwnedMutexGuard<Source>,
        now: Time,
    ) -> Result<Self, Refused> {
        if source.ended {
            return Err(Refused::Ended(greeting.id.epoch));
        }
        source.batcher.set_clock(&greeting.clock);
        if greeting.anonymous {
            source.batcher.set_anonymous();
        }
        if greeting.form == Form::Json {
            source.sequence.start_numbering();
        }
        let next_seq = source.sequence.next().unwrap_or_default();
        let mut session = Self {
            level: shared.outlet.grant(greeting.ack),
            shared,
            greeting,
            source,
            key: KeyNumber::default(),
            news: false,
            acked: None,
            counted: 0,
            warnings: Vec::new(),
            snapshots: snapshots::Snapshots::since(now, next_seq),
            promised: Time::MIN,
            scratch: take::Scratch::default(),
            samples: samples::Samples::default(),
        };
        session.hand_on_losses(now);
        Ok(session)
    }

    /// The answer to the hello.
    pub(crate) fn welcome(&self) -> Welcome {
        let settings = &self.shared.settings;
        let limits = settings.limits;
        Welcome {
            protocol: PROTOCOL,
            limits: Some(Limits {
                frame_bytes_max: limits.frame_bytes_max,
                key_bytes_max: limits.key_bytes_max,
                value_bytes_max: limits.value_bytes_max,
                events_per_frame_max: limits.events_per_frame_max,
                idle_timeout_ms: limits.idle_timeout_ms,
            }),
            maps: settings.maps.iter().map(|map| map.name.to_string()).collect(),
            next_seq: self.source.sequence.next().unwrap_or_default(),
            heartbeat_ms: settings.heartbeat_ms,
            ack: self.level.into(),
            cohort_keys: settings.cohort_keys.clone(),
        }
    }

    /// Applies a frame that was read at `arrival`.
    pub(crate) fn apply(&mut self, frame: Frame, arrival: Time) -> Result<Said, Refused> {
        self.take_up_key();
        match frame.body.ok_or(Refused::NoBody)? {
            Body::Events(events) => self.events(events, arrival)?,
            Body::Heartbeat(heartbeat) => self.heartbeat(heartbeat, arrival)?,
            Body::Bye(_) => {
                self.bye(arrival);
                return Ok(Said::Bye);
            }
            Body::Hello(_) => return Err(Refused::Order { frame: "hello", when: "a second time" }),
            Body::Welcome(_) => return Err(from_sidecar("welcome")),
            Body::Ack(_) => return Err(from_sidecar("ack")),
            Body::Refusal(_) => return Err(from_sidecar("refusal")),
        }
        self.advance(arrival);
        Ok(Said::More)
    }

    /// Goes on with the key that is used now: what follows is digested and sealed under it.
    fn take_up_key(&mut self) {
        let (key, seal) = self.shared.sealing.chosen();
        self.source.batcher.set_seal(seal);
        self.key = key;
        let chain = self.shared.outlet.chains_broken();
        if std::mem::replace(&mut self.source.chain, chain) != chain {
            self.source.batcher.begin_chain();
        }
    }

    fn heartbeat(&mut self, heartbeat: Heartbeat, arrival: Time) -> Result<(), Refused> {
        let own_clock = self.greeting.stamps != Stamps::Sidecar;
        if !own_clock && heartbeat.watermark_ns != 0 {
            return Err(Refused::Watermark);
        }
        self.take_snapshots(heartbeat.snapshots, arrival)?;
        let mut losses = heartbeat.losses.into_iter().map(Loss::try_from).collect::<Result<Vec<_>, _>>()?;
        if !own_clock {
            let begin = self.source.sequence.watermark().unwrap_or(Time(0));
            losses.iter_mut().for_each(|loss| loss.during = Interval::new(begin, arrival));
        }
        self.news |= !losses.is_empty();
        self.source.sequence.declare(losses)?;
        match self.greeting.form {
            Form::Protobuf => self.source.sequence.promise(heartbeat.next_seq, time(heartbeat.watermark_ns)),
            Form::Json if own_clock => {
                let next = self.source.sequence.next().unwrap_or_default();
                self.source.sequence.promise(next, time(heartbeat.watermark_ns));
            }
            Form::Json => {}
        }
        Ok(())
    }

    /// Hands on what the last frame has set free: losses whose turn has come, watermarks that hold now.
    fn advance(&mut self, now: Time) {
        self.hand_on_losses(now);
        self.source.sequence.keep_promises();
        let source = &mut *self.source;
        source.batcher.set_issued(source.sequence.issued());
        if let (Some(watermark), Some(next)) = (source.sequence.watermark(), source.sequence.next()) {
            source.batcher.promise(watermark, next, now);
        }
        if let Some(next) = source.sequence.next() {
            self.snapshots.complete(next, |snapshot| source.batcher.complete(snapshot, next, now));
        }
    }

    fn hand_on_losses(&mut self, now: Time) {
        while let Some(loss) = self.source.sequence.next_loss() {
            self.shared.meters.events_lost.add(loss.reason.label(), loss.count);
            self.source.batcher.lose(loss, now);
        }
    }

    fn bye(&mut self, now: Time) {
        self.advance(now);
        self.source.ended = true;
        let next = self.source.sequence.next().unwrap_or_default();
        self.source.batcher.bye(next);
    }

    /// Everything that was sent before `before` has been read and applied: where the sidecar keeps the watermark, that
    /// is what it says.
    pub(crate) fn quiet(&mut self, before: Time) {
        if !self.keeps_watermark() {
            return;
        }
        let due = before >= self.promised.plus(self.heartbeat_ns());
        self.take_up_key();
        if due || self.source.batcher.due(&self.shared.fill()).is_some() {
            self.promised = before;
            self.source.sequence.promise_now(before);
            self.advance(before);
        }
    }

    /// When the session wants to be called again if nothing arrives before; `quiet` if all that came was applied.
    pub(crate) fn due(&self, quiet: bool) -> Option<Time> {
        let keeps_watermark =
            self.greeting.stamps == Stamps::Sidecar && self.source.sequence.next().is_some();
        let tick = (quiet && keeps_watermark).then(|| self.promised.plus(self.heartbeat_ns()));
        [self.source.batcher.due(&self.shared.fill()), tick].into_iter().flatten().min()
    }

    /// Whether the sidecar keeps the source's watermark, and has begun to.
    pub(crate) fn keeps_watermark(&self) -> bool {
        self.greeting.stamps == Stamps::Sidecar && self.source.sequence.next().is_some()
    }

    fn heartbeat_ns(&self) -> i64 {
        i64::from(self.shared.settings.heartbeat_ms) * 1_000_000
    }

    /// Seals the open batch if its time has come.
    pub(crate) fn flush_if_due(&mut self, now: Time) {
        if self.source.batcher.due(&self.shared.fill()).is_some_and(|due| due <= now) {
            self.source.batcher.flush();
        }
    }

    /// The connection has ended. A source whose clock the sidecar reads has ended with it, unless a newer connection
    /// goes on with it; one with its own clock may come back.
    pub(crate) fn end(&mut self, replaced: bool, now: Time) {
        if self.greeting.stamps == Stamps::Sidecar && !replaced && !self.source.ended {
            self.bye(now);
        }
        self.source.batcher.flush();
        if self.greeting.anonymous {
            self.shared.registry.forget(&self.greeting.id);
        }
    }

    /// The batches to send on, in order.
    pub(crate) fn take_sealed(&mut self) -> Vec<Sealed> {
        self.source.batcher.take_sealed()
    }

    /// How many events have come since the last call.
    pub(crate) fn take_count(&mut self) -> u64 {
        std::mem::take(&mut self.counted)
    }

    /// Warnings to pass on, where the form has them.
    pub(crate) fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// The service, for logs.
    pub(crate) fn service(&self) -> &str {
        &self.greeting.id.service
    }
}

fn from_sidecar(frame: &'static str) -> Refused {
    Refused::Order { frame, when: "from an emitter, but only sidecars send it" }
}
