//! The intake: serves sidecars' streams, hands each upload to the engine, and acknowledges.
//!
//! # Invariants
//!
//! - A batch is acknowledged after what it made necessary was told, and, where there is a journal, not before it stands
//!   there for good.
//! - What is wrong with one stream ends that stream, with a status that says what was wrong; others go on.

use crate::Parts;
use crate::admission::{Admission, Admitted};
use crate::contract::Contract;
use crate::engine::{Grants, Refused};
use crate::journal::Journal;
use crate::metrics;
use crate::recall::{Asks, Line};
use crate::sources::Broken;
use counterfoil_clock::now;
use counterfoil_proto::nanoseconds;
use counterfoil_proto::wire::{self, emit, reply::Body};
use counterfoil_spool::Progress;
use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::{mpsc, watch};
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

/// Replies that may wait for a slow sidecar; then its uploads wait.
const REPLIES_MAX: usize = 64;

/// Of these, so many places are for acknowledgements alone.
const REPLIES_KEPT_FREE: usize = REPLIES_MAX / 2;

/// Uploads of a stream that may wait for the journal; then no more are read.
const WAITING_MAX: usize = 4_096;

/// Labels of the reasons for which a batch is refused.
const REFUSED: [&str; 9] =
    ["tenant", "service", "key", "code", "signature", "malformed", "too_large", "sources", "order"];

impl Refused {
    /// The reason as a metric label: one of [`REFUSED`].
    fn label(&self) -> &'static str {
        match self {
            Self::NoTenant | Self::Tenant(_) => "tenant",
            Self::Service(_) => "service",
            Self::Key { .. } => "key",
            Self::Code => "code",
            Self::Signature | Self::Chain(Broken::Signer) => "signature",
            Self::Encoding(_) | Self::Malformed(_) => "malformed",
            Self::Bytes { .. } | Self::Events { .. } => "too_large",
            Self::Sources => "sources",
            Self::Chain(Broken::Missing) => "order",
        }
    }
}

impl From<Refused> for Status {
    fn from(refused: Refused) -> Self {
        let message = refused.to_string();
        match refused {
            Refused::NoTenant | Refused::Tenant(_) | Refused::Service(_) => Self::permission_denied(message),
            Refused::Key { .. } | Refused::Code | Refused::Signature => Self::unauthenticated(message),
            Refused::Chain(_) => Self::failed_precondition(message),
            Refused::Encoding(_) | Refused::Malformed(_) => Self::invalid_argument(message),
            Refused::Bytes { .. } | Refused::Events { .. } | Refused::Sources => {
                Self::resource_exhausted(message)
            }
        }
    }
}

/// Everything the intake works on.
pub(crate) struct Receiver(Arc<Parts>);

impl Receiver {
    /// Takes batches in for the engine of `parts`.
    pub(crate) fn new(parts: Arc<Parts>) -> Self {
        for reason in REFUSED {
            metrics::REFUSED.counter(&[("reason", reason)]).increment(0);
        }
        Self(parts)
    }

    fn welcome(&self) -> wire::IntakeWelcome {
        let narrow = |limit: usize| u32::try_from(limit).unwrap_or(u32::MAX);
        let (engine, limits) = (&self.0.engine, self.0.engine.limits());
        // A map in several stores has several contracts, and one form.
        let maps = engine.contracts().iter().filter(|contract| contract.is_reported);
        let form = |contract: &Contract| contract.digesters.form().versioned_name().to_owned();
        let (maps, forms) = maps.map(|contract| (contract.name.to_string(), form(contract))).unzip();
        wire::IntakeWelcome {
            protocol: counterfoil_proto::PROTOCOL,
            batch_bytes_max: narrow(limits.batch_bytes_max),
            batch_events_max: narrow(limits.batch_events_max),
            maps,
            key_ids: engine.key_ids().map(str::to_owned).collect(),
            forms,
        }
    }

    /// The level at which uploads are acknowledged.
    fn level(&self) -> emit::AckLevel {
        match self.0.journal {
            Some(_) => emit::AckLevel::Accepted,
            None => emit::AckLevel::Received,
        }
    }

    /// Takes one upload. Gives the number of the entry of the journal that has to be on disk before it is acknowledged; 0
    /// where there is none.
    async fn take(&self, upload: wire::Upload, grants: &dyn Grants, line: &Arc<Line>) -> Result<u64, Status> {
        let number = upload.number;
        self.try_take(upload, grants, line).await.inspect_err(|status| {
            tracing::warn!(%status, number, "a batch was refused");
        })
    }

    async fn try_take(
        &self,
        upload: wire::Upload,
        grants: &dyn Grants,
        line: &Arc<Line>,
    ) -> Result<u64, Status> {
        let Parts { engine, telling, journal, recall, .. } = &*self.0;
        let (at, is_answering) = (now(), upload.recalls);
        let admitted = engine.admit(upload, grants, at).map_err(refused)?;
        let source = admitted.source().clone();
        let order = source.order().await;
        let entered = engine.enter(&admitted, at).map_err(refused)?;
        failpoint!("comparator::journal::before_append");
        if let Some(journal) = journal
            && entered.is_new
            && admitted.has_news()
        {
            let kept = journal.keep(admitted.into_upload(), at, &source).await;
            kept.map_err(|ended| Status::unavailable(ended.to_string()))?;
        }
        failpoint!("comparator::journal::after_append");
        drop(order);
        recall.carries(source.id, line, is_answering);
        telling.tell(entered.effects).await;
        Ok(source.place())
    }
}

fn refused(refused: Refused) -> Status {
    metrics::REFUSED.counter(&[("reason", refused.label())]).increment(1);
    refused.into()
}

