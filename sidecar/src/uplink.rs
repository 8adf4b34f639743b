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
//! Where values are kept, the comparator may ask for some on the way back. The answers go out as uploads of their own, whenever no
//! batch waits to be sent; see [`recalls`].
//!
//! Each upload carries the clock readings that let the comparator bound the offset between the two clocks. They are
//! taken when the stream asks for the upload, not when it was queued. The first upload waits for the comparator's
//! welcome, so that it echoes a reply already: without one the comparator could not place its times.

mod backlog;
mod caller;
mod desk;
mod forms;
mod limits;
mod line;
mod links;
mod outlet;
mod recalls;
mod spooled;
mod stream;

pub use caller::WayError;
#[cfg(test)]
pub(crate) use links::trial;
pub(crate) use links::{Links, Tail};
pub(crate) use outlet::{News, Outlet};

use crate::config;
use crate::metrics::Meters;
use crate::sealing::Sealing;
use crate::spooling::Opened;
use crate::values::Values;
use backlog::Numbered;
use caller::Caller;
use counterfoil_clock::now;
use counterfoil_proto::wire::{IntakeAck, IntakeWelcome, Reply, Upload, reply::Body};
use desk::Desk;
use forms::Forms;
use limits::IntakeLimits;
use line::Line;
use recalls::{Recalls, Turn};
use spooled::Spooled;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use stream::StreamError;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// What a waiting batch costs besides its bytes.
const OVERHEAD_BYTES: usize = 256;

/// How long opening a stream may take, and how long leaving one for another.
const OPEN_TIMEOUT: Duration = Duration::from_secs(10);

/// How a conversation with the comparator ended.
enum Ended {
    /// Another stream took its place, and nothing is on its way on this one.
    Replaced(Box<Line>),
    /// It broke.
    Broken(StreamError),
}

/// The task that delivers.
pub(crate) struct Uplink {
    caller: Arc<Caller>,
    endpoint: String,
    backoff: config::Backoff,
    sealing: Arc<Sealing>,
    forms: Forms,
    meters: Arc<Meters>,
    limits: Arc<IntakeLimits>,
    desk: Arc<Desk>,
    /// Tells of batches that were handed in.
    wake: mpsc::Receiver<()>,
    /// Connections may still hand in batches.
    is_open: bool,
    spooled: Option<Spooled>,
    recalls: Recalls,
    /// The comparator answered on the present stream.
    welcomed: bool,
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
        maps: &[config::Map],
        values: Option<Arc<Values>>,
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
        let spooled = opened.map(|opened| Spooled::new(opened, sealing.clone(), meters.clone()));
        let uplink = Self {
            caller,
            endpoint: settings.endpoint.clone(),
            backoff: settings.backoff,
            sealing,
            forms: Forms::new(maps),
            meters,
            limits,
            desk,
            wake,
            is_open: true,
            spooled,
            recalls: Recalls::new(values, now()),
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
            if let Some(spooled) = &mut self.spooled {
                spooled.heed(&ended, &self.desk);
            }
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
            if let (Some(spooled), Some(wanted)) = (&mut self.spooled, wanted) {
                spooled.read(wanted);
            }
            let answer = if has_unsent || next.is_some() { Turn::Never } else { self.recalls.turn(now()) };
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
                found = Spooled::read_or_written(&mut self.spooled), if !has_unsent => {
                    if let (Some(spooled), Some(found)) = (&mut self.spooled, found) {
                        spooled.take(found, &self.desk);
                    }
                    None
                }
                () = until(answer), if matches!(answer, Turn::At(_)) => None,
                place = uploads.reserve(), if (next.is_none() && has_unsent) || answer == Turn::Now => match place {
                    Ok(place) => {
                        let upload = if has_unsent { self.next_upload() } else { self.recalls.next(now()) };
                        if let Some(upload) = upload {
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
        self.recalls.rewind();
        if let Some(spooled) = &mut self.spooled {
            spooled.rewind();
        }
    }

    /// The next batch as it is to be sent.
    fn next_upload(&mut self) -> Option<Upload> {
        let upload = self.desk.next_unsent()?;
        let Numbered { number, sealed } = match &mut self.spooled {
            Some(spooled) => spooled.linked(upload, &self.desk),
            None => upload,
        };
        failpoint!("sidecar::uplink::before_send");
        self.meters.uploads_sent.increment(1);
        Some(Upload { recalls: self.recalls.are_answered(), ..sealed.into_upload(number) })
    }

    fn take_reply(&mut self, reply: Reply) {
        match reply.body {
            Some(Body::Ack(ack)) => self.take_ack(&ack),
            Some(Body::Recall(recall)) => self.recalls.ask(recall),
            Some(Body::Welcome(_)) | None => {}
        }
    }

    fn take_ack(&mut self, ack: &IntakeAck) {
        let acknowledged = self.desk.acknowledge(ack.through_number, ack.level());
        self.meters.uploads_acknowledged.increment(acknowledged);
        if let Some(spooled) = &mut self.spooled {
            spooled.acknowledge(ack.through_number);
        }
    }

    fn take_welcome(&mut self, welcome: &IntakeWelcome) {
        self.limits.set(welcome);
        self.heed_forms(welcome);
        let (endpoint, maps) = (&self.endpoint, welcome.maps.len());
        match self.sealing.choose(&welcome.key_ids) {
            Some(key_id) => tracing::info!(%endpoint, maps, key_id, "the comparator answers"),
            None => {
                let accepted = welcome.key_ids.join(", ");
                tracing::error!(%endpoint, accepted, "the comparator accepts none of `keys`; add one that it lists");
            }
        }
    }

    fn heed_forms(&mut self, welcome: &IntakeWelcome) {
        let differing = self.forms.differing(welcome);
        self.meters.differing_forms.set(differing.len() as f64);
        for forms::Differing { map, theirs, .. } in differing.iter().filter(|it| it.is_news) {
            let (own, own_form) = (map.form.versioned_name(), map.form.describe());
            let map = &*map.name;
            tracing::error!(
                map,
                own,
                own_form,
                theirs,
                "the comparator compares in another form; no value will agree: write `codec` and `rules` alike on both sides"
            );
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

/// Waits until an answer may be sent.
async fn until(answer: Turn) {
    match answer {
        Turn::At(then) => {
            tokio::time::sleep(Duration::from_nanos(u64::try_from(then.since(now())).unwrap_or_default()))
                .await;
        }
        Turn::Now => {}
        Turn::Never => std::future::pending().await,
    }
}
