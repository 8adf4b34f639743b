//! Delivers sealed batches to the comparator and keeps them until it has taken them over.
//!
//! One stream at a time. Uploads go out in order, and their numbers grow; a new stream begins again with the first one that
//! is not acknowledged, with the same bytes. Nothing is dropped: whoever has a batch waits at the [`Outlet`] until there is room
//! for it, in the spool or else in memory.
//!
//! With a spool, an upload's number is that of its entry. The oldest batches that are not acknowledged are held in memory too;
//! those that are not are read back when their turn comes, in bounded pieces and on a thread of their own. Where the spool has
//! lost some, what follows them is sealed anew, with the missing numbers declared lost; see [`links`].
//!
//! Each upload carries the clock readings that let the comparator bound the offset between the two clocks. They are
//! taken when the stream asks for the upload, not when it was queued. The first upload waits for the comparator's
//! welcome, so that it echoes a reply already: without one the comparator could not place its times.

mod backlog;
mod caller;
mod desk;
mod line;
mod links;
mod stream;

pub use caller::WayError;
pub(crate) use desk::{News, Outlet};
#[cfg(test)]
pub(crate) use links::trial;
pub(crate) use links::{Links, Tail};

use crate::batcher::Fill;
use crate::config;
use crate::metrics::Meters;
use crate::sealing::Sealing;
use crate::spooling::{self, Opened};
use backlog::{Numbered, Wanted};
use caller::Caller;
use counterfoil_proto::wire::{IntakeWelcome, Reply, reply::Body};
use counterfoil_spool::{Directory, Progress, Read, ReadError, Reader, Spool};
use desk::Desk;
use line::Line;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use stream::StreamError;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tonic::Code;

/// What a waiting batch costs besides its bytes.
const OVERHEAD_BYTES: usize = 256;

/// The wait before the spool is read again after that failed.
const READ_AGAIN: Duration = Duration::from_millis(200);

/// How long opening a stream may take, and how long leaving one for another.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// How a conversation with the comparator ended.
enum Ended {
    /// Another stream took its place, and nothing is on its way on this one.
    Replaced(Box<Line>),
    /// It broke.
    Broken(StreamError),
}

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

/// The task that delivers.
pub(crate) struct Uplink {
    caller: Arc<Caller>,
    endpoint: String,
    backoff: config::Backoff,
    sealing: Arc<Sealing>,
    meters: Arc<Meters>,
    limits: Arc<IntakeLimits>,
    desk: Arc<Desk>,
    /// Tells of batches that were handed in.
    wake: mpsc::Receiver<()>,
    /// Connections may still hand in batches.
    is_open: bool,
    spooled: Option<Spooled>,
    /// The first upload that was not acknowledged when the comparator last missed a batch.
    refused_at: Option<u64>,
    /// The comparator answered on the present stream.
    welcomed: bool,
}

/// What there is to a spool besides the desk.
struct Spooled {
    links: Links,
    spool: Spool,
    /// None while it is at work, and after that failed.
    reader: Option<Reader<Directory>>,
    reading: Option<JoinHandle<(Reader<Directory>, Result<Read, ReadError>)>>,
    progress: Option<watch::Receiver<Progress>>,
}

impl Uplink {
    /// An uplink and the outlet that leads to it.
    ///
    /// # Errors
    ///
    /// [`WayError`] if there is no way to the comparator.
    pub(crate) fn new(
        settings: &config::Uplink,
        opened: Option<Opened>,
        sealing: Arc<Sealing>,
        meters: Arc<Meters>,
    ) -> Result<(Self, Outlet), WayError> {
        let caller = Arc::new(Caller::new(settings)?);
        let (waker, wake) = mpsc::channel(1);
        let limits = Arc::new(IntakeLimits::new());
        let unsent = opened.as_ref().map_or(1..1, |opened| opened.unsent.clone());
        let spool = opened.as_ref().map(|opened| opened.spool.clone());
        let desk = Arc::new(Desk::new(settings.unacked_bytes_max, spool, unsent, meters.clone()));
        let outlet = Outlet::new(desk.clone(), waker, limits.clone());
        let spooled = opened.map(|Opened { spool, links, .. }| Spooled {
            links,
            reader: None,
            reading: None,
            progress: Some(spool.progress()),
            spool,
        });
        let uplink = Self {
            caller,
            endpoint: settings.endpoint.clone(),
            backoff: settings.backoff,
            sealing,
            meters,
            limits,
            desk,
            wake,
            is_open: true,
            spooled,
            refused_at: None,
            welcomed: false,
        };
        Ok((uplink, outlet))
    }