/// One sidecar's stream.
struct Conversation {
    receiver: Arc<Receiver>,
    grants: Arc<dyn Grants>,
    replies: mpsc::Sender<Result<wire::Reply, Status>>,
    /// Uploads taken that are not acknowledged: their numbers, and the entries of the journal that they wait for.
    waiting: VecDeque<(u64, u64)>,
    /// How far the journal is on disk.
    progress: Option<watch::Receiver<Progress>>,
    /// Where values are recalled from the sidecar, and what it is to be asked.
    line: Arc<Line>,
    asks: Asks,
}

/// The sidecar reads no more.
struct Deaf;

impl Conversation {
    /// Serves the stream until either side ends it.
    async fn serve(mut self, mut uploads: Streaming<wire::Upload>) -> Result<(), Deaf> {
        self.reply(Ok(Body::Welcome(self.receiver.welcome()))).await?;
        loop {
            tokio::select! {
                upload = uploads.message(), if self.waiting.len() < WAITING_MAX => match upload {
                    Ok(Some(upload)) => self.take(upload).await?,
                    Ok(None) => return Ok(()),
                    Err(status) => {
                        tracing::debug!(%status, "a sidecar's stream broke");
                        return Ok(());
                    }
                },
                Some(recall) = self.asks.recv() => self.recall(recall)?,
                is_open = written(&mut self.progress), if !self.waiting.is_empty() => if !is_open {
                    return Ok(());
                },
            }
            self.acknowledge().await?;
        }
    }

    async fn take(&mut self, mut upload: wire::Upload) -> Result<(), Deaf> {
        if let Some(recalled) = upload.recalled.take() {
            return self.take_recalled(recalled, &upload).await;
        }
        let number = upload.number;
        match self.receiver.take(upload, &*self.grants, &self.line).await {
            Ok(entry) => {
                self.waiting.push_back((number, entry));
                Ok(())
            }
            Err(status) => {
                self.reply(Err(status)).await?;
                Err(Deaf)
            }
        }
    }

    /// Takes the answer to a recall, beside which there is no batch: that would never be acknowledged.
    async fn take_recalled(&mut self, recalled: wire::Recalled, beside: &wire::Upload) -> Result<(), Deaf> {
        if !beside.batch.is_empty() {
            let message = "recalled stands beside a batch; send each in an upload of its own";
            self.reply(Err(Status::invalid_argument(message))).await?;
            return Err(Deaf);
        }
        self.receiver.0.recall.answered(&self.line, recalled);
        Ok(())
    }

    /// Asks for a value, unless replies wait for the sidecar already: acknowledgements have the room then.
    fn recall(&self, recall: wire::Recall) -> Result<(), Deaf> {
        let id = recall.id;
        if self.replies.capacity() <= REPLIES_KEPT_FREE {
            self.line.unsent(id);
            return Ok(());
        }
        self.replies.try_send(Ok(stamped(Body::Recall(recall)))).map_err(|_| Deaf)
    }

    /// Acknowledges what is safe by now.
    async fn acknowledge(&mut self) -> Result<(), Deaf> {
        let durable = self.progress.as_ref().map_or(u64::MAX, |progress| progress.borrow().durable);
        let mut through = None;
        while let Some((number, _)) = self.waiting.pop_front_if(|(_, entry)| *entry <= durable) {
            through = Some(number);
        }
        let Some(through_number) = through else { return Ok(()) };
        failpoint!("comparator::journal::before_ack");
        let level = self.receiver.level().into();
        self.reply(Ok(Body::Ack(wire::IntakeAck { level, through_number }))).await
    }

    async fn reply(&self, reply: Result<Body, Status>) -> Result<(), Deaf> {
        self.replies.send(reply.map(stamped)).await.map_err(|_| Deaf)
    }
}

fn stamped(body: Body) -> wire::Reply {
    wire::Reply { sent_ns: nanoseconds(now()), body: Some(body) }
}

/// Waits until more of the journal is on disk. `false` when there is no journal any more.
async fn written(progress: &mut Option<watch::Receiver<Progress>>) -> bool {
    match progress {
        Some(progress) => progress.changed().await.is_ok(),
        None => std::future::pending().await,
    }
}

/// The gRPC service.
pub(crate) struct Service {
    /// Takes batches in.
    pub(crate) receiver: Arc<Receiver>,
    /// Says who may open a stream.
    pub(crate) admission: Arc<Admission>,
    /// Ends the streams.
    pub(crate) stop: CancellationToken,
}

#[tonic::async_trait]
impl wire::intake_server::Intake for Service {
    type StreamStream = Pin<Box<dyn Stream<Item = Result<wire::Reply, Status>> + Send>>;

    async fn stream(
        &self,
        request: Request<Streaming<wire::Upload>>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        let (replies, outgoing) = mpsc::channel(REPLIES_MAX);
        let (receiver, admission, stop) = (self.receiver.clone(), self.admission.clone(), self.stop.clone());
        let Admitted { grants, for_time } = admission.admit(&request)?;
        let progress = receiver.0.journal.as_ref().map(Journal::progress);
        let (line, asks) = Line::new();
        let line = Arc::new(line);
        let waiting = VecDeque::new();
        let parts = receiver.0.clone();
        let conversation = Conversation { receiver, grants, replies, waiting, progress, line, asks };
        // Ends with the stream, because `replies` is closed or the uploads are at their end, or with the comparator.
        tokio::spawn(async move {
            let served = tokio::time::timeout(for_time, conversation.serve(request.into_inner()));
            match stop.run_until_cancelled(served).await {
                Some(Ok(Err(Deaf))) => tracing::debug!("a sidecar left its stream"),
                Some(Err(_)) => admission.outlived(),
                Some(Ok(Ok(()))) | None => {}
            }
            parts.recall.ended();
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(outgoing))))
    }
}
