//! Delivers sealed batches to the comparator and keeps them until it has taken them over.
//!
//! One stream at a time. Uploads go out in order and are numbered from 1 without holes; a new stream begins again with
//! the first one that is not acknowledged, with the same bytes. Nothing is dropped: the memory that unacknowledged batches
//! may use is handed out by [`Outlet`], and whoever has a batch waits there until there is room.
//!
//! Each upload carries the clock readings that let the comparator bound the offset between the two clocks. They are
//! taken when the stream asks for the upload, not when it was queued. The first upload waits for the comparator's
//! welcome, so that it echoes a reply already: without one the comparator could not place its times.

mod backlog;
mod stream;

use crate::batcher::{Fill, Sealed};
use crate::config;
use crate::metrics::Meters;
use backlog::{Backlog, Room, Waiting};
use counterfoil_clock::{Domain, now};
use counterfoil_proto::PROTOCOL;
use counterfoil_proto::wire::{IntakeWelcome, Reply, reply::Body};
use metrics::Gauge;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use stream::{Echo, Outgoing, StreamError};
use tokio::sync::{Semaphore, mpsc, watch};
use tokio_util::sync::CancellationToken;
use tonic::Streaming;
use tonic::transport::Endpoint;

/// What a waiting batch costs besides its bytes.
const OVERHEAD_BYTES: usize = 256;

/// Batches between the connections and the uplink. Their memory is counted already; this bounds the queue itself.
const QUEUE_MAX: usize = 1_024;

/// How long opening a stream may take.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// Uploads handed to the stream ahead of its asking.
const OUTGOING_MAX: usize = 4;

/// What the comparator takes, once it has said so.
pub(crate) struct IntakeLimits {
    events_max: AtomicUsize,
    bytes_max: AtomicUsize,
}

impl IntakeLimits {
    fn new() -> Self {
        Self { events_max: AtomicUsize::new(usize::MAX), bytes_max: AtomicUsize::new(usize::MAX) }
    }

    fn set(&self, welcome: &IntakeWelcome) {
        for (limit, said) in
            [(&self.events_max, welcome.batch_events_max), (&self.bytes_max, welcome.batch_bytes_max)]
        {
            let said = usize::try_from(said).unwrap_or(usize::MAX);
            limit.store(if said == 0 { usize::MAX } else { said }, Ordering::Relaxed);
        }
    }

    /// Lowers `fill` to what the comparator takes. Bytes are estimated before a batch is encoded and do not count its
    /// losses, hence the half.
    pub(crate) fn lower(&self, fill: Fill) -> Fill {
        Fill {
            events_max: fill.events_max.min(self.events_max.load(Ordering::Relaxed)),
            bytes_max: fill.bytes_max.min(self.bytes_max.load(Ordering::Relaxed) / 2),
            ..fill
        }
    }
}

/// Where connections hand in their batches.
#[derive(Clone)]
pub(crate) struct Outlet {
    room: Arc<Semaphore>,
    room_bytes: u32,
    shown: Gauge,
    queue: mpsc::Sender<Waiting>,
    pub(crate) limits: Arc<IntakeLimits>,
}

impl Outlet {
    /// Hands a batch in; waits until there is room for it.
    pub(crate) async fn send(&self, sealed: Sealed) {
        let bytes =
            u32::try_from(sealed.batch.len() + OVERHEAD_BYTES).unwrap_or(u32::MAX).min(self.room_bytes);
        let permit = Arc::clone(&self.room).acquire_many_owned(bytes).await;
        let room = Room::new(permit.expect("the room is never closed"), self.shown.clone());
        // The uplink ends before its outlets only when the time to drain is over.
        if self.queue.send(Waiting::new(sealed, room)).await.is_err() {
            tracing::debug!("a batch came after the uplink had ended");
        }
    }
}

/// The task that delivers.
pub(crate) struct Uplink {
    endpoint: Endpoint,
    backoff: config::Backoff,
    key_id: String,
    clock: Domain,
    meters: Arc<Meters>,
    limits: Arc<IntakeLimits>,
    queue: mpsc::Receiver<Waiting>,
    /// Connections may still hand in batches.
    queue_open: bool,
    backlog: Backlog,
    /// The comparator answered on the present stream.
    welcomed: bool,
}

impl Uplink {
    /// An uplink and the outlet that leads to it.
    ///
    /// # Errors
    ///
    /// The endpoint is no address.
    pub(crate) fn new(
        settings: &config::Uplink,
        key_id: &str,
        meters: Arc<Meters>,
    ) -> Result<(Self, Outlet), tonic::transport::Error> {
        let endpoint = stream::endpoint(&settings.endpoint)?;
        let (sender, queue) = mpsc::channel(QUEUE_MAX);
        let room_bytes = settings.unacked_bytes_max;
        let room = Arc::new(Semaphore::new(usize::try_from(room_bytes).unwrap_or(usize::MAX)));
        let limits = Arc::new(IntakeLimits::new());
        let outlet = Outlet {
            room,
            room_bytes,
            shown: meters.unacknowledged_bytes.clone(),
            queue: sender,
            limits: Arc::clone(&limits),
        };
        let uplink = Self {
            endpoint,
            backoff: settings.backoff,
            key_id: key_id.to_owned(),
            clock: Domain::of_this_process(),
            meters,
            limits,
            queue,
            queue_open: true,
            backlog: Backlog::default(),
            welcomed: false,
        };
        Ok((uplink, outlet))
    }