    /// Delivers until all outlets are gone and everything is acknowledged, or until `cut`. Gives the number of events
    /// that were neither delivered nor spooled.
    pub(crate) async fn run(mut self, cut: CancellationToken) -> u64 {
        let caller = self.caller.clone();
        tokio::select! {
            () = self.deliver() => {}
            () = caller.keep_current(cut) => {}
        }
        let abandoned = self.desk.close().await;
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
            self.heed(&ended);
            let wait = match ended.policy() {
                stream::Policy::Retry => waits.next().unwrap_or(self.backoff.max),
                stream::Policy::Wait => self.backoff.max,
            };
            let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            tracing::warn!(endpoint = self.endpoint, wait_ms, "{ended}");
            if self.meanwhile(tokio::time::sleep(wait)).await.is_none() {
                return;
            }
        }
    }

    /// Opens a stream and talks until it breaks, on others when their time has come. `None` once there is nothing left to
    /// do.
    async fn one_stream(&mut self) -> Option<StreamError> {
        self.welcomed = false;
        let caller = self.caller.clone();
        let mut line = match self.meanwhile(caller.open()).await? {
            Ok(line) => line,
            Err(error) => return Some(error),
        };
        loop {
            self.welcomed = true;
            self.meters.connects.increment(1);
            self.take_welcome(&line.welcome);
            self.rewind();
            match self.converse(line).await? {
                Ended::Replaced(next) => line = *next,
                Ended::Broken(error) => return Some(error),
            }
        }
    }

    /// Talks on `line`. Once there is another one in its place, nothing more is sent; it is left when all that was sent
    /// is acknowledged, or breaks, or takes too long about it.
    async fn converse(&mut self, mut line: Line) -> Option<Ended> {
        let replacement = self.caller.clone().replacement(&mut line);
        let Line { uploads, mut replies, .. } = line;
        tokio::pin!(replacement);
        let mut next: Option<Box<Line>> = None;
        let patience = tokio::time::sleep(OPEN_TIMEOUT);
        tokio::pin!(patience);
        while !self.is_done() {
            if let Some(line) = next.take_if(|_| !self.desk.is_under_way() || patience.is_elapsed()) {
                return Some(Ended::Replaced(line));
            }
            let (has_unsent, wanted) = self.desk.outlook();
            self.read(wanted);
            let broken = tokio::select! {
                line = &mut replacement, if next.is_none() => {
                    patience.as_mut().reset(tokio::time::Instant::now() + OPEN_TIMEOUT);
                    next = Some(Box::new(line));
                    None
                }
                () = &mut patience, if next.is_some() => None,
                reply = replies.next() => reply.map(|reply| self.take_reply(reply)).err(),
                woken = self.wake.recv(), if self.is_open => {
                    self.is_open = woken.is_some();
                    None
                }
                read = Spooled::read_or_written(&mut self.spooled), if !has_unsent => {
                    self.take_read(read);
                    None
                }
                place = uploads.reserve(), if next.is_none() && has_unsent => match place {
                    Ok(place) => {
                        if let Some(upload) = self.next_upload() {
                            failpoint!("sidecar::uplink::before_send");
                            self.meters.uploads_sent.increment(1);
                            place.send(upload);
                        }
                        None
                    }
                    Err(_) => Some(StreamError::Closed),
                },
            };
            if let Some(error) = broken {
                return Some(next.map_or(Ended::Broken(error), Ended::Replaced));
            }
        }
        None
    }

    /// A new stream: everything is sent again.
    fn rewind(&mut self) {
        self.desk.rewind();
        if let Some(spooled) = &mut self.spooled {
            spooled.links.rewind();
        }
    }

    /// The next upload, sealed anew where its source's chain is broken.
    fn next_upload(&mut self) -> Option<Numbered> {
        let Numbered { number, mut sealed } = self.desk.next_unsent()?;
        if let Some(Spooled { links, .. }) = &mut self.spooled {
            let original = sealed.mac.clone();
            if let Some(anew) = links.judge(number, &sealed.about) {
                self.meters.batches_resealed.increment(1);
                if anew.previous_mac.is_empty() {
                    self.desk.break_chains();
                }
                if let Some(loss) = &anew.loss {
                    let (service, lost) = (&sealed.about.source.service, loss.count);
                    tracing::error!(service, lost, "what the spool has lost is declared lost");
                    self.meters.events_lost.add(loss.reason.label(), lost);
                }
                sealed = self.sealing.anew(&sealed, anew.previous_mac, anew.loss).unwrap_or(sealed);
            }
            links.note_sent(number, original, &sealed);
        }
        Some(Numbered { number, sealed })
    }

    /// Begins to read what is `wanted` from the spool, unless something is being read.
    fn read(&mut self, wanted: Option<Wanted>) {
        let (Some(spooled), Some(wanted)) = (&mut self.spooled, wanted) else { return };
        if spooled.reading.is_none() {
            let mut reader = spooled.reader.take().unwrap_or_else(|| spooled.spool.reader());
            self.meters.spool_reads.increment(1);
            spooled.reading = Some(tokio::task::spawn_blocking(move || {
                let read = reader.read(wanted.entry, wanted.bytes);
                (reader, read)
            }));
        }
    }

    fn take_read(&mut self, read: Option<Read>) {
        let (Some(spooled), Some(read)) = (&mut self.spooled, read) else { return };
        let mut gaps: Vec<_> = read.gaps.into_iter().map(|gap| gap.numbers).collect();
        let mut batches = Vec::new();
        for numbered in read.entries {
            match spooling::sealed(&numbered.entry) {
                Some(sealed) => batches.push((numbered.number, sealed)),
                // Written by nobody who knows what a batch is.
                None => gaps.push(numbered.number..numbered.number + 1),
            }
        }
        if !gaps.is_empty() {
            let lost: u64 = gaps.iter().map(|gap| gap.end - gap.start).sum();
            tracing::error!(lost, "the spool has lost batches; what was in them is declared lost");
            spooled.links.note_gap();
        }
        self.desk.take_read(batches, &gaps);
    }

    fn take_reply(&mut self, reply: Reply) {
        if let Some(Body::Ack(ack)) = reply.body {
            let acknowledged = self.desk.acknowledge(ack.through_number, ack.level());
            self.meters.uploads_acknowledged.increment(acknowledged);
            if let Some(spooled) = &mut self.spooled {
                spooled.links.acknowledge(ack.through_number);
            }
        }
    }

    /// Notes which batch the comparator does not find to follow: the first one that it does not acknowledge twice in a row,
    /// as before the first time acknowledgements may have been on their way.
    fn heed(&mut self, ended: &StreamError) {
        let is_missing = matches!(ended, StreamError::Status(status) if status.code() == Code::FailedPrecondition);
        if !is_missing {
            self.refused_at = None;
            return;
        }
        let (Some(spooled), Some((number, sealed))) = (&mut self.spooled, self.desk.front()) else { return };
        if self.refused_at == Some(number) {
            let service = &sealed.about.source.service;
            tracing::error!(service, "the comparator misses a batch before this one; a new chain begins");
            spooled.links.refuse(number, &sealed.about.source);
        }
        self.refused_at = Some(number);
    }

    fn take_welcome(&mut self, welcome: &IntakeWelcome) {
        self.limits.set(welcome);
        let (endpoint, maps) = (&self.endpoint, welcome.maps.len());
        match self.sealing.choose(&welcome.key_ids) {
            Some(key_id) => tracing::info!(%endpoint, maps, key_id, "the comparator answers"),
            None => {
                let accepted = welcome.key_ids.join(", ");
                tracing::error!(%endpoint, accepted, "the comparator accepts none of `keys`; add one that it lists");
            }
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
                woken = self.wake.recv(), if self.is_open => self.is_open = woken.is_some(),
            }
        }
    }

    fn is_done(&self) -> bool {
        !self.is_open && self.desk.is_empty()
    }
}

impl Spooled {
    /// What was being read, or nothing once more is written that may be read. Without a spool: never.
    async fn read_or_written(spooled: &mut Option<Spooled>) -> Option<Read> {
        let Some(Spooled { reader, reading, progress, .. }) = spooled else { return std::future::pending().await };
        let Some(task) = reading else {
            desk::written(progress).await;
            return None;
        };
        let read = task.await;
        *reading = None;
        match read {
            Ok((at, Ok(read))) => {
                *reader = Some(at);
                Some(read)
            }
            Ok((_, Err(error))) => {
                tracing::warn!(error = %error.source, "the spool cannot be read; it is tried again");
                tokio::time::sleep(READ_AGAIN).await;
                None
            }
            // It panicked, or the process ends.
            Err(_) => None,
        }
    }
}
