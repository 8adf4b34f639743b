//! The intake: serves sidecars' streams, hands each upload to the engine, and acknowledges.
//!
//! # Invariants
//!
//! - A batch is acknowledged after what it made necessary was told.
//! - What is wrong with one stream ends that stream, with a status that says what was wrong; others go on.

use crate::Parts;
use crate::engine::Refused;
use crate::metrics;
use counterfoil_clock::now;
use counterfoil_proto::nanoseconds;
use counterfoil_proto::wire::{self, emit, reply::Body};
use std::pin::Pin;
use std::sync::Arc;
use tokio::sync::mpsc;
use tokio_stream::Stream;
use tokio_stream::wrappers::ReceiverStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status, Streaming};

/// Replies that may wait for a slow sidecar; then its uploads wait.
const REPLIES_MAX: usize = 64;

/// Labels of the reasons for which a batch is refused.
const REFUSED: [&str; 5] = ["key", "code", "malformed", "too_large", "sources"];

impl Refused {
    /// The reason as a metric label: one of [`REFUSED`].
    fn label(&self) -> &'static str {
        match self {
            Self::Key { .. } => "key",
            Self::Code => "code",
            Self::Encoding(_) | Self::Malformed(_) => "malformed",
            Self::Bytes { .. } | Self::Events { .. } => "too_large",
            Self::Sources => "sources",
        }
    }
}

impl From<Refused> for Status {
    fn from(refused: Refused) -> Self {
        let message = refused.to_string();
        match refused {
            Refused::Key { .. } | Refused::Code => Self::unauthenticated(message),
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
        wire::IntakeWelcome {
            protocol: counterfoil_proto::PROTOCOL,
            batch_bytes_max: narrow(limits.batch_bytes_max),
            batch_events_max: narrow(limits.batch_events_max),
            maps: engine.contracts().iter().map(|contract| contract.name.to_string()).collect(),
        }
    }

    /// Serves one stream until either side ends it.
    async fn serve(
        &self,
        mut uploads: Streaming<wire::Upload>,
        replies: mpsc::Sender<Result<wire::Reply, Status>>,
    ) {
        let mut reply = Ok(Body::Welcome(self.welcome()));
        loop {
            let last = reply.is_err();
            let stamped = reply.map(|body| wire::Reply { sent_ns: nanoseconds(now()), body: Some(body) });
            if replies.send(stamped).await.is_err() || last {
                return;
            }
            let upload = match uploads.message().await {
                Ok(Some(upload)) => upload,
                Ok(None) => return,
                Err(status) => {
                    tracing::debug!(%status, "a sidecar's stream broke");
                    return;
                }
            };
            let number = upload.number;
            reply = match self.0.engine.take(upload, now()) {
                Ok(effects) => {
                    self.0.telling.tell(effects).await;
                    let level = emit::AckLevel::Received.into();
                    Ok(Body::Ack(wire::IntakeAck { level, through_number: number }))
                }
                Err(refused) => {
                    metrics::REFUSED.counter(&[("reason", refused.label())]).increment(1);
                    let status = Status::from(refused);
                    tracing::warn!(%status, number, "a batch was refused");
                    Err(status)
                }
            };
        }
    }
}

/// The gRPC service, and what ends its streams.
pub(crate) struct Service(pub(crate) Arc<Receiver>, pub(crate) CancellationToken);

#[tonic::async_trait]
impl wire::intake_server::Intake for Service {
    type StreamStream = Pin<Box<dyn Stream<Item = Result<wire::Reply, Status>> + Send>>;

    async fn stream(
        &self,
        request: Request<Streaming<wire::Upload>>,
    ) -> Result<Response<Self::StreamStream>, Status> {
        let (replies, outgoing) = mpsc::channel(REPLIES_MAX);
        let (receiver, stop) = (self.0.clone(), self.1.clone());
        // Ends with the stream, because `replies` is closed or the uploads are at their end, or with the comparator.
        tokio::spawn(async move {
            stop.run_until_cancelled(receiver.serve(request.into_inner(), replies)).await;
        });
        Ok(Response::new(Box::pin(ReceiverStream::new(outgoing))))
    }
}