    /// Delivers until all outlets are gone and everything is acknowledged, or until `cut`. Gives the number of events
    /// that were not delivered.
    pub(crate) async fn run(mut self, cut: CancellationToken) -> u64 {
        tokio::select! {
            () = self.deliver() => {}
            () = cut.cancelled() => {}
        }
        while let Ok(waiting) = self.queue.try_recv() {
            self.backlog.push(waiting);
        }
        let abandoned = self.backlog.events();
        self.meters.events_abandoned.increment(abandoned);
        abandoned
    }

    async fn deliver(&mut self) {
        let mut waits = stream::waits(self.backoff);
        while !self.is_done() {
            let Some(ended) = self.one_stream().await else { return };
            if self.welcomed {
                waits = stream::waits(self.backoff);
            }
            self.meters.connect_errors.increment(1);
            let wait = match ended.policy() {
                stream::Policy::Retry => waits.next().unwrap_or(self.backoff.max),
                stream::Policy::Wait => self.backoff.max,
            };
            let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(endpoint = %self.endpoint.uri(), wait_ms, "uplink.endpoint: {ended}");
            if self.meanwhile(tokio::time::sleep(wait)).await.is_none() {
                return;
            }
        }
    }

    /// Opens a stream and talks until it breaks. `None` once there is nothing left to do.
    async fn one_stream(&mut self) -> Option<StreamError> {
        self.welcomed = false;
        self.backlog.rewind();
        let (outgoing, uploads) = mpsc::channel(OUTGOING_MAX);
        let (echo, echoes) = watch::channel(Echo::default());
        let outgoing_stream =
            Outgoing { uploads, echoes, key_id: self.key_id.clone(), clock: (&self.clock).into() };
        let open = stream::open(self.endpoint.clone(), outgoing_stream);
        match self.meanwhile(open).await? {
            Ok(replies) => {
                self.meters.connects.increment(1);
                self.converse(&outgoing, &echo, replies).await
            }
            Err(error) => Some(error),
        }
    }

    async fn converse(
        &mut self,
        outgoing: &mpsc::Sender<backlog::Numbered>,
        echo: &watch::Sender<Echo>,
        mut replies: Streaming<Reply>,
    ) -> Option<StreamError> {
        let unanswered = tokio::time::sleep(OPEN_TIMEOUT);
        tokio::pin!(unanswered);
        while !self.is_done() {
            tokio::select! {
                () = &mut unanswered, if !self.welcomed => return Some(StreamError::OpenTimeout),
                reply = replies.message() => match reply {
                    Ok(Some(reply)) => {
                        echo.send_replace(Echo { sent_ns: reply.sent_ns, received: now() });
                        if let Err(error) = self.take_reply(reply) {
                            return Some(error);
                        }
                    }
                    Ok(None) => return Some(StreamError::Closed),
                    Err(status) => return Some(StreamError::Status(Box::new(status))),
                },
                waiting = self.queue.recv(), if self.queue_open => self.take_in(waiting),
                place = outgoing.reserve(), if self.welcomed && self.backlog.has_unsent() => match place {
                    Ok(place) => {
                        if let Some(upload) = self.backlog.next_unsent() {
                            self.meters.uploads_sent.increment(1);
                            place.send(upload);
                        }
                    }
                    Err(_) => return Some(StreamError::Closed),
                },
            }
        }
        None
    }

    fn take_reply(&mut self, reply: Reply) -> Result<(), StreamError> {
        match reply.body {
            Some(Body::Welcome(welcome)) if welcome.protocol != PROTOCOL => {
                Err(StreamError::Protocol(welcome.protocol))
            }
            Some(Body::Welcome(welcome)) => {
                self.welcomed = true;
                self.limits.set(&welcome);
                let maps = welcome.maps.len();
                tracing::info!(endpoint = %self.endpoint.uri(), maps, "the comparator answers");
                Ok(())
            }
            Some(Body::Ack(ack)) => {
                let acknowledged = self.backlog.acknowledge(ack.through_number);
                self.meters.uploads_acknowledged.increment(acknowledged);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Waits for `future` while batches are taken in. `None` once there is nothing left to do.
    async fn meanwhile<T>(&mut self, future: impl Future<Output = T>) -> Option<T> {
        tokio::pin!(future);
        loop {
            if self.is_done() {
                return None;
            }
            tokio::select! {
                output = &mut future => return Some(output),
                waiting = self.queue.recv(), if self.queue_open => self.take_in(waiting),
            }
        }
    }

    fn take_in(&mut self, waiting: Option<Waiting>) {
        match waiting {
            Some(waiting) => self.backlog.push(waiting),
            None => self.queue_open = false,
        }
    }

    fn is_done(&self) -> bool {
        !self.queue_open && self.backlog.is_empty()
    }
}
